//! `notify.webhook` on one machine: the program itself, and a server that takes its messages.

use std::path::Path;
use std::sync::{Arc, Mutex};

use autopilot_export::sandbox::{Options, Sandbox};
use axum::Router;
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::fixture::{EXPORT, people, settings};

/// What arrived, in order.
type Received = Arc<Mutex<Vec<Value>>>;

/// A server whose first answers are these; then it accepts everything. Gives its address, which is a secret.
async fn server(first: &[u16]) -> (String, Received) {
    let (received, first) = (Received::default(), Arc::new(Mutex::new(first.to_vec())));
    let kept = received.clone();
    let take = move |body: String| {
        let (kept, first) = (kept.clone(), first.clone());
        async move {
            let mut first = first.lock().unwrap();
            if !first.is_empty() {
                return StatusCode::from_u16(first.remove(0)).unwrap();
            }
            kept.lock().unwrap().push(serde_json::from_str(&body).unwrap());
            StatusCode::OK
        }
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}/hook?sig=s3cret-of-the-webhook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(take)).await });
    (address, received)
}

async fn run(folder: &Path, drop: &str, variable: &str, more: &[&str]) -> (i32, String) {
    std::fs::write(folder.join("members.csv"), drop).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_autopilot-export"));
    command.current_dir(folder).args(["run", EXPORT, "members.csv"]).args(more);
    let output =
        command.env("AUTOPILOT_API_KEY", "any").env("AUTOPILOT_EXPORT_WEBHOOK", variable).output().await.unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap_or(-1), text)
}

fn folder(sandbox: &Sandbox, kind: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&sandbox.url());
    settings["exports"][EXPORT]["notify"] = json!({ "webhook": { "kind": kind } });
    std::fs::write(folder.path().join("exports.json"), settings.to_string()).unwrap();
    folder
}

#[tokio::test]
async fn a_webhook_gets_each_change_once() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let folder = folder(&sandbox, "json");
    // The first attempt fails, and is repeated.
    let (address, received) = server(&[503]).await;
    std::fs::write(folder.path().join("address.txt"), format!("{address}\n")).unwrap();
    let good = people(0, 5, 1);
    let empty = good.lines().next().unwrap().to_owned() + "\n";
    for (drop, code) in [(&good, 0), (&empty, 4), (&empty, 4), (&good, 0), (&good, 0)] {
        let (ended, text) = run(folder.path(), drop, "", &["--webhook-file", "address.txt"]).await;
        assert_eq!(ended, code, "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
    let received = received.lock().unwrap();
    let messages: Vec<_> =
        received.iter().map(|one| (&one["outcome"], one["message"]["subject"].as_str().unwrap())).collect();
    let (guard, recovered) = (json!("stopped_by_guard"), json!("nothing_to_do"));
    let expected = [
        (&guard, "autopilot-export: newsletter: stopped by a guard"),
        (&recovered, "autopilot-export: newsletter: recovered"),
    ];
    assert_eq!(messages, expected);
    assert!(received[0]["message"]["body"].as_str().unwrap().contains("autopilot-export run newsletter"));
}

#[tokio::test]
async fn slack_and_teams_get_their_own_form() {
    for (kind, at) in [("slack", "/text"), ("teams", "/attachments/0/content/body/0/text")] {
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        let folder = folder(&sandbox, kind);
        let (address, received) = server(&[]).await;
        for (drop, code) in [(people(0, 5, 1), 0), (people(0, 0, 1), 4)] {
            let (ended, text) = run(folder.path(), &drop, &address, &[]).await;
            assert_eq!(ended, code, "{text}");
        }
        let received = received.lock().unwrap();
        let said = received[0].pointer(at).and_then(Value::as_str).unwrap();
        assert!(said.contains("autopilot-export: newsletter: stopped by a guard"), "{said}");
    }
}

#[tokio::test]
async fn a_webhook_that_fails_fails_no_run_and_is_tried_again() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let folder = folder(&sandbox, "json");
    let (address, received) = server(&[404; 4]).await;
    let warning = "the webhook: was not notified: it answered 404";
    for (drop, code, says) in [(people(0, 5, 1), 0, ""), (people(0, 0, 1), 4, warning), (people(0, 0, 1), 4, "")] {
        assert!(received.lock().unwrap().is_empty());
        let (ended, text) = run(folder.path(), &drop, &address, &[]).await;
        assert!(ended == code && text.contains(says) && !text.contains("s3cret"), "{ended}: {text}");
    }
    assert_eq!(received.lock().unwrap().len(), 1);
}
