//! Faults of Autopilot, from `tests/data/faults/sandbox.json`: whatever goes wrong, the end is that of a run in which
//! nothing did, also where the program is killed on the way.

use std::collections::BTreeMap;
use std::time::Duration;

use autopilot_export::entry::environment::Adapters;
use autopilot_export::error::Kind;
use autopilot_export::ports::{Http, NoResponse};
use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{RunRequest, keys};
use autopilot_export::sandbox::{Fault, Options};
use autopilot_export::steps::{self, Cancellation};
use futures_util::stream::{StreamExt, iter};
use serde::Deserialize;
use serde_json::json;

use crate::support::fixture::{Held, more, people, sent_nothing};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, SimWorld, Way};

#[derive(Deserialize)]
struct Case {
    name: String,
    faults: String,
    rate: u32,
    lanes: u32,
    /// What a run ends with; where it is named, at least one does.
    error: Option<Kind>,
    /// The people that Autopilot refuses for as long as the fault is there.
    #[serde(default)]
    refused: Vec<u32>,
}

impl Case {
    /// How many joiners or leavers, each a request of its own, are worth the case's lanes.
    fn crowd(&self) -> u32 {
        25 * self.lanes
    }

    fn joiners(&self, way: Way) -> u32 {
        if way.is_one_by_one() { self.crowd() } else { 32 }
    }
}

/// What is left behind.
#[derive(Debug, PartialEq)]
struct End {
    held: Held,
    state: BTreeMap<[u8; 32], [u8; 16]>,
}

/// A case that was played to its end.
struct Played {
    end: End,
    /// Calls of the first run, and requests to Autopilot among them.
    calls: u64,
    requests: usize,
    /// Whether a run ended with the case's error.
    failed: bool,
}

const MOST_RUNS: u64 = 12;

/// Runs a drop until nothing is left over; the first run is killed at a call, before or after it.
async fn play(case: &Case, faults: &str, seed: u64, kill_at: Option<(u64, bool)>, whole: Option<&End>) -> Played {
    // What waits are drawn is the same each time.
    fastrand::seed(seed);
    // So few rows are worth one lane alone where a hundred share a request.
    let ways = if case.lanes == 1 { Way::ALL.len() } else { 4 };
    let way = Way::ALL[seed as usize % ways];
    let place = format!("{}, {way:?}, seed {seed}, killed at {kill_at:?}", case.name);
    let mut sim = Sim::of(way, seed);
    sim.pace(case.rate, case.lanes);
    // The rejects of today's drop keep nobody on the list.
    sim.set("/exports/newsletter/guards/unreadable_rows", json!(1));
    let leavers = if way.is_one_by_one() { 0 } else { case.crowd() };
    let request = sim.drop("yesterday", &(people(0, 12, 1) + &more(500, 500 + leavers, 1)));
    let first = steps::run(&sim.world(&Kill::never()), &sim.config, &request, &Cancellation::default()).await.unwrap();
    assert_eq!(first.outcome, Outcome::Succeeded, "{place}: {first:?}");
    sim.sent.lock().unwrap().clear();
    sim.sandbox.set_faults(Fault::parse_list(faults).unwrap());
    let joiners = case.joiners(way);
    let request = sim.drop("today", &(people(4, 8, 2) + &more(8, 12 + joiners, 1) + "no address,Ana,1\n"));
    let (mut calls, mut requests, mut failed, mut refused) = (0, 0, false, false);
    for number in 0..MOST_RUNS {
        let kill = kill_at.filter(|_| number == 0).map_or_else(Kill::never, |(at, after)| Kill::new(at, after));
        let world = sim.world(&kill);
        let request =
            RunRequest { run_id: crate::support::sim::request(&format!("{number}"), "").run_id, ..request.clone() };
        let report = tokio::select! {
            biased;
            () = kill.reached() => continue,
            report = run(&world, &sim, &request) => report,
        };
        assert!(number > 0 || kill_at.is_none(), "{place}: never came there");
        if number == 0 {
            (calls, requests) = (kill.calls(), sim.sent.lock().unwrap().len());
        }
        check(&report, case, 9 + u64::from(joiners), &place);
        failed |= report.error.as_ref().map(|error| error.kind) == case.error;
        if whole.is_none() && number == 0 {
            assert_eq!(sim.lanes(&report.run_id), case.lanes as usize, "{place}");
        }
        if sent_nothing(&report) {
            assert_eq!((report.rows.rejected, report.rows.pending), (1, 0), "{place}: {report:?}");
            assert!(sim.peak() <= case.rate as usize, "{place}: {}", sim.peak());
            assert!(refused || faults.is_empty() || case.refused.is_empty(), "{place}: nobody was refused");
            return Played { end: End { held: sim.held(), state: sim.state() }, calls, requests, failed };
        }
        let refusals = refused_rows(&report);
        if report.outcome != Outcome::Failed && refusals > 0 && refusals == case.refused.len() {
            are_refused(case, &sim, &report, whole.unwrap(), &place);
            sim.sandbox.clear_faults();
            refused = true;
        }
        if number + 3 == MOST_RUNS {
            sim.sandbox.clear_faults();
        }
    }
    panic!("{place}: never came to its end");
}

async fn run(world: &SimWorld, sim: &Sim, request: &RunRequest) -> Report {
    let earlier = steps::resume(world, &sim.config, request).await.unwrap();
    steps::run(world, &sim.config, earlier.as_ref().unwrap_or(request), &Cancellation::default()).await.unwrap()
}

fn refused_rows(report: &Report) -> usize {
    let refused = report.rejects.iter().find(|(code, _)| code.name() == "refused");
    refused.map_or(0, |(_, count)| *count as usize)
}

// Promise 1: "`read = delivered + unchanged + rejected + suppressed + pending`. The program checks this equation in
// every run."
fn check(report: &Report, case: &Case, read: u64, place: &str) {
    assert!(report.rows.add_up(), "{place}: {report:?}");
    assert!(report.rows.read == read || report.outcome == Outcome::Failed, "{place}: {report:?}");
    if let Some(error) = &report.error {
        let usual = matches!(error.kind, Kind::Unavailable | Kind::Throttled);
        assert!(usual || Some(error.kind) == case.error, "{place}: {report:?}");
    }
}

/// While Autopilot refuses some rows these are rejects, and all others are as if nothing had been.
fn are_refused(case: &Case, sim: &Sim, report: &Report, whole: &End, place: &str) {
    let rows = &report.rows;
    assert_eq!((rows.rejected, rows.pending), (1 + case.refused.len() as u64, 0), "{place}: {report:?}");
    let (held, state) = (sim.held(), sim.state());
    let others = whole.held.iter().filter(|(email, contact)| held.get(*email) != Some(contact));
    let others: Vec<&str> = others.map(|(email, _)| email.as_str()).collect();
    let mut refused: Vec<String> = case.refused.iter().map(|number| format!("person.{number}@example.com")).collect();
    refused.sort();
    assert_eq!(others, refused, "{place}");
    let unclaimed = whole.state.iter().filter(|(profile, digest)| state.get(*profile) != Some(digest)).count();
    assert_eq!((unclaimed, held.len() <= whole.held.len()), (refused.len(), true), "{place}");
    let rejects = sim.store.body(&keys::of_run(&report.run_id, "rejects.csv")).unwrap();
    let rejects = String::from_utf8(rejects.to_vec()).unwrap();
    assert_eq!(rejects.lines().count(), 2 + refused.len(), "{place}");
    assert!(refused.iter().all(|email| rejects.contains(&format!("{email},"))), "{place}: {rejects}");
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../../data/faults/sandbox.json")).unwrap()
}

/// Every case of the file, with these seeds (each its own way); killed at this many calls too, before and after them.
async fn suite(seeds: std::ops::Range<u64>, kills: u64) {
    let mut runs = 0;
    for case in cases() {
        let mut failed = false;
        for seed in seeds.clone() {
            let whole = play(&case, "", seed, None, None).await.end;
            let alive = play(&case, &case.faults, seed, None, Some(&whole)).await;
            assert_eq!(alive.end, whole, "{}, seed {seed}", case.name);
            failed |= alive.failed;
            for kill in 1..=kills {
                let kill = ((alive.calls * kill / (kills + 1)).max(1), (kill + seed).is_multiple_of(2));
                let killed = play(&case, &case.faults, seed, Some(kill), Some(&whole)).await;
                assert_eq!(killed.end, whole, "{}, seed {seed}, killed at {kill:?}", case.name);
                failed |= killed.failed;
            }
            runs += kills + 1;
        }
        assert!(failed, "{}: no run ends with {:?}", case.name, case.error);
    }
    println!("{runs} runs with faults");
}

#[tokio::test(start_paused = true)]
async fn faults_of_autopilot_change_nothing_in_the_end() {
    suite(0..4, 5).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "long: make soak"]
async fn faults_of_autopilot_never_change_the_end_over_many_seeds() {
    suite(12..40, 40).await;
}

// A 404 is left out: of a leaver it says that the contact is gone, which is what was wanted.
#[tokio::test(start_paused = true)]
async fn a_refusal_of_any_one_request_is_made_good_by_the_next_run() {
    let case = |faults: String| Case {
        name: faults.clone(),
        faults,
        rate: 2000,
        lanes: 1,
        error: Some(Kind::Access),
        refused: Vec::new(),
    };
    for seed in 0..4 {
        let whole = play(&case(String::new()), "", seed, None, None).await;
        assert!(whole.requests > 30, "{}", whole.requests);
        for nth in 1..=whole.requests {
            let status = [400, 401, 403, 409][nth % 4];
            let case = case(format!("{status}@{nth}"));
            let played = play(&case, &case.faults, seed, None, Some(&whole.end)).await;
            assert_eq!(played.end, whole.end, "{}, seed {seed}", case.name);
        }
    }
}

// Over real sockets too, where connections really are cut: each case once.
#[tokio::test(flavor = "multi_thread")]
async fn faults_over_the_wire_change_nothing_in_the_end() {
    iter(cases()).for_each_concurrent(16, over_the_wire).await;
}

async fn over_the_wire(case: Case) {
    let mut scene = crate::support::fixture::Scene::new(Options::default()).await;
    scene.set_connection("lanes", serde_json::json!(case.lanes));
    scene.set_connection("patience_seconds", serde_json::json!(5));
    scene.sandbox.set_faults(Fault::parse_list(&case.faults).unwrap());
    let members = case.crowd();
    let request = scene.drop(people(0, members, 1));
    for number in 0..5 {
        if number == 4 {
            scene.sandbox.clear_faults();
        }
        let request = RunRequest { run_id: scene.drop("").run_id, ..request.clone() };
        let ran = tokio::time::timeout(Duration::from_secs(60), scene.run(&request)).await;
        let report = ran.unwrap_or_else(|_| panic!("{}: takes too long", case.name));
        if report.outcome != Outcome::Failed && report.rows.rejected == 0 {
            break;
        }
    }
    let members = members as usize;
    assert_eq!((scene.members().len(), scene.state().len()), (members, members), "{}", case.name);
}

// Promise 3: "A row that failed is tried again by the next run." Only that row, and not all that travelled with it.
#[tokio::test(start_paused = true)]
async fn a_row_that_autopilot_fails_for_keeps_no_other_row_from_it() {
    let sick = "fail-rows:person.63@,fail-rows:person.317@";
    for (membership, lanes) in [(json!("none"), 1), (json!({ "field": "In News" }), 3)] {
        let mut sim = Sim::new(Options { faults: Fault::parse_list(sick).unwrap(), ..Options::default() });
        sim.pace(5, lanes);
        sim.set("/exports/newsletter/segments/0/membership", membership);
        let request = sim.drop("members", &people(0, 350, 1));
        let report =
            steps::run(&sim.world(&Kill::never()), &sim.config, &request, &Cancellation::default()).await.unwrap();
        let error = report.error.as_ref().map(|error| error.kind);
        assert_eq!((report.outcome, error), (Outcome::Failed, Some(Kind::Unavailable)), "{report:?}");
        assert_eq!((report.rows.delivered, report.rows.pending), (348, 2), "{report:?}");
        assert_eq!((sim.held().len(), sim.peak() <= 5), (348, true));
        sim.sandbox.clear_faults();
        let request = RunRequest { run_id: crate::support::sim::request("again", "").run_id, ..request };
        let report = run(&sim.world(&Kill::never()), &sim, &request).await;
        assert_eq!((report.outcome, report.rows.delivered, report.rows.unchanged), (Outcome::Succeeded, 2, 348));
    }
}

/// An account that wants to be left alone for so long.
struct Throttles(Duration);

impl Http for Throttles {
    async fn send(
        &self,
        _request: http::Request<bytes::Bytes>,
        _within: Duration,
        _max_bytes: usize,
    ) -> Result<http::Response<bytes::Bytes>, NoResponse> {
        Ok(http::Response::builder()
            .status(429)
            .header("retry-after", self.0.as_secs())
            .body(bytes::Bytes::new())
            .unwrap())
    }
}

// The first requests of a run have the same patience as its lanes.
#[tokio::test(start_paused = true)]
async fn a_wait_longer_than_the_patience_ends_the_run_with_it() {
    let sim = Sim::new(Options::default());
    let request = sim.drop("members", &people(0, 10, 1));
    let Adapters { store, leases, secrets, clock, observer, .. } = sim.world(&Kill::never());
    let http = Throttles(Duration::from_secs(300));
    let world = Adapters { store, leases, secrets, http, clock, observer };
    let began = tokio::time::Instant::now();
    let report = steps::run(&world, &sim.config, &request, &Cancellation::default()).await.unwrap();
    assert_eq!(report.error.map(|error| error.kind), Some(Kind::Throttled));
    assert!(began.elapsed() <= Duration::from_secs(61), "{:?}", began.elapsed());
}
