//! A "no" of one segment counts in the runs of another, until a newer drop of its segment no longer says it.

use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{RequestedDrop, RunRequest, keys};
use serde_json::json;

use super::consent_elsewhere::{ANN, BOB, NO, VIPS, on, opted_out, rows, scene};
use crate::support::fixture::{EXPORT, LIST, Scene, set};

/// A request for a drop of one segment, as its event brings it.
fn asked(scene: &Scene, segment: &str, of: &[&str]) -> RunRequest {
    let mut request = scene.drop(rows(of));
    let drop = request.drops.remove(0);
    request.drops.push(RequestedDrop { segment: segment.into(), ..drop });
    request
}

async fn alone(scene: &Scene, segment: &str, of: &[&str]) -> Report {
    scene.run(&asked(scene, segment, of)).await
}

fn stored(scene: &Scene, segment: &str) -> Option<Vec<u8>> {
    std::fs::read(scene.root().join(keys::objections(EXPORT, segment))).ok()
}

#[tokio::test]
async fn who_is_suppressed_in_one_segment_is_not_sent_by_another() {
    for no in NO {
        for was_member in [false, true] {
            let scene = scene(false).await;
            if was_member {
                alone(&scene, LIST, &[ANN, BOB]).await;
            }
            alone(&scene, VIPS, &[ANN, no]).await;
            for _ in 0..2 {
                let report = alone(&scene, LIST, &[ANN, BOB]).await;
                assert_eq!((report.rows.suppressed, report.rows.rejected), (1, 0), "{no}: {report:?}");
                assert_eq!(on(&scene, LIST), set(&["ann"]), "{no}");
            }
            assert_eq!(alone(&scene, LIST, &[ANN, BOB]).await.outcome, Outcome::NothingToDo);
        }
    }
}

#[tokio::test]
async fn who_opts_out_in_one_segment_is_sent_so_by_another() {
    let mut scene = scene(false).await;
    let number = json!({ "column": "FirstName", "type": "integer" });
    scene.set_export("match", json!({ "email": "EMail", "unsubscribed": "Out", "custom": { "Number": number } }));
    let (ann, bob) = ("ann,1,,,1,1", "bob,2,,,1,2");
    // In a rejected row, an opt-out creates nobody.
    alone(&scene, VIPS, &[ann, "bob,two,yes,,1,2"]).await;
    assert_eq!(scene.emails().len(), 1);
    for requests in [true, false] {
        let report = alone(&scene, LIST, &[ann, bob]).await;
        assert_eq!((report.requests.total > 0, opted_out(&scene)), (requests, set(&["bob"])), "{report:?}");
    }
    // The opt-out of a row that was sent is that of the other segment's row.
    let (cy, out) = ("cy,3,,,1,3", "cy,3,yes,,1,3");
    alone(&scene, LIST, &[ann, bob, cy]).await;
    alone(&scene, VIPS, &[ann, "bob,two,yes,,1,2", out]).await;
    let report = alone(&scene, LIST, &[ann, bob, cy]).await;
    assert_eq!((report.rows.unchanged, report.requests.total), (3, 0), "{report:?}");
    assert_eq!(opted_out(&scene), set(&["bob", "cy"]));
}

#[tokio::test]
async fn a_no_ends_with_the_first_drop_that_does_not_say_it() {
    let scene = scene(false).await;
    alone(&scene, VIPS, &[ANN, NO[0]]).await;
    alone(&scene, LIST, &[ANN, BOB]).await;
    assert_eq!(on(&scene, LIST), set(&["ann"]));
    for vips in [vec![ANN, BOB], vec![ANN]] {
        alone(&scene, VIPS, &vips).await;
        assert_eq!(stored(&scene, VIPS), None, "nobody says no");
        alone(&scene, LIST, &[ANN, BOB]).await;
        assert_eq!(on(&scene, LIST), set(&["ann", "bob"]));
        alone(&scene, VIPS, &[ANN, NO[0]]).await;
        alone(&scene, LIST, &[ANN, BOB]).await;
        assert_eq!(on(&scene, LIST), set(&["ann"]));
    }
}

#[tokio::test]
async fn a_drop_that_is_not_whole_forgets_no_no() {
    let scene = scene(false).await;
    alone(&scene, VIPS, &[ANN, NO[0]]).await;
    // A day of broken addresses, and some rows of a drop.
    alone(&scene, VIPS, &[ANN, "@,Bob,,,1,2"]).await;
    let mut part = asked(&scene, VIPS, &["cy,Cy,,1,1,3"]);
    part.terms.limit = Some(1);
    scene.run(&part).await;
    let report = alone(&scene, LIST, &[ANN, BOB, "cy,Cy,,,1,3"]).await;
    assert_eq!((report.rows.suppressed, on(&scene, LIST)), (2, set(&["ann"])), "{report:?}");
}

#[tokio::test]
async fn a_no_counts_by_its_id_in_later_runs() {
    for no in ["rob,Rob,,1,1,2", "bob@,Bob,,,0,2"] {
        for was_member in [false, true] {
            let scene = scene(true).await;
            if was_member {
                alone(&scene, LIST, &[ANN, BOB]).await;
            }
            alone(&scene, VIPS, &[ANN, no]).await;
            alone(&scene, LIST, &[ANN, BOB]).await;
            assert_eq!(on(&scene, LIST), set(&["ann"]), "{no}");
        }
    }
}

#[tokio::test]
async fn members_without_a_row_leave_for_a_no_of_another_segment() {
    let scene = scene(false).await;
    alone(&scene, LIST, &[ANN, BOB, "cy,Cy,,,1,3"]).await;
    alone(&scene, VIPS, &[ANN, NO[0]]).await;
    let report = alone(&scene, LIST, &[ANN, "nobody@,,,,1,"]).await;
    assert_eq!((report.members.leavers, report.members.leavers_withheld), (1, 1), "{report:?}");
    assert_eq!(on(&scene, LIST), set(&["ann", "cy"]));
}

#[tokio::test]
async fn the_suppression_file_is_not_kept_with_objections() {
    let mut scene = scene(false).await;
    scene.set_export("suppression_file", json!("stop.txt"));
    scene.write("stop.txt", b"bob@example.com\nzoe@example.com\n");
    alone(&scene, VIPS, &[ANN, BOB]).await;
    assert_eq!(stored(&scene, VIPS), None);
    scene.write("stop.txt", b"yves@example.com\nzoe@example.com\n");
    alone(&scene, LIST, &[ANN, BOB]).await;
    assert_eq!(on(&scene, LIST), set(&["ann", "bob"]));
}

#[tokio::test]
async fn full_applies_objections_and_a_stopped_run_keeps_none() {
    let mut scene = scene(false).await;
    scene.set_export("guards", json!({ "max_leavers_share": 0.5 }));
    alone(&scene, VIPS, &[ANN, BOB]).await;
    // More people leave than may, so that the drop is not applied.
    let report = alone(&scene, VIPS, &[NO[0], "ann,Ann,,1,1,1"]).await;
    assert_eq!((report.outcome, stored(&scene, VIPS)), (Outcome::StoppedByGuard, None));
    alone(&scene, VIPS, &[ANN, NO[0]]).await;
    let request = RunRequest { full: true, ..asked(&scene, LIST, &[ANN, BOB]) };
    let report = scene.run(&request).await;
    assert_eq!((report.rows.suppressed, on(&scene, LIST)), (1, set(&["ann"])), "{report:?}");
}

#[tokio::test]
async fn unreadable_objections_stop_a_run_before_it_sends() {
    let scene = scene(false).await;
    alone(&scene, VIPS, &[ANN, NO[0]]).await;
    let held = stored(&scene, VIPS).unwrap();
    assert!(!String::from_utf8_lossy(&held).contains("bob"), "keyed digests alone (promise 10)");
    scene.write(&keys::objections(EXPORT, VIPS), &held[..held.len() - 1]);
    let report = alone(&scene, LIST, &[ANN, BOB]).await;
    let message = report.error.map(|error| error.message).unwrap_or_default();
    assert!(message.contains("noes.bin: cannot be read") && message.contains("; restore it"), "{message}");
    assert_eq!((report.requests.total, on(&scene, LIST)), (0, set(&[])));
    // The newest drop of the segment replaces them.
    alone(&scene, VIPS, &[ANN, NO[0]]).await;
    assert_eq!(stored(&scene, VIPS), Some(held));
}
