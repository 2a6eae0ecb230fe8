//! Every readable "no" is honoured, whatever else is wrong with its row, in any row of an address and in any order.

use std::collections::BTreeSet;

use autopilot_export::report::{Outcome, Report};
use autopilot_export::sandbox::{Fault, Options};
use serde_json::{Value, json};

use crate::support::fixture::{Scene, set};

/// Columns: the address, a name, the opt-out, a suppression, a consent, a number.
const HEADER: &str = "EMail,FirstName,Out,NoMail,Consent,Value\n";

async fn scene() -> Scene {
    let mut scene = Scene::new(Options::default()).await;
    scene.set_export(
        "match",
        json!({
            "email": "EMail", "first_name": "FirstName", "unsubscribed": "Out",
            "custom": { "Value": { "column": "Value", "type": "integer" } }
        }),
    );
    scene.set_export("suppress", json!([{ "column": "NoMail", "equals": true }]));
    scene.set_export("require", json!([{ "column": "Consent", "equals": true }]));
    scene
}

/// A scene in which Ann, Bob and Cy are members.
async fn members() -> Scene {
    let scene = scene().await;
    let report = run(&scene, &["ann,Ann,,,1,1", "bob,Bob,,,1,1", "cy,Cy,,,1,1"]).await;
    assert_eq!(report.rows.delivered, 3);
    scene
}

fn rows(rows: &[&str]) -> String {
    let row = |row: &&str| row.replacen(',', "@example.com,", 1) + "\n";
    HEADER.to_owned() + &rows.iter().map(row).collect::<String>()
}

async fn run(scene: &Scene, lines: &[&str]) -> Report {
    scene.run(&scene.drop(rows(lines))).await
}

fn opted_out(scene: &Scene) -> BTreeSet<String> {
    let contacts = scene.sandbox.contents().contacts;
    let names = contacts.into_iter().filter(|contact| contact.unsubscribed).filter_map(|contact| contact.email);
    names.map(|email| email.replace("@example.com", "").to_lowercase()).collect()
}

fn on_list(scene: &Scene) -> BTreeSet<String> {
    scene.members().iter().map(|email| email.replace("@example.com", "")).collect()
}

fn field(scene: &Scene, name: &str, field: &str) -> Value {
    scene.held()[&format!("{name}@example.com")].0[field].clone()
}

#[tokio::test]
async fn the_opt_out_of_a_members_rejected_row_is_sent_alone_and_once() {
    let scene = members().await;
    let drop = ["ann,Ann,,,1,1", "bob,Bobby,Y,,1,many", "cy,Cy,,,1,1"];
    let report = run(&scene, &drop).await;
    assert_eq!((report.outcome, report.opt_outs_sent), (Outcome::SucceededWithRejects, 1), "{report:?}");
    assert_eq!((report.rows.delivered, report.rows.rejected, report.rows.unchanged), (0, 1, 2));
    assert_eq!((opted_out(&scene), on_list(&scene)), (set(&["bob"]), set(&["ann", "bob", "cy"])));
    assert_eq!(field(&scene, "bob", "FirstName"), "Bob", "nothing else of the row");
    for _ in 0..2 {
        let report = run(&scene, &drop).await;
        assert_eq!((report.opt_outs_sent, report.requests.total), (0, 0), "once");
    }
    // What the contact holds is still known.
    let report = run(&scene, &["ann,Ann,,,1,1", "bob,Bob,,,1,1", "cy,Cy,,,1,1"]).await;
    assert_eq!((report.rows.unchanged, report.requests.total), (3, 0));
}

#[tokio::test]
async fn an_opt_out_never_creates_a_contact() {
    let scene = members().await;
    let report =
        run(&scene, &["ann,Ann,,,1,1", "bob,Bob,,,1,1", "cy,Cy,,,1,1", "di,Di,1,,1,many", "ed,Ed,1,1,1,1"]).await;
    assert_eq!((report.opt_outs_sent, report.rows.rejected, report.rows.suppressed), (0, 1, 1), "{report:?}");
    assert_eq!(scene.emails().len(), 3);
}

#[tokio::test]
async fn the_row_that_is_sent_carries_the_opt_out_of_any_row() {
    for lines in [
        ["bob,Bob,,,1,2", "bob,Other,1,,1,3", "ann,Ann,,,1,1"],
        ["bob,Bob,1,,1,2", "bob,Other,,,1,3", "ann,Ann,,,1,1"],
        ["bob,Bob,,,1,2", "ann,Ann,,,1,1", "bob,Other,1,,1,many"],
    ] {
        // As newcomers and as members.
        for scene in [scene().await, members().await] {
            let report = run(&scene, &lines).await;
            assert_eq!((report.rows.rejected, report.opt_outs_sent), (1, 0), "{lines:?}: {report:?}");
            assert_eq!(report.rejects[&autopilot_export::contact::RejectCode::DuplicateEmail], 1);
            assert_eq!(opted_out(&scene), set(&["bob"]), "{lines:?}");
            assert_eq!(
                (field(&scene, "bob", "FirstName"), scene.held()["bob@example.com"].1["Value"].clone()),
                (json!("Bob"), json!(2))
            );
            let report = run(&scene, &lines).await;
            assert_eq!((report.rows.unchanged, report.requests.total), (2, 0), "{lines:?}: {report:?}");
        }
    }
}

#[tokio::test]
async fn a_rejected_row_and_an_opt_out_in_another_row() {
    for lines in [
        ["bob,Bobby,,,1,many", "bob,Other,1,,1,3", "ann,Ann,,,1,1", "cy,Cy,,,1,1"],
        ["bob,Bobby,1,,1,many", "bob,Other,,,1,3", "ann,Ann,,,1,1", "cy,Cy,,,1,1"],
    ] {
        let scene = members().await;
        let report = run(&scene, &lines).await;
        assert_eq!((report.rows.rejected, report.opt_outs_sent), (2, 1), "{lines:?}: {report:?}");
        assert_eq!((opted_out(&scene), field(&scene, "bob", "FirstName")), (set(&["bob"]), json!("Bob")));
    }
}

#[tokio::test]
async fn one_suppressed_row_suppresses_the_person() {
    for lines in [
        ["bob,Bob,,,1,2", "bob,Bob,,1,1,2", "ann,Ann,,,1,1", "cy,Cy,,,1,1"],
        ["bob,Bob,,1,1,2", "bob,Bob,,,1,2", "ann,Ann,,,1,1", "cy,Cy,,,1,1"],
        ["bob,Bob,,,1,many", "ann,Ann,,,1,1", "cy,Cy,,,1,1", "bob,Bob,,,0,2"],
        ["bob,Bob,,,1,2", "ann,Ann,,,1,1", "cy,Cy,,,1,1", "bob,Bob,,,,2"],
    ] {
        for (scene, leavers, delivered) in [(scene().await, 0, 2), (members().await, 1, 0)] {
            let report = run(&scene, &lines).await;
            let rows = &report.rows;
            assert_eq!((rows.suppressed, rows.rejected, rows.delivered), (1, 1, delivered), "{lines:?}: {report:?}");
            assert_eq!(report.rejects[&autopilot_export::contact::RejectCode::DuplicateEmail], 1, "{lines:?}");
            assert_eq!((report.members.leavers, on_list(&scene)), (leavers, set(&["ann", "cy"])), "{lines:?}");
        }
    }
}

#[tokio::test]
async fn a_suppressed_member_who_opts_out_is_opted_out() {
    let scene = members().await;
    let report = run(&scene, &["ann,Ann,,,1,1", "bob,Bob,1,1,1,1", "cy,Cy,,,1,1"]).await;
    assert_eq!(
        (report.outcome, report.opt_outs_sent, report.members.leavers),
        (Outcome::Succeeded, 1, 1),
        "{report:?}"
    );
    assert_eq!((opted_out(&scene), on_list(&scene)), (set(&["bob"]), set(&["ann", "cy"])));
}

#[tokio::test]
async fn a_suppressed_member_leaves_while_leavers_are_withheld() {
    let scene = members().await;
    let report = run(&scene, &["ann,Ann,,,1,1", "bob,Bob,,1,1,1", "cy @,Cy,,,1,1"]).await;
    assert_eq!((report.members.leavers, report.members.leavers_withheld), (1, 1), "{report:?}");
    assert_eq!(on_list(&scene), set(&["ann", "cy"]));
}

#[tokio::test]
async fn an_opt_out_that_did_not_arrive_is_sent_by_the_next_run() {
    let scene = members().await;
    scene.sandbox.set_faults(Fault::parse_list("refuse-rows:bob@").unwrap());
    let drop = ["ann,Ann,,,1,1", "bob,Bobby,Y,,1,many", "cy,Cy,,,1,1"];
    let report = run(&scene, &drop).await;
    assert_eq!((report.opt_outs_sent, report.rows.rejected, opted_out(&scene).len()), (0, 1, 0), "{report:?}");
    assert!(report.warnings.iter().any(|warning| warning.contains("opt-outs were refused")), "{report:?}");
    scene.sandbox.clear_faults();
    let report = run(&scene, &drop).await;
    assert_eq!((report.opt_outs_sent, opted_out(&scene)), (1, set(&["bob"])), "{report:?}");
}

#[tokio::test]
async fn with_a_membership_field_an_opt_out_alone_makes_no_member() {
    let mut scene = scene().await;
    scene.set_membership(json!({ "field": "In" }));
    run(&scene, &["ann,Ann,,,1,1", "bob,Bob,,,1,1"]).await;
    let report = run(&scene, &["ann,Ann,,,1,1", "bob,Bob,1,1,1,1"]).await;
    assert_eq!((report.opt_outs_sent, report.members.leavers), (1, 1), "{report:?}");
    let held = scene.held();
    assert_eq!((&held["bob@example.com"].1["In"], &held["ann@example.com"].1["In"]), (&json!(false), &json!(true)));
    assert_eq!(opted_out(&scene), set(&["bob"]));
}

#[tokio::test]
async fn an_unreadable_opt_out_of_a_member_stops_the_run_in_any_row() {
    for lines in [
        ["ann,Ann,x,,1,1", "bob,Bob,,,1,1", "cy,Cy,,,1,1", "di,Di,,,1,1"],
        ["ann,Anne,,,1,1", "bob,Bob,,,1,1", "cy,Cy,,,1,1", "ann,Ann,x,,1,1"],
        ["ann,Anne,,,1,1", "bob,Bob,,,1,1", "cy,Cy,,,1,1", "ann,Ann,,perhaps,1,1"],
        ["ann,Anne,,,perhaps,1", "bob,Bob,,,1,1", "cy,Cy,,,1,1", "ann,Ann,,,1,1"],
    ] {
        let scene = members().await;
        let report = run(&scene, &lines).await;
        assert_eq!((report.outcome, report.requests.total), (Outcome::StoppedByGuard, 0), "{lines:?}: {report:?}");
        assert!(report.error.as_ref().unwrap().message.contains("unreadable_opt_outs"), "{report:?}");
        let mut request = scene.drop(rows(&lines));
        request.pass_guards = vec!["unreadable_opt_outs".into()];
        let report = scene.run(&request).await;
        assert_eq!(report.outcome, Outcome::SucceededWithRejects, "{lines:?}: {report:?}");
        assert_eq!(
            (field(&scene, "ann", "FirstName"), on_list(&scene).contains("ann")),
            (json!("Ann"), true),
            "{lines:?}"
        );
    }
}

#[tokio::test]
async fn unreadable_consent_of_a_newcomer_suppresses_and_is_noted() {
    let scene = scene().await;
    let report =
        run(&scene, &["ann,Ann,,,1,1", "bob,Bob,,perhaps,1,1", "cy,Cy,,,perhaps,1", "di,Di,perhaps,,1,1"]).await;
    assert_eq!((report.rows.suppressed, report.rows.rejected, report.rows.delivered), (2, 1, 1), "{report:?}");
    let [note] = report.notes.as_slice() else { panic!("{report:?}") };
    assert_eq!((note.code.name(), note.count, note.first_line), ("invalid_value", 2, 3));
    assert_eq!(on_list(&scene), set(&["ann"]));
}

#[tokio::test]
async fn a_suppression_file_applies_and_must_not_shrink() {
    let mut scene = Scene::new(Options::default()).await;
    scene.set_export("suppression_file", json!("suppressed.csv"));
    let people = |names: &[&str]| names.iter().map(|name| format!("{name}@example.com\n")).collect::<String>();
    let drop = || "EMail,FirstName,Value\nann@example.com,Ann,1\nbob@example.com,Bob,1\n".to_owned();
    for empty in ["", "email\n", "# nobody\n"] {
        scene.write("suppressed.csv", empty.as_bytes());
        let report = scene.run(&scene.drop(drop())).await;
        let error = report.error.as_ref().unwrap();
        assert!(report.outcome == Outcome::Failed && error.message.contains("has no entries"), "{error:?}");
    }
    scene.write("suppressed.csv", people(&["bob", "x", "y", "z", "w"]).as_bytes());
    let report = scene.run(&scene.drop(drop())).await;
    assert_eq!((report.rows.suppressed, on_list(&scene)), (1, set(&["ann"])), "{report:?}");
    scene.write("suppressed.csv", people(&["x", "y"]).as_bytes());
    let report = scene.run(&scene.drop(drop())).await;
    assert_eq!((report.outcome, report.requests.total), (Outcome::StoppedByGuard, 0), "{report:?}");
    assert!(report.error.as_ref().unwrap().message.contains("suppression_shrunk"), "{report:?}");
    let mut request = scene.drop(drop());
    request.pass_guards = vec!["suppression_shrunk".into()];
    let report = scene.run(&request).await;
    assert_eq!((report.rows.delivered, &report.guards_passed_over), (1, &vec!["suppression_shrunk".to_owned()]));
    let report = scene.run(&scene.drop(drop())).await;
    assert_eq!(report.outcome, Outcome::NothingToDo, "what was applied is what counts: {report:?}");
}
