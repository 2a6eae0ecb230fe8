//! `try`: one person, sent and read back.

use autopilot_export::sandbox::Options;
use serde_json::{Value, json};

use super::command::Cli;
use super::init::run_in;
use crate::support::fixture::{Scene, more, people};

#[tokio::test]
async fn try_sends_one_person_and_shows_what_arrived() {
    let mut scene = Scene::new(Options::default()).await;
    let day = json!({ "column": "Day", "type": "date", "format": "%d.%m.%Y" });
    scene.set_export("match", json!({ "email": "EMail", "first_name": "FirstName", "custom": { "Day": day } }));
    let cli = Cli::new(scene);
    let rows =
        "EMail,FirstName,Day\nann@example.com,Ann,31.12.1980\nbea@example.com,Bea,tomorrow\ncat@example.com,Cat,\n";
    let drop = cli.scene.file("members.csv", rows.as_bytes());
    let one = async |email: &str| cli.run(&["try", "newsletter", drop.to_str().unwrap(), "--email", email]).await;
    let (code, out, err) = one("Ann@Example.com").await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(err.starts_with("store: ") && err.contains("\nrun: "), "{err}");
    for part in ["ok     email", "ok     first_name: \"Ann\"", "ok     Day: \"1980-12-31T00:00:00Z\""] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert_eq!(cli.scene.emails().into_iter().collect::<Vec<_>>(), ["ann@example.com"]);
    // Once more, though nothing has changed.
    assert_eq!(one("ann@example.com").await.0, 0);
    let (code, _, err) = one("bea@example.com").await;
    assert!(code == 4 && err.contains("line 3") && err.contains("invalid_value") && !err.contains("tomorrow"), "{err}");
    let (code, _, err) = one("dan@example.com").await;
    assert!(code == 2 && err.contains("no row to send") && !err.contains("dan@"), "{err}");
    assert_eq!(one("no address").await.0, 2);
    assert_eq!(cli.scene.emails().len(), 1);
}

#[tokio::test]
async fn try_leaves_what_was_applied_as_it_was() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let first = cli.scene.file("first.csv", people(0, 5, 1).as_bytes());
    assert_eq!(cli.export(&first).await.0, 0);
    let second = cli.scene.file("second.csv", (people(3, 6, 2) + &more(9, 10, 2)).as_bytes());
    let args = ["try", "newsletter", second.to_str().unwrap(), "--email", "person.9@example.com", "--json"];
    let (code, out, err) = cli.run(&args).await;
    let fields: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    assert!(code == 0 && fields.as_array().unwrap().iter().all(|field| field["arrived"] == true), "{fields}");
    assert!(cli.scene.members().contains("person.0@example.com"), "nobody has left");
    let (_, report) = cli.export(&second).await;
    assert_eq!((&report["rows"]["delivered"], &report["rows"]["unchanged"]), (&json!(3), &json!(1)), "{report}");
    assert_eq!(report["members"]["leavers"], 3, "{report}");
}

#[tokio::test]
async fn try_reads_back_from_ortto_too() {
    let folder = tempfile::tempdir().unwrap();
    // What was written shows a while later.
    let lagging = autopilot_export::sandbox::OrttoOptions::parse(["read-lag-ms=150"]).unwrap();
    let options = Options::from(lagging);
    let sandbox = autopilot_export::sandbox::Sandbox::start(options).await.unwrap();
    std::fs::write(folder.path().join("members.csv"), "email,first_name,city\nann@example.com,Ann,Oslo\n").unwrap();
    let url = format!("--sandbox={}", sandbox.url());
    let args = ["init", "members.csv", "--api", "ortto", &url, "--agreed-by", "us", "--agreed-on", "2026-11-23"];
    let (code, out, err) = run_in(folder.path(), &args).await;
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, err) =
        run_in(folder.path(), &["try", "members", "members.csv", "--email", "ann@example.com"]).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("ok     str::first: \"Ann\"") && out.contains("ok     geo::city"), "{out}");
}
