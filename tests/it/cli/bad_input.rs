//! Every bad input ends in one clear message and the right exit code, with nothing sent that should not be.
//! The messages stand together on one page: `tests/snapshots/messages_of_bad_input.snap`.

use autopilot_export::run::RunRequest;
use autopilot_export::sandbox::{Fault, Options};
use serde_json::json;

use crate::support::fixture::{API_KEY, Scene, people};

/// Spoils a scene, and makes the request that finds it so.
type Wrong = fn(&mut Scene) -> RunRequest;

/// Name, exit code, and what is done to a scene that works.
const CASES: [(&str, u8, Wrong); 24] = [
    ("empty file", 4, |scene| scene.drop("")),
    ("a header after other columns", 2, |scene| scene.drop("Mail Address,Given Name\na@example.com,Ann\n")),
    ("no header and no address in the first row", 2, |scene| scene.drop(",Ann,1\na@example.com,Ann,1\n")),
    ("a configured encoding that is wrong", 4, |scene| {
        scene.set("/exports/newsletter/segments/0/format", json!({ "encoding": "windows-1252" }));
        scene.drop("EMail,FirstName,Value\na@example.com,Zoë,1\n")
    }),
    ("a header that is not UTF-8", 4, |scene| scene.drop(b"EMail,FirstName,Valu\xe9\na@example.com,Ann,1\n")),
    ("a file that was cut", 4, |scene| scene.drop([people(0, 4, 1).as_bytes(), &[0; 5000]].concat())),
    ("bytes behind gzip", 4, |scene| {
        scene.drop([&include_bytes!("../../data/segments/gzip-two-members.csv.gz")[..], b"\n"].concat())
    }),
    ("a key that no object has", 2, |scene| scene.drop("{\"EMail\":\"a@example.com\",\"FirstName\":\"Ann\"}\n")),
    ("header only", 4, |scene| scene.drop("EMail,FirstName,Value\n")),
    ("no email column", 2, |scene| scene.drop("Mail,FirstName,Value\na@example.com,Ann,1\n")),
    ("wrong delimiter configured", 4, |scene| {
        scene.set("/exports/newsletter/segments/0/format", json!({ "delimiter": ";" }));
        scene.drop(people(0, 4, 1))
    }),
    ("truncated gzip", 4, |scene| scene.drop(include_bytes!("../../data/segments/gzip-truncated.csv.gz"))),
    ("binary file", 4, |scene| scene.drop((0..20_000_u32).map(|n| ((n * n) >> 3) as u8).collect::<Vec<u8>>())),
    ("a picture", 4, |scene| {
        scene.drop(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89")
    }),
    ("100,001 profiles", 4, |scene| scene.drop(people(0, 100_001, 1))),
    ("unknown column in the matching", 2, |scene| {
        scene.set("/exports/newsletter/match/first_name", json!("FirstNam"));
        scene.drop(people(0, 4, 1))
    }),
    ("wrong key", 3, |scene| {
        scene.sandbox.set_api_key(Some("another".into()));
        scene.drop(people(0, 4, 1))
    }),
    ("no consent", 2, |scene| {
        scene.settings["connections"]["eu"].as_object_mut().unwrap().remove("consent");
        scene.set_export("enabled", json!(true));
        scene.drop(people(0, 4, 1))
    }),
    ("disabled", 2, |scene| {
        scene.set_export("enabled", json!(false));
        scene.drop(people(0, 4, 1))
    }),
    ("Autopilot down", 5, |scene| {
        scene.set_connection("patience_seconds", json!(1));
        scene.set_connection("base_url", json!("http://127.0.0.1:1/v1"));
        scene.drop(people(0, 4, 1))
    }),
    ("Autopilot stalling", 5, |scene| {
        scene.set_connection("patience_seconds", json!(1));
        scene.sandbox.set_faults(Fault::parse_list("stall:1").unwrap());
        scene.drop(people(0, 4, 1))
    }),
    ("Autopilot throttling", 5, |scene| {
        scene.set_connection("patience_seconds", json!(1));
        scene.sandbox.set_faults(Fault::parse_list("429:1").unwrap());
        scene.drop(people(0, 4, 1))
    }),
    ("a file that is not there", 4, |scene| {
        let mut request = scene.drop("");
        request.drops[0].key.push_str(".gone");
        request
    }),
    ("an unknown guard", 2, |scene| RunRequest {
        pass_guards: vec!["max_profile".into()],
        ..scene.drop(people(0, 4, 1))
    }),
];

/// Bad inputs to an export that has run before.
const LATER: [(&str, u8, Wrong); 4] = [
    ("state of another account", 2, |scene| {
        scene.sandbox.change(|options| options.autopilot.instance_id = "another".into());
        scene.drop(people(0, 9, 1))
    }),
    ("changed list title", 2, |scene| {
        scene.set_membership(json!({ "list": "Readers" }));
        scene.drop(people(0, 9, 1))
    }),
    ("damaged state", 2, |scene| {
        scene.write("state/newsletter/profiles.gz", b"\x1f\x8b damaged");
        scene.drop(people(0, 9, 1))
    }),
    ("missing state", 2, |scene| {
        std::fs::remove_file(scene.root().join("state/newsletter/profiles.gz")).unwrap();
        scene.drop(people(0, 9, 1))
    }),
];

async fn message((name, code, wrong): (&'static str, u8, Wrong), has_run: bool) -> String {
    let mut scene = Scene::new(Options { api_key: Some(API_KEY.into()), ..Options::default() }).await;
    scene.set_export("guards", json!({}));
    if has_run {
        scene.run(&scene.drop(people(0, 6, 1))).await;
    }
    scene.sandbox.reset_counters();
    let request = wrong(&mut scene);
    let report = scene.run(&request).await;
    let error = report.error.clone().unwrap_or_else(|| panic!("{name}: {report:?}"));
    assert_eq!(report.exit_code(), code, "{name}: {}", error.message);
    let counters = scene.sandbox.counters();
    // An account that never answers cannot say what it did; the run sends no row all the same.
    assert_eq!(counters.writes, 0, "{name}: {counters:?}");
    assert_eq!(scene.sandbox.contact_count(), if has_run { 6 } else { 0 }, "{name}");
    if !["wrong key", "state of another account"].contains(&name) && !name.starts_with("Autopilot") {
        assert_eq!(counters.requests, 0, "{name}");
    }
    let message = error.message.replace(&request.drops[0].key, "file:DROP");
    let message = message.replace(&scene.root().display().to_string(), "STORE");
    format!("{name}: {code} {}\n    {message}\n", error.kind)
}

#[tokio::test]
async fn every_bad_input_ends_in_one_clear_message_and_sends_nothing() {
    let mut page = String::new();
    // One at a time: 100,001 rows would keep the answers that others wait for from being read.
    for case in CASES {
        page.push_str(&Box::pin(message(case, false)).await);
    }
    for case in LATER {
        page.push_str(&Box::pin(message(case, true)).await);
    }
    insta::with_settings!({ snapshot_path => "../../snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("messages_of_bad_input", page);
    });
}
