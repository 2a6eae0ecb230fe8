//! Hostile surroundings: what the client does with a server that is none, or means harm.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use autopilot_export::adapters::http::HttpClient;
use autopilot_export::config;
use autopilot_export::destination::autopilot::request::{Endpoint, Membership};
use autopilot_export::destination::autopilot::response::{Payload, Reply, read};
use autopilot_export::ports::Http;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::fixture::{API_KEY, settings};

/// Asks an address, as a run does.
async fn ask(url: &str, endpoint: &Endpoint) -> Reply {
    let Some(call) = endpoint.call() else { return Reply::Refused("never sent".into()) };
    let mut key = http::HeaderValue::from_static(API_KEY);
    key.set_sensitive(true);
    let request = http::Request::builder().method(call.method).uri(format!("{url}{}", call.path));
    let request = request.header("autopilotapikey", key).body(call.body).unwrap();
    match HttpClient::default().send(request, Duration::from_secs(20), call.max_response_bytes).await {
        Ok(response) => read(endpoint, &response),
        Err(none) => Reply::Failed(none.0),
    }
}

/// A server that answers every request with these bytes, and remembers the requests' heads.
struct Scripted {
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    async fn new(head: String, piece: Vec<u8>, times: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (head, piece, seen) = (head.clone(), piece.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    let mut request = vec![0; 1 << 16];
                    let read = stream.read(&mut request).await.unwrap_or_default();
                    seen.lock().unwrap().push(String::from_utf8_lossy(&request[..read]).into_owned());
                    let _ = stream.write_all(head.as_bytes()).await;
                    for _ in 0..times {
                        if stream.write_all(&piece).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Self { url, heads }
    }

    async fn answers(status: &str, headers: &str, body: &str) -> Self {
        let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
        Self::new(head, body.into(), 1).await
    }

    async fn ask(&self, endpoint: &Endpoint) -> Reply {
        ask(&self.url, endpoint).await
    }

    fn requests(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_kept() {
    let chunk = [format!("{:x}\r\n", 1 << 16).as_bytes(), &vec![b' '; 1 << 16][..], b"\r\n"].concat();
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    let server = Scripted::new(head, chunk, 100_000).await;
    assert_eq!(server.ask(&Endpoint::Account).await, Reply::Failed("the answer is too large"));
}

#[tokio::test]
async fn an_answer_is_as_long_as_its_call_gives_reason_for() {
    let lists = format!("{}{{\"lists\":[]}}", " ".repeat(2 << 20));
    let server = Scripted::answers("200 OK", "", &lists).await;
    assert_eq!(server.ask(&Endpoint::Lists).await, Reply::Done(Payload::Lists(vec![])));
    let member = Membership { list: "l".into(), contact: "c".into() };
    for call in [
        Endpoint::Account,
        Endpoint::CreateList("t".into()),
        Endpoint::Contact("c".into()),
        Endpoint::Member(member.clone()),
        Endpoint::UpsertMany("{}".into()),
        Endpoint::UpsertOne("{}".into()),
        Endpoint::AddMember(member.clone()),
        Endpoint::RemoveMember(member),
    ] {
        assert_eq!(server.ask(&call).await, Reply::Failed("the answer is too large"), "{call:?}");
    }
}

#[tokio::test]
async fn headers_without_end_are_not_kept() {
    let server = Scripted::new("HTTP/1.1 200 OK\r\n".into(), b"x-more: and more\r\n".repeat(1000), 10_000).await;
    assert!(matches!(server.ask(&Endpoint::Account).await, Reply::Failed(_)));
}

#[tokio::test]
async fn the_key_follows_no_redirect() {
    let other = Scripted::answers("200 OK", "", r#"{"instanceId":"other"}"#).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let server = Scripted::answers(status, &format!("location: {}/account\r\n", other.url), "").await;
        assert!(matches!(server.ask(&Endpoint::Account).await, Reply::Failed(_)), "{status}");
        assert_eq!(server.requests().len(), 1, "{status}");
    }
    assert_eq!(other.requests(), [""; 0], "nobody asked the other server");
}

#[tokio::test]
async fn an_answer_that_is_none_is_unclear() {
    let many = Endpoint::UpsertMany("{}".into());
    let add = Endpoint::AddMember(Membership { list: "l".into(), contact: "c".into() });
    for body in [
        "<html>Log in</html>",
        "[]",
        "5",
        "null",
        "{\"instanceId\":[]}",
        "\"text\"",
        "{\"lists\":7}",
        "{\"contact_id\":{}}",
    ] {
        let server = Scripted::answers("200 OK", "content-type: text/html\r\n", body).await;
        for call in [&Endpoint::Account, &Endpoint::Lists, &many, &Endpoint::CreateList("t".into())] {
            assert!(matches!(server.ask(call).await, Reply::Failed(_)), "{call:?} {body}");
        }
    }
    let page = Scripted::answers("200 OK", "", "<html></html>").await;
    assert!(matches!(page.ask(&add).await, Reply::Failed(_)));
    // Deep nesting is refused by the reader of JSON, not by the stack.
    let deep = Scripted::answers("200 OK", "", &"[".repeat(200_000)).await;
    assert!(matches!(deep.ask(&add).await, Reply::Failed(_)));
    // A gateway that has lost its server knows nothing of the contact.
    let lost = Scripted::answers("404 Not Found", "content-type: text/html\r\n", "<html>404</html>").await;
    let remove = Endpoint::RemoveMember(Membership { list: "l".into(), contact: "c".into() });
    for call in [&remove, &Endpoint::Contact("c".into()), &many] {
        assert!(matches!(lost.ask(call).await, Reply::Failed(_)), "{call:?}");
    }
    let wait = Scripted::answers("429 Slow", "retry-after: 1e300\r\n", "").await;
    assert!(matches!(wait.ask(&add).await, Reply::RateLimited(_)));
}

#[tokio::test]
async fn ids_are_encoded_in_paths() {
    let server = Scripted::answers("200 OK", "", "{}").await;
    let call =
        Endpoint::Member(Membership { list: "a b/../c?d#e%".into(), contact: "ann+x@example.com\r\nx: y".into() });
    assert_eq!(server.ask(&call).await, Reply::Done(Payload::Nothing));
    let request = server.requests().concat();
    let line = request.lines().next().unwrap();
    let path = "/v1/list/a%20b%2F..%2Fc%3Fd%23e%25/contact/ann%2Bx%40example.com%0D%0Ax%3A%20y";
    assert_eq!(line, format!("GET {path} HTTP/1.1"));
    assert!(!request.contains("\r\nx: y"), "{request}");
}

// Promise 11: "Leaving a segment never deletes a contact."
#[tokio::test]
async fn an_id_that_leads_elsewhere_is_never_sent() {
    let server = Scripted::answers("200 OK", "", "{}").await;
    for (list, contact) in [("..", "person_1"), (".", "person_1"), ("", "person_1"), ("l", ".."), ("l", "."), ("l", "")]
    {
        let member = Membership { list: list.into(), contact: contact.into() };
        for call in [
            Endpoint::Member(member.clone()),
            Endpoint::AddMember(member.clone()),
            Endpoint::RemoveMember(member.clone()),
        ] {
            assert!(matches!(server.ask(&call).await, Reply::Refused(_)), "{call:?}");
        }
    }
    assert_eq!(server.requests(), [""; 0]);
}

#[tokio::test]
async fn the_client_itself_gives_the_key_to_no_other_machine_in_plain() {
    let server = Scripted::answers("200 OK", "", r#"{"instanceId":"a"}"#).await;
    let port = server.url.rsplit_once(':').unwrap().1;
    for url in ["http://0.0.0.0:", "http://[::ffff:127.0.0.1]:", "http://127.1:", "ftp://127.0.0.1:"] {
        let url = format!("{url}{port}");
        let answer = ask(&url, &Endpoint::Account).await;
        assert!(matches!(answer, Reply::Failed(why) if why.contains("neither https")), "{url}: {answer:?}");
    }
    assert_eq!(server.requests(), [""; 0]);
    let url = format!("http://127.0.0.1:{port}");
    let answer = ask(&url, &Endpoint::Account).await;
    assert_eq!(answer, Reply::Done(Payload::Account("a".into())));
}

#[test]
fn tls_is_required_off_loopback() {
    for (url, fine) in [
        ("http://127.0.0.1:9/v1", true),
        ("http://localhost:9/v1", true),
        ("http://[::1]:9/v1", true),
        ("http://127.1.2.3:9/v1", true),
        ("http://[0:0:0:0:0:0:0:1]:9/v1", true),
        ("https://autopilot.example/v1", true),
        ("http://autopilot.example/v1", false),
        ("http://127.0.0.1.autopilot.example/v1", false),
        ("http://localhost.autopilot.example/v1", false),
        ("http://localhost@autopilot.example/v1", false),
        ("http://127.0.0.1:9@autopilot.example/v1", false),
        ("HTTP://autopilot.example/v1", false),
        ("HTTP://127.0.0.1/v1", false),
        ("http://10.0.0.1/v1", false),
        ("http://0.0.0.0/v1", false),
        ("ftp://autopilot.example/v1", false),
        ("file:///etc/passwd", false),
    ] {
        let mut settings = settings("http://127.0.0.1:9/v1");
        settings["connections"]["eu"]["base_url"] = json!(url);
        assert_eq!(config::parse(&settings.to_string()).is_ok(), fine, "{url}");
    }
}

#[cfg(feature = "cli")]
mod by_command {
    use autopilot_export::sandbox::Options;
    use tokio::process::Command;

    use super::*;
    use crate::support::fixture::Scene;

    // The log at its most verbose, and proxies in the environment that lead elsewhere.
    #[tokio::test]
    async fn proxies_are_not_used_and_full_logs_hold_no_key_or_email() {
        let elsewhere = Scripted::answers("200 OK", "", r#"{"instanceId":"elsewhere"}"#).await;
        let proxy = elsewhere.url.trim_end_matches("/v1").to_owned();
        let scene = Scene::new(Options { api_key: Some(API_KEY.into()), ..Options::default() }).await;
        let settings = scene.file("exports.json", scene.settings.to_string().as_bytes());
        let drop = scene.file("drop.csv", b"EMail,FirstName,Value\nann.berg@example.com,Annbritt,1\n");
        let mut command = Command::new(env!("CARGO_BIN_EXE_autopilot-export"));
        command.args(["run", "newsletter", "-vvvv", "--drop"]).arg(drop).arg("--config").arg(settings);
        command.arg("--store").arg(scene.root()).env("AUTOPILOT_API_KEY", API_KEY).env("RUST_LOG", "trace");
        for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env(name, &proxy);
        }
        let output = command.kill_on_drop(true).output().await.unwrap();
        let shown = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(0), "{shown}");
        for personal in [API_KEY, "ann.berg", "Annbritt"] {
            assert!(!shown.contains(personal), "{personal}");
        }
        assert_eq!(elsewhere.requests(), [""; 0], "the proxy was asked");
        assert_eq!(scene.members().len(), 1);
    }
}
