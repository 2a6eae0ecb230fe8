//! Columns that look like consent and that the configuration does not use: `plan` and `check` say so.

use autopilot_export::sandbox::Options;
use serde_json::{Value, json};

use super::command::Cli;
use crate::support::fixture::Scene;

const DROP: &str = "EMail,FirstName,Value,Newsletter,Robinsonliste\nann@example.com,Ann,1,ja,nein\n";

async fn cli(change: impl FnOnce(&mut Scene)) -> (Cli, String) {
    let mut scene = Scene::new(Options::default()).await;
    scene.set("/exports/newsletter/segments/0/prefix", json!("drops/"));
    change(&mut scene);
    let cli = Cli::new(scene);
    cli.scene.write("drops/members.csv", DROP.as_bytes());
    let drop = cli.scene.file("members.csv", DROP.as_bytes());
    (cli, drop.display().to_string())
}

#[tokio::test]
async fn plan_and_check_note_consent_that_is_not_used() {
    let (cli, drop) = cli(|_| {}).await;
    let (code, out, err) = cli.run(&["plan", "newsletter", &drop, "--json"]).await;
    let plan: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code}: {out}{err}"));
    let notes: Vec<&str> = plan["notes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(code == 0 && notes.len() == 2, "{notes:?}");
    for (note, part) in
        notes.iter().zip(["\"Newsletter\" looks like consent", "\"Robinsonliste\" looks like an opt-out"])
    {
        assert!(note.contains(part) && note.contains("is not used"), "{note}");
    }
    let (code, out, err) = cli.run(&["check"]).await;
    assert!(notes[0].contains("add it to exports.newsletter.require, with yes or no in each cell"), "{notes:?}");
    let line = "ok     export newsletter: column \"Newsletter\" looks like consent and is not used; ";
    assert!(code == 0 && out.matches(line).count() == 1, "{out}{err}");
}

#[tokio::test]
async fn several_columns_are_noted_in_one_line() {
    let (cli, _) = cli(|_| {}).await;
    let drop = cli.scene.file(
        "lines.json",
        b"{\"EMail\":\"ann@example.com\",\"FirstName\":\"Ann\",\"Value\":1,\"Robinson\":0,\"Abmeldung\":0}\n",
    );
    let (_, out, err) = cli.run(&["plan", "newsletter", drop.to_str().unwrap()]).await;
    let line = "note      columns \"Abmeldung\", \"Robinson\" look like an opt-out and are not used; ";
    assert!(out.matches(line).count() == 1, "{out}{err}");
}

#[tokio::test]
async fn consent_that_is_used_is_not_noted() {
    let (cli, drop) = cli(|scene| {
        scene.set_export("suppress", json!([{ "column": "Robinsonliste", "equals": true }]));
        scene.set_export("require", json!([{ "column": "Newsletter", "equals": "ja" }]));
        scene.set_export("false", json!(["nein"]));
    })
    .await;
    let (_, out, err) = cli.run(&["plan", "newsletter", &drop]).await;
    assert!(out.contains("1 joiner,") && !out.contains("looks like"), "{out}{err}");
}
