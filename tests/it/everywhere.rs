//! Promise 2: "Nothing is lost. Stop the program after any request, at any step, any number of times: going on ends
//! with the same contacts, the same lists and the same state as a run that was never stopped."
//!
//! Here at every single call of every port (store, leases, secrets, Autopilot), before the call takes effect and
//! after it but before its answer, under paused time: for a process that dies whole and is started again, and for one
//! call of a step that hangs for good among others and is made again, as Step Functions does.

use std::sync::Arc;
use std::time::Duration;

use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::RunRequest;
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
    let request = sim.drop("yesterday", &people(0, 4, 1));
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

async fn everywhere(way: Way, lanes: u32, engine: Engine) -> u64 {
    let never = Kill::never();
    let (held, state, whole, sim) = play(way, lanes, engine, &never).await;
    assert_eq!((whole.outcome, whole.rows.delivered), (Outcome::SucceededWithRejects, 11), "{whole:?}");
    assert!(sim.peak() <= RATE as usize, "{}", sim.peak());
    let mut stops = 0;
    for at in 1..=never.calls() {
        for after in [false, true] {
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
            let left: Vec<_> = left.iter().filter(|key| autopilot_export::run::keys::is_passing(key)).collect();
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
