//! A custom field that is deleted in Ortto in the middle of a run ends it, by its name, and no row is blamed.

use std::collections::BTreeSet;
use std::time::Duration;

use autopilot_export::report::{Outcome, Report};
use autopilot_export::sandbox::{Options, OrttoOptions};
use autopilot_export::steps::{self, Cancellation};
use serde_json::json;

use crate::destination::ortto::emails;
use crate::support::fixture::people;
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way};

const MERGE: &str = "POST /person/merge";

/// Runs a drop; once this many merges were made, the fields of these names are deleted.
async fn run(sim: &Sim, name: &str, drop: &str, after: u64, deleted: &[&str]) -> Report {
    let (world, request, stop) = (sim.world(&Kill::never()), sim.drop(name, drop), Cancellation::default());
    let after = sim.sandbox.counters().of(MERGE) + after;
    let deleting = async {
        while sim.sandbox.counters().of(MERGE) < after {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        sim.sandbox.change(|options| options.ortto.deleted_fields = deleted.iter().map(|&name| name.into()).collect());
        std::future::pending::<()>().await;
    };
    let report = tokio::select! {
        report = steps::run(&world, &sim.config, &request, &stop) => report.unwrap(),
        () = deleting => unreachable!(),
    };
    assert!(report.rows.add_up(), "{report:?}");
    report
}

fn sim(way: Way, assumed: &[&str]) -> Sim {
    let account: Options = OrttoOptions::parse(assumed.iter().copied()).unwrap().into();
    let mut sim = Sim::with(way, Options { rate: Some(200.0), ..account });
    sim.pace(10, 1);
    sim
}

const MIXED: [&[&str]; 5] = [
    &[],
    &["mixed-batch=omitted", "entry-order=shuffled"],
    &["mixed-batch=refused", "null-fields=false"],
    &["mixed-batch=refused-but-applied"],
    &["invalid-status=error", "skipped-rows=omitted"],
];

fn is_named(sim: &Sim, report: &Report, field: &str) {
    let error = report.error.as_ref().unwrap_or_else(|| panic!("{report:?}"));
    assert!(error.message.contains(&format!("no longer has the custom field \"{field}\"")), "{error:?}");
    assert_eq!((report.outcome, report.rows.rejected), (Outcome::Failed, 0), "{report:?}");
    assert_eq!(sim.sandbox.counters().bans, 0);
    let refusals = sim.store.keys().into_iter().filter(|key| key.ends_with("refusals.json"));
    assert_eq!(refusals.count(), 0, "rows are held back");
}

#[tokio::test(start_paused = true)]
async fn a_field_deleted_among_joiners_ends_the_run_and_blames_nobody() {
    for assumed in MIXED {
        for (way, field) in [(Way::Tag, "Value"), (Way::Flag, "Value"), (Way::Flag, "Reader")] {
            let sim = sim(way, assumed);
            let report = run(&sim, "first", &people(0, 950, 1), 3, &[field]).await;
            is_named(&sim, &report, field);
            assert!(report.rows.delivered >= 100 && report.rows.pending >= 100, "{assumed:?} {report:?}");
            sim.sandbox.change(|options| options.ortto.deleted_fields.clear());
            let report = run(&sim, "second", &people(0, 950, 1), 1000, &[]).await;
            assert_eq!((report.outcome, report.rows.pending), (Outcome::Succeeded, 0), "{assumed:?} {report:?}");
            assert_eq!(sim.held().len(), 950, "{assumed:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_field_deleted_among_leavers_ends_the_run() {
    let sim = sim(Way::Flag, &[]);
    run(&sim, "first", &people(0, 600, 1), 1000, &[]).await;
    let report = run(&sim, "second", &people(590, 600, 1), 2, &["Reader"]).await;
    is_named(&sim, &report, "Reader");
    assert!(report.members.leavers_withheld == 0, "{report:?}");
    sim.sandbox.change(|options| options.ortto.deleted_fields.clear());
    let report = run(&sim, "third", &people(590, 600, 1), 1000, &[]).await;
    assert_eq!((report.outcome, report.members.leavers_withheld), (Outcome::Succeeded, 0), "{report:?}");
    let contents = sim.sandbox.contents();
    let marked = contents.contacts.iter().filter(|held| held.custom.get("Reader") == Some(&json!(true)));
    let marked: BTreeSet<String> = marked.filter_map(|held| held.email.clone()).collect();
    assert_eq!(marked, emails(590..600), "{report:?}");
}
