//! Promise 10: "No secret and no personal data. None of it appears in logs, metrics, notifications, step JSON, state, reports or
//! error messages."

use std::path::Path;

use autopilot_export::sandbox::{Fault, Options};
use tokio::process::Command;

use crate::support::fixture::{API_KEY, Scene};
use crate::support::sim::Way;

/// What must be found nowhere: names, emails, values, the key.
const PERSONAL: [&str; 7] =
    ["ann.berg", "Annbritt", "bob.refused", "no-address-at-all", "broken.row", "4711235813", API_KEY];

const DROP: &str = "EMail,FirstName,Value\nann.berg@example.com,Annbritt,4711235813\nbob.refused@example.com,Annbritt,1\n\
                    no-address-at-all,Annbritt,4711235813\nbroken.row@example.com\nann.berg2@example.com,Annbritt,x4711235813\n";

fn tells_nothing(place: &str, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    for personal in PERSONAL {
        assert!(!text.contains(personal), "{place} holds {personal}: {text}");
    }
}

/// All files below a folder but for those that hold rows on purpose.
fn search(folder: &Path, seen: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["chunks", "rejects"].contains(&name.as_str()) {
                search(&path, seen);
            }
        } else if name != "rejects.csv" {
            tells_nothing(&path.display().to_string(), &std::fs::read(&path).unwrap());
            if name == "profiles.gz" {
                use std::io::Read;
                let mut text = Vec::new();
                flate2::read::GzDecoder::new(std::fs::File::open(&path).unwrap()).read_to_end(&mut text).unwrap();
                tells_nothing("the state", &text);
            }
            seen.push(name);
        }
    }
}

async fn command(scene: &Scene, verbosity: &str) -> (Option<i32>, Vec<u8>) {
    let config = scene.file("exports.json", scene.settings.to_string().as_bytes());
    let drop = scene.file("drop.csv", DROP.as_bytes());
    let mut command = Command::new(env!("CARGO_BIN_EXE_autopilot-export"));
    command.args(["run", "newsletter", "--json", verbosity, "--drop"]).arg(drop).arg("--config").arg(config);
    command.arg("--store").arg(scene.root()).env("AUTOPILOT_API_KEY", API_KEY).kill_on_drop(true);
    let output = command.output().await.unwrap();
    (output.status.code(), [output.stdout, output.stderr].concat())
}

#[tokio::test]
async fn nothing_that_is_kept_or_shown_holds_personal_data_or_the_key() {
    for way in Way::DESTINATIONS {
        let faults = Fault::parse_list("refuse-batch:bob.refused,cut-after@5").unwrap();
        let options = Options { api_key: Some(API_KEY.into()), faults, ..way.options() };
        let scene = Scene::with(way, options).await;
        let (code, shown) = command(&scene, "-vvv").await;
        assert_eq!(code, Some(1), "{}", String::from_utf8_lossy(&shown));
        tells_nothing("the terminal", &shown);
        let mut seen = Vec::new();
        search(&scene.root(), &mut seen);
        for name in ["run.json", "open.json", "lanes.json", "report.json", "report.html", "profiles.gz", "eu.json"] {
            assert!(seen.iter().any(|seen| seen == name), "{name} in {seen:?}");
        }
        let contents = scene.sandbox.contents();
        assert!(contents.by_email("ann.berg@example.com").is_some(), "the run did its work");
        let rejects = scene.root().join("runs/newsletter");
        let run = std::fs::read_dir(rejects).unwrap().next().unwrap().unwrap().path();
        let rejects = std::fs::read_to_string(run.join("rejects.csv")).unwrap();
        assert!(rejects.contains("bob.refused") && rejects.contains("refused"), "the rejects do hold rows");
    }
}

#[tokio::test]
async fn a_run_that_fails_tells_nothing_either() {
    for way in Way::DESTINATIONS {
        for faults in ["401:1", "400:1", "html:1", "garbage:1", "403:1"] {
            let scene = Scene::with(way, Options { faults: Fault::parse_list(faults).unwrap(), ..way.options() }).await;
            failing(scene).await;
        }
        // The account opens, and then the deliveries fail.
        let scene = Scene::of(way).await;
        scene.sandbox.set_faults((4..60).map(|nth| format!("garbage@{nth}").parse().unwrap()).collect());
        failing(scene).await;
    }
}

async fn failing(mut scene: Scene) {
    scene.set_connection("patience_seconds", serde_json::json!(1));
    let (code, shown) = command(&scene, "-vvv").await;
    assert!(code.is_some_and(|code| code > 1), "{code:?}: {}", String::from_utf8_lossy(&shown));
    tells_nothing("the terminal", &shown);
    search(&scene.root(), &mut Vec::new());
}
