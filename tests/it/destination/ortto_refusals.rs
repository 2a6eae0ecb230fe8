//! A row that Ortto refused is not sent again until it changes or seven days are past, and counts as refused meanwhile.

use std::time::Duration;

use autopilot_export::contact::RejectCode;
use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{RunRequest, keys};
use autopilot_export::sandbox::{Fault, Options, OrttoOptions};
use autopilot_export::steps::{self, Cancellation};
use serde_json::json;

use crate::destination::ortto::{emails, opted_out, run, sim, tagged};
use crate::support::fixture::{EXPORT, LIST, more, people};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way};

fn refusing(words: &str) -> Sim {
    let faults = Fault::parse_list(words).unwrap();
    Sim::with(Way::Tag, Options { faults, rate: Some(2000.0), ..OrttoOptions::default().into() })
}

async fn run_at(sim: &Sim, request: &RunRequest, days: u64) -> Report {
    let world = sim.process(sim.store.clone(), Duration::from_secs(days * 86_400), &Kill::never());
    let report = steps::run(&world, &sim.config, request, &Cancellation::default()).await.unwrap();
    assert!(report.rows.add_up(), "{report:?}");
    report
}

fn refused(report: &Report) -> (Outcome, u64, u64) {
    (report.outcome, report.rows.rejected, report.rejects[&RejectCode::Refused])
}

#[tokio::test(start_paused = true)]
async fn a_refused_row_is_sent_again_once_it_changes() {
    let sim = refusing("refuse-rows:person.7@");
    let report = run(&sim, "first", &people(0, 30, 1)).await;
    assert_eq!(refused(&report), (Outcome::SucceededWithRejects, 1, 1));
    let before = sim.sandbox.counters().requests;
    let report = run(&sim, "second", &people(0, 30, 1)).await;
    assert_eq!((refused(&report), report.rows.unchanged), ((Outcome::SucceededWithRejects, 1, 1), 29), "{report:?}");
    assert_eq!(sim.sandbox.counters().requests, before, "it was sent again");
    let rejects = sim.store.body(&keys::of_run(&report.run_id, "rejects.csv")).unwrap();
    assert!(String::from_utf8_lossy(&rejects).contains("Ortto refused it on 2026-11-24"));
    let state = sim.store.body(&keys::refusals(EXPORT, LIST)).unwrap();
    assert!(!String::from_utf8_lossy(&state).contains("person"), "no personal data");
    // It changes, and is refused once more; then it is accepted.
    let changed = |value| people(0, 7, 1) + &more(7, 8, value) + &more(8, 30, 1);
    assert_eq!(refused(&run(&sim, "third", &changed(2)).await), (Outcome::SucceededWithRejects, 1, 1));
    sim.sandbox.clear_faults();
    assert_eq!(refused(&run(&sim, "fourth", &changed(2)).await), (Outcome::SucceededWithRejects, 1, 1));
    let report = run(&sim, "fifth", &changed(3)).await;
    assert_eq!((report.outcome, tagged(&sim)), (Outcome::Succeeded, emails(0..30)), "{report:?}");
    assert_eq!(sim.store.body(&keys::refusals(EXPORT, LIST)), None, "nothing is left of it");
}

#[tokio::test(start_paused = true)]
async fn a_refused_row_is_sent_again_after_seven_days() {
    let sim = refusing("refuse-rows:person.7@");
    run(&sim, "first", &people(0, 30, 1)).await;
    sim.sandbox.clear_faults();
    for (days, delivered) in [(6, 0), (8, 1)] {
        let report = run_at(&sim, &sim.drop(&format!("day-{days}"), &people(0, 30, 1)), days).await;
        assert_eq!((report.rows.delivered, report.rows.rejected), (delivered, 1 - delivered), "day {days}: {report:?}");
    }
    assert_eq!(tagged(&sim), emails(0..30));
}

#[tokio::test(start_paused = true)]
async fn a_full_run_sends_refused_rows_at_once() {
    let sim = refusing("refuse-rows:person.7@");
    run(&sim, "first", &people(0, 30, 1)).await;
    sim.sandbox.clear_faults();
    let request = RunRequest { full: true, ..sim.drop("full", &people(0, 30, 1)) };
    let report = run_at(&sim, &request, 0).await;
    assert_eq!((report.rows.delivered, tagged(&sim)), (30, emails(0..30)), "{report:?}");
}

// What is wrong with a row by itself costs no request, so it is looked at again by each run.
#[tokio::test(start_paused = true)]
async fn a_row_that_was_never_sent_is_looked_at_by_each_run() {
    let mut sim = sim(&[]);
    sim.set("/exports/newsletter/match/phone", json!("FirstName"));
    let drop = "EMail,FirstName,Value\na@example.com,call me,1\nb@example.com,+47 22 33 44 55,1\n";
    for name in ["first", "second"] {
        assert_eq!(refused(&run(&sim, name, drop).await), (Outcome::SucceededWithRejects, 1, 1));
    }
    assert_eq!(sim.store.body(&keys::refusals(EXPORT, LIST)), None);
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_changed_row_is_refused_stays_and_may_opt_out() {
    let mut sim = sim(&[]);
    sim.set("/exports/newsletter/match/unsubscribed", json!("Out"));
    let drop = |value: u8, out: &str| {
        format!("EMail,FirstName,Out,Value\na@example.com,A,,1\nb@example.com,B,{out},{value}\n")
    };
    run(&sim, "first", &drop(1, "")).await;
    sim.sandbox.set_faults(Fault::parse_list("refuse-rows:b@").unwrap());
    // The sandbox refuses whatever is sent of this person.
    assert_eq!(refused(&run(&sim, "second", &drop(2, "1")).await).1, 1);
    sim.sandbox.clear_faults();
    let report = run(&sim, "third", &drop(2, "1")).await;
    assert_eq!((report.rows.rejected, report.opt_outs_sent), (1, 1), "{report:?}");
    assert_eq!(opted_out(&sim), ["b@example.com".to_owned()].into());
    assert_eq!(tagged(&sim).len(), 2);
}

// Of a member whose row is rejected, the opt-out is sent once and nothing else.
#[tokio::test(start_paused = true)]
async fn the_opt_out_of_a_row_that_is_refused_arrives_by_itself() {
    let mut sim = sim(&[]);
    sim.set("/exports/newsletter/match/unsubscribed", json!("Out"));
    sim.set("/exports/newsletter/match/phone", json!("Phone"));
    let drop = |rows: &str| format!("EMail,FirstName,Out,Phone,Value\na@example.com,A,,,1\n{rows}");
    run(&sim, "first", &drop("b@example.com,B,,,1\nc@example.com,C,,,1\nd@example.com,D,,,1\n")).await;
    // One is refused before it is sent, and one by the account; the last is not a member.
    let long = "x".repeat(600);
    let second = drop(&format!(
        "b@example.com,{long},1,,2\nc@example.com,C,1,+99912345678,2\nd@example.com,D,,,1\ne@example.com,{long},1,,1\n"
    ));
    let report = run(&sim, "second", &second).await;
    assert_eq!((report.rows.rejected, report.opt_outs_sent), (3, 2), "{report:?}");
    assert_eq!(opted_out(&sim), ["b@example.com", "c@example.com"].map(str::to_owned).into());
    let held = sim.held();
    assert_eq!((held.len(), &held["b@example.com"].1["Value"]), (4, &json!(1)), "nothing else of the row");
    let report = run(&sim, "third", &second).await;
    assert_eq!((report.rows.rejected, report.opt_outs_sent, report.requests.bulk), (3, 0, 0), "once: {report:?}");
    assert_eq!(tagged(&sim).len(), 4);
}
