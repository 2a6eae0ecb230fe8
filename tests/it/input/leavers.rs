//! A junk last line does not keep people on for ever, and a day of broken addresses removes nobody.

use std::collections::BTreeSet;

use autopilot_export::report::Report;
use autopilot_export::sandbox::Options;
use serde_json::json;

use crate::support::fixture::{Scene, set};

async fn scene() -> Scene {
    let mut scene = Scene::new(Options::default()).await;
    scene.set_export("match", json!({ "email": "EMail", "first_name": "FirstName", "id": "Id" }));
    scene.set_export("suppress", json!([{ "column": "NoMail", "equals": true }]));
    scene
}

/// Rows of an address, a name, an id and whether it is suppressed.
async fn run(scene: &Scene, rows: &[&str]) -> Report {
    scene.run(&scene.drop(format!("EMail,FirstName,Id,NoMail\n{}\n", rows.join("\n")))).await
}

const FIVE: [&str; 5] =
    ["a@x.example,A,1,", "b@x.example,B,2,", "c@x.example,C,3,", "d@x.example,D,4,", "e@x.example,E,5,"];

fn on_list(scene: &Scene) -> BTreeSet<String> {
    scene.members().iter().map(|email| email.replace("@x.example", "")).collect()
}

fn leavers(report: &Report) -> (u64, u64) {
    (report.members.leavers, report.members.leavers_withheld)
}

#[tokio::test]
async fn only_the_members_with_the_ids_of_unreadable_rows_are_kept() {
    let scene = scene().await;
    run(&scene, &FIVE).await;
    // C's address is broken, D and E are gone.
    let report = run(&scene, &[FIVE[0], FIVE[1], "c@x,C, 3 ,"]).await;
    assert_eq!((leavers(&report), on_list(&scene)), ((2, 1), set(&["a", "b", "c"])), "{report:?}");
    assert!(report.warnings.iter().any(|warning| warning.contains("--pass-guard unreadable_rows")), "{report:?}");
    // An address that nobody had belongs to no member.
    let report = run(&scene, &[FIVE[0], FIVE[1], FIVE[2], "z@x,Z,9,"]).await;
    assert_eq!(leavers(&report), (0, 0), "{report:?}");
}

#[tokio::test]
async fn a_row_without_an_id_may_be_anybodys() {
    for broken in ["c@x,C,,", "c@x,C,NULL,", ",C,\u{200b},", "c@x.example"] {
        let scene = scene().await;
        run(&scene, &FIVE).await;
        let report = run(&scene, &[FIVE[0], "b@x,B,2,", broken]).await;
        assert_eq!((leavers(&report), on_list(&scene).len()), ((0, 4), 5), "{broken}: {report:?}");
    }
}

#[tokio::test]
async fn a_member_whose_id_is_not_known_is_kept() {
    let scene = scene().await;
    run(&scene, &[FIVE[0], FIVE[1], "c@x.example,C,,", FIVE[3]]).await;
    let report = run(&scene, &[FIVE[0], "b@x,B,2,"]).await;
    assert_eq!((leavers(&report), on_list(&scene)), ((1, 2), set(&["a", "b", "c"])), "{report:?}");
}

#[tokio::test]
async fn who_is_suppressed_is_not_kept_by_an_id() {
    let scene = scene().await;
    run(&scene, &FIVE).await;
    let report = run(&scene, &[FIVE[0], FIVE[1], "c@x,C,3,1", FIVE[3], FIVE[4]]).await;
    assert_eq!((leavers(&report), on_list(&scene)), ((1, 0), set(&["a", "b", "d", "e"])), "{report:?}");
}

#[tokio::test]
async fn without_ids_no_more_unreadable_rows_withhold_nobody() {
    let mut scene = scene().await;
    scene.set_export("match", json!({ "email": "EMail", "first_name": "FirstName" }));
    let junk = |rows: &[&'static str], count: usize| [rows, &vec!["junk,,,"; count]].concat();
    run(&scene, &junk(&FIVE, 20)).await;
    // A twentieth more is no more.
    let report = run(&scene, &junk(&FIVE[1..], 21)).await;
    assert_eq!(leavers(&report), (1, 0), "{report:?}");
    let report = run(&scene, &junk(&FIVE[2..], 23)).await;
    assert_eq!(leavers(&report), (0, 1), "{report:?}");
    // While leavers are withheld, the measure stays.
    let report = run(&scene, &junk(&FIVE[2..], 23)).await;
    assert_eq!(leavers(&report), (0, 1), "{report:?}");
    let mut request = scene.drop(format!("EMail,FirstName,Id,NoMail\n{}\n", junk(&FIVE[2..], 23).join("\n")));
    request.pass_guards = vec!["unreadable_rows".into()];
    assert_eq!(leavers(&scene.run(&request).await), (1, 0));
    let report = run(&scene, &junk(&FIVE[3..], 24)).await;
    assert_eq!(leavers(&report), (1, 0), "{report:?}");
}

#[tokio::test]
async fn the_state_learns_an_id_that_is_mapped_later() {
    let mut scene = scene().await;
    scene.set_export("match", json!({ "email": "EMail", "first_name": "FirstName" }));
    run(&scene, &FIVE).await;
    scene.set_export("match", json!({ "email": "EMail", "first_name": "FirstName", "id": "Id" }));
    let report = run(&scene, &FIVE).await;
    assert_eq!(report.rows.delivered, 5, "{report:?}");
    assert_eq!(run(&scene, &FIVE).await.rows.unchanged, 5);
    let report = run(&scene, &["a@x,A,1,", FIVE[1]]).await;
    assert_eq!((leavers(&report), on_list(&scene)), ((3, 1), set(&["a", "b"])), "{report:?}");
}
