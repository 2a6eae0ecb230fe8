//! `run --limit`: the first rows, as a careful beginner sends them.

use autopilot_export::sandbox::Options;
use serde_json::{Value, json};

use super::command::Cli;
use crate::support::fixture::{Scene, people};

async fn run(cli: &Cli, args: &[&str]) -> (i32, Value) {
    let (code, out, err) = cli.run(&[&["run", "newsletter", "--json"], args].concat()).await;
    (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code}: {out}{err}")))
}

#[tokio::test]
async fn a_limited_run_sends_the_first_rows_and_removes_nobody() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let first = cli.scene.file("first.csv", people(0, 5, 1).as_bytes());
    let second = cli.scene.file("second.csv", people(3, 12, 2).as_bytes());
    assert_eq!(run(&cli, &[first.to_str().unwrap()]).await.0, 0);
    let order = || std::fs::read_to_string(cli.scene.root().join("state/newsletter/Newsletter/order.json")).unwrap();
    let before: Value = serde_json::from_str(&order()).unwrap();
    let (code, report) = run(&cli, &[second.to_str().unwrap(), "--limit", "4"]).await;
    assert_eq!(
        (code, &report["outcome"], &report["rows"]["delivered"]),
        (0, &json!("succeeded"), &json!(4)),
        "{report}"
    );
    assert_eq!((&report["rows"]["pending"], &report["members"]["leavers"]), (&json!(5), &json!(0)), "{report}");
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("5 rows were not sent because of --limit"), "{warnings}");
    assert!(cli.scene.members().contains("person.0@example.com"), "nobody has left");
    // What is confirmed is in the state; what was applied stays.
    let after: Value = serde_json::from_str(&order()).unwrap();
    for key in ["time", "drop", "version", "run_id", "unreadable_rows"] {
        assert_eq!(before[key], after[key], "{key}");
    }
    let (code, report) = run(&cli, &[second.to_str().unwrap()]).await;
    assert_eq!(
        (code, &report["rows"]["delivered"], &report["rows"]["unchanged"]),
        (0, &json!(5), &json!(4)),
        "{report}"
    );
    assert_eq!((&report["members"]["leavers"], cli.scene.members().len()), (&json!(3), 9));
}

#[tokio::test]
async fn a_first_run_may_be_limited_and_the_next_sends_the_rest() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let drop = cli.scene.file("first.csv", people(0, 9, 1).as_bytes());
    let (code, out, _) = cli.run(&["run", "newsletter", drop.to_str().unwrap(), "--limit", "2"]).await;
    assert_eq!((code, cli.scene.members().len()), (0, 2), "{out}");
    assert!(out.contains("note      7 rows were not sent because of --limit; a run without it sends them"), "{out}");
    let (code, report) = run(&cli, &[drop.to_str().unwrap()]).await;
    assert_eq!((code, &report["rows"]["delivered"], cli.scene.members().len()), (0, &json!(7), 9), "{report}");
    assert_eq!(run(&cli, &[drop.to_str().unwrap(), "--limit", "2"]).await.1["outcome"], "nothing_to_do");
    assert_eq!(cli.run(&["run", "newsletter", drop.to_str().unwrap(), "--limit", "0"]).await.0, 2);
}
