//! Promise 2: "Nothing is lost. Stop the program after any request, at any step, any number of times: going on ends
//! with the same contacts, the same lists and the same state as a run that was never stopped."
//!
//! Here at every single call of every port (store, leases, secrets, Autopilot), before the call takes effect and
//! after it but before its answer, under paused time: for a process that dies whole and is started again, and for one
//! call of a step that hangs for good among others and is made again, as Step Functions does.

use std::sync::Arc;
use std::time::Duration;

use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{RunRequest, keys};
use autopilot_export::sandbox::{BulkLists, Options};
use autopilot_export::steps::{self, Limit, Prepared, Stop};
use futures_util::future::join_all;
use serde_json::json;

use crate::mortal::Kill;
use crate::scene::{Held, people};
use crate::sim::{Sim, SimWorld};

const RATE: u32 = 10;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Bulk,
    Single,
    List,
    Field,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Engine {
    /// One process for the whole run, as on one machine.
    Process,
    /// A call per step, made again when it does not come back, as on AWS.
    Calls,
}

type State = std::collections::BTreeMap<[u8; 32], [u8; 16]>;

/// Yesterday's members are in place; today's drop has joiners, changes, leavers and rejects.
async fn yesterday(way: Way, lanes: u32) -> (Sim, RunRequest) {
    let (bulk, single) = match way {
        Way::Bulk => (BulkLists::Always, BulkLists::Always),
        Way::Single => (BulkLists::Never, BulkLists::Always),
        Way::List | Way::Field => (BulkLists::Never, BulkLists::Never),
    };
    let mut sim = Sim::new(Options { bulk_lists: bulk, single_lists: single, ..Options::default() });
    sim.pace(RATE, lanes);
    if way == Way::Field {
        sim.set("/exports/newsletter/segments/0/membership", json!({ "field": "Reader" }));
    }
    // A lane is worth its while from 25 requests on: where there are to be four, 80 members leave one by one.
    let leavers = if lanes > 1 { people(100, 180, 1) } else { String::from("\n") };
    let request = sim.drop("yesterday", &(people(0, 4, 1) + leavers.split_once('\n').unwrap().1));
    run(&sim.world(&Kill::never()), &sim, &request).await;
    let today = people(2, 3, 1) + "person.3@example.com,Changed,2\nno address,Ana,1\nvalue@example.com,Ana,many\n";
    let joiners = people(10, 20, 1);
    let request = sim.drop("today", &(today + joiners.split_once('\n').unwrap().1));
    sim.sent.lock().unwrap().clear();
    (sim, request)
}

async fn run(world: &SimWorld, sim: &Sim, request: &RunRequest) -> Report {
    let earlier = steps::resume(world, &sim.config, request).await.unwrap();
    steps::run(world, &sim.config, earlier.as_ref().unwrap_or(request), &Stop::default()).await.unwrap()
}

/// One call of a step, made again where it does not come back.
macro_rules! again {
    ($step:expr) => {
        loop {
            if let Ok(done) = tokio::time::timeout(Duration::from_secs(200), $step).await {
                break done.unwrap();
            }
        }
    };
}

/// The workflow of AWS: each step a call of its own.
async fn by_calls(world: &SimWorld, sim: &Sim, request: &RunRequest) -> Report {
    let config = &sim.config;
    loop {
        match again!(steps::prepare(world, config, request)) {
            Prepared::Wait { seconds, .. } => tokio::time::sleep(Duration::from_secs(seconds)).await,
            Prepared::Done { .. } => return again!(steps::finish(world, config, request, None)),
            Prepared::Ready { .. } => break,
        }
    }
    let opened = again!(steps::open(world, config, request));
    let lanes = (0..opened.count).map(|lane| async move {
        while !again!(steps::deliver(world, config, request, lane, &Limit::default())).done {}
    });
    join_all(lanes).await;
    again!(steps::finish(world, config, request, None))
}

/// Stops today's run at one call, goes on to its end, and gives what it left behind.
async fn play(way: Way, lanes: u32, engine: Engine, kill: &Arc<Kill>) -> (Held, State, Report, Sim) {
    let (sim, request) = yesterday(way, lanes).await;
    let world = sim.world(kill);
    let report = match engine {
        Engine::Calls => by_calls(&world, &sim, &request).await,
        Engine::Process => {
            let done = tokio::select! {
                biased;
                () = kill.reached() => None,
                report = run(&world, &sim, &request) => Some(report),
            };
            match done {
                Some(report) => report,
                None => run(&sim.world(&Kill::never()), &sim, &RunRequest { run_id: again_id(), ..request }).await,
            }
        }
    };
    (sim.held(), sim.state(), report, sim)
}

fn again_id() -> String {
    crate::sim::request("again", "").run_id
}

/// Before a call takes effect, and after it; with several lanes, which make many calls alike, in turn at every second one.
fn sides(at: u64, lanes: u32) -> Vec<bool> {
    match (lanes, at % 4) {
        (1, _) => vec![false, true],
        (_, 0) => vec![false],
        (_, 2) => vec![true],
        _ => vec![],
    }
}

async fn everywhere(way: Way, lanes: u32, engine: Engine) -> u64 {
    let never = Kill::never();
    let (held, state, whole, sim) = play(way, lanes, engine, &never).await;
    assert_eq!((whole.outcome, whole.rows.delivered), (Outcome::SucceededWithRejects, 11), "{whole:?}");
    assert!(sim.peak() <= RATE as usize, "{}", sim.peak());
    let opened = sim.store.body(&keys::of_run(&whole.run_id, "open.json")).unwrap();
    let opened: serde_json::Value = serde_json::from_slice(&opened).unwrap();
    assert_eq!(opened["lanes"].as_array().unwrap().len(), lanes as usize, "as many lanes as there are to be");
    let mut stops = 0;
    for at in 1..=never.calls() {
        for after in sides(at, lanes) {
            let kill = if engine == Engine::Process { Kill::new(at, after) } else { Kill::alone(at, after) };
            let place = format!("{way:?}, {lanes} lanes, {engine:?}, call {at}, after: {after}");
            let (held_now, state_now, report, sim) = play(way, lanes, engine, &kill).await;
            assert!(kill.calls() >= at, "{place}: never came there");
            assert_eq!(held_now, held, "{place}: {report:?}");
            assert_eq!(state_now, state, "{place}: {report:?}");
            assert!(report.rows.add_up(), "{place}: {report:?}");
            let over = report.outcome == Outcome::NothingToDo;
            assert!(over || report.rows == whole.rows, "{place}: {report:?}");
            assert!(over || report.members == whole.members, "{place}: {report:?}");
            assert!(sim.peak() <= RATE as usize, "{place}: {} requests in a second", sim.peak());
            let left = sim.store.keys();
            let left: Vec<_> = left.iter().filter(|key| keys::is_passing(key)).collect();
            assert!(left.is_empty(), "{place}: {left:?}");
            stops += 1;
        }
    }
    println!("{way:?}, {lanes} lanes, {engine:?}: {stops} stops");
    stops
}

/// A test per way, so that they run side by side.
macro_rules! stopped_everywhere {
    ($($name:ident: $way:ident, $engine:ident;)*) => {
        $(#[tokio::test(start_paused = true)]
        async fn $name() {
            let stops = everywhere(Way::$way, 1, Engine::$engine).await + everywhere(Way::$way, 4, Engine::$engine).await;
            assert!(stops > 300, "{stops} stops");
        })*
    };
}

stopped_everywhere! {
    a_process_stopped_at_any_call_goes_on_in_bulk: Bulk, Process;
    a_process_stopped_at_any_call_goes_on_one_by_one: Single, Process;
    a_process_stopped_at_any_call_goes_on_in_bulk_and_onto_the_list: List, Process;
    a_process_stopped_at_any_call_goes_on_with_a_field: Field, Process;
    a_step_that_hangs_at_any_call_is_called_again_in_bulk: Bulk, Calls;
    a_step_that_hangs_at_any_call_is_called_again_one_by_one: Single, Calls;
    a_step_that_hangs_at_any_call_is_called_again_in_bulk_and_onto_the_list: List, Calls;
    a_step_that_hangs_at_any_call_is_called_again_with_a_field: Field, Calls;
}

/// Plays today's run until it dies at a call; what is to be read from it is what it left behind.
async fn dies(sim: &Sim, request: &RunRequest, kill: &Arc<Kill>) {
    let world = sim.world(kill);
    tokio::select! {
        biased;
        () = kill.reached() => {}
        _ = run(&world, sim, request) => {}
    }
}

/// What a drop that comes next must come to, whatever became of the runs before: its profiles with their fields and
/// no other are members, and the state says so.
fn comes_to(sim: &Sim, way: Way) -> (Held, State) {
    let is_member = |(fields, custom, on_list): &(serde_json::Value, serde_json::Value, bool)| match way {
        Way::Field => custom["Reader"] == json!(true) || fields.is_null(),
        _ => *on_list,
    };
    let mut held = sim.held();
    held.retain(|_, contact| is_member(contact));
    (held, sim.state())
}

/// Tomorrow's drop: those of yesterday as they were then, some who joined today, and newcomers.
fn tomorrow(sim: &Sim) -> RunRequest {
    sim.drop("tomorrow", &(people(0, 4, 1) + people(15, 22, 1).split_once('\n').unwrap().1))
}

/// A run dies at any call, and the drop that comes next is another: who joined, left or changed without an answer, and
/// is otherwise in that drop, is put right.
async fn another_drop_follows(way: Way, lanes: u32) -> u64 {
    let never = Kill::never();
    let (sim, request) = yesterday(way, lanes).await;
    dies(&sim, &request, &never).await;
    run(&sim.world(&Kill::never()), &sim, &tomorrow(&sim)).await;
    let whole = comes_to(&sim, way);
    assert_eq!((whole.0.len(), whole.1.len()), (11, 11));
    let (calls, mut stops) = (never.calls(), 0);
    for at in 1..=calls {
        for after in sides(at, lanes) {
            let (sim, request) = yesterday(way, lanes).await;
            dies(&sim, &request, &Kill::new(at, after)).await;
            // Every third time the run that comes next dies as well.
            let died_again = stops % 3 == 0;
            if died_again {
                let between = sim.drop("between", &people(9, 13, 2));
                dies(&sim, &between, &Kill::new(1 + (at * 7) % calls, after)).await;
            }
            let report = run(&sim.world(&Kill::never()), &sim, &tomorrow(&sim)).await;
            let place = format!("{way:?}, {lanes} lanes, call {at}, after: {after}, again: {died_again}");
            let (held, state) = comes_to(&sim, way);
            assert_eq!(held, whole.0, "{place}: {report:?}");
            assert_eq!(state, whole.1, "{place}: {report:?}");
            assert!(report.rows.add_up() && report.members.leavers_withheld == 0, "{place}: {report:?}");
            assert!(sim.peak() <= RATE as usize, "{place}: {} requests in a second", sim.peak());
            let left: Vec<_> = sim.store.keys().into_iter().filter(|key| key.contains("/unsure/")).collect();
            assert!(left.is_empty(), "{place}: {left:?}");
            stops += 1;
        }
    }
    println!("{way:?}, {lanes} lanes, another drop follows: {stops} stops");
    stops
}

/// A test per way, so that they run side by side.
macro_rules! another_drop_follows {
    ($($name:ident: $way:ident;)*) => {
        $(#[tokio::test(start_paused = true)]
        async fn $name() {
            let stops = another_drop_follows(Way::$way, 1).await + another_drop_follows(Way::$way, 4).await;
            assert!(stops > 300, "{stops} stops");
        })*
    };
}

another_drop_follows! {
    after_a_run_that_died_in_bulk_another_drop_is_exact: Bulk;
    after_a_run_that_died_one_by_one_another_drop_is_exact: Single;
    after_a_run_that_died_in_bulk_and_onto_the_list_another_drop_is_exact: List;
    after_a_run_that_died_with_a_field_another_drop_is_exact: Field;
}
