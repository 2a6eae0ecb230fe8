//! Hostile input takes no more memory than other input, and does not stand in the way of what comes after it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use autopilot_export::sandbox::Options;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::fixture::{API_KEY, Scene, people, settings};

const HEAD: &str = "EMail,FirstName,Value\n";
const GOOD: &str = "\nann@example.com,Ann,1\n";

/// What the program does with the file `drop` while it may have this many MB of addresses, threads and their stacks included.
fn within(megabytes: u32, folder: &Path, arguments: &str) -> Output {
    let command = format!("ulimit -v {megabytes}000; exec \"$0\" {arguments} newsletter --drop drop");
    Command::new("sh")
        .args(["-c", &command, env!("CARGO_BIN_EXE_autopilot-export")])
        .current_dir(folder)
        .env("AUTOPILOT_API_KEY", API_KEY)
        .env("MALLOC_ARENA_MAX", "2")
        .output()
        .unwrap()
}

/// A folder to plan in.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings("http://127.0.0.1:9/v1");
    settings["exports"]["newsletter"]["guards"]["max_reject_share"] = json!(1);
    std::fs::write(folder.path().join("exports.json"), settings.to_string()).unwrap();
    folder
}

/// Plans, and says what the program said.
fn plan(folder: &Path, name: &str, code: i32) -> String {
    let ended = within(200, folder, "plan");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(code), "{name}: {said}");
    assert!(said.len() < 5_000, "{name}: {said}");
    said
}

/// A head, a piece repeated, a tail, packed; not so alike that it would be a bomb.
fn packed(head: &str, piece: &str, times: usize, tail: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(head.as_bytes()).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..times {
        let noise: String = std::iter::repeat_with(|| random.alphanumeric()).take(2000).collect();
        packed.write_all(noise.as_bytes()).unwrap();
        packed.write_all(piece.as_bytes()).unwrap();
    }
    packed.write_all(tail.as_bytes()).unwrap();
    packed.finish().unwrap()
}

#[test]
fn memory_is_bounded_whatever_the_file() {
    let piece = "x".repeat(62_000);
    let cases = [
        ("one field of 1 GB", packed(&format!("{HEAD}bob@example.com,"), &piece, 16_000, GOOD), 0),
        ("one quoted field of 1 GB", packed(&format!("{HEAD}bob@example.com,\""), &piece, 16_000, GOOD), 0),
        ("a header of 1 GB", packed("EMail,", &piece, 16_000, GOOD), 4),
        ("a line of JSON of 256 MB", packed("{\"EMail\":\"", &piece, 4_000, "\"}\n"), 4),
        ("fields without number", packed(HEAD, &",".repeat(62_000), 1_000, GOOD), 0),
        ("100,000 malformed rows", packed(HEAD, &"one,two\n".repeat(100), 1_000, GOOD), 0),
    ];
    let folder = folder();
    for (name, bytes, code) in cases {
        std::fs::write(folder.path().join("drop"), bytes).unwrap();
        plan(folder.path(), name, code);
    }
}

#[test]
fn memory_is_bounded_whatever_the_model_json() {
    let folder = folder();
    std::fs::write(folder.path().join("drop"), format!("{HEAD}{GOOD}")).unwrap();
    let entities = |what: &str| format!("{{\"entities\":[{what}{{}}]}}");
    let partition = |what: &str| entities(&format!("{{\"partitions\":[{what}]}},"));
    let settings = "{\"a\":0},".repeat(490_000);
    for (name, model, error) in [
        ("many entities", entities(&"{\"name\":\"a\"},".repeat(490_000)), None),
        ("a long path", partition(&format!("{{\"location\":\"{}\"}}", "/a".repeat(490_000))), None),
        ("long settings", partition(&format!("{{\"fileFormatSettings\":[{settings}0]}}")), None),
        ("too many values", entities(&"{},".repeat(500_001)), Some("has more than 500000 commas and slashes")),
        ("17 MB", " ".repeat(17 << 20) + &entities(""), Some("is longer than 16 MiB")),
    ] {
        std::fs::write(folder.path().join("model.json"), model).unwrap();
        let said = plan(folder.path(), name, error.map_or(0, |_| 4));
        assert!(error.is_none_or(|error| said.contains("plan: ") && said.contains(error)), "{name}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_bounded_whatever_is_rejected() {
    let scene = Scene::new(Options::default()).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("exports.json"), scene.settings.to_string()).unwrap();
    let run = |name: &str, drop: &str, code| {
        std::fs::write(folder.path().join("drop"), drop).unwrap();
        // The pages of the program itself take 48 of these in a debug build.
        let ended = within(140, folder.path(), "run --json");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(code), "{name}: {said}");
        serde_json::from_slice::<Value>(&ended.stdout).unwrap()
    };
    let rejected = format!("=no,{},1\n", "x".repeat(1_000)).repeat(70_000);
    let columns: String = (3..10_000).map(|n| format!(",c{n}")).collect();
    let wide = format!("EMail,FirstName,Value{columns}\nann@example.com,Ann,1{}\n", ",".repeat(9_997));
    for (name, drop, warning) in [
        ("nothing but rejects", format!("{HEAD}{GOOD}{rejected}"), ""),
        // Each with its 10,000 columns they would take 1 GB.
        ("wide malformed rows", wide + &"x\n".repeat(100_000), "rejected rows did not fit in rejects.csv"),
    ] {
        let report = run(name, &drop, 1);
        let count = |name: &str| report["rows"][name].as_u64().unwrap();
        assert_eq!((count("rejected"), count("delivered")), (count("read") - 1, 1), "{name}: {report}");
        assert!(report["warnings"].to_string().contains(warning), "{name}: {report}");
        let next = run(name, &people(0, 20, 1), 0);
        assert_eq!((&next["outcome"], scene.members().len()), (&json!("succeeded"), 20), "{name}: {next}");
    }
}
