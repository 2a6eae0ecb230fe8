//! The report's page and the page of all runs, as a person without any other tool reads them.

use autopilot_export::sandbox::Options;
use serde_json::json;

use super::command::Cli;
use crate::support::fixture::{Scene, people};

const FAULTY: &str = "no address,Ana,1\nann@example.com,Ann,seven\nbea@example.com,Bea,eight\n";

async fn after_a_run() -> (Cli, String) {
    let mut scene = Scene::new(Options::default()).await;
    scene.set_connection("display_name", json!("EU marketing"));
    let cli = Cli::new(scene);
    let drop = cli.scene.file("members.csv", (people(0, 4, 1) + FAULTY).as_bytes());
    let run = cli.export(&drop).await.1["run_id"].as_str().unwrap().to_owned();
    (cli, run)
}

fn page_of(cli: &Cli, run: &str) -> String {
    std::fs::read_to_string(cli.scene.root().join(format!("runs/newsletter/{run}/report.html"))).unwrap()
}

/// The text between tags.
fn text(page: &str) -> String {
    let body = page.split_once("<body>").unwrap().1;
    let texts = body.split('<').filter_map(|piece| piece.split_once('>')).map(|(_, text)| text);
    texts.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_page_says_what_happened_and_what_to_do() {
    let (cli, run) = after_a_run().await;
    let page = page_of(&cli, &run);
    let text = text(&page);
    for part in [
        "4 of 7 rows were sent, and 3 could not be sent as they are.",
        "delivered (57.1 %): sent and confirmed",
        "2 rows: invalid_value",
        "2: custom.Value: column Value: not an integer",
        "For example members.csv, line 7.",
        "The cell holds no address that mail can go to.",
        "Write one address alone into the cell",
        "autopilot-export retry",
        "Joined: new to the export 4",
        "No guard was triggered.",
        "By segment",
        " UTC",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for person in ["person.", "ann@", "seven"] {
        assert!(!page.contains(person), "no personal data");
    }
}

#[tokio::test]
async fn the_page_is_one_file_for_any_screen_and_for_print() {
    let (cli, run) = after_a_run().await;
    let page = page_of(&cli, &run);
    for part in ["prefers-color-scheme:dark", "@media print", "max-width:36rem", "name=\"viewport\"", "lang=\"en\""] {
        assert!(page.contains(part), "{part}");
    }
    for outside in ["<script", "<link", "<img", "http://", "https://", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    // Colour is never the only sign: each part has a pattern of its own, and its name and number stand in the legend.
    assert_eq!(page.matches("repeating-linear-gradient").count(), 4);
    assert!(page.contains("role=\"img\" aria-label=\"rows by outcome: 4 delivered"));
    assert_eq!(page.matches("<h1>").count(), 1);
    assert!(page.matches("<table>").count() <= page.matches("scope=\"row\"").count());
}

#[tokio::test]
async fn all_runs_are_on_one_page_beside_them() {
    let (cli, run) = after_a_run().await;
    let path = cli.scene.root().join("runs/index.html");
    let index = std::fs::read_to_string(&path).unwrap();
    let link = format!("newsletter/{run}/report.html");
    assert!(index.contains(&format!("href=\"{link}\"")) && text(&index).contains("succeeded, with rejects"), "{index}");
    assert!(path.parent().unwrap().join(&link).is_file());
    assert!(page_of(&cli, &run).contains("href=\"../../index.html\""));
    let (code, out, _) = cli.run(&["runs", "--html"]).await;
    assert_eq!((code, out.trim_end()), (0, index.as_str()));
    // The page is not a run, nor an export.
    assert_eq!(cli.run(&["runs"]).await.1.lines().count(), 1);
    let (code, out, _) = cli.run(&["runs", "--clean"]).await;
    assert!(code == 0 && !out.contains("index"), "{out}");
}

#[tokio::test]
async fn the_page_shows_requests_and_members_over_time() {
    let (cli, first) = after_a_run().await;
    let page = page_of(&cli, &first);
    assert!(text(&page).contains("the dashed line is the account's rate") && page.contains("<svg "), "{page}");
    assert!(!page.contains("Members over the last runs"), "one run is not a trend");
    let drop = cli.scene.file("members.csv", people(0, 9, 1).as_bytes());
    let (_, report) = cli.export(&drop).await;
    let members: Vec<_> = report["trend"].as_array().unwrap().iter().map(|point| &point["members"]).collect();
    assert_eq!(members, [&json!(4), &json!(9)]);
    assert_eq!(report["traffic"]["rate"], json!(2000.0), "{}", report["traffic"]);
    let page = page_of(&cli, report["run_id"].as_str().unwrap());
    assert!(text(&page).contains("9 members after the last 2 runs; from 4 to 9."), "{}", text(&page));
}

#[tokio::test]
async fn the_report_names_segments_and_causes_without_a_value() {
    let (cli, run) = after_a_run().await;
    let (_, out, _) = cli.run(&["report", &run, "--json"]).await;
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&report["segments"][0]["name"], &report["segments"][0]["joiners"]), (&json!("Newsletter"), &json!(4)));
    let cause = &report["causes"][0];
    assert_eq!((&cause["rows"], &cause["code"], &cause["line"]), (&json!(2), &json!("invalid_value"), &json!(7)));
}
