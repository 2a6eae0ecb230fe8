//! `plan` as somebody decides by it, and `run --plan`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use autopilot_export::sandbox::Options;
use serde_json::{Value, json};

use super::command::Cli;
use super::init::run_in;
use crate::support::fixture::{Scene, people, settings};

/// A folder with a configuration for an account that nobody can reach.
fn folder(change: impl FnOnce(&mut Value), drop: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings("http://127.0.0.1:9/v1");
    change(&mut settings);
    std::fs::write(folder.path().join("exports.json"), settings.to_string()).unwrap();
    std::fs::write(folder.path().join("members.csv"), drop).unwrap();
    folder
}

async fn plan(folder: &Path, args: &[&str]) -> (i32, Value, String) {
    let all = [&["plan", "newsletter", "members.csv", "--json"], args].concat();
    let (code, out, err) = run_in(folder, &all).await;
    (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code}: {out}{err}")), err)
}

#[tokio::test]
async fn plan_needs_no_key_no_consent_and_no_network() {
    let without = |settings: &mut Value| drop(settings["connections"]["eu"].as_object_mut().unwrap().remove("consent"));
    let folder = folder(without, &people(0, 5, 1));
    let (code, plan, _) = plan(folder.path(), &[]).await;
    assert_eq!((code, &plan["members"]["joiners"]), (0, &json!(5)));
    assert!(plan["refused"].as_str().unwrap().contains("nobody has agreed"), "{plan}");
    // Two secrets, the key, the dashboard, three alarms; ten metrics and an alarm for the export.
    let monthly = plan["dollars_a_month"].as_f64().unwrap();
    assert!((monthly - (2.0 * 0.4 + 1.0 + 3.0 + 0.3 + 3.0 + 0.1)).abs() < 1e-9, "{monthly}");
    assert!(!folder.path().join(".autopilot-export").exists(), "it leaves nothing behind");
}

const FAULTY: &str = "EMail,FirstName,Value\na@example.com,Ann,\"1,5\"\nb@example.com,Bea,\"2,5\"\nc@example.com,Cat,3\n\
    not an address,Dan,4\n";

#[tokio::test]
async fn plan_names_the_causes_of_rejects_and_what_to_add() {
    let float =
        |settings: &mut Value| settings["exports"]["newsletter"]["match"]["custom"]["Value"]["type"] = json!("float");
    let folder = folder(float, FAULTY);
    let path = folder.path().join("out.csv");
    std::fs::write(&path, "export,segment,reject_code,reject_reason,source,line,fingerprint\n").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    let (code, plan, _) = plan(folder.path(), &["--rejects", "out.csv"]).await;
    assert_eq!((code, &plan["rejects"]["invalid_value"], &plan["rejects"]["invalid_email"]), (0, &json!(2), &json!(1)));
    let cause = &plan["causes"][0];
    assert_eq!((&cause["rows"], &cause["code"], &cause["first_line"]), (&json!(2), &json!("invalid_value"), &json!(2)));
    assert!(cause["reason"].as_str().unwrap().contains("add \"decimal\": \",\""), "{cause}");
    assert_eq!(cause["remedy"], "add it to exports.newsletter.match.custom.Value");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("not an address") && text.lines().count() == 4, "{text}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "nobody else reads it");
    let (_, out, _) = run_in(folder.path(), &["plan", "newsletter", "members.csv"]).await;
    assert!(out.contains("2 invalid_value, first in line 2") && out.contains("add it to exports."), "{out}");
}

#[tokio::test]
async fn a_plan_overwrites_only_what_a_plan_wrote() {
    let folder = folder(|_| {}, FAULTY);
    for (option, name) in [("--rejects", "members.csv"), ("--out", "members.csv"), ("--out", "exports.json")] {
        let before = std::fs::read(folder.path().join(name)).unwrap();
        let (code, out, err) = run_in(folder.path(), &["plan", "newsletter", "members.csv", option, name]).await;
        assert!(code == 2 && out.is_empty() && err.contains("no plan wrote it") && err.contains(option), "{out}{err}");
        assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), before);
    }
    for _ in 0..2 {
        let args = ["plan", "newsletter", "members.csv", "--rejects", "out.csv", "--out", "out.json"];
        assert_eq!(run_in(folder.path(), &args).await.0, 0);
    }
}

#[tokio::test]
async fn a_plan_names_the_command_that_comes_next() {
    let folder = folder(|_| {}, &people(0, 5, 1));
    std::fs::rename(folder.path().join("members.csv"), folder.path().join("my members.csv")).unwrap();
    let args = ["plan", "newsletter", "my members.csv", "--pass-guard", "allow_empty"];
    let (_, _, err) = run_in(folder.path(), &args).await;
    let next = "next: autopilot-export run newsletter 'my members.csv' --pass-guard allow_empty";
    assert!(err.contains(next), "{err}");
}

#[tokio::test]
async fn a_sample_is_masked() {
    let folder = folder(|_| {}, "EMail,FirstName,Value\nann.lee@example.com,Annabel,1234\n");
    let (code, plan, err) = plan(folder.path(), &["--sample"]).await;
    let row = &plan["sample"]["Newsletter"][0];
    assert_eq!((code, &row["email"], &row["first_name"]), (0, &json!("a••.l••@e••••••.c••"), &json!("A••••••")));
    assert!(!format!("{plan}{err}").contains("Annabel"));
    let (_, out, _) = run_in(folder.path(), &["plan", "newsletter", "members.csv"]).await;
    assert!(!out.contains("sample"), "only where it is asked for: {out}");
}

#[tokio::test]
async fn guards_stand_in_the_json_of_a_plan() {
    let folder =
        folder(|settings| settings["exports"]["newsletter"]["guards"] = json!({ "max_profiles": 3 }), &people(0, 5, 1));
    let (code, plan, err) = plan(folder.path(), &[]).await;
    assert_eq!((code, &plan["guards"][0]["name"]), (4, &json!("max_profiles")));
    assert!(plan["guards"][0]["message"].as_str().unwrap().contains("5 profiles") && err.contains("5 profiles"));
    assert_eq!(self::plan(folder.path(), &["--pass-guard", "max_profiles"]).await.1["guards"], json!([]));
}

#[tokio::test]
async fn plan_counts_each_segment() {
    let two = |settings: &mut Value| {
        settings["exports"]["newsletter"]["segments"] = json!([{ "name": "A" }, { "name": "B" }]);
    };
    let folder = folder(two, &people(0, 5, 1));
    std::fs::write(folder.path().join("other.csv"), people(3, 10, 1)).unwrap();
    let args = ["plan", "newsletter", "A=members.csv", "B=other.csv", "--json"];
    let (code, out, err) = run_in(folder.path(), &args).await;
    let plan: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{err}"));
    let counts = |at: usize| (plan["segments"][at]["name"].clone(), plan["segments"][at]["joiners"].clone());
    assert_eq!((code, counts(0), counts(1)), (0, (json!("A"), json!(5)), (json!("B"), json!(7))));
}

#[tokio::test]
async fn plan_advises_a_faster_way_and_says_who_may_be_billed() {
    let slow = |settings: &mut Value| settings["connections"]["eu"]["requests_per_second"] = json!(5);
    let folder = folder(slow, &people(0, 3000, 1));
    let (_, found, _) = plan(folder.path(), &[]).await;
    assert!(found["forms"]["field"]["requests_at_most"].as_u64() < Some(60), "{found}");
    assert!(found["way"].as_str().unwrap().contains("not known yet"), "{found}");
    let (_, out, _) = run_in(folder.path(), &["plan", "newsletter", "members.csv"]).await;
    let advice = out.lines().find_map(|line| line.strip_prefix("  advice    ")).unwrap_or_default();
    assert!(
        advice.starts_with("by list up to 10.4 min, by field 8 s: ") && advice.contains("\"field\": \"Newsletter\""),
        "{out}"
    );
    assert!(out.contains("  people    at most 3000 are new to the account, and billed\n"), "{out}");
    let few = self::folder(slow, &people(0, 3, 1));
    assert!(plan(few.path(), &[]).await.1.get("advice").is_none(), "it would save a second");
}

#[tokio::test]
async fn plan_counts_by_the_way_that_a_run_has_learned() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let drop = cli.scene.file("members.csv", people(0, 20, 1).as_bytes());
    assert_eq!(cli.run(&["run", "newsletter", drop.to_str().unwrap()]).await.0, 0);
    let drop = cli.scene.file("members.csv", people(0, 2000, 1).as_bytes());
    let planned = async |more: &[&str]| {
        let (_, out, _) = cli.run(&[&["plan", "newsletter", drop.to_str().unwrap(), "--json"], more].concat()).await;
        let plan: Value = serde_json::from_str(&out).unwrap();
        (plan["requests"].as_u64().unwrap() > 1980, plan["way"].as_str().unwrap().to_owned())
    };
    let (is_one_by_one, way) = planned(&[]).await;
    assert!(is_one_by_one && way.contains("learned on") && way.ends_with(": single"), "{way}");
    let (is_one_by_one, way) = planned(&["--full"]).await;
    assert!(!is_one_by_one && way.contains("not known yet"), "{way}");
}

/// A plan in a file, and where the file is.
async fn planned() -> (Cli, std::path::PathBuf, String) {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let drop = cli.scene.file("members.csv", people(0, 9, 1).as_bytes());
    let file = cli.scene.file("plan.json", b"").display().to_string();
    let (code, _, err) = cli.run(&["plan", "newsletter", drop.to_str().unwrap(), "--out", &file]).await;
    assert!(code == 0 && err.contains("--plan"), "{err}");
    (cli, drop, file)
}

#[tokio::test]
async fn run_by_a_plan_does_what_was_planned() {
    let (cli, _, file) = planned().await;
    let (code, out, err) = cli.run(&["run", "newsletter", "--plan", &file, "--json"]).await;
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{err}"));
    assert_eq!((code, &report["rows"]["delivered"]), (0, &json!(9)));
    assert!(!std::fs::read_to_string(&file).unwrap().contains("person."), "no personal data");
    // The state has moved by the run itself.
    let (code, out, err) = cli.run(&["run", "newsletter", "--plan", &file]).await;
    assert!(code == 2 && (out + &err).contains("the state has moved since the plan was made"));
}

#[tokio::test]
async fn run_by_a_plan_is_refused_once_anything_moved() {
    let (cli, drop, file) = planned().await;
    std::fs::write(&drop, people(0, 8, 1)).unwrap();
    let (code, _, err) = cli.run(&["run", "newsletter", "--plan", &file]).await;
    assert!(code == 2 && err.contains("the drop is another since the plan was made"), "{code}: {err}");
    let (mut cli, _, file) = planned().await;
    cli.scene.set_export("suppress", json!([{ "column": "FirstName", "equals": "Ann" }]));
    cli.scene.file("exports.json", cli.scene.settings.to_string().as_bytes());
    let (code, _, err) = cli.run(&["run", "newsletter", "--plan", &file]).await;
    assert!(code == 2 && err.contains("the configuration has changed since the plan was made"), "{code}: {err}");
    assert_eq!(cli.scene.sandbox.counters().requests, 0);
    for (text, what) in [("{}", "is not a plan"), ("", "is not a plan")] {
        let file = cli.scene.file("other.json", text.as_bytes());
        let (code, _, err) = cli.run(&["run", "newsletter", "--plan", file.to_str().unwrap()]).await;
        assert!(code == 2 && err.contains(what), "{err}");
    }
}
