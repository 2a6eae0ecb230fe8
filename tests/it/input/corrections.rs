//! Rejected rows are corrected in whatever a spreadsheet saves, and a correction lasts as long as the drops hold its row.

use std::collections::BTreeSet;

use autopilot_export::run::keys;
use autopilot_export::sandbox::{Fault, Options};
use serde_json::{Value, json};

use crate::cli::command::Cli;
use crate::support::fixture::{EXPORT, Scene, set};

const HEADER: &str = "EMail,FirstName,Value\n";
/// In the second row the address is wrong, in the third the number.
const ROWS: [&str; 4] = ["ann@x.example,Ann,1", "bob@@x.example,Bøb,2", "cy@x.example,Cy,many", "di@x.example,Di,4"];

async fn cli() -> Cli {
    Cli::new(Scene::new(Options::default()).await)
}

async fn run(cli: &Cli, rows: &[&str]) -> Value {
    let drop = cli.scene.file("members.csv", format!("{HEADER}{}\n", rows.join("\n")).as_bytes());
    cli.export(&drop).await.1
}

async fn retry(cli: &Cli, what: &str) -> (i32, Value, String) {
    let (code, out, err) = cli.run(&["retry", what, "--json"]).await;
    (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code}: {out}\n{err}")), err)
}

fn rejects(cli: &Cli, report: &Value) -> String {
    let key = keys::of_run(report["run_id"].as_str().unwrap(), "rejects.csv");
    std::fs::read_to_string(cli.scene.root().join(key)).unwrap()
}

fn corrected(rejects: &str) -> String {
    rejects.replace("@@", "@").replace("many", "7")
}

async fn retry_corrected(cli: &Cli, report: &Value) -> (i32, Value, String) {
    let file = cli.scene.file("fixed.csv", corrected(&rejects(cli, report)).as_bytes());
    retry(cli, file.to_str().unwrap()).await
}

fn on_list(cli: &Cli) -> BTreeSet<String> {
    cli.scene.members().iter().map(|email| email.replace("@x.example", "")).collect()
}

fn value(cli: &Cli, name: &str) -> Value {
    cli.scene.held()[&format!("{name}@x.example")].1["Value"].clone()
}

/// The rows of CSV text with another delimiter.
fn separated(csv: &str, by: u8) -> String {
    let mut writer = csv::WriterBuilder::new().delimiter(by).from_writer(Vec::new());
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_bytes());
    reader.records().for_each(|row| writer.write_record(&row.unwrap()).unwrap());
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

#[tokio::test]
async fn retry_reads_whatever_a_spreadsheet_saves() {
    let latin = |text: String| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>();
    let utf_16 = |text: String| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    type Saved<'a> = (&'a str, &'a dyn Fn(String) -> Vec<u8>);
    let plain = |text: &str| text.trim_start_matches('\u{feff}').to_owned();
    let forms: [Saved<'_>; 6] = [
        ("as it is", &|text| text.into_bytes()),
        ("comma, UTF-8", &|text| plain(&text).into_bytes()),
        ("semicolon, UTF-8 with a mark", &|text| format!("\u{feff}{}", separated(&plain(&text), b';')).into_bytes()),
        ("comma, windows-1252", &|text| latin(plain(&text))),
        ("semicolon, windows-1252", &|text| latin(separated(&plain(&text), b';'))),
        ("Unicode text", &|text| utf_16(format!("\u{feff}{}", separated(&plain(&text), b'\t')))),
    ];
    for (form, save) in forms {
        let cli = cli().await;
        let report = run(&cli, &ROWS).await;
        let text = rejects(&cli, &report);
        assert!(text.starts_with('\u{feff}'), "spreadsheets know UTF-8 by its mark");
        let file = cli.scene.file("fixed.csv", &save(corrected(&text)));
        let (code, report, err) = retry(&cli, file.to_str().unwrap()).await;
        assert_eq!((code, &report["rows"]["delivered"]), (0, &json!(2)), "{form}: {report}{err}");
        assert_eq!(cli.scene.held()["bob@x.example"].0["FirstName"], "Bøb", "{form}");
        assert!(!format!("{report}{err}").contains("leavers are withheld"), "{form}");
        assert!(err.contains("2 corrected rows last"), "{form}: {err}");
    }
}

/// A row that no cells can be read of is known again by its line.
#[tokio::test]
async fn the_correction_of_a_malformed_row_lasts_too() {
    for broken in ["bob@x.example,Smith, Bob,2", "bob@x.example", "bob@x.example,\"Smith,2"] {
        let cli = cli().await;
        let rows = [ROWS[0], ROWS[3], broken];
        let report = run(&cli, &rows).await;
        assert_eq!(report["rejects"]["malformed_row"], 1, "{broken}: {report}");
        let text = rejects(&cli, &report);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        let mut writer = csv::Writer::from_writer(Vec::new());
        for (number, record) in reader.records().map(|record| record.unwrap()).enumerate() {
            let right = ["bob@x.example", "Smith, Bob", "2"];
            let cells = record.iter().enumerate();
            let cell = |(at, cell)| if number > 0 { right.get(at).copied().unwrap_or(cell) } else { cell };
            writer.write_record(cells.map(cell)).unwrap();
        }
        let file = cli.scene.file("fixed.csv", &writer.into_inner().unwrap());
        let (code, report, err) = retry(&cli, file.to_str().unwrap()).await;
        assert_eq!((code, &report["rows"]["delivered"]), (0, &json!(1)), "{broken}: {report}{err}");
        for _ in 0..2 {
            let report = run(&cli, &rows).await;
            let found = (&report["rows"]["unchanged"], &report["members"]["leavers"], &report["outcome"]);
            assert_eq!(found, (&json!(3), &json!(0), &json!("nothing_to_do")), "{broken}: {report}");
            assert_eq!(on_list(&cli), set(&["ann", "bob", "di"]), "{broken}");
        }
        run(&cli, &rows[..2]).await;
        assert_eq!(on_list(&cli), set(&["ann", "di"]), "{broken}: the correction ended");
    }
}

#[tokio::test]
async fn a_correction_lasts_until_the_first_drop_without_its_row() {
    let cli = cli().await;
    let report = run(&cli, &ROWS).await;
    assert_eq!(retry_corrected(&cli, &report).await.0, 0);
    for _ in 0..2 {
        let report = run(&cli, &ROWS).await;
        assert_eq!(
            (&report["rows"]["unchanged"], &report["outcome"]),
            (&json!(4), &json!("nothing_to_do")),
            "{report}"
        );
        assert_eq!(report["requests"]["total"], 0);
    }
    // What else changes is sent.
    let report = run(&cli, &["ann@x.example,Ann,9", ROWS[1], ROWS[2], ROWS[3]]).await;
    assert_eq!((&report["rows"]["unchanged"], &report["rows"]["delivered"]), (&json!(3), &json!(1)), "{report}");
    assert_eq!(
        (on_list(&cli), value(&cli, "cy"), value(&cli, "ann")),
        (set(&["ann", "bob", "cy", "di"]), json!(7), json!(9))
    );
    // Without the rows the corrections end, and whose row is gone leaves.
    let report = run(&cli, &["ann@x.example,Ann,9", "cy@x.example,Cy,8", ROWS[3]]).await;
    assert_eq!((&report["members"]["leavers"], &report["rows"]["delivered"]), (&json!(1), &json!(1)), "{report}");
    assert_eq!((on_list(&cli), value(&cli, "cy")), (set(&["ann", "cy", "di"]), json!(8)));
    let report = run(&cli, &["ann@x.example,Ann,9", ROWS[2], ROWS[3]]).await;
    assert_eq!(report["rejects"]["invalid_value"], 1, "{report}");
}

#[tokio::test]
async fn what_was_sent_in_a_rows_place_stays_beside_another_row() {
    for order in [[0, 1, 2, 3, 4], [4, 0, 1, 2, 3]] {
        let cli = cli().await;
        let report = run(&cli, &ROWS).await;
        retry_corrected(&cli, &report).await;
        let rows = [ROWS[0], ROWS[1], ROWS[2], ROWS[3], "bob@x.example,Other,5"];
        let report = run(&cli, &order.map(|at| rows[at])).await;
        assert_eq!(
            (&report["rows"]["unchanged"], &report["rejects"]["duplicate_email"]),
            (&json!(4), &json!(1)),
            "{report}"
        );
        assert_eq!(value(&cli, "bob"), 2);
    }
}

#[tokio::test]
async fn a_row_that_autopilot_refused_can_be_corrected() {
    let cli = cli().await;
    cli.scene.sandbox.set_faults(Fault::parse_list("refuse-rows:eve@").unwrap());
    let rows = ["ann@x.example,Ann,1", "eve@x.example,Eve,2"];
    let report = run(&cli, &rows).await;
    assert_eq!(report["rejects"]["refused"], 1, "{report}");
    let text = rejects(&cli, &report).replace("eve@", "eva@");
    let file = cli.scene.file("fixed.csv", text.as_bytes());
    let (code, report, _) = retry(&cli, file.to_str().unwrap()).await;
    assert_eq!((code, &report["rows"]["delivered"]), (0, &json!(1)), "{report}");
    let report = run(&cli, &rows).await;
    assert_eq!((&report["rows"]["unchanged"], &report["requests"]["total"]), (&json!(2), &json!(0)), "{report}");
    assert_eq!(on_list(&cli), set(&["ann", "eva"]));
}

#[tokio::test]
async fn a_correction_that_is_refused_is_none() {
    let cli = cli().await;
    let report = run(&cli, &ROWS).await;
    cli.scene.sandbox.set_faults(Fault::parse_list("refuse-rows:bob@").unwrap());
    let (code, retried, _) = retry_corrected(&cli, &report).await;
    assert_eq!((code, &retried["rejects"]["refused"]), (1, &json!(1)), "{retried}");
    cli.scene.sandbox.clear_faults();
    let report = run(&cli, &ROWS).await;
    assert_eq!((&report["rows"]["unchanged"], &report["rejects"]["invalid_email"]), (&json!(3), &json!(1)), "{report}");
    // It is still known by the row that was rejected at first.
    let (_, retried, _) = retry_corrected(&cli, &retried).await;
    assert_eq!(retried["rows"]["delivered"], 1, "{retried}");
    let report = run(&cli, &ROWS).await;
    assert_eq!(report["rows"]["unchanged"], 4, "{report}");
}

#[tokio::test]
async fn duplicates_whose_address_was_not_changed_are_left_out() {
    let cli = cli().await;
    let rows = ["ann@x.example,Ann,1", "ANN@x.example,Other,2", "Ann@x.example,Third,3"];
    let report = run(&cli, &rows).await;
    assert_eq!(report["rejects"]["duplicate_email"], 2, "{report}");
    let (code, report_of_retry, err) = retry(&cli, report["run_id"].as_str().unwrap()).await;
    assert_eq!((code, &report_of_retry["rows"]["read"]), (0, &json!(0)), "{report_of_retry}");
    assert_eq!(report_of_retry["left_out"], json!({ "duplicates": 2, "in_newer_drop": 0 }));
    assert!(err.contains("2 rows are left out: their address is still that of another row"), "{err}");
    assert_eq!(value(&cli, "ann"), 1);
    // One gets an address of its own.
    let file = cli.scene.file("fixed.csv", rejects(&cli, &report).replace("ANN@", "eve@").as_bytes());
    let (code, report, _) = retry(&cli, file.to_str().unwrap()).await;
    assert_eq!(
        (code, &report["rows"]["delivered"], &report["left_out"]["duplicates"]),
        (0, &json!(1), &json!(1)),
        "{report}"
    );
    let report = run(&cli, &rows).await;
    assert_eq!((&report["rows"]["unchanged"], &report["members"]["leavers"]), (&json!(2), &json!(0)), "{report}");
    assert_eq!(on_list(&cli), set(&["ann", "eve"]));
}

#[tokio::test]
async fn who_has_been_in_a_newer_drop_is_left_out() {
    for is_drop_there in [true, false] {
        let cli = cli().await;
        let report = run(&cli, &ROWS).await;
        // Bob is put right at the source; Cy is not in the drop.
        let newer = cli
            .scene
            .file("newer.csv", format!("{HEADER}{}\nbob@x.example,Robert,5\n{}\n", ROWS[0], ROWS[3]).as_bytes());
        assert_eq!(cli.export(&newer).await.0, 0);
        if !is_drop_there {
            std::fs::remove_file(newer).unwrap();
        }
        let (code, report, err) = retry_corrected(&cli, &report).await;
        assert_eq!(
            (code, &report["rows"]["delivered"], &report["left_out"]["in_newer_drop"]),
            (0, &json!(1), &json!(1)),
            "{report}"
        );
        assert!(err.contains("a newer drop has held these people since"), "{err}");
        assert_eq!((value(&cli, "bob"), value(&cli, "cy")), (json!(5), json!(7)), "{is_drop_there}");
    }
}

#[tokio::test]
async fn an_old_file_sends_nobody_that_a_newer_drop_suppresses() {
    let mut scene = Scene::new(Options::default()).await;
    scene.set_export("suppress", json!([{ "column": "No", "equals": true }]));
    let cli = Cli::new(scene);
    let drop = |rows: &str| cli.scene.file("members.csv", format!("EMail,FirstName,Value,No\n{rows}").as_bytes());
    let (_, report) = cli.export(&drop("ann@x.example,Ann,1,\nbob@x.example,Bob,many,\n")).await;
    assert_eq!(cli.export(&drop("ann@x.example,Ann,1,\nbob@x.example,Bob,2,1\n")).await.0, 0);
    let (code, retried, _) = retry_corrected(&cli, &report).await;
    assert_eq!((code, &retried["left_out"]["in_newer_drop"]), (0, &json!(1)), "{retried}");
    assert_eq!(on_list(&cli), set(&["ann"]));
    assert!(cli.scene.root().join("state").join(EXPORT).exists());
}

async fn consenting() -> Cli {
    let mut scene = Scene::new(Options::default()).await;
    scene.set_export("suppress", json!([{ "column": "No", "equals": true }]));
    let custom = json!({ "Value": { "column": "Value", "type": "integer" } });
    let fields = json!({ "email": "EMail", "first_name": "FirstName", "unsubscribed": "Out", "custom": custom });
    scene.set_export("match", fields);
    Cli::new(scene)
}

async fn run_consenting(cli: &Cli, rows: &[&str]) -> Value {
    let text = format!("EMail,FirstName,Value,Out,No\n{}\n", rows.join("\n"));
    cli.export(&cli.scene.file("members.csv", text.as_bytes())).await.1
}

#[tokio::test]
async fn the_rows_behind_a_corrected_address_say_no() {
    for (no, opted_out) in [("bob@x.example,Bob,1,,1", false), ("bob@x.example,Bob,much,1,", true)] {
        for order in [[0, 1, 2], [2, 1, 0]] {
            let cli = consenting().await;
            let rows = ["ann@x.example,Ann,1,,", "bob@@x.example,Bobby,2,,", no];
            let report = run_consenting(&cli, &order.map(|at| rows[at])).await;
            let text = corrected(&rejects(&cli, &report));
            let kept = text.lines().filter(|line| !line.contains("much")).map(|line| format!("{line}\n"));
            let file = cli.scene.file("fixed.csv", kept.collect::<String>().as_bytes());
            let (_, retried, _) = retry(&cli, file.to_str().unwrap()).await;
            let held = cli.scene.sandbox.contents().contacts;
            let bob = held.iter().find(|contact| contact.email.as_deref() == Some("bob@x.example"));
            assert_eq!(bob.is_some_and(|bob| bob.unsubscribed), opted_out, "{no}: {retried}");
            assert_eq!(on_list(&cli).contains("bob"), opted_out, "{no}: {retried}");
        }
    }
}

#[tokio::test]
async fn a_correction_does_not_overwrite_a_row_of_that_address() {
    for is_drop_there in [true, false] {
        let cli = cli().await;
        let rows = [ROWS[0], "bob@@x.example,Other,2", "bob@x.example,Bob,3"];
        let report = run(&cli, &rows).await;
        if !is_drop_there {
            std::fs::remove_file(cli.scene.file("members.csv", b"")).unwrap();
        }
        let (code, retried, _) = retry_corrected(&cli, &report).await;
        assert_eq!((code, &retried["rejects"]["duplicate_email"]), (1, &json!(1)), "{retried}");
        assert_eq!(
            (value(&cli, "bob"), cli.scene.held()["bob@x.example"].0["FirstName"].clone()),
            (json!(3), json!("Bob"))
        );
    }
}

/// A spreadsheet may lose the columns that are not the row's.
#[tokio::test]
async fn a_rejects_file_without_fingerprints_overwrites_nobody() {
    for (kept, delivered) in [(1, 1), (0, 1)] {
        let cli = cli().await;
        let report = run(&cli, &ROWS).await;
        let text = rejects(&cli, &report).replace("bob@@x", "ann@x").replace("many", "7");
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let records: Vec<csv::StringRecord> = reader.records().map(|record| record.unwrap()).collect();
        let is_kept = |name: &str| !name.contains("fingerprint") && (kept == 1 || !name.contains("code"));
        let mut writer = csv::Writer::from_writer(Vec::new());
        for record in &records {
            let cells = records[0].iter().zip(record).filter(|(name, _)| is_kept(name)).map(|(_, cell)| cell);
            writer.write_record(cells).unwrap();
        }
        let file = cli.scene.file("fixed.csv", &writer.into_inner().unwrap());
        let (code, report, err) = retry(&cli, file.to_str().unwrap()).await;
        assert_eq!((code, &report["rows"]["delivered"]), (1, &json!(delivered)), "{report}{err}");
        assert_eq!((value(&cli, "ann"), value(&cli, "cy")), (json!(1), json!(7)), "{err}");
    }
}

/// Nobody knows the address of who was sent in a row's place; the entry of a suppression file may be a hash of it.
#[tokio::test]
async fn a_hash_of_a_corrected_address_that_is_listed_later_counts() {
    // SHA-256 of `bob@x.example`, and a line of somebody else.
    let hash = "7832d9309020e043e851f1b7936f0934e57fccc68f62a661a414880191f9311e";
    for entry in [hash, "Bob@X.example"] {
        let mut scene = Scene::new(Options::default()).await;
        scene.set_export("suppression_file", json!("stop.txt"));
        let cli = Cli::new(scene);
        let stop = "zoe@x.example\nyves@x.example\n".to_owned();
        cli.scene.write("stop.txt", stop.as_bytes());
        let report = run(&cli, &ROWS).await;
        retry_corrected(&cli, &report).await;
        assert!(on_list(&cli).contains("bob"));
        cli.scene.write("stop.txt", format!("{stop}{entry}\n").as_bytes());
        let report = run(&cli, &ROWS).await;
        assert!(!on_list(&cli).contains("bob"), "{entry}: {report}");
    }
}

#[tokio::test]
async fn a_row_is_corrected_beside_a_duplicate_of_its_address() {
    let cli = cli().await;
    let report = run(&cli, &[ROWS[0], "cy@x.example,Cy,many", "cy@x.example,Cyrus,3"]).await;
    // Without the line of the duplicate.
    let text = corrected(&rejects(&cli, &report));
    let kept: String = text.lines().filter(|line| !line.contains("Cyrus")).map(|line| format!("{line}\n")).collect();
    let file = cli.scene.file("fixed.csv", kept.as_bytes());
    for _ in 0..2 {
        let (code, retried, _) = retry(&cli, file.to_str().unwrap()).await;
        assert_eq!((code, value(&cli, "cy")), (0, json!(7)), "{retried}");
    }
}

#[tokio::test]
async fn a_corrected_row_that_says_no_since_ends_its_correction() {
    for (bad, fixed) in [("bob@@x.example", "bob@x.example"), ("rob@x.example", "bob@x.example")] {
        let mut cli = consenting().await;
        cli.scene.set_export("suppress", json!([{ "column": "No", "equals": "gone" }]));
        let cli = Cli::new(cli.scene);
        let rows = ["ann@x.example,Ann,1,,", &format!("{bad},Bob,many,,1"), "nobody,,,,"];
        let report = run_consenting(&cli, &rows).await;
        let text = rejects(&cli, &report).replace(bad, fixed).replace("many", "7");
        retry(&cli, cli.scene.file("fixed.csv", text.as_bytes()).to_str().unwrap()).await;
        assert_eq!(on_list(&cli), set(&["ann", "bob"]));
        let mut scene = cli.scene;
        scene.set_export("suppress", json!([{ "column": "No", "equals": "1" }]));
        let cli = Cli::new(scene);
        let report = run_consenting(&cli, &rows).await;
        assert_eq!((on_list(&cli), &report["members"]["leavers"]), (set(&["ann"]), &json!(1)), "{bad}: {report}");
    }
}
