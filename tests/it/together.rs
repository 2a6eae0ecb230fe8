//! Several at once, promise 6: "The account's rate is kept ... over all lanes (slots) and all runs of that connection
//! (a lease: one run at a time)." And never two writers of one state.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::RunRequest;
use autopilot_export::sandbox::Options;
use autopilot_export::steps::{self, Limit, Prepared, Stop};
use jiff::SignedDuration;
use serde_json::json;

use crate::guarded::Guarded;
use crate::mortal::Kill;
use crate::scene::{people, settings};
use crate::sim::{Doomed, Sim, SimWorld};

const RATE: u32 = 10;

fn sim() -> Sim {
    let mut sim = Sim::new(Options::default());
    sim.pace(RATE, 4);
    sim
}

static PROCESS: AtomicU32 = AtomicU32::new(1);

/// A process of its own, whose clock is minutes off.
fn process(sim: &Sim, minutes: i64) -> SimWorld {
    mortal_process(sim, minutes, &Kill::never())
}

fn mortal_process(sim: &Sim, minutes: i64, kill: &Arc<Kill>) -> SimWorld {
    let leases = sim.leases.of_process(PROCESS.fetch_add(1, Ordering::SeqCst));
    let store = Guarded(sim.store.clone(), leases.clone());
    let mut world = sim.process(Doomed(store, Arc::clone(kill)), Duration::ZERO, kill);
    world.leases = Doomed(leases, Arc::clone(kill));
    if let autopilot_export::ports::Clock::Counted(at, since) = world.clock {
        world.clock = autopilot_export::ports::Clock::Counted(at + SignedDuration::from_mins(minutes), since);
    }
    world
}

async fn run(sim: &Sim, world: &SimWorld, request: &RunRequest) -> Report {
    let report = steps::run(world, &sim.config, request, &Stop::default()).await.unwrap();
    assert!(report.rows.add_up(), "{report:?}");
    report
}

/// The list, the state and the account say the same.
fn agree(sim: &Sim, members: usize) {
    let on_list = sim.held().values().filter(|(_, _, on_list)| *on_list).count();
    assert_eq!((on_list, sim.state().len()), (members, members));
    assert!(sim.peak() <= RATE as usize, "{} requests in a second", sim.peak());
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_kept_over_lanes_and_runs() {
    let sim = sim();
    let world = process(&sim, 0);
    for (name, rows) in [("first", people(0, 145, 1)), ("second", people(20, 160, 1))] {
        let report = run(&sim, &world, &sim.drop(name, &rows)).await;
        assert!(report.requests.total > 30, "{report:?}");
    }
    agree(&sim, 140);
}

#[tokio::test(start_paused = true)]
async fn two_processes_that_run_one_export_take_turns() {
    for minutes in [0, 7, -7] {
        let sim = sim();
        let (first, second) = (sim.drop("first", &people(0, 30, 1)), sim.drop("second", &people(10, 40, 2)));
        let (one, other) = (process(&sim, 0), process(&sim, minutes));
        let (a, b) = tokio::join!(run(&sim, &one, &first), run(&sim, &other, &second));
        assert_eq!((a.outcome, b.outcome), (Outcome::Succeeded, Outcome::Succeeded), "{minutes}");
        assert_eq!(b.rows.delivered, 30, "{b:?}");
        agree(&sim, 30);
    }
}

// The same request in two processes at once: an event delivered twice, a person who is impatient.
#[tokio::test(start_paused = true)]
async fn the_same_run_in_two_processes_ends_as_once() {
    let sim = sim();
    let request = sim.drop("first", &people(0, 30, 1));
    let other = RunRequest { run_id: crate::sim::request("other", "").run_id, ..request.clone() };
    let (one, two) = (process(&sim, 0), process(&sim, 3));
    let (a, b) = tokio::join!(run(&sim, &one, &request), run(&sim, &two, &other));
    assert_eq!((a.rows.delivered, b.rows.unchanged, b.outcome), (30, 30, Outcome::NothingToDo), "{a:?} {b:?}");
    agree(&sim, 30);
}

// The lease and the quiet between two runs must not lean on the clocks of two machines being one.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_minutes_off_does_not_break_the_rate() {
    for (before, behind) in [(0, 9), (9, 0), (-9, 0), (0, -9), (9, -5), (-9, 5)] {
        let sim = sim();
        run(&sim, &process(&sim, before), &sim.drop("first", &people(0, 12, 1))).await;
        let began = tokio::time::Instant::now();
        run(&sim, &process(&sim, behind), &sim.drop("second", &people(0, 12, 2))).await;
        agree(&sim, 12);
        assert!(began.elapsed() < Duration::from_secs(30), "waits for another's clock: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn two_exports_share_one_connection() {
    let mut sim = sim();
    let mut second = settings("")["exports"]["newsletter"].clone();
    second["segments"] =
        json!([{ "name": "Second", "prefix": "segments/second/", "membership": { "list": "Second" } }]);
    sim.set("/exports/second", second);
    let first = sim.drop("first", &people(0, 30, 1));
    sim.store.write("segments/second/a.csv", people(100, 120, 1));
    let mut other = crate::sim::request("other", "segments/second/a.csv");
    other.export = "second".into();
    other.run_id = other.run_id.replace("newsletter", "second");
    other.drops[0].segment = "Second".into();
    let (one, two) = (process(&sim, 0), process(&sim, -4));
    let (a, b) = tokio::join!(run(&sim, &one, &first), run(&sim, &two, &other));
    assert_eq!((a.rows.delivered, b.rows.delivered), (30, 20), "{a:?} {b:?}");
    assert_eq!(sim.sandbox.contents().members("Second").len(), 20);
    assert!(sim.peak() <= RATE as usize, "{}", sim.peak());
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_dies_with_the_lease_is_waited_for_and_its_results_are_kept() {
    for at in [60, 90, 110, 130] {
        let sim = sim();
        let (first, second) = (sim.drop("first", &people(0, 30, 1)), sim.drop("second", &people(0, 40, 1)));
        let kill = Kill::new(at, true);
        let dying = sim.world(&kill);
        tokio::select! {
            biased;
            () = kill.reached() => {}
            report = run(&sim, &dying, &first) => drop(report),
        }
        let report = run(&sim, &process(&sim, 5), &second).await;
        assert_eq!((report.outcome, report.rows.pending), (Outcome::Succeeded, 0), "{at}: {report:?}");
        agree(&sim, 40);
    }
}

// "An execution stopped by hand never reaches it: the next prepare makes up for it."
#[tokio::test(start_paused = true)]
async fn a_stopped_executions_deliver_goes_on_while_the_next_run_waits() {
    let sim = sim();
    let (first, second) = (sim.drop("first", &people(0, 60, 1)), sim.drop("second", &people(10, 70, 1)));
    let (one, two) = (process(&sim, 0), process(&sim, 2));
    let config = &sim.config;
    steps::prepare(&one, config, &first).await.unwrap();
    let opened = steps::open(&one, config, &first).await.unwrap();
    let deliver = async {
        for lane in 0..opened.count {
            steps::deliver(&one, config, &first, lane, &Limit::default()).await.unwrap();
        }
    };
    let next = async {
        let waits = steps::prepare(&two, config, &second).await.unwrap();
        assert!(matches!(waits, Prepared::Wait { .. }), "{waits:?}");
        run(&sim, &two, &second).await
    };
    let ((), report) = tokio::join!(deliver, next);
    assert_eq!(
        (report.outcome, report.rows.unchanged, report.rows.delivered),
        (Outcome::Succeeded, 50, 10),
        "{report:?}"
    );
    // A deliver call that comes late, after its run's end, does nothing.
    let requests = sim.sent.lock().unwrap().len();
    assert!(steps::deliver(&one, config, &first, 0, &Limit::default()).await.unwrap().done);
    assert_eq!(sim.sent.lock().unwrap().len(), requests);
    agree(&sim, 60);
}
