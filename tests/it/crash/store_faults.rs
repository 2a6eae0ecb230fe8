//! Faults of what lies around a run, from `tests/data/faults/store.json`: of the store, of leases and of secrets. A run
//! ends with the right kind of error, and going on ends with the same contacts and the same state as if nothing had been.

use std::collections::BTreeMap;
use std::time::Duration;

use autopilot_export::error::{Kind, Result};
use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{RunRequest, keys};
use autopilot_export::steps::Environment;
use autopilot_export::steps::{self, Cancellation};
use serde::Deserialize;

use crate::support::fixture::{EXPORT, Held, more, people};
use crate::support::flaky_store::{FaultKind, Faulty, process};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way};

const RATE: u32 = 50;
const TODAY: &str = "segments/newsletter/today.csv";

#[derive(Deserialize)]
struct Case {
    name: String,
    fault: FaultKind,
    /// How many calls in a row go wrong.
    #[serde(default = "one")]
    calls: u64,
}

fn one() -> u64 {
    1
}

async fn run<W: Environment>(sim: &Sim, world: &W, request: &RunRequest) -> Result<Report> {
    let earlier = steps::resume(world, &sim.config, request).await?;
    steps::run(world, &sim.config, earlier.as_ref().unwrap_or(request), &Cancellation::default()).await
}

/// Runs in fine weather.
async fn heal(sim: &Sim, request: &RunRequest) -> Result<Report> {
    run(sim, &sim.world(&Kill::never()), request).await
}

/// Today's drop, in which some have this value; with as many joiners as this many lanes need.
fn today(lanes: u32, value: i64) -> String {
    people(4, 8, value) + &more(8, if lanes > 2 { 84 } else { 40 }, if value == 2 { 1 } else { value })
}

async fn yesterday(way: Way, lanes: u32) -> (Sim, RunRequest) {
    let mut sim = Sim::of(way, 1);
    sim.pace(RATE, lanes);
    let request = sim.drop("yesterday", &people(0, 12, 1));
    heal(&sim, &request).await.unwrap();
    let request = sim.drop("today", &today(lanes, 2));
    sim.sent.lock().unwrap().clear();
    (sim, request)
}

type State = BTreeMap<[u8; 32], [u8; 16]>;

/// What there is when nothing goes wrong, of the drop whose rows have this value.
async fn undisturbed(way: Way, lanes: u32, value: i64) -> (Held, State) {
    let (sim, request) = yesterday(way, lanes).await;
    sim.store.write(TODAY, today(lanes, value));
    let report = heal(&sim, &request).await.unwrap();
    assert!(way.is_ortto() || sim.lanes(&report.run_id) == lanes as usize, "{report:?}");
    (sim.held(), sim.state())
}

/// A fault at this call, and then none; how many calls there were.
async fn play(way: Way, case: &Case, lanes: u32, at: u64, wholes: &[(Held, State); 2]) -> u64 {
    let place = format!("{way:?}, {}, {lanes} lanes, call {at}", case.name);
    let (sim, request) = yesterday(way, lanes).await;
    let store = Faulty::several(&sim, case.fault, at, case.calls);
    *store.lands.lock().unwrap() = Some((TODAY.into(), today(lanes, 3)));
    let world = process(&sim, store.clone());
    let ended = tokio::time::timeout(Duration::from_secs(3600), run(&sim, &world, &request)).await;
    let [whole, replaced] = wholes;
    let kind = match ended.unwrap_or_else(|_| panic!("{place}: hangs")) {
        Ok(report) => {
            assert!(report.rows.add_up(), "{place}: {report:?}");
            if report.outcome == Outcome::Succeeded {
                assert_eq!((&sim.held(), &sim.state()), (&whole.0, &whole.1), "{place}: {report:?}");
            }
            report.error.map(|error| error.kind)
        }
        Err(error) => Some(error.kind),
    };
    let expected = match case.fault {
        FaultKind::Denied => Kind::Access,
        _ => Kind::Unavailable,
    };
    assert!(kind.is_none_or(|kind| kind == expected), "{place}: {kind:?}");
    let again = RunRequest { run_id: crate::support::sim::request("again", "").run_id, ..request };
    let report = heal(&sim, &again).await.unwrap_or_else(|error| panic!("{place}: {error}"));
    assert!(matches!(report.outcome, Outcome::Succeeded | Outcome::NothingToDo), "{place}: {report:?}");
    assert!(report.rows.add_up(), "{place}: {report:?}");
    assert!(sim.peak() <= RATE as usize, "{place}: {}", sim.peak());
    let whole = if sim.store.body(TODAY).unwrap().ends_with(b"3\n") { replaced } else { whole };
    assert_eq!((&sim.held(), &sim.state()), (&whole.0, &whole.1), "{place}: {report:?}");
    store.calls()
}

/// The case of this name in the file.
fn case(name: &str) -> Case {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../data/faults/store.json")).unwrap();
    cases.into_iter().find(|case| case.name == name).unwrap()
}

/// The case at both destinations, at each call of two lanes, and at every third of more.
async fn each_call(name: &str, lanes: u32) {
    let case = case(name);
    for way in Way::DESTINATIONS {
        let wholes = [undisturbed(way, lanes, 2).await, undisturbed(way, lanes, 3).await];
        let each = if (lanes > 2 || way.is_ortto()) && case.fault != FaultKind::OwnLost { 3 } else { 1 };
        let mut at = 1;
        while play(way, &case, lanes, at, &wholes).await >= at {
            at += each;
        }
        println!("{way:?}, {name}, {lanes} lanes: every {each} of {at} calls");
        assert!(at > if case.fault == FaultKind::OwnLost { 2 } else { 60 }, "{way:?}, {name}: {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_failed_store_call_is_unavailable_and_loses_nothing() {
    each_call("one call fails", 2).await;
    each_call("one call fails", 4).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_outage_is_unavailable_and_loses_nothing() {
    each_call("throttled: several calls in a row fail", 2).await;
    each_call("an outage: many calls in a row fail", 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_reported_as_failed_is_done_once() {
    each_call("one call is done and reported as failed", 2).await;
    each_call("one call is done and reported as failed", 4).await;
    each_call("several calls in a row are done and reported as failed", 2).await;
}

#[tokio::test(start_paused = true)]
async fn ones_own_write_reported_as_anothers_changes_nothing() {
    each_call("a conditional write is done and reported as lost", 2).await;
    each_call("a conditional write is done and reported as lost", 4).await;
}

#[tokio::test(start_paused = true)]
async fn denied_access_at_any_call_is_access_and_loses_nothing() {
    each_call("access is denied from a call on", 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_drop_that_is_replaced_while_it_is_read_is_read_anew() {
    each_call("a drop is replaced while it is read", 2).await;
}

#[tokio::test(start_paused = true)]
async fn slow_ports_change_nothing() {
    for way in Way::DESTINATIONS {
        let wholes = [undisturbed(way, 4, 2).await, undisturbed(way, 4, 3).await];
        play(way, &case("every call is slow"), 4, 3000, &wholes).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_that_another_writes_first_is_merged_anew() {
    for way in Way::DESTINATIONS {
        let wholes = [undisturbed(way, 2, 2).await, undisturbed(way, 2, 3).await];
        for lost in 0..6 {
            play(way, &case("somebody else writes the state first"), 2, lost, &wholes).await;
        }
        let (sim, request) = yesterday(way, 2).await;
        let before = sim.store.body(&keys::profiles(EXPORT)).unwrap();
        let error =
            run(&sim, &process(&sim, Faulty::new(&sim, FaultKind::Lost, u64::MAX)), &request).await.unwrap_err();
        assert_eq!(error.kind, Kind::Unavailable, "{error}");
        assert_eq!(sim.store.body(&keys::profiles(EXPORT)).unwrap(), before, "nobody's state was overwritten");
    }
}

/// A lane notes that it begins a range; a store may carry that out after the range's results were written.
#[tokio::test(start_paused = true)]
async fn a_note_that_a_range_was_begun_and_comes_late_undoes_nothing() {
    for (way, lanes) in Way::DESTINATIONS.into_iter().flat_map(|way| [(way, 2), (way, 4)]) {
        let (sim, request) = yesterday(way, lanes).await;
        let store = Faulty::new(&sim, case("a note that a range was begun comes once more after its results").fault, 0);
        let report = run(&sim, &process(&sim, store.clone()), &request).await.unwrap();
        assert!(store.calls() >= sim.lanes(&report.run_id) as u64, "nothing came late");
        assert_eq!((report.outcome, report.rows.pending), (Outcome::Succeeded, 0), "{report:?}");
        assert_eq!((sim.held(), sim.state()), undisturbed(way, lanes, 2).await);
    }
}
