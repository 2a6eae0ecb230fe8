//! Faults of Autopilot, from `tests/data/faults/sandbox.json`: whatever goes wrong, the end is that of a run in which
//! nothing did, also where the program is killed on the way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use autopilot_export::delivery::call::{Answer, Call};
use autopilot_export::entry::outside::Outside;
use autopilot_export::error::{Kind, Result};
use autopilot_export::ports::{Autopilot, SecretSource, Secrets};
use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::RunRequest;
use autopilot_export::sandbox::{Fault, Options, Sandbox};
use autopilot_export::steps::{self, Stop};
use futures_util::stream::{StreamExt, iter};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use crate::mortal::Kill;
use crate::scene::{API_KEY, Held, people};
use crate::sim::Sim;

#[derive(Deserialize)]
struct Case {
    name: String,
    faults: String,
    rate: u32,
    lanes: u32,
}

type End = (Held, std::collections::BTreeMap<[u8; 32], [u8; 16]>);

const MOST_RUNS: u64 = 12;

/// Runs a drop until nothing is left over, and gives the end and the first whole run's report.
async fn play(case: &Case, faults: &str, seed: u64, kill_at: Option<u64>) -> End {
    let place = format!("{}, seed {seed}, killed at {kill_at:?}", case.name);
    let mut sim = Sim::new(Options { seed, ..Options::default() });
    sim.pace(case.rate, case.lanes);
    let request = sim.drop("yesterday", &people(0, 12, 1));
    sim.sent.lock().unwrap().clear();
    let first = steps::run(&sim.world(&Kill::never()), &sim.config, &request, &Stop::default()).await.unwrap();
    assert_eq!(first.outcome, Outcome::Succeeded, "{place}: {first:?}");
    sim.sandbox.set_faults(Fault::parse_list(faults).unwrap());
    let today = people(4, 8, 2) + people(8, 40, 1).split_once('\n').unwrap().1 + "no address,Ana,1\n";
    let request = sim.drop("today", &today);
    let mut kill_at = kill_at;
    for number in 0..MOST_RUNS {
        let kill = kill_at.take().map_or_else(Kill::never, |at| Kill::new(at, number % 2 == 0));
        let world = sim.world(&kill);
        let request = RunRequest { run_id: crate::sim::request(&format!("{number}"), "").run_id, ..request.clone() };
        let report = tokio::select! {
            biased;
            () = kill.reached() => continue,
            report = run(&world, &sim, &request) => report,
        };
        check(&report, &place);
        let refused = report.rejects.iter().any(|(code, count)| code.name() == "refused" && *count > 0);
        if report.outcome != Outcome::Failed && !refused {
            assert_eq!((report.rows.rejected, report.rows.pending), (1, 0), "{place}: {report:?}");
            assert!(sim.peak() <= case.rate as usize, "{place}: {}", sim.peak());
            return (sim.held(), sim.state());
        }
        if number + 3 == MOST_RUNS {
            sim.sandbox.clear_faults();
        }
    }
    panic!("{place}: never came to its end");
}

async fn run(world: &crate::sim::SimWorld, sim: &Sim, request: &RunRequest) -> Report {
    let earlier = steps::resume(world, &sim.config, request).await.unwrap();
    steps::run(world, &sim.config, earlier.as_ref().unwrap_or(request), &Stop::default()).await.unwrap()
}

// Promise 1: "`read = delivered + unchanged + rejected + suppressed + pending`, asserted in every run."
fn check(report: &Report, place: &str) {
    assert!(report.rows.add_up(), "{place}: {report:?}");
    assert!(report.rows.read == 37 || report.outcome == Outcome::Failed, "{place}: {report:?}");
    if let Some(error) = &report.error {
        assert!(matches!(error.kind, Kind::Unavailable | Kind::Throttled), "{place}: {report:?}");
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../data/faults/sandbox.json")).unwrap()
}

/// Every case of the file, with these seeds; killed at some calls too.
async fn suite(seeds: std::ops::Range<u64>, kills: &[u64]) {
    let mut runs = 0;
    for case in cases() {
        for seed in seeds.clone() {
            let whole = play(&case, "", seed, None).await;
            for kill in kills.iter().map(|at| Some(*at)).chain([None]) {
                let end = play(&case, &case.faults, seed, kill).await;
                let text = |(held, state): &End| (held.clone(), state.clone());
                assert_eq!(text(&end), text(&whole), "{}, seed {seed}, killed at {kill:?}", case.name);
                runs += 1;
            }
        }
    }
    println!("{runs} runs with faults");
}

#[tokio::test(start_paused = true)]
async fn faults_of_autopilot_change_nothing_in_the_end() {
    suite(1..4, &[5, 30, 60, 90, 120]).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "long: make soak"]
async fn faults_of_autopilot_change_nothing_in_the_end_over_many_seeds() {
    let kills: Vec<u64> = (1..40).map(|n| n * 5).collect();
    suite(10..40, &kills).await;
}

// Over real sockets too, where connections really are cut: each case once.
#[tokio::test(flavor = "multi_thread")]
async fn faults_over_the_wire_change_nothing_in_the_end() {
    iter(cases()).for_each_concurrent(4, over_the_wire).await;
}

async fn over_the_wire(case: Case) {
    let mut scene = crate::scene::Scene::new(Options::default()).await;
    scene.set_connection("lanes", serde_json::json!(case.lanes));
    scene.set_connection("patience_seconds", serde_json::json!(5));
    scene.sandbox.set_faults(Fault::parse_list(&case.faults).unwrap());
    let request = scene.drop(people(0, 30, 1));
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
    assert_eq!((scene.members().len(), scene.state().len()), (30, 30), "{}", case.name);
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
        let report = steps::run(&sim.world(&Kill::never()), &sim.config, &request, &Stop::default()).await.unwrap();
        let error = report.error.as_ref().map(|error| error.kind);
        assert_eq!((report.outcome, error), (Outcome::Failed, Some(Kind::Unavailable)), "{report:?}");
        assert_eq!((report.rows.delivered, report.rows.pending), (348, 2), "{report:?}");
        assert_eq!((sim.held().len(), sim.peak() <= 5), (348, true));
        sim.sandbox.clear_faults();
        let request = RunRequest { run_id: crate::sim::request("again", "").run_id, ..request };
        let report = run(&sim.world(&Kill::never()), &sim, &request).await;
        assert_eq!((report.outcome, report.rows.delivered, report.rows.unchanged), (Outcome::Succeeded, 2, 348));
    }
}

/// A store of secrets in which the key is another from the moment that the account wants another.
struct Rotated {
    sandbox: Sandbox,
    /// The key as it was last read, and how often it was read past any cache.
    read: Arc<Mutex<(String, usize)>>,
}

const NEW_KEY: &str = "the key after that";

impl SecretSource for Rotated {
    async fn secrets(&self, _connection: &str, _secret: &str, again: bool) -> Result<Secrets> {
        let mut read = self.read.lock().unwrap();
        if again {
            let renewed = self.sandbox.counters().statuses.contains_key(&401);
            *read = (if renewed { NEW_KEY } else { API_KEY }.into(), read.1 + 1);
        }
        Ok(Secrets { api_key: read.0.clone().into(), ..Sim::secrets().0 })
    }
}

/// An account that wants another key from its 40th request on.
struct Renewing<A>(A, Sandbox);

impl<A: Autopilot> Autopilot for Renewing<A> {
    async fn call(&self, base: Option<&str>, key: &SecretString, call: &Call, within: Duration) -> Answer {
        if self.1.counters().requests == 40 {
            self.1.set_api_key(Some(NEW_KEY.into()));
        }
        self.0.call(base, key, call, within).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_renewed_in_mid_run_is_read_again_once_and_all_rows_arrive() {
    let mut sim = Sim::new(Options { api_key: Some(API_KEY.into()), ..Options::default() });
    sim.pace(2000, 1);
    let request = sim.drop("members", &people(0, 200, 1));
    let Outside { store, leases, autopilot, clock, watcher, .. } = sim.world(&Kill::never());
    let read = Arc::new(Mutex::new((API_KEY.to_owned(), 0)));
    let secrets = Rotated { sandbox: sim.sandbox.clone(), read: Arc::clone(&read) };
    let autopilot = Renewing(autopilot, sim.sandbox.clone());
    let world = Outside { store, leases, secrets, autopilot, clock, watcher };
    let report = steps::run(&world, &sim.config, &request, &Stop::default()).await.unwrap();
    assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, 200), "{report:?}");
    assert_eq!(read.lock().unwrap().1, 1, "the key was read again once");
    let refused = sim.sandbox.counters().statuses.get(&401).copied().unwrap_or_default();
    assert!(refused > 10, "only {refused} calls were in flight with the old key");
}
