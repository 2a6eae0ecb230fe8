//! Promise 2: "Nothing is lost. Stop the program after any request, at any step, any number of times: going on ends
//! with the same contacts, the same lists and the same state as a run that was never stopped."
//!
//! Here at every single call of every port (store, leases, secrets, Autopilot), before the call takes effect and
//! after it but before its answer, under paused time: for a process that dies whole and is started again, and for one
//! call of a step that hangs for good among others and is repeated, as Step Functions does.

use std::sync::Arc;
use std::time::Duration;

use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::RunRequest;
use autopilot_export::steps::{self, Cancellation, Limit, Prepared};
use futures_util::future::join_all;
use serde_json::json;

use crate::support::fixture::{Held, more, people, sent_nothing};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, SimWorld, Way};

const RATE: u32 = 10;
/// How many more joiners or leavers, each a request of its own, are worth four lanes.
const CROWD: u32 = 80;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Engine {
    /// One process for the whole run, as on one machine.
    Process,
    /// One call per step, retried when it does not return, as on AWS.
    Calls,
}

type State = std::collections::BTreeMap<[u8; 32], [u8; 16]>;

/// Yesterday's members are in place; today's drop has joiners, changes, leavers and rejects.
async fn yesterday(way: Way, lanes: u32) -> (Sim, RunRequest) {
    let mut sim = Sim::of(way, 1);
    sim.pace(RATE, lanes);
    // The rejects of today's drop keep nobody on the list.
    sim.set("/exports/newsletter/guards/unreadable_rows", json!(1));
    let crowd = if lanes > 1 { CROWD } else { 0 };
    let (joiners, leavers) = if way.is_one_by_one() { (crowd, 0) } else { (0, crowd) };
    let request = sim.drop("yesterday", &(people(0, 4, 1) + &more(100, 100 + leavers, 1)));
    run(&sim.world(&Kill::never()), &sim, &request).await;
    let today = people(2, 3, 1) + "person.3@example.com,Changed,2\nno address,Ana,1\nvalue@example.com,Ana,many\n";
    let request = sim.drop("today", &(today + &more(10, 20 + joiners, 1)));
    sim.sent.lock().unwrap().clear();
    (sim, request)
}

async fn run(world: &SimWorld, sim: &Sim, request: &RunRequest) -> Report {
    let earlier = steps::resume(world, &sim.config, request).await.unwrap();
    steps::run(world, &sim.config, earlier.as_ref().unwrap_or(request), &Cancellation::default()).await.unwrap()
}

/// One call of a step, retried until it returns.
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
    crate::support::sim::request("again", "").run_id
}

/// A run that is stopped at calls that change something: at one that only reads, nothing is otherwise than after the call
/// before it.
fn counting_writes(kill: Arc<Kill>) -> Arc<Kill> {
    kill.count_only_writes();
    kill
}

/// Where a run is stopped: before its first call and after each. Of many lanes there are many calls: of every other one,
/// before and after in turns.
fn places(calls: u64, lanes: u32) -> impl Iterator<Item = (u64, bool)> {
    (1..=calls)
        .flat_map(|at| [(at, false), (at, true)])
        .filter(move |&(at, after)| if lanes == 1 { after || at == 1 } else { at % 2 == 0 && after == (at % 4 == 0) })
}

async fn everywhere(way: Way, lanes: u32, engine: Engine) -> u64 {
    let never = counting_writes(Kill::never());
    let (held, state, whole, sim) = play(way, lanes, engine, &never).await;
    let delivered = if lanes > 1 && way.is_one_by_one() { 11 + u64::from(CROWD) } else { 11 };
    assert_eq!((whole.outcome, whole.rows.delivered), (Outcome::SucceededWithRejects, delivered), "{whole:?}");
    assert_eq!(sim.lanes(&whole.run_id), lanes as usize, "{way:?}: {whole:?}");
    assert!(sim.peak() <= RATE as usize, "{}", sim.peak());
    let mut stops = 0;
    for (at, after) in places(never.calls(), lanes) {
        let kill = if engine == Engine::Process { Kill::new(at, after) } else { Kill::alone(at, after) };
        let kill = counting_writes(kill);
        let place = format!("{way:?}, {lanes} lanes, {engine:?}, call {at}, after: {after}");
        let (held_now, state_now, report, sim) = play(way, lanes, engine, &kill).await;
        assert!(kill.calls() >= at, "{place}: never came there");
        assert_eq!(held_now, held, "{place}: {report:?}");
        assert_eq!(state_now, state, "{place}: {report:?}");
        assert!(report.rows.add_up(), "{place}: {report:?}");
        let over = sent_nothing(&report);
        assert!(over || report.rows == whole.rows, "{place}: {report:?}");
        assert!(over || report.members == whole.members, "{place}: {report:?}");
        assert!(over || sim.lanes(&report.run_id) == lanes as usize, "{place}: {report:?}");
        assert!(sim.peak() <= RATE as usize, "{place}: {} requests in a second", sim.peak());
        let left = sim.store.keys();
        let left: Vec<_> = left.iter().filter(|key| autopilot_export::run::keys::is_transient(key)).collect();
        assert!(left.is_empty(), "{place}: {left:?}");
        stops += 1;
    }
    println!("{way:?}, {lanes} lanes, {engine:?}: {stops} stops");
    stops
}

/// Plays for every way, for one lane and for four, each in a thread with a paused clock of its own: `play` gets the way,
/// the lanes and the thread's part. Gives the sum of the stops.
fn in_every_way<T: Copy + Send, P: Future<Output = u64>>(parts: [T; 2], play: fn(Way, u32, T) -> P) -> u64 {
    let all = move |part| async move {
        let mut stops = 0;
        for way in Way::ALL {
            stops += play(way, 1, part).await;
            // So few rows are worth one lane alone where a hundred share a request.
            if !way.is_ortto() {
                stops += play(way, 4, part).await;
            }
        }
        stops
    };
    std::thread::scope(|scope| {
        let threads = parts.map(|part| {
            scope.spawn(move || {
                let mut paused = tokio::runtime::Builder::new_current_thread();
                paused.enable_time().start_paused(true).build().unwrap().block_on(all(part))
            })
        });
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn a_run_stopped_at_any_call_of_any_port_ends_the_same() {
    let stops = in_every_way([Engine::Process, Engine::Calls], everywhere);
    println!("{stops} stops in all");
    assert!(stops >= 1500, "{stops} stops");
}

/// Plays a run until it dies at a call, and says whether it came there; what is to be read is what it left behind.
async fn dies(sim: &Sim, request: &RunRequest, kill: &Arc<Kill>) -> bool {
    let world = sim.world(kill);
    tokio::select! {
        biased;
        () = kill.reached() => true,
        _ = run(&world, sim, request) => false,
    }
}

/// What a drop that comes next must come to, whatever became of the runs before: its profiles with their fields and
/// no other are members, and the state says so.
fn comes_to(sim: &Sim, way: Way) -> (Held, State) {
    let is_member = |(fields, custom, on_list): &(serde_json::Value, serde_json::Value, bool)| match way {
        Way::Field | Way::Flag => custom["Reader"] == json!(true) || fields.is_null(),
        _ => *on_list,
    };
    let mut held = sim.held();
    held.retain(|_, contact| is_member(contact));
    (held, sim.state())
}

/// Tomorrow's drop: those of yesterday as they were then, some who joined today, and newcomers.
fn tomorrow(sim: &Sim, name: &str) -> RunRequest {
    sim.drop(name, &(people(0, 4, 1) + &more(15, 22, 1)))
}

/// Whether the run that comes next dies as well.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    Lives,
    Dies,
}

/// A run dies at any call, and the drop that comes next is another: who joined, left or changed without an answer, and
/// is otherwise in that drop, is put right.
async fn another_drop_follows(way: Way, lanes: u32, next: Next) -> u64 {
    let never = counting_writes(Kill::never());
    let (sim, request) = yesterday(way, lanes).await;
    assert!(!dies(&sim, &request, &never).await);
    assert_eq!(sim.lanes(&request.run_id), lanes as usize, "{way:?}");
    run(&sim.world(&Kill::never()), &sim, &tomorrow(&sim, "tomorrow")).await;
    let whole = comes_to(&sim, way);
    assert_eq!((whole.0.len(), whole.1.len()), (11, 11));
    let (calls, mut stops, mut died_again) = (never.calls(), 0, 0);
    // Each place is played in one of the two ways.
    let places = places(calls, lanes).filter(|(at, _)| (next == Next::Dies) == (at % 4 < 2));
    for (at, after) in places {
        let (sim, request) = yesterday(way, lanes).await;
        let place = format!("{way:?}, {lanes} lanes, call {at}, after: {after}, the next: {next:?}");
        assert!(dies(&sim, &request, &counting_writes(Kill::new(at, after))).await, "{place}: never came there");
        if next == Next::Dies {
            let between = sim.drop("between", &people(9, 13, 2));
            let kill = counting_writes(Kill::new(1 + (at * 7) % calls, after));
            died_again += u64::from(dies(&sim, &between, &kill).await);
        }
        let report = run(&sim.world(&Kill::never()), &sim, &tomorrow(&sim, "tomorrow")).await;
        let (held, mut state) = comes_to(&sim, way);
        assert_eq!(held, whole.0, "{place}: {report:?}");
        if state.len() > whole.1.len() {
            // Who was asked to leave without an answer is asked once more.
            run(&sim.world(&Kill::never()), &sim, &tomorrow(&sim, "once more")).await;
            (_, state) = comes_to(&sim, way);
        }
        assert_eq!(state, whole.1, "{place}: {report:?}");
        assert!(report.rows.add_up() && report.members.leavers_withheld == 0, "{place}: {report:?}");
        assert!(sim.peak() <= RATE as usize, "{place}: {} requests in a second", sim.peak());
        let left: Vec<_> = sim.store.keys().into_iter().filter(|key| key.ends_with("/unconfirmed.ndjson")).collect();
        assert!(left.is_empty(), "{place}: {left:?}");
        stops += 1;
    }
    assert!(next == Next::Lives || died_again * 2 > stops, "{died_again} of {stops}");
    println!("{way:?}, {lanes} lanes, another drop follows: {stops} stops, {died_again} times another");
    stops
}

#[test]
fn after_a_run_that_died_at_any_call_another_drop_is_exact() {
    let stops = in_every_way([Next::Lives, Next::Dies], another_drop_follows);
    println!("{stops} stops in all");
    assert!(stops >= 750, "{stops} stops");
}
