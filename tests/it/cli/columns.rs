//! Columns that are not there: what is said of those that are, and what never is.

use std::path::Path;

use autopilot_export::report::Report;
use autopilot_export::sandbox::Options;
use serde_json::json;

use super::command::Cli;
use crate::support::fixture::Scene;

fn message(report: &Report) -> String {
    report.error.as_ref().map(|error| error.message.clone()).unwrap_or_default()
}

async fn error_of(drop: &str) -> String {
    let scene = Scene::new(Options::default()).await;
    let report = scene.run(&scene.drop(drop)).await;
    assert_eq!(scene.sandbox.counters().requests, 0);
    assert_eq!(report.exit_code(), 2, "{}", message(&report));
    message(&report)
}

#[tokio::test]
async fn an_unknown_column_lists_those_of_the_file_escaped() {
    let text =
        error_of("Mail,\u{7}FirstName,\"Va\nlue\",T\u{feff}own\u{200b},<b>\nann@example.com,Ann,1,Oslo,\n").await;
    let listed = r#"it has "Mail", "\u{7}FirstName", "Va\u{a}lue", "T\u{feff}own\u{200b}", "<b>"; name columns"#;
    assert!(text.contains(listed), "{text}");
    assert!(
        text.contains(r#"no column "EMail" (nearest: "Mail"), "FirstName" (nearest: "\u{7}FirstName"), "Value""#),
        "{text}"
    );
    assert!(!text.contains("Oslo") && !text.contains("ann@") && !text.contains(char::is_control), "{text}");
    let many: Vec<String> = (0..30).map(|n| format!("c{n}x")).collect();
    let text = error_of(&format!("EMail,{}\n", many.join(","))).await;
    assert!(text.contains(r#""c18x" and 11 more;"#) && !text.contains("c19x"), "{text}");
    let text = error_of(&format!("EMail,{}\n", "x".repeat(5000))).await;
    assert!(text.len() < 500, "{text}");
}

/// Files without a header, or whose first line may be a person's.
const HEADERLESS: [&str; 9] = [
    ",Emil,Larsen\nbea@example.com,Beatrix,Holm\n",
    "Emil,Larsen,+4790000001\nOlga,Larsen,+4790000002\n",
    "Emil,Larsen,1980-05-12\nbea@example.com,Beatrix,Holm\n",
    "emil@example.com,Emil,Larsen\nbea@example.com,Beatrix,Holm\n",
    "n/a;Emil;Larsen\nbea@example.com;Beatrix;Holm\n",
    "\"Emil\",\"Larsen\"\n\"Olga\",\"Larsen\"\n",
    "{\"Emil\":\"Larsen\"}\n",
    "{\"emil@example.com\":\"Larsen\",\"bea@example.com\":\"Holm\"}\n",
    "Emil\tLarsen\t\u{1b}[\nbea@example.com\tBeatrix\tHolm\n",
];
const CELLS: [&str; 10] =
    ["Emil", "Larsen", "4790000001", "1980-05", "emil@", "bea@", "Beatrix", "Holm", "Olga", "4790000002"];

fn texts(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts(&path, found);
        } else {
            found.push((
                path.display().to_string(),
                String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned(),
            ));
        }
    }
}

/// Promise 10: "No secret and no personal data ... in logs ... reports or error messages",
/// whatever a missing header makes of a first row.
#[tokio::test]
async fn no_cell_of_a_file_without_a_header_is_shown_anywhere() {
    for (number, drop) in HEADERLESS.into_iter().enumerate() {
        for format in [json!({}), json!({ "kind": "csv" }), json!({ "delimiter": "," }), json!({ "header": false })] {
            let mut scene = Scene::new(Options::default()).await;
            scene.set("/exports/newsletter/segments/0/format", format.clone());
            let cli = Cli::new(scene);
            let file = cli.scene.file(&format!("drop-{number}"), drop.as_bytes());
            for command in ["plan", "run"] {
                let (code, out, err) =
                    cli.run(&[command, "newsletter", file.to_str().unwrap(), "-vvv", "--json"]).await;
                assert!(code == 2 || code == 4, "{drop}: {code} {err}");
                let mut all = vec![("standard output".to_owned(), out), ("standard error".to_owned(), err)];
                texts(&cli.scene.root(), &mut all);
                assert!(command == "plan" || all.iter().any(|(place, _)| place.ends_with("report.html")), "{all:?}");
                for (place, text) in all {
                    let cell = CELLS.into_iter().find(|cell| text.contains(cell));
                    assert_eq!(cell, None, "{drop} as {format}: {place}: {text}");
                    assert!(!text.contains('\u{1b}'), "{place}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_key_that_no_row_of_the_drop_has_is_missing() {
    let part = |fields: &str| format!("{{\"EMail\":\"ann@example.com\"{fields}}}\n");
    let text = error_of(&part(",\"FirstName\":\"Ann\"").repeat(3)).await;
    assert!(
        text.starts_with("prepare: exports.newsletter.match.custom.Value: the drop has no column \"Value\""),
        "{text}"
    );
    assert!(text.contains("it has \"EMail\", \"FirstName\";") && !text.contains("ann@"), "{text}");
    // A default stands for it, and so does `optional`; a part may have it where another has not.
    for value in [json!({ "default": 7 }), json!({ "optional": true })] {
        let mut scene = Scene::new(Options::default()).await;
        let mut field = json!({ "column": "Value", "type": "integer" });
        field.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        scene.set("/exports/newsletter/match/custom/Value", field);
        let report = scene.run(&scene.drop(part(",\"FirstName\":\"Ann\""))).await;
        assert_eq!(report.rows.delivered, 1, "{value}: {report:?}");
        let sent = scene.held()["ann@example.com"].1["Value"].clone();
        assert_eq!(sent, value.get("default").cloned().unwrap_or_default());
    }
    let scene = Scene::new(Options::default()).await;
    scene.file("parts/a.json", part(",\"FirstName\":\"Ann\"").as_bytes());
    let folder = scene.file("parts/b.json", b"{\"EMail\":\"bea@example.com\",\"Value\":2}\n");
    let folder = format!("file:{}/", folder.parent().unwrap().display());
    let report = scene.run(&scene.request(&folder, autopilot_export::run::Trigger::Command)).await;
    assert_eq!(report.rows.delivered, 2, "{report:?}");
}

#[tokio::test]
async fn a_csv_column_may_be_optional_and_a_default_is_not_enough() {
    let drop = "EMail,FirstName\nann@example.com,Ann\n";
    let mut scene = Scene::new(Options::default()).await;
    scene.set("/exports/newsletter/match/custom/Value", json!({ "column": "Value", "type": "integer", "default": 7 }));
    assert!(message(&scene.run(&scene.drop(drop)).await).contains("no column \"Value\""));
    scene.set("/exports/newsletter/match/custom/Value/optional", json!(true));
    let report = scene.run(&scene.drop(drop)).await;
    assert_eq!((report.rows.delivered, &scene.held()["ann@example.com"].1["Value"]), (1, &json!(7)), "{report:?}");
}

#[tokio::test]
async fn padded_and_decomposed_names_match_both_ways() {
    let mut scene = Scene::new(Options::default()).await;
    scene.set("/exports/newsletter/match/first_name", json!("Pre\u{301}nom "));
    let drop = "\u{feff}\u{feff}\u{a0}EMail , Prénom\u{200b},Value\r\nann@example.com,Ann,1\r\n,,\r\n";
    let report = scene.run(&scene.drop(drop)).await;
    assert_eq!((report.rows.read, report.rows.delivered), (1, 1), "{report:?}");
}
