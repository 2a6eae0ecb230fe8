//! `retry`: "only the rows that a run rejected, from its rejects.csv, corrected or not; counts no leavers". And the other
//! ways out of a run that was stopped: `--pass-guard`, `--full`.

use std::collections::BTreeSet;

use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::keys;
use autopilot_export::sandbox::{Fault, Options};
use serde_json::{Value, json};

use super::command::Cli;
use crate::support::fixture::{EXPORT, LIST, Scene, people};
use crate::support::kill::Kill;

/// Three good rows, and two that are rejected: in one the email is wrong, in the other the number.
const ROWS: [[&str; 3]; 5] = [
    ["ann@example.com", "Ann", "1"],
    ["bob at example.com", "Bob", "2"],
    ["cy@example.com", "Cy, \"C\"; é", "many"],
    ["di@example.com", "Di", "4"],
    ["ed@example.com", "Ed", "5"],
];

fn separated(by: &str, header: bool) -> String {
    let quoted = |row: &[&str; 3]| row.map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).join(by) + "\n";
    let rows: String = ROWS.iter().map(quoted).collect();
    if header { quoted(&["EMail", "FirstName", "Value"]) + &rows } else { rows }
}

fn ndjson() -> String {
    let row = |[email, name, value]: &[&str; 3]| {
        json!({ "EMail": email, "FirstName": name, "Value": value }).to_string() + "\n"
    };
    ROWS.iter().map(row).collect()
}

/// What names the columns of a file without a header.
fn model() -> String {
    let attributes = ["EMail", "FirstName", "Value"].map(|name| json!({ "name": name, "dataType": "string" }));
    let part = json!({ "name": "members", "location": "https://x.example/c/members.csv",
                       "fileFormatSettings": { "columnHeaders": "false", "delimiter": "," } });
    json!({ "entities": [{ "$type": "LocalEntity", "name": "Members", "attributes": attributes,
                           "partitions": [part] }] })
    .to_string()
}

/// Corrects both rows of a rejects file.
fn corrected(rejects: &str) -> String {
    rejects.replace("bob at example.com", "bob@example.com").replace("many", "3")
}

async fn json_of(cli: &Cli, args: &[&str]) -> (i32, Value) {
    let (code, out, err) = cli.run(&[args, &["--json"]].concat()).await;
    (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code}: {out}\n{err}")))
}

/// The rejects of a run.
fn rejects(cli: &Cli, report: &Value) -> String {
    let key = keys::of_run(report["run_id"].as_str().unwrap(), "rejects.csv");
    std::fs::read_to_string(cli.scene.root().join(key)).unwrap()
}

#[tokio::test]
async fn retry_reads_its_own_file_whatever_form_the_drops_have() {
    let latin = separated(";", true).chars().map(|c| c as u8).collect::<Vec<u8>>();
    let cases: [(Value, Value, &str, Vec<u8>); 6] = [
        (json!({ "delimiter": ";" }), json!("file"), "members.csv", separated(";", true).into()),
        (json!({ "header": false }), json!("file"), "members.csv", separated(",", false).into()),
        (json!({ "kind": "ndjson" }), json!("file"), "members.json", ndjson().into()),
        (json!({ "encoding": "windows-1252", "delimiter": ";" }), json!("file"), "members.csv", latin),
        (json!({ "delimiter": "|" }), json!("folder"), "day/part_1.csv", separated("|", true).into()),
        (json!({ "kind": "ndjson" }), json!("folder"), "day/part_1.json", ndjson().into()),
    ];
    for (format, kind, name, drop) in cases {
        let place = format!("{format}, {kind}");
        let mut scene = Scene::new(Options::default()).await;
        scene.set("/exports/newsletter/segments/0/format", format);
        scene.set("/exports/newsletter/segments/0/drop", kind);
        let cli = Cli::new(scene);
        let mut path = cli.scene.file(name, &drop);
        cli.scene.file("model.json", model().as_bytes());
        if name.contains('/') {
            path.pop();
        }
        let (code, report) = cli.export(&path).await;
        assert_eq!((code, &report["rows"]["delivered"]), (1, &json!(3)), "{place}: {report}");
        let run = report["run_id"].as_str().unwrap();
        let (code, again) = json_of(&cli, &["retry", run]).await;
        assert_eq!((code, &again["outcome"]), (1, &json!("succeeded_with_rejects")), "{place}: {again}");
        assert_eq!(again["rejects"]["invalid_value"], 1, "{place}: {again}");
        assert_eq!((&again["rows"]["read"], &again["rows"]["rejected"]), (&json!(2), &json!(2)), "{place}: {again}");
        let file = cli.scene.file("corrected.csv", corrected(&rejects(&cli, &report)).as_bytes());
        let (code, retried) = json_of(&cli, &["retry", file.to_str().unwrap()]).await;
        assert_eq!((code, &retried["rows"]["delivered"]), (0, &json!(2)), "{place}: {retried}");
        assert_eq!(retried["members"]["leavers"], 0, "{place}: {retried}");
        let names = ["ann", "bob", "cy", "di", "ed"].map(|name| format!("{name}@example.com"));
        assert_eq!(cli.scene.members(), BTreeSet::from(names), "{place}");
        let held = cli.scene.held();
        assert_eq!(held["cy@example.com"].0["FirstName"], "Cy, \"C\"; é", "{place}: what nobody corrected stays");
        assert_eq!(held["cy@example.com"].1["Value"], 3, "{place}");
    }
}

#[tokio::test]
async fn retried_rows_go_to_the_lists_of_their_own_segments() {
    let mut scene = Scene::new(Options::default()).await;
    scene.set_export(
        "segments",
        json!([
            { "name": LIST, "prefix": "segments/newsletter/", "drop": "folder", "format": { "kind": "ndjson" } },
            { "name": "VIP", "prefix": "segments/vip/", "format": { "delimiter": ";" } }
        ]),
    );
    let cli = Cli::new(scene);
    let news = cli.scene.file("news/part_1.json", ndjson().as_bytes());
    let vip = separated(";", true).replace("ann@", "eve@").replace("bob at", "flo at").replace("cy@", "gus@");
    let vip = cli.scene.file("vip.csv", vip.as_bytes());
    let drops = [format!("{LIST}={}", news.parent().unwrap().display()), format!("VIP={}", vip.display())];
    let (code, report) = json_of(&cli, &["run", EXPORT, "--drop", &drops[0], "--drop", &drops[1]]).await;
    assert_eq!((code, &report["rows"]["rejected"]), (1, &json!(4)), "{report}");
    let text = corrected(&rejects(&cli, &report)).replace("flo at", "flo@").replace("@ ", "@");
    let file = cli.scene.file("corrected.csv", text.as_bytes());
    let (code, retried) = json_of(&cli, &["retry", file.to_str().unwrap()]).await;
    assert_eq!((code, &retried["rows"]["delivered"]), (0, &json!(4)), "{retried}");
    let at = |names: &[&str]| names.iter().map(|name| format!("{name}@example.com")).collect::<BTreeSet<_>>();
    assert_eq!(cli.scene.members(), at(&["ann", "bob", "cy", "di", "ed"]));
    assert_eq!(cli.scene.sandbox.contents().members("VIP"), at(&["di", "ed", "eve", "flo", "gus"]));
}

// Rows that were rejected before are rejected again unless somebody corrects them: their share says nothing of a drop.
#[tokio::test]
async fn a_retry_with_one_row_corrected_passes_every_guard() {
    let mut scene = Scene::new(Options::default()).await;
    scene.set_export("guards", json!({ "max_reject_share": 0.2, "max_leavers_share": 0.5 }));
    let cli = Cli::new(scene);
    let drop = cli.scene.file("members.csv", (people(0, 17, 1) + "a b,A,1\nc d,C,1\ne f,E,1\n").as_bytes());
    let (code, report) = cli.export(&drop).await;
    assert_eq!((code, &report["rows"]["rejected"]), (1, &json!(3)), "{report}");
    let file = cli.scene.file("corrected.csv", rejects(&cli, &report).replace("c d", "c@example.com").as_bytes());
    let (code, retried) = json_of(&cli, &["retry", file.to_str().unwrap()]).await;
    assert_eq!((code, &retried["rows"]["delivered"], &retried["rows"]["rejected"]), (1, &json!(1), &json!(2)));
    assert_eq!((&retried["guards_passed_over"], cli.scene.members().len()), (&json!([]), 18), "{retried}");
}

// Nor does it stop where Autopilot refuses them once more.
#[tokio::test]
async fn a_retry_that_is_refused_again_is_not_stopped_by_a_guard() {
    let faults = Fault::parse_list("refuse-rows:person.3@,refuse-rows:person.5@").unwrap();
    let mut scene = Scene::new(Options { faults, ..Options::default() }).await;
    scene.set_export("guards", json!({ "max_reject_share": 0.2 }));
    let cli = Cli::new(scene);
    let drop = cli.scene.file("members.csv", people(0, 20, 1).as_bytes());
    let (code, report) = cli.export(&drop).await;
    assert_eq!((code, &report["rows"]["rejected"]), (1, &json!(2)), "{report}");
    let (code, retried) = json_of(&cli, &["retry", report["run_id"].as_str().unwrap()]).await;
    assert_eq!((code, &retried["outcome"]), (1, &json!("succeeded_with_rejects")), "{retried}");
    assert_eq!((&retried["rows"]["rejected"], &retried["guards_passed_over"]), (&json!(2), &json!([])), "{retried}");
}

// "`--pass-guard NAME` passes over one for one run, and the report says so": also of what Autopilot refuses.
#[tokio::test]
async fn a_guard_on_refusals_that_is_passed_over_is_reported() {
    let cli = || async {
        let refused: Vec<String> = (0..6).map(|number| format!("refuse-rows:person.{number}@")).collect();
        let faults = Fault::parse_list(&refused.join(",")).unwrap();
        let mut scene = Scene::new(Options { faults, ..Options::default() }).await;
        scene.set_export("guards", json!({ "max_reject_share": 0.5 }));
        let cli = Cli::new(scene);
        let drop = cli.scene.file("members.csv", people(0, 10, 1).as_bytes());
        (cli, drop.to_str().unwrap().to_owned())
    };
    let (stopped, drop) = cli().await;
    let (code, report) = json_of(&stopped, &["run", EXPORT, "--drop", &drop]).await;
    assert_eq!((code, &report["outcome"], &report["guards_passed_over"]), (4, &json!("stopped_by_guard"), &json!([])));
    let (passed, drop) = cli().await;
    let (code, report) = json_of(&passed, &["run", EXPORT, "--drop", &drop, "--pass-guard", "max_reject_share"]).await;
    assert_eq!((code, &report["guards_passed_over"]), (1, &json!(["max_reject_share"])), "{report}");
    assert_eq!((&report["rows"]["delivered"], &report["rows"]["rejected"]), (&json!(4), &json!(6)), "{report}");
    // Where nothing is over the share, nothing was passed over.
    passed.scene.sandbox.clear_faults();
    let (code, report) = json_of(&passed, &["run", EXPORT, "--drop", &drop, "--pass-guard", "max_reject_share"]).await;
    assert_eq!((code, &report["guards_passed_over"]), (0, &json!([])), "{report}");
}

/// A run died in the middle of its lanes, and then the state was damaged: neither its own end nor the next run can be
/// reached, but with `--full`.
#[tokio::test]
async fn full_recovers_from_an_unfinished_run_and_damaged_state() {
    for same_drop in [true, false] {
        let cli = Cli::new(Scene::new(Options::default()).await);
        let scene = &cli.scene;
        scene.run(&scene.drop(people(0, 20, 1))).await;
        let today = scene.file("today.csv", people(10, 40, 1).as_bytes());
        let request = scene.request(&format!("file:{}", today.display()), autopilot_export::run::Trigger::Command);
        let kill = Kill::new(20, true);
        let world = scene.world(kill.clone(), Kill::never());
        tokio::select! {
            () = kill.reached() => {}
            done = scene.run_in(&world, &request) => panic!("never came there: {done:?}"),
        }
        drop(world);
        let members = scene.root().join(keys::profiles(EXPORT));
        let whole = std::fs::read(&members).unwrap();
        std::fs::write(&members, &whole[..whole.len() / 2]).unwrap();
        let next = if same_drop { today } else { scene.file("tomorrow.csv", people(5, 50, 1).as_bytes()) };
        let next = next.to_str().unwrap();
        let (code, _, err) = cli.run(&["run", EXPORT, "--drop", next]).await;
        assert!(code == 2 && err.contains("--full"), "{same_drop}: {code}: {err}");
        let (code, report) = json_of(&cli, &["run", EXPORT, "--drop", next, "--full"]).await;
        let expected = if same_drop { 10..40 } else { 5..50 };
        assert_eq!((code, &report["rows"]["delivered"]), (0, &json!(expected.len())), "{same_drop}: {report}");
        let emails = expected.clone().map(|number| format!("person.{number}@example.com"));
        assert!(scene.members().is_superset(&emails.collect()), "{same_drop}");
        assert!(scene.state().len() >= expected.len(), "{same_drop}: {}", scene.state().len());
        // And everything is as usual again.
        let (code, report) = json_of(&cli, &["run", EXPORT, "--drop", next]).await;
        assert_eq!((code, &report["rows"]["unchanged"]), (0, &json!(expected.len())), "{same_drop}: {report}");
        let dead = std::fs::read(scene.root().join(keys::of_run(&request.run_id, "report.json"))).unwrap();
        let dead: Report = serde_json::from_slice(&dead).unwrap();
        assert!(dead.rows.add_up() && dead.outcome == Outcome::Interrupted, "{same_drop}: {dead:?}");
    }
}

/// The file as a spreadsheet saves it whose list separator is the semicolon, which opened it with each line in one cell.
fn folded(rejects: &str) -> String {
    let one = |line: &str| {
        let line = line.trim_start_matches('\u{feff}');
        // Quotes that begin the line end before it does, so the spreadsheet drops them.
        let line = if line.starts_with('"') { line.replacen('"', "", 2) } else { line.to_owned() };
        if line.contains('"') { format!("\"{}\"\r\n", line.replace('"', "\"\"")) } else { line + "\r\n" }
    };
    rejects.lines().map(one).collect()
}

#[tokio::test]
async fn retry_reads_lines_that_a_spreadsheet_holds_in_one_cell() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let drop = "EMail,FirstName,Value\nann@example.com,Ann,1\nbob at example.com,\"Bob; \"\"B\"\"\",many\ncy@example.com,Cy,many\n";
    let (_, report) = cli.export(&cli.scene.file("members.csv", drop.as_bytes())).await;
    let file = cli.scene.file("saved.csv", folded(&corrected(&rejects(&cli, &report))).as_bytes());
    let (code, retried) = json_of(&cli, &["retry", file.to_str().unwrap()]).await;
    assert_eq!((code, &retried["rows"]["delivered"]), (0, &json!(2)), "{retried}");
    let held = cli.scene.held();
    assert_eq!(held["bob@example.com"].0["FirstName"], "Bob; \"B\"", "{held:?}");
    assert_eq!(held["cy@example.com"].1["Value"], 3);
}

#[tokio::test]
async fn rejects_that_are_no_longer_kept_are_said_to_be_gone() {
    let cli = Cli::new(Scene::new(Options::default()).await);
    let path = cli.scene.file("members.csv", separated(",", true).as_bytes());
    let (_, report) = cli.export(&path).await;
    let run = report["run_id"].as_str().unwrap();
    let (_, page, _) = cli.run(&["report", run]).await;
    assert!(page.contains("correct it there"), "{page}");
    std::fs::remove_file(cli.scene.root().join(keys::of_run(run, "rejects.csv"))).unwrap();
    let (_, page, _) = cli.run(&["report", run]).await;
    assert!(!page.contains("correct it there") && page.contains("whose rows are gone"), "{page}");
    let (code, _, said) = cli.run(&["retry", run]).await;
    assert!(code == 2 && said.contains("its rejects are gone: they are kept for rejects_days"), "{said}");
}
