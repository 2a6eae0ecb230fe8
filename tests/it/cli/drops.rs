//! Which objects are drops: the same by a schedule, by an event, and by a person's name for them.

use std::time::{Duration, SystemTime};

use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{RunRequest, Trigger};
use autopilot_export::sandbox::Options;
use autopilot_export::steps::{Prepared, prepare};
use serde_json::{Value, json};

use super::command::Cli;
use crate::support::fixture::{Scene, people, set};

const PREFIX: &str = "segments/newsletter/";

/// A scene whose segment has these settings besides.
async fn scene(settings: Value) -> Scene {
    let mut scene = Scene::new(Options::default()).await;
    for (name, value) in settings.as_object().unwrap() {
        scene.set(&format!("/exports/newsletter/segments/0/{name}"), value.clone());
    }
    scene
}

fn folders() -> Value {
    json!({ "drop": "folder", "settle_seconds": 0 })
}

/// Writes an object under the prefix, as if this many seconds ago.
fn write(scene: &Scene, name: &str, body: impl AsRef<[u8]>, age: u64) {
    scene.write(&format!("{PREFIX}{name}"), body.as_ref());
    let file = std::fs::File::options().write(true).open(scene.root().join(format!("{PREFIX}{name}"))).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
}

fn scheduled(scene: &Scene) -> RunRequest {
    RunRequest { drops: Vec::new(), ..scene.request("", Trigger::Schedule) }
}

async fn newest(scene: &Scene) -> Report {
    scene.run(&scheduled(scene)).await
}

fn message(report: &Report) -> &str {
    report.error.as_ref().map_or("", |error| &error.message)
}

fn sources(report: &Report) -> Vec<&str> {
    report.sources.iter().map(|source| source.key.rsplit_once(PREFIX).map_or("", |(_, name)| name)).collect()
}

#[tokio::test]
async fn copies_sidecars_and_folders_below_never_win_over_a_file() {
    let scene = scene(json!({ "ignore": ["*-summary.csv"] })).await;
    write(&scene, "monday.csv", people(0, 6, 1), 100);
    assert_eq!(newest(&scene).await.outcome, Outcome::Succeeded);
    for name in
        ["tuesday.csv.filepart", "B.TMP", "monday.csv.metadata", "_x.csv", ".y.csv", "_z/a.csv", "a-summary.csv"]
    {
        write(&scene, name, people(0, 2, 1), 0);
    }
    write(&scene, "monday.csv.done", "", 0);
    write(&scene, "archive/monday.csv", people(3, 9, 1), 0);
    let report = newest(&scene).await;
    assert_eq!((report.outcome, sources(&report)), (Outcome::NothingToDo, vec!["monday.csv"]));
    assert_eq!(scene.members().len(), 6, "no member is taken off");
    let note = format!("1 objects were ignored, as they are in folders below the prefix: {PREFIX}archive/");
    assert!(report.warnings[0].starts_with(&note), "{:?}", report.warnings);
}

#[tokio::test]
async fn data_only_in_folders_is_an_error_with_both_remedies() {
    let scene = scene(json!({})).await;
    write(&scene, "in/a.csv", people(0, 2, 1), 0);
    write(&scene, "out/\u{7}/b.csv", people(0, 2, 1), 0);
    let report = newest(&scene).await;
    let text = message(&report);
    for part in ["newsletter/in/", r"out/\u{7}/", "segments[].recursive", "segments[].drop to \"folder\""] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!((report.exit_code(), scene.sandbox.counters().requests), (4, 0));
    let scene = self::scene(json!({ "recursive": true })).await;
    write(&scene, "in/a.csv", people(0, 2, 1), 0);
    assert_eq!(newest(&scene).await.rows.delivered, 2);
}

#[tokio::test]
async fn where_all_is_ignored_three_objects_are_named_with_why() {
    let scene = scene(json!({})).await;
    for name in ["a.csv.tmp", "_b.csv", "c.lock", "d.md5"] {
        write(&scene, name, people(0, 2, 1), 0);
    }
    let report = newest(&scene).await;
    let text = message(&report);
    assert!(text.contains("no drop found under segments/newsletter/; 4 objects are ignored: "), "{text}");
    assert!(text.contains("_b.csv has a part of its path that starts with _ or ., "), "{text}");
    assert_eq!(text.matches(PREFIX).count(), 4, "{text}");
}

#[tokio::test]
async fn partitions_are_one_drop_and_remove_nobody_of_another() {
    let scene = scene(folders()).await;
    write(&scene, "d1/part.csv", people(0, 6, 1), 100);
    assert_eq!(newest(&scene).await.rows.delivered, 6);
    write(&scene, "d2/country=NO/part.csv", people(0, 4, 1), 10);
    write(&scene, "d2/country=SE/y=1/part.csv", people(4, 7, 1), 0);
    write(&scene, "d2/old/part.csv", people(0, 1, 1), 0);
    let report = newest(&scene).await;
    assert_eq!((report.rows.read, report.members.joiners, report.members.leavers), (7, 1, 0));
    assert!(report.warnings[0].contains("d2/old/; segments[].recursive"), "{:?}", report.warnings);
    // An event of either partition is about the same drop, and so is one of the folder that is not read.
    for key in ["d2/", "d2/old/"] {
        let report = scene.run(&scene.request(&format!("{PREFIX}{key}"), Trigger::S3)).await;
        assert_eq!((report.outcome, report.rows.read), (Outcome::NothingToDo, 7), "{key}");
    }
}

#[tokio::test]
async fn nothing_at_all_is_an_error_and_never_an_empty_segment() {
    let mut scene = scene(json!({})).await;
    scene.set_export("guards", json!({ "allow_empty": true, "max_leavers_share": 1 }));
    write(&scene, "a.csv", people(0, 3, 1), 100);
    newest(&scene).await;
    let empty_gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()).finish().unwrap();
    for body in [&b""[..], &empty_gzip, b"\n", b"\xef\xbb\xbf", &[0; 9]] {
        write(&scene, "b.csv", body, 0);
        let report = newest(&scene).await;
        let text = message(&report);
        assert!(text.starts_with("prepare: segments/newsletter/b.csv: is empty, without even a header"), "{text}");
        assert_eq!((report.exit_code(), report.outcome, scene.members().len()), (4, Outcome::Failed, 3));
    }
    write(&scene, "b.csv", "EMail,FirstName,Value\n", 0);
    assert_eq!((newest(&scene).await.members.leavers, scene.members().len()), (3, 0), "a header is a segment");
}

#[tokio::test]
async fn configured_json_lines_may_be_an_empty_segment() {
    let mut scene = scene(json!({ "format": { "kind": "ndjson" } })).await;
    scene.set_export("guards", json!({ "max_leavers_share": 1 }));
    write(&scene, "a.ndjson", "{\"EMail\":\"ann@example.com\",\"FirstName\":\"Ann\",\"Value\":1}\n", 100);
    newest(&scene).await;
    write(&scene, "b.ndjson", "", 0);
    let report = newest(&scene).await;
    assert_eq!((report.outcome, scene.members().len()), (Outcome::StoppedByGuard, 1));
    let request = RunRequest { pass_guards: vec!["allow_empty".into()], ..scheduled(&scene) };
    assert_eq!((scene.run(&request).await.members.leavers, scene.members().len()), (1, 0));
}

#[tokio::test]
async fn a_part_without_bytes_adds_nothing_to_the_others() {
    let scene = scene(folders()).await;
    write(&scene, "d1/a.csv", people(0, 3, 1), 0);
    write(&scene, "d1/b.csv", "", 0);
    let report = newest(&scene).await;
    assert_eq!((report.outcome, report.rows.read, sources(&report).len()), (Outcome::Succeeded, 3, 2));
    write(&scene, "d1/a.csv", "", 0);
    assert!(message(&newest(&scene).await).contains("newsletter/d1/: is empty"));
}

#[tokio::test]
async fn an_event_of_an_object_without_bytes_waits_for_them() {
    let scene = scene(json!({})).await;
    let mut request = scene.request(&format!("{PREFIX}a.csv"), Trigger::S3);
    request.drops[0].is_empty = true;
    write(&scene, "a.csv", "", 20);
    let prepared = prepare(&scene.immortal(), &scene.config, &request).await.unwrap();
    assert!(matches!(prepared, Prepared::Wait { seconds: 39..=40, .. }), "{prepared:?}");
    write(&scene, "a.csv", people(0, 3, 1), 70);
    let prepared = prepare(&scene.immortal(), &scene.config, &request).await.unwrap();
    assert_eq!(prepared, Prepared::Done { outcome: Outcome::Superseded }, "what filled it has its own event");
    assert_eq!(scene.run(&scene.request(&format!("{PREFIX}a.csv"), Trigger::S3)).await.rows.delivered, 3);
    write(&scene, "b.csv", "", 61);
    let mut request = scene.request(&format!("{PREFIX}b.csv"), Trigger::S3);
    request.drops[0].is_empty = true;
    assert!(message(&scene.run(&request).await).contains("b.csv: is empty"), "it stayed so");
}

#[tokio::test]
async fn what_a_person_names_is_read_whatever_it_is_called() {
    let mut scene = Scene::new(Options::default()).await;
    scene.settings["exports"]["newsletter"]["segments"][0].as_object_mut().unwrap().remove("prefix");
    let cli = Cli::new(scene);
    for (number, name) in ["_hidden.csv", "a.csv.tmp", "model.json", "x/.old/members.log"].into_iter().enumerate() {
        let number = u32::try_from(number).unwrap();
        let file = cli.scene.file(name, people(0, number + 1, 1).as_bytes());
        let (code, out, err) = cli.run(&["run", "newsletter", file.to_str().unwrap(), "--json"]).await;
        assert_eq!((code, cli.scene.members().len()), (0, number as usize + 1), "{name}: {out} {err}");
    }
    let (code, _, err) = cli.run(&["run", "newsletter"]).await;
    assert!(code == 4 && err.contains("no drop found: no segment has a prefix; name a file"), "{err}");
}

#[tokio::test]
async fn of_a_named_folder_everything_that_is_not_read_is_named() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    for (name, from) in [("out/new/a.csv", 0), ("out/old/b.csv", 3), ("out/_x/c.csv", 6)] {
        cli.scene.file(name, people(from, from + 2, 1).as_bytes());
    }
    let out = cli.scene.root().parent().unwrap().join("out");
    let out = out.to_str().unwrap();
    let (code, _, err) = cli.run(&["run", "newsletter", out]).await;
    assert!(code == 4 && err.contains("out/new/, ") && err.contains("out/old/;"), "{err}");
    assert_eq!(cli.scene.sandbox.counters().requests, 0);
    cli.scene.file("out/members.csv", people(0, 2, 1).as_bytes());
    let (code, _, err) = cli.run(&["run", "newsletter", "--drop", out]).await;
    assert!(code == 0 && err.contains("2 objects were ignored"), "{err}");
    assert_eq!(cli.scene.members(), set(&["person.0@example.com", "person.1@example.com"]));
}
