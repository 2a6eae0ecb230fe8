//! A "no" counts for the person: in whichever segment of the export its row is, and under whichever address of a
//! customer's id.

use std::collections::BTreeSet;

use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{RequestedDrop, RunRequest};
use autopilot_export::sandbox::{Fault, Options};
use serde_json::{Value, json};

use crate::support::fixture::{LIST, Scene, set};

/// Columns: the address, a name, the opt-out, a suppression, a consent, the customer's id.
const HEADER: &str = "EMail,FirstName,Out,NoMail,Consent,Id\n";
pub(super) const VIPS: &str = "VIPs";

pub(super) async fn scene(ids: bool) -> Scene {
    let mut scene = Scene::new(Options::default()).await;
    let segment =
        |name: &str| json!({ "name": name, "prefix": format!("segments/{name}/"), "membership": { "list": name } });
    scene.set_export("segments", json!([segment(LIST), segment(VIPS)]));
    let mut fields = json!({ "email": "EMail", "first_name": "FirstName", "unsubscribed": "Out" });
    if ids {
        fields["id"] = json!("Id");
    }
    scene.set_export("match", fields);
    scene.set_export("suppress", json!([{ "column": "NoMail", "equals": true }]));
    scene.set_export("require", json!([{ "column": "Consent", "equals": true }]));
    scene
}

pub(super) fn rows(rows: &[&str]) -> String {
    let row = |row: &&str| row.replacen(',', "@example.com,", 1) + "\n";
    HEADER.to_owned() + &rows.iter().map(row).collect::<String>()
}

/// A request for a drop of each segment.
fn both(scene: &Scene, list: &[&str], vips: &[&str]) -> RunRequest {
    let mut request = scene.drop(rows(list));
    let second = scene.drop(rows(vips)).drops.remove(0);
    request.drops.push(RequestedDrop { segment: VIPS.into(), ..second });
    request
}

async fn run(scene: &Scene, list: &[&str], vips: &[&str]) -> Report {
    scene.run(&both(scene, list, vips)).await
}

pub(super) fn on(scene: &Scene, list: &str) -> BTreeSet<String> {
    let members = scene.sandbox.contents().members(list);
    members.iter().map(|email| email.replace("@example.com", "")).collect()
}

pub(super) fn opted_out(scene: &Scene) -> BTreeSet<String> {
    let contacts = scene.sandbox.contents().contacts;
    let names = contacts.into_iter().filter(|contact| contact.unsubscribed).filter_map(|contact| contact.email);
    names.map(|email| email.replace("@example.com", "").to_lowercase()).collect()
}

pub(super) const ANN: &str = "ann,Ann,,,1,1";
pub(super) const BOB: &str = "bob,Bob,,,1,2";
/// Bob's rows that keep him from being sent.
pub(super) const NO: [&str; 4] = ["bob,Bob,,1,1,2", "bob,Bob,,,0,2", "bob,Bob,,,,2", "bob,Bob,1,1,1,2"];

#[tokio::test]
async fn a_suppressed_row_of_one_segment_counts_in_the_other() {
    for no in NO {
        for was_member in [false, true] {
            for (list, vips) in [([ANN, BOB], [ANN, no]), ([ANN, no], [ANN, BOB])] {
                let scene = scene(false).await;
                if was_member {
                    run(&scene, &[ANN, BOB], &[ANN, BOB]).await;
                }
                let report = run(&scene, &list, &vips).await;
                assert_eq!((report.rows.suppressed, report.rows.rejected), (2, 0), "{list:?} {vips:?}: {report:?}");
                assert_eq!((on(&scene, LIST), on(&scene, VIPS)), (set(&["ann"]), set(&["ann"])), "{list:?} {vips:?}");
                assert_eq!(report.members.leavers, if was_member { 2 } else { 0 }, "{report:?}");
                let report = run(&scene, &list, &vips).await;
                assert_eq!((report.outcome, report.requests.total), (Outcome::NothingToDo, 0), "{report:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_opt_out_of_one_segment_is_sent_once_for_both() {
    let out = "bob,Bob,yes,,1,2";
    for was_member in [false, true] {
        for (list, vips) in [([ANN, BOB], [ANN, out]), ([ANN, out], [ANN, BOB])] {
            let scene = scene(false).await;
            if was_member {
                run(&scene, &[ANN, BOB], &[ANN, BOB]).await;
            }
            let report = run(&scene, &list, &vips).await;
            assert_eq!(
                (report.outcome, opted_out(&scene)),
                (Outcome::Succeeded, set(&["bob"])),
                "{list:?}: {report:?}"
            );
            let report = run(&scene, &list, &vips).await;
            assert_eq!((report.rows.unchanged, report.requests.total), (4, 0), "{list:?}: {report:?}");
        }
    }
}

#[tokio::test]
async fn an_unreadable_consent_of_one_segment_counts_in_both() {
    for unreadable in ["bob,Bob,perhaps,,1,2", "bob,Bob,,perhaps,1,2", "bob,Bob,,,perhaps,2"] {
        for is_first in [false, true] {
            let of = |bob: &'static str| [ANN, bob];
            let (list, vips) = if is_first { (of(unreadable), of(BOB)) } else { (of(BOB), of(unreadable)) };
            let newcomers = scene(false).await;
            let report = run(&newcomers, &list, &vips).await;
            assert_eq!((on(&newcomers, LIST), on(&newcomers, VIPS)), (set(&["ann"]), set(&["ann"])), "{report:?}");
            let members = scene(false).await;
            run(&members, &[ANN, BOB], &[ANN]).await;
            let mut request = both(&members, &list, &vips);
            let report = members.run(&request).await;
            assert_eq!((report.outcome, report.requests.total), (Outcome::StoppedByGuard, 0), "{report:?}");
            let message = report.error.map(|error| error.message).unwrap_or_default();
            assert!(message.contains("of 1 members"), "counted once: {message}");
            request = both(&members, &list, &vips);
            request.pass_guards = vec!["unreadable_opt_outs".into()];
            let report = members.run(&request).await;
            assert_eq!((on(&members, LIST), on(&members, VIPS)), (set(&["ann", "bob"]), set(&["ann"])), "{report:?}");
        }
    }
}

#[tokio::test]
async fn who_is_suppressed_elsewhere_leaves_though_leavers_stay() {
    let scene = scene(false).await;
    run(&scene, &[ANN, BOB, "cy,Cy,,,1,3"], &[ANN]).await;
    let mut request = both(&scene, &[ANN], &[ANN, NO[0]]);
    request.drops[0] = scene.drop(format!("{HEADER}ann@example.com,Ann,,,1,1\nnobody,,,,1,\n")).drops.remove(0);
    let report = scene.run(&request).await;
    assert_eq!((report.members.leavers, report.members.leavers_withheld), (1, 1), "{report:?}");
    assert_eq!(on(&scene, LIST), set(&["ann", "cy"]));
}

#[tokio::test]
async fn a_no_under_another_address_of_an_id_counts() {
    for no in ["rob,Rob,,1,1,2", "rob,Rob,,,0,2", "rob,Rob,,1,1, 2 "] {
        for rows in [[ANN, BOB, no], [ANN, no, BOB]] {
            for was_member in [false, true] {
                let scene = scene(true).await;
                if was_member {
                    run(&scene, &[ANN, BOB], &[ANN]).await;
                }
                let report = run(&scene, &rows, &[ANN]).await;
                assert_eq!((report.rows.suppressed, on(&scene, LIST)), (2, set(&["ann"])), "{rows:?}: {report:?}");
            }
        }
    }
    for rows in [[ANN, BOB, "rob,Rob,1,,1,2"], [ANN, "rob,Rob,1,,1,2", BOB]] {
        let scene = scene(true).await;
        let report = run(&scene, &rows, &[ANN]).await;
        assert_eq!((report.outcome, opted_out(&scene)), (Outcome::Succeeded, set(&["bob", "rob"])), "{rows:?}");
        assert_eq!(run(&scene, &rows, &[ANN]).await.requests.total, 0, "{rows:?}");
    }
}

#[tokio::test]
async fn a_row_without_an_address_says_no_by_its_id() {
    for no in [",Bob,,1,1,2", "bob@,Bob,,,0,2"] {
        for rows in [vec![ANN, BOB, no], vec![ANN, no, BOB], vec![ANN, no], vec![ANN, no, "nobody@,,,,1,"]] {
            let scene = scene(true).await;
            run(&scene, &[ANN, BOB], &[ANN]).await;
            let report = run(&scene, &rows, &[ANN]).await;
            assert_eq!((report.members.leavers, on(&scene, LIST)), (1, set(&["ann"])), "{rows:?}: {report:?}");
        }
    }
    for unreadable in [",Bob,perhaps,,1,2", ",Bob,,perhaps,1,2"] {
        for rows in [vec![ANN, BOB, unreadable], vec![ANN, unreadable]] {
            let scene = scene(true).await;
            run(&scene, &[ANN, BOB], &[ANN]).await;
            let report = run(&scene, &rows, &[ANN]).await;
            assert_eq!((report.outcome, report.requests.total), (Outcome::StoppedByGuard, 0), "{rows:?}: {report:?}");
            let message = report.error.map(|error| error.message).unwrap_or_default();
            assert!(message.contains("of 1 members"), "{message}");
        }
    }
}

#[tokio::test]
async fn a_newcomers_unreadable_opt_out_counts_in_any_row() {
    for rows in [[ANN, "bob,Bob,x,,1,2", BOB], [ANN, BOB, "bob,Bob,x,,1,2"], [BOB, "bob,Bob,x,,1,2", ANN]] {
        let scene = scene(false).await;
        let report = run(&scene, &rows, &[ANN]).await;
        let codes: Vec<(&str, u64)> = report.rejects.iter().map(|(code, count)| (code.name(), *count)).collect();
        let count = |name: &str| codes.iter().find(|(code, _)| *code == name).map_or(0, |(_, count)| *count);
        assert_eq!((count("invalid_value"), count("duplicate_email")), (1, 1), "{rows:?}: {report:?}");
        assert_eq!(on(&scene, LIST), set(&["ann"]), "{rows:?}");
    }
}

#[tokio::test]
async fn who_says_nothing_elsewhere_is_read_once() {
    let scene = scene(true).await;
    let report = run(&scene, &[ANN, BOB, NO[0]], &[ANN, "di,Di,1,,1,4", "ed,Ed,,1,1,5"]).await;
    assert_eq!((report.rows.delivered, report.rows.suppressed, report.rows.rejected), (3, 2, 1), "{report:?}");
    assert_eq!(Value::from(scene.emails().len()), json!(2));
}

#[tokio::test]
async fn an_opt_out_without_an_address_reaches_the_member_with_its_id() {
    for out in [",Bob,1,,1,2", "bob@,Bob,yes,,1,2", "bob@,Bob,1,1,1,2"] {
        let scene = scene(true).await;
        run(&scene, &[ANN, BOB], &[ANN]).await;
        let rows = [ANN, out];
        let report = run(&scene, &rows, &[ANN]).await;
        assert_eq!((report.opt_outs_sent, report.rows.rejected), (1, 1), "{out}: {report:?}");
        let stays = !out.contains(",1,1,1,");
        assert_eq!((opted_out(&scene), on(&scene, LIST).contains("bob")), (set(&["bob"]), stays), "{out}");
        let report = run(&scene, &rows, &[ANN]).await;
        assert_eq!((report.opt_outs_sent, report.requests.total), (0, 0), "once: {report:?}");
    }
    // Nobody is created, and who has a row of their own is sent with it.
    let scene = scene(true).await;
    run(&scene, &[ANN, BOB], &[ANN]).await;
    let report = run(&scene, &[ANN, BOB, "zoe@,Zoe,1,,1,9", "bob@,Bob,1,,1,2"], &[ANN]).await;
    assert_eq!((report.opt_outs_sent, opted_out(&scene)), (0, set(&["bob"])), "{report:?}");
    assert_eq!(scene.emails().len(), 2);
}

#[tokio::test]
async fn the_opt_out_of_a_row_that_the_account_refuses_arrives_once() {
    for faulty in [[ANN, "bob,Bob,1,,1,2"], ["bob,Bob,1,,1,2", ANN]] {
        let scene = scene(false).await;
        run(&scene, &[ANN, BOB], &[ANN]).await;
        scene.sandbox.set_faults(Fault::parse_list("refuse-rows:bob@").unwrap());
        let report = run(&scene, &faulty, &[ANN]).await;
        assert_eq!((report.rows.rejected, report.opt_outs_sent), (1, 1), "{report:?}");
        assert_eq!(opted_out(&scene), set(&["bob"]));
        // The row is tried again, and its opt-out is not.
        let asked = || scene.sandbox.counters().of("POST /contact/{contact}/unsubscribe");
        let before = asked();
        for faulty in [faulty, [ANN, "bob,Bobby,1,,1,2"]] {
            let report = run(&scene, &faulty, &[ANN]).await;
            assert_eq!((report.rows.rejected, report.opt_outs_sent, asked() - before), (1, 0, 0), "{report:?}");
        }
        // Of a newcomer nothing is sent.
        let report = run(&scene, &[ANN, "bobby.bob,Bob,1,,1,7"], &[ANN]).await;
        assert_eq!((report.rows.rejected, scene.emails().len(), asked() - before), (1, 2, 0), "{report:?}");
    }
}
