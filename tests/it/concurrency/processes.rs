//! Several at once, promise 6: "The account's rate is kept ... over all lanes and all runs of the connection ... a lease
//! lets one run at a time use the connection." And never two writers of one state.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use autopilot_export::adapters::in_process::InProcess;
use autopilot_export::entry::environment::Adapters;
use autopilot_export::error::Kind;
use autopilot_export::ports::{Http, NoResponse};
use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{RequestedDrop, RunRequest};
use autopilot_export::sandbox::Options;
use autopilot_export::steps::Environment;
use autopilot_export::steps::{self, Cancellation, Limit, Prepared};
use jiff::SignedDuration;
use serde_json::json;
use tokio::time::Instant;

use crate::support::fixture::{LIST, people};
use crate::support::flaky_store::{FaultKind, Faulty};
use crate::support::kill::{Doomed, Kill};
use crate::support::lease_checked_store::{Guarded, TERM};
use crate::support::sim::{Sim, SimWorld, Way};

const RATE: u32 = 10;

fn sim() -> Sim {
    let mut sim = Sim::new(Options::default());
    sim.pace(RATE, 4);
    sim
}

/// A world of each destination, with how many times as many people make about as many requests.
fn sims() -> [(Sim, u32); 2] {
    let mut ortto = Sim::of(Way::Tag, 1);
    ortto.pace(RATE, 4);
    [(sim(), 1), (ortto, 10)]
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

async fn run(sim: &Sim, world: &impl Environment, request: &RunRequest) -> Report {
    let report = steps::run(world, &sim.config, request, &Cancellation::default()).await.unwrap();
    assert!(report.rows.add_up(), "{report:?}");
    report
}

/// What the command line does: resumes the run that the request repeats, otherwise runs it.
async fn command(sim: &Sim, world: &impl Environment, request: &RunRequest) -> Report {
    let earlier = steps::resume(world, &sim.config, request).await.unwrap();
    run(sim, world, earlier.as_ref().unwrap_or(request)).await
}

/// The list, the state and the account say the same.
fn agree(sim: &Sim, members: usize) {
    let on_list = sim.held().values().filter(|(_, _, on_list)| *on_list).count();
    assert_eq!((on_list, sim.state().len()), (members, members));
    assert!(sim.peak() <= RATE as usize, "{} requests in a second", sim.peak());
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_kept_over_lanes_and_runs() {
    for (sim, times) in sims() {
        // As many requests at Ortto, where a hundred people are one.
        let times = if times > 1 { 100 } else { 1 };
        let world = process(&sim, 0);
        for (name, rows) in [("first", people(0, 145 * times, 1)), ("second", people(20 * times, 160 * times, 1))] {
            let report = run(&sim, &world, &sim.drop(name, &rows)).await;
            assert!(report.requests.total > 30, "{report:?}");
            assert!(sim.lanes(&report.run_id) > 1, "{report:?}");
        }
        agree(&sim, 140 * times as usize);
    }
}

// What `open` asks at once still has a slot for each.
#[tokio::test(start_paused = true)]
async fn the_first_requests_of_a_run_leave_each_in_its_slot() {
    for (rate, (mut sim, _)) in [1, 2].into_iter().flat_map(|rate| sims().map(|sim| (rate, sim))) {
        sim.pace(rate, 4);
        run(&sim, &process(&sim, 0), &sim.drop("first", &people(0, 3, 1))).await;
        assert!(sim.sent.lock().unwrap().len() >= 5);
        assert!(sim.peak() <= rate as usize, "{} requests in a second of {rate}", sim.peak());
    }
}

/// An account to which some requests are on their way for up to 40 ms, once it has shown how quick it is. When they arrive
/// is remembered.
struct FarAway {
    account: InProcess,
    arrived: Arc<Mutex<Vec<Instant>>>,
    random: Mutex<fastrand::Rng>,
}

impl Http for FarAway {
    async fn send(
        &self,
        request: http::Request<bytes::Bytes>,
        within: Duration,
        max_bytes: usize,
    ) -> Result<http::Response<bytes::Bytes>, NoResponse> {
        let is_held_up = self.arrived.lock().unwrap().len() > 60 && self.random.lock().unwrap().u8(..10) == 0;
        let way = if is_held_up { self.random.lock().unwrap().u64(10..40) } else { 0 };
        tokio::time::sleep(Duration::from_millis(way)).await;
        self.arrived.lock().unwrap().push(Instant::now());
        tokio::time::sleep(Duration::from_millis(80)).await;
        self.account.send(request, within, max_bytes).await
    }
}

#[tokio::test(start_paused = true)]
async fn delayed_requests_still_arrive_at_the_rate() {
    for (way, rows) in [(Way::List, 600), (Way::Tag, 30_000)] {
        let mut sim = Sim::of(way, 1);
        sim.pace(20, 2);
        let (account, arrived) = (InProcess(sim.sandbox.clone()), Arc::clone(&sim.sent));
        let http = FarAway { account, arrived, random: Mutex::new(fastrand::Rng::with_seed(7)) };
        let Adapters { store, leases, secrets, clock, observer, .. } = process(&sim, 0);
        let world = Adapters { store, leases, secrets, http, clock, observer };
        let report = run(&sim, &world, &sim.drop("first", &people(0, rows, 1))).await;
        assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, u64::from(rows)), "{report:?}");
        assert!(sim.peak() <= 20, "{} arrived in a second", sim.peak());
    }
}

// The last of four once began three quarters of a second late: after the others' shares, or held up by all of what `open`
// had asked.
#[tokio::test(start_paused = true)]
async fn lanes_begin_together() {
    let ways = [(Way::List, 200), (Way::Tag, 10_000)];
    for (lane, (way, rows)) in (0..4).flat_map(|lane| ways.map(|way| (lane, way))) {
        let mut sim = Sim::of(way, 1);
        sim.pace(20, 4);
        let (world, request) = (process(&sim, 0), sim.drop("first", &people(0, rows, 1)));
        steps::prepare(&world, &sim.config, &request).await.unwrap();
        assert_eq!(steps::open(&world, &sim.config, &request).await.unwrap().count, 4);
        sim.sent.lock().unwrap().clear();
        let began = Instant::now();
        steps::deliver(&world, &sim.config, &request, lane, &Limit::default()).await.unwrap();
        let late = sim.sent.lock().unwrap()[0] - began;
        assert!(late < Duration::from_millis(100), "{way:?}, lane {lane}: {late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_processes_that_run_one_export_take_turns() {
    for (minutes, (sim, times)) in [0, 7, -7].into_iter().flat_map(|minutes| sims().map(|sim| (minutes, sim))) {
        let first = sim.drop("first", &people(0, 90 * times, 1));
        let second = sim.drop("second", &people(80 * times, 170 * times, 2));
        let (one, other) = (process(&sim, 0), process(&sim, minutes));
        let (a, b) = tokio::join!(run(&sim, &one, &first), run(&sim, &other, &second));
        assert_eq!((a.outcome, b.outcome), (Outcome::Succeeded, Outcome::Succeeded), "{minutes}");
        assert_eq!(b.rows.delivered, 90 * u64::from(times), "{b:?}");
        // A hundred joiners of Ortto are one request, too few for several lanes.
        assert!(times > 1 || (sim.lanes(&a.run_id), sim.lanes(&b.run_id)) == (4, 4), "{a:?} {b:?}");
        agree(&sim, 90 * times as usize);
    }
}

// An event delivered twice is one run; a person who is impatient asks for another.
#[tokio::test(start_paused = true)]
async fn the_same_drop_in_two_runs_at_once_ends_as_once() {
    for (sim, times) in sims() {
        let request = sim.drop("first", &people(0, 90 * times, 1));
        let other = RunRequest { run_id: crate::support::sim::request("other", "").run_id, ..request.clone() };
        let (one, two) = (process(&sim, 0), process(&sim, 3));
        let (a, b) = tokio::join!(run(&sim, &one, &request), run(&sim, &two, &other));
        let all = 90 * u64::from(times);
        assert_eq!((a.rows.delivered, b.rows.unchanged, b.outcome), (all, all, Outcome::NothingToDo), "{a:?} {b:?}");
        agree(&sim, 90 * times as usize);
    }
}

// The second finds the first's run unfinished and resumes it, but only when the first has let go: two processes of
// one run are two processes.
#[tokio::test(start_paused = true)]
async fn the_same_command_twice_at_once_takes_turns() {
    for (number, lasts) in [16_000, 3_000].into_iter().enumerate() {
        let one_of = || sims().into_iter().nth(number).unwrap();
        let (alone, times) = one_of();
        let rows = people(0, 90 * times, 1);
        let whole = command(&alone, &process(&alone, 0), &alone.drop("first", &rows)).await;
        let requests = alone.sent.lock().unwrap().len();
        for later in (0..lasts).step_by(250) {
            let (sim, _) = one_of();
            let request = sim.drop("first", &rows);
            let again = RunRequest { run_id: crate::support::sim::request("again", "").run_id, ..request.clone() };
            let (one, two) = (process(&sim, 0), process(&sim, 2));
            let second = async {
                tokio::time::sleep(Duration::from_millis(later)).await;
                command(&sim, &two, &again).await
            };
            let (a, b) = tokio::join!(command(&sim, &one, &request), second);
            assert_eq!((&a.rows, sim.lanes(&a.run_id)), (&whole.rows, alone.lanes(&whole.run_id)), "{later}: {a:?}");
            assert!(a == b || b.outcome == Outcome::NothingToDo, "{later}: {a:?} {b:?}");
            assert_eq!(sim.sent.lock().unwrap().len(), requests, "{later}: what one sends, the other does not");
            agree(&sim, 90 * times as usize);
        }
    }
}

// The same, where the first dies while the second waits.
#[tokio::test(start_paused = true)]
async fn a_waiting_command_resumes_the_run_of_one_that_dies() {
    let deaths = [(12, true), (40, false), (70, true), (110, false), (150, true), (190, false)];
    let ortto = [(12, true), (30, false), (45, true), (60, false), (75, true), (80, false)];
    for (number, (sim, times)) in (0..deaths.len()).flat_map(|number| sims().map(|sim| (number, sim))) {
        let (at, after) = if times == 1 { deaths[number] } else { ortto[number] };
        let request = sim.drop("first", &people(0, 90 * times, 1));
        let again = RunRequest { run_id: crate::support::sim::request("again", "").run_id, ..request.clone() };
        let kill = Kill::new(at, after);
        let (one, two) = (mortal_process(&sim, 0, &kill), process(&sim, 2));
        let dies = async {
            tokio::select! {
                biased;
                () = kill.reached() => {}
                report = command(&sim, &one, &request) => panic!("{at}: never came there: {report:?}"),
            }
        };
        let second = async {
            // The first has begun.
            tokio::time::sleep(Duration::from_millis(100)).await;
            command(&sim, &two, &again).await
        };
        let ((), report) = tokio::join!(dies, second);
        assert_eq!(
            (report.outcome, report.rows.delivered),
            (Outcome::Succeeded, 90 * u64::from(times)),
            "{at}: {report:?}"
        );
        agree(&sim, 90 * times as usize);
    }
}

// Who waits for another process that has the very same run has nothing to finish.
#[tokio::test(start_paused = true)]
async fn interrupting_a_waiting_run_changes_nothing() {
    for (sim, times) in sims() {
        let rows = if times > 1 { 9000 } else { 90 };
        let request = sim.drop("first", &people(0, rows, 1));
        let (one, two) = (process(&sim, 0), process(&sim, 2));
        let stop = Cancellation::default();
        let second = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let stops = async {
                tokio::time::sleep(Duration::from_secs(2)).await;
                stop.cancel();
            };
            tokio::join!(steps::run(&two, &sim.config, &request, &stop), stops).0
        };
        let (a, b) = tokio::join!(run(&sim, &one, &request), second);
        assert_eq!(b.unwrap_err().kind, Kind::Interrupted);
        assert_eq!((a.outcome, a.rows.delivered), (Outcome::Succeeded, u64::from(rows)), "{a:?}");
        agree(&sim, rows as usize);
    }
}

// The lease and the quiet between two runs must not lean on the clocks of two machines being one.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_minutes_off_does_not_break_the_rate() {
    let clocks = [(0, 9), (9, 0), (-9, 0), (0, -9), (9, -5), (-9, 5)];
    for ((before, behind), (sim, times)) in clocks.into_iter().flat_map(|clocks| sims().map(|sim| (clocks, sim))) {
        run(&sim, &process(&sim, before), &sim.drop("first", &people(0, 12 * times, 1))).await;
        let began = Instant::now();
        run(&sim, &process(&sim, behind), &sim.drop("second", &people(0, 12 * times, 2))).await;
        agree(&sim, 12 * times as usize);
        assert!(began.elapsed() < Duration::from_secs(30), "waits for another's clock: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn two_exports_share_one_connection() {
    for (way, (mut sim, _)) in [Way::List, Way::Tag].into_iter().zip(sims()) {
        let mut second = sim.settings["exports"]["newsletter"].clone();
        let membership = way.membership_of("Second");
        second["segments"] = json!([{ "name": "Second", "prefix": "segments/second/", "membership": membership }]);
        sim.set("/exports/second", second);
        let first = sim.drop("first", &people(0, 30, 1));
        sim.store.write("segments/second/a.csv", people(100, 120, 1));
        let mut other = crate::support::sim::request("other", "segments/second/a.csv");
        other.export = "second".into();
        other.run_id = other.run_id.replace("newsletter", "second");
        other.drops[0].segment = "Second".into();
        let (one, two) = (process(&sim, 0), process(&sim, -4));
        let (a, b) = tokio::join!(run(&sim, &one, &first), run(&sim, &two, &other));
        assert_eq!((a.rows.delivered, b.rows.delivered), (30, 20), "{a:?} {b:?}");
        assert_eq!(sim.sandbox.contents().members("Second").len(), 20);
        assert!(sim.peak() <= RATE as usize, "{}", sim.peak());
    }
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_dies_is_waited_for_and_its_results_are_kept() {
    // Before the rows, at the first of them, and later.
    let deaths = [(30, false), (90, true), (110, false), (140, true), (180, false), (200, true)];
    let ortto = [(10, false), (30, true), (45, false), (60, true), (75, false), (80, true)];
    for (number, (sim, times)) in (0..deaths.len()).flat_map(|number| sims().map(|sim| (number, sim))) {
        let (at, after) = if times == 1 { deaths[number] } else { ortto[number] };
        let first = sim.drop("first", &people(0, 90 * times, 1));
        let second = sim.drop("second", &people(0, 100 * times, 1));
        let kill = Kill::new(at, after);
        let dying = mortal_process(&sim, 0, &kill);
        tokio::select! {
            biased;
            () = kill.reached() => {}
            report = run(&sim, &dying, &first) => panic!("{at}: never came there: {report:?}"),
        }
        assert!(times > 1 || sim.lanes(&first.run_id) == if at < 90 { 0 } else { 4 }, "{at}");
        let report = run(&sim, &process(&sim, 5), &second).await;
        assert_eq!((report.outcome, report.rows.pending), (Outcome::Succeeded, 0), "{at}: {report:?}");
        agree(&sim, 100 * times as usize);
    }
}

/// A run whose steps are slow, and another that waits for its lease: the first has it all the time, or the store that
/// looks at the lease with each write would fail.
async fn the_other_waits(sim: &Sim, slow: impl Future<Output = Report>, first: &RunRequest, members: usize) {
    let other = process(sim, 1);
    let second = RunRequest { run_id: crate::support::sim::request("rival", "").run_id, ..first.clone() };
    let next = async {
        tokio::time::sleep(Duration::from_secs(40)).await;
        let mut waits = 0;
        while let Prepared::Wait { .. } = steps::prepare(&other, &sim.config, &second).await.unwrap() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            waits += 1;
        }
        assert!(waits > 60, "the first was through after {waits} s");
        run(sim, &other, &second).await
    };
    let (a, b) = tokio::join!(slow, next);
    assert_eq!((a.outcome, b.outcome), (Outcome::Succeeded, Outcome::NothingToDo), "{a:?} {b:?}");
    agree(sim, members);
}

#[tokio::test(start_paused = true)]
async fn a_slow_open_keeps_its_lease() {
    for (way, options, rows) in slow_accounts() {
        let mut sim = Sim::with(way, options);
        sim.pace(RATE, 4);
        let first = sim.drop("first", &people(0, rows, 1));
        the_other_waits(&sim, run(&sim, &process(&sim, 0), &first), &first, rows as usize).await;
        let sent = sim.sent.lock().unwrap().clone();
        // The canary asks one thing after the other; at Ortto rows follow five questions.
        let asked = if way.is_ortto() { 5 } else { 8 };
        assert!(sent[asked] - sent[0] > TERM, "{way:?} {:?}", sent[asked] - sent[0]);
    }
}

/// Accounts that take longer for what open asks than a lease's term, with how many people a run sends there.
fn slow_accounts() -> [(Way, Options, u32); 2] {
    let slow = |way: Way, seconds| Options { latency: Duration::from_secs(seconds), ..way.options() };
    [(Way::List, slow(Way::List, 25), 90), (Way::Tag, slow(Way::Tag, 25), 900)]
}

/// A run of three segments, which a slow store needs longer for than the term to prepare, and to finish.
fn long(sim: &mut Sim) -> RunRequest {
    let names = [LIST, "Second", "Third"];
    let segment = |name| json!({ "name": name, "prefix": format!("segments/{name}/") });
    sim.set("/exports/newsletter/segments", json!(names.map(segment)));
    let drop = |(name, to): (&str, u32)| {
        let key = format!("segments/{name}/a.csv");
        sim.store.write(&key, people(0, to, 1));
        RequestedDrop { segment: name.into(), key, version: None, is_empty: false }
    };
    let drops = names.into_iter().zip([1000, 20, 20]).map(drop).collect();
    RunRequest { drops, ..crate::support::sim::request("first", "") }
}

#[tokio::test(start_paused = true)]
async fn a_slow_prepare_and_a_slow_finish_keep_their_lease() {
    for way in [Way::Bulk, Way::Tag] {
        let mut sim = Sim::of(way, 1);
        sim.pace(RATE, 4);
        let first = long(&mut sim);
        let slow = sim.process(Faulty::new(&sim, FaultKind::Slow, 4000), Duration::ZERO, &Kill::never());
        let began = Instant::now();
        the_other_waits(&sim, run(&sim, &slow, &first), &first, 1000).await;
        assert!(sim.sent.lock().unwrap()[0] - began > 2 * TERM, "prepare is quicker than a lease's term");
    }
}

/// The same run as calls of the function.
#[cfg(feature = "lambda")]
mod by_calls {
    use autopilot_export::entry::handler::{Function, Invocation};
    use autopilot_export::error::Result;
    use autopilot_export::ports::Executions;
    use autopilot_export::run::keys;
    use futures_util::future::join_all;
    use serde_json::Value;

    use super::*;

    /// No other execution runs: the function's caller is its workflow.
    struct Nothing;

    impl Executions for Nothing {
        async fn start(&self, _run_id: &str, _input: &str) -> Result<String> {
            Ok(String::new())
        }

        async fn is_known(&self, _run_id: &str) -> Result<bool> {
            Ok(true)
        }
    }

    async fn called(sim: &Sim, world: impl Environment, request: &RunRequest) -> Report {
        sim.store.write(keys::CONFIG, sim.settings.to_string());
        let function = Function {
            env: world,
            executions: Nothing,
            deployment: "d".into(),
            bucket: "b".into(),
            base_urls: Vec::new(),
        };
        let call = async |event: Value| {
            let invocation = Invocation { request_id: "r".into(), until: jiff::Timestamp::MAX };
            function.answer(event, &invocation).await.unwrap()
        };
        let run_id = request.run_id.as_str();
        assert_eq!(call(json!({ "step": "prepare", "run": request })).await["status"], "ready");
        let opened = call(json!({ "step": "open", "run_id": run_id })).await;
        let lanes = 0..opened["lanes"]["count"].as_u64().unwrap();
        join_all(lanes.map(|lane| call(json!({ "step": "deliver", "run_id": run_id, "lane": lane })))).await;
        call(json!({ "step": "finish", "run_id": run_id })).await;
        let report = sim.store.body(&keys::of_run(run_id, "report.json")).unwrap();
        serde_json::from_slice(&report).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_functions_slow_steps_keep_their_lease() {
        for way in [Way::Bulk, Way::Tag] {
            let mut sim = Sim::of(way, 1);
            sim.pace(RATE, 4);
            let first = long(&mut sim);
            let slow = sim.process(Faulty::new(&sim, FaultKind::Slow, 4000), Duration::ZERO, &Kill::never());
            the_other_waits(&sim, called(&sim, slow, &first), &first, 1000).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_functions_slow_open_keeps_its_lease() {
        for (way, options, rows) in slow_accounts() {
            let mut sim = Sim::with(way, options);
            sim.pace(RATE, 4);
            let first = sim.drop("first", &people(0, rows, 1));
            the_other_waits(&sim, called(&sim, process(&sim, 0), &first), &first, rows as usize).await;
        }
    }
}

// "An execution stopped by hand never reaches it: the next prepare makes up for it."
#[tokio::test(start_paused = true)]
async fn the_next_run_waits_for_a_stopped_executions_deliver() {
    for (sim, times) in sims() {
        let first = sim.drop("first", &people(0, 60 * times, 1));
        let second = sim.drop("second", &people(10 * times, 70 * times, 1));
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
        let rows = &report.rows;
        let (unchanged, delivered) = (50 * u64::from(times), 10 * u64::from(times));
        assert_eq!((report.outcome, rows.unchanged, rows.delivered), (Outcome::Succeeded, unchanged, delivered));
        // A deliver call that comes late, after its run's end, does nothing.
        let requests = sim.sent.lock().unwrap().len();
        assert!(steps::deliver(&one, config, &first, 0, &Limit::default()).await.unwrap().done);
        assert_eq!(sim.sent.lock().unwrap().len(), requests);
        agree(&sim, 60 * times as usize);
    }
}
