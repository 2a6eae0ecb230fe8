//! A comparison with the account that is cut off, by its time limit or by force, goes on where it was.

use std::time::Duration;

use autopilot_export::error::Kind;
use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{Mode, RequestedDrop, RunRequest, Trigger, keys};
use autopilot_export::steps::{self, Cancellation, Compared};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::reconcile::{reconcile, run};
use crate::support::fixture::{EXPORT, LIST, people};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way, comparison};

const MANY: u32 = 4_000;

/// How many pages they fill.
fn pages(way: Way) -> u64 {
    if way.is_ortto() { 8 } else { 40 }
}

/// An account of many people, asked slowly.
async fn many(way: Way) -> Sim {
    let mut sim = Sim::of(way, 1);
    run(&sim, &sim.drop("first", &people(0, MANY, 1))).await;
    sim.set("/connections/eu/requests_per_second", json!(if way.is_ortto() { 0.5 } else { 2.0 }));
    sim
}

fn sent(sim: &Sim) -> u64 {
    sim.sent.lock().unwrap().len() as u64
}

/// What is kept of the account.
fn kept(sim: &Sim) -> Vec<String> {
    sim.store.keys().into_iter().filter(|key| keys::is_transient(key)).collect()
}

fn is_whole(report: &Report) -> bool {
    let found = &report.reconciled[0];
    (found.members, found.there, found.differences()) == (MANY.into(), MANY.into(), 0)
}

#[tokio::test(start_paused = true)]
async fn pages_that_were_read_are_not_read_again() {
    for way in [Way::Bulk, Way::Tag] {
        let sim = many(way).await;
        let before = sent(&sim);
        assert!(is_whole(&reconcile(&sim, "whole", Mode::Look).await));
        let whole = sent(&sim) - before;
        assert!(whole >= pages(way), "{way:?}: {whole}");
        let (before, mut kills, request) = (sent(&sim), 0, comparison("killed", Mode::Look));
        let report = loop {
            let kill = Kill::new(if way.is_ortto() { 22 } else { 40 }, kills % 2 == 0);
            kill.count_only_writes();
            let (world, stop) = (sim.world(&kill), Cancellation::default());
            tokio::select! {
                biased;
                () = kill.reached() => kills += 1,
                report = steps::reconcile(&world, &sim.config, &request, &stop) => break report.unwrap(),
            }
            sim.leases.end_all();
            assert!(kills < 30, "{way:?}: it comes no further");
        };
        assert!(is_whole(&report) && kills >= 1, "{way:?}: {kills} {report:?}");
        // Each process asks who the account is, and has lost what it read in two seconds at most.
        let sent = sent(&sim) - before;
        assert!(sent <= whole + kills * (whole - pages(way) + 5), "{way:?}: {sent} of {whole}, {kills} kills");
        assert!(report.requests.total >= whole && kept(&sim).is_empty(), "{way:?}: {:?}", kept(&sim));
    }
}

#[tokio::test(start_paused = true)]
async fn a_comparison_with_no_time_left_goes_on_in_the_next_call() {
    for way in [Way::Bulk, Way::Tag] {
        let sim = many(way).await;
        let mut request = comparison("called", Mode::Adopt);
        request.trigger = Trigger::Schedule;
        let (world, before, mut calls) = (sim.world(&Kill::never()), sent(&sim), 0);
        let report = loop {
            let until =
                now(&world).checked_add(SignedDuration::from_secs(if way.is_ortto() { 35 } else { 20 })).unwrap();
            calls += 1;
            match steps::compare(&world, &sim.config, &request, until).await.unwrap() {
                Compared::Again => {
                    assert!(now(&world) < until, "{way:?}");
                    let waiting = steps::compare(&world, &sim.config, &comparison("other", Mode::Look), until).await;
                    assert!(matches!(waiting.unwrap(), Compared::Wait(10.., _)), "{way:?}: the turn is kept");
                }
                Compared::Done(report) => break report,
                Compared::Wait(..) => panic!("{way:?}: it has the turn"),
            }
        };
        assert!(is_whole(&report) && report.outcome == Outcome::Succeeded, "{way:?}: {report:?}");
        assert!((2..6).contains(&calls), "{way:?}: {calls} calls");
        assert!(sent(&sim) - before <= pages(way) + calls * 8, "{way:?}: {}", sent(&sim) - before);
        assert!(kept(&sim).is_empty() && steps::take(&world, "eu", "another").await.unwrap(), "{way:?}");
    }
}

fn now(world: &impl autopilot_export::steps::Environment) -> Timestamp {
    world.clock().now()
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_never_read_further_ends_a_comparison() {
    let sim = many(Way::Bulk).await;
    let request = comparison("short", Mode::Look);
    let world = sim.world(&Kill::never());
    for is_last in [false, true] {
        let until = now(&world).checked_add(SignedDuration::from_secs(6)).unwrap();
        match steps::compare(&world, &sim.config, &request, until).await {
            Ok(Compared::Again) => assert!(!is_last),
            ended => assert!(is_last && ended.unwrap_err().kind == Kind::Unavailable),
        }
    }
}

/// Begins a comparison, and interrupts it.
async fn interrupted(sim: &Sim, name: &str, seconds: u64) {
    let (world, stop) = (sim.world(&Kill::never()), Cancellation::default());
    let request = comparison(name, Mode::Look);
    let interrupting = async {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        stop.cancel();
    };
    let (error, ()) = tokio::join!(steps::reconcile(&world, &sim.config, &request, &stop), interrupting);
    assert_eq!(error.unwrap_err().kind, Kind::Interrupted);
    assert!(kept(sim).iter().any(|key| keys::is_answers(key)), "{:?}", kept(sim));
    assert!(sim.store.body(&keys::of_run(&request.run_id, "report.json")).is_none());
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_comparison_goes_on_unless_it_is_too_old() {
    for (hours, mode, goes_on) in [(23, Mode::Look, true), (25, Mode::Look, false), (1, Mode::Adopt, false)] {
        let sim = many(Way::Bulk).await;
        interrupted(&sim, "interrupted", 12).await;
        let before = sent(&sim);
        let later = sim.process(sim.store.clone(), Duration::from_secs(hours * 3600), &Kill::never());
        let (request, stop) = (comparison("second", mode), Cancellation::default());
        let report = steps::reconcile(&later, &sim.config, &request, &stop).await.unwrap();
        assert!(is_whole(&report) && report.error.is_none(), "{hours} {mode:?}: {report:?}");
        assert_eq!(report.run_id != request.run_id, goes_on, "{hours} {mode:?}");
        assert_eq!(sent(&sim) - before < pages(Way::Bulk), goes_on, "{hours} {mode:?}");
        assert!(kept(&sim).is_empty(), "{hours} {mode:?}: {:?}", kept(&sim));
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_in_between_removes_what_a_comparison_had_read() {
    let sim = many(Way::Bulk).await;
    interrupted(&sim, "interrupted", 12).await;
    run(&sim, &sim.drop("second", &people(1, MANY, 1))).await;
    assert!(kept(&sim).is_empty(), "{:?}", kept(&sim));
    let report = reconcile(&sim, "again", Mode::Look).await;
    assert_eq!((report.reconciled[0].members, report.outcome), (u64::from(MANY) - 1, Outcome::NothingToDo));
    assert!(sim.store.body(&keys::profiles(EXPORT)).is_some());
}

/// Two lists with members, and no state.
async fn two_lists(way: Way) -> Sim {
    let mut sim = Sim::of(way, 1);
    let mut segments = vec![sim.settings["exports"][EXPORT]["segments"][0].clone(); 2];
    segments[1]["name"] = json!("Digest");
    segments[1]["prefix"] = json!("segments/digest/");
    segments[1]["membership"] = way.membership_of("Digest");
    sim.set("/exports/newsletter/segments", json!(segments));
    let first = sim.drop("first", &people(0, 20, 1));
    sim.store.write("segments/digest/first.csv", people(10, 40, 1));
    let digest =
        RequestedDrop { segment: "Digest".into(), key: "segments/digest/first.csv".into(), ..first.drops[0].clone() };
    run(&sim, &RunRequest { drops: vec![first.drops[0].clone(), digest], ..first }).await;
    sim.store.keys().iter().filter(|key| !key.starts_with("segments/")).for_each(|key| sim.store.remove(key));
    sim
}

/// Promise 2, of several segments, whose members come into the state one after the other.
#[tokio::test(start_paused = true)]
async fn two_lists_are_taken_over_whenever_it_dies() {
    for way in Way::DESTINATIONS {
        let play = async |kill: &std::sync::Arc<Kill>| {
            let sim = two_lists(way).await;
            let (asked, stop) = (comparison("adopt", Mode::Adopt), Cancellation::default());
            let world = sim.world(kill);
            kill.count_only_writes();
            let mut reported = tokio::select! {
                biased;
                () = kill.reached() => None,
                report = steps::reconcile(&world, &sim.config, &asked, &stop) => Some(report.unwrap()),
            };
            sim.leases.end_all();
            if reported.is_none() && sim.store.body(&keys::of_run(&asked.run_id, "report.json")).is_none() {
                reported = Some(reconcile(&sim, "again", Mode::Adopt).await);
            }
            if let Some(report) = reported {
                let found: Vec<_> = report.reconciled.iter().map(|it| (it.segment.as_str(), it.extra)).collect();
                assert_eq!(found, [(LIST, 20), ("Digest", 30)], "{way:?} {}", kill.calls());
            }
            let report = reconcile(&sim, "after", Mode::Look).await;
            let found: Vec<_> = report.reconciled.iter().map(|it| (it.members, it.there, it.extra)).collect();
            assert_eq!((report.outcome, found), (Outcome::NothingToDo, vec![(20, 20, 0), (30, 30, 0)]), "{way:?}");
            assert!(kept(&sim).is_empty(), "{way:?} {}: {:?}", kill.calls(), kept(&sim));
        };
        let never = Kill::never();
        play(&never).await;
        for at in 1..=never.calls() {
            for after in [false, true] {
                play(&Kill::new(at, after)).await;
            }
        }
    }
}
