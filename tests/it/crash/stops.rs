//! Promise 2: "Nothing is lost. Stop the program after any request, at any step, any number of times: going on ends
//! with the same contacts, the same lists and the same state as a run that was never stopped."

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::keys;
use autopilot_export::run::opening::OpenRecord;
use autopilot_export::sandbox::{Fault, Options};
use autopilot_export::steps::{self, Limit};
use futures_util::stream::{StreamExt, iter};
use serde_json::{Value, json};

use crate::support::fixture::{Scene, more, people, sent_nothing};
use crate::support::flaky_store::{FaultKind, Faulty};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way};

/// Plays at once: most of the time they wait for a quiet second between two runs.
const AT_ONCE: usize = 48;

/// What a run leaves behind.
#[derive(Debug, PartialEq)]
struct End {
    held: BTreeMap<String, (Value, Value, bool)>,
    state: BTreeMap<[u8; 32], [u8; 16]>,
}

fn end(scene: &Scene) -> End {
    End { held: scene.held(), state: scene.state() }
}

/// Yesterday's members are in place; today's drop has joiners, changes, leavers and rejects. For four lanes there are
/// many joiners or leavers, each a request of its own.
async fn yesterday(way: Way, lanes: u32) -> (Scene, String) {
    let mut scene = Scene::new(way.options()).await;
    scene.settings = way.settings(scene.settings);
    scene.set_membership(way.membership());
    scene.set_connection("lanes", json!(lanes));
    // The rejects of today's drop keep nobody on the list.
    scene.set("/exports/newsletter/guards/unreadable_rows", json!(1));
    let crowd = if lanes > 1 { 80 } else { 0 };
    let (joiners, leavers) = if way.is_one_by_one() { (crowd, 0) } else { (0, crowd) };
    scene.run(&scene.drop(people(0, 4, 1) + &more(200, 200 + leavers, 1))).await;
    let today = people(2, 3, 1) + "person.3@example.com,Changed,2\nno address,Ana,1\nvalue@example.com,Ana,many\n";
    (scene, today + &more(10, 22 + joiners, 1))
}

/// How many lanes of a run have something to do.
fn lanes_of(scene: &Scene, run_id: &str) -> usize {
    let opened = std::fs::read(scene.root().join(keys::of_run(run_id, "open.json"))).unwrap();
    let opened: OpenRecord = serde_json::from_slice(&opened).unwrap();
    opened.lanes.iter().filter(|lane| !lane.is_empty()).count()
}

/// Kills today's run at `calls` and `writes`, then goes on, as a new process, until the end.
async fn play(way: Way, lanes: u32, calls: Arc<Kill>, writes: Arc<Kill>) -> (End, Report, Scene) {
    let (scene, today) = yesterday(way, lanes).await;
    let request = scene.drop(&today);
    {
        let world = scene.world(Arc::clone(&calls), Arc::clone(&writes));
        tokio::select! {
            biased;
            () = calls.reached() => {}
            () = writes.reached() => {}
            done = scene.run_in(&world, &request) => drop(done.unwrap()),
        }
    }
    // What the dead process had asked for may still arrive.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let again = autopilot_export::run::RunRequest { run_id: scene.drop("").run_id, ..request.clone() };
    let report = scene.run(&again).await;
    (end(&scene), report, scene)
}

/// A place to stop at: the number of a call or of a write, before it or after it.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: u64,
    after: bool,
    of_calls: bool,
}

/// Gives whether the run came to the place: how many writes there are is a matter of time.
async fn the_same_end(way: Way, lanes: u32, place: Place, undisturbed: &(End, Report)) -> bool {
    let Place { at, after, of_calls } = place;
    let kill = Kill::new(at, after);
    let (calls, writes) =
        if of_calls { (Arc::clone(&kill), Kill::never()) } else { (Kill::never(), Arc::clone(&kill)) };
    let (end, report, scene) = play(way, lanes, calls, writes).await;
    let place = format!("{way:?}, {lanes} lanes, {place:?}");
    assert_eq!(end, undisturbed.0, "{place}");
    let over = sent_nothing(&report);
    assert!(over || report.rows == undisturbed.1.rows, "{place}: {report:?}");
    assert!(over || report.members == undisturbed.1.members, "{place}: {report:?}");
    let passing = scene.root().join(format!("runs/newsletter/{}/results", report.run_id));
    assert!(!passing.exists() || std::fs::read_dir(&passing).unwrap().all(|lane| empty(&lane.unwrap().path())));
    kill.calls() >= at
}

fn empty(folder: &std::path::Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

/// Stops at every `each`th place, with one lane and with four. `crash_every_call` stops at all, without files and sockets.
async fn stops(way: Way, each: [usize; 2]) {
    // Ortto's few requests are worth one lane.
    let lanes: &[u32] = if way.is_ortto() { &[1] } else { &[1, 4] };
    for (lanes, each) in lanes.iter().copied().zip(each) {
        let (calls, writes) = (Kill::never(), Kill::never());
        let (scene, today) = yesterday(way, lanes).await;
        let world = scene.world(Arc::clone(&calls), Arc::clone(&writes));
        let report = scene.run_in(&world, &scene.drop(&today)).await.unwrap();
        let delivered = if lanes > 1 && way.is_one_by_one() { 93 } else { 13 };
        assert_eq!((report.outcome, report.rows.delivered), (Outcome::SucceededWithRejects, delivered), "{report:?}");
        assert_eq!(lanes_of(&scene, &report.run_id), lanes as usize, "{way:?}");
        let undisturbed = (end(&scene), report);
        let places = [true, false].into_iter().flat_map(|of_calls| {
            let count = if of_calls { calls.calls() } else { writes.calls() };
            (1..=count).flat_map(move |at| [false, true].map(|after| Place { at, after, of_calls }))
        });
        let all: Vec<_> = places.enumerate().filter(|(n, _)| n % (2 * each) < 2).map(|(_, place)| place).collect();
        assert!(all.len() > 20, "{all:?}");
        let most = all.len() * 9 / 10;
        let played = iter(all).map(|place| the_same_end(way, lanes, place, &undisturbed)).buffer_unordered(AT_ONCE);
        let stops = played.filter(|reached| std::future::ready(*reached)).count().await;
        println!("{way:?}, {lanes} lanes: {stops} stops");
        assert!(stops >= most, "{stops} stops");
    }
}

/// Every third with one lane, every twelfth with four.
const SOME: [usize; 2] = [3, 12];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "for minutes: make soak"]
async fn a_run_that_is_stopped_at_every_place_goes_on() {
    for way in [Way::Bulk, Way::Single, Way::List, Way::Tag, Way::Field] {
        stops(way, [1, 4]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_in_bulk_that_is_stopped_anywhere_goes_on() {
    stops(Way::Bulk, SOME).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_one_by_one_that_is_stopped_anywhere_goes_on() {
    stops(Way::Single, SOME).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_in_bulk_then_onto_the_list_may_stop_anywhere() {
    stops(Way::List, SOME).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_to_ortto_that_is_stopped_anywhere_goes_on() {
    stops(Way::Tag, SOME).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_a_field_that_is_stopped_anywhere_goes_on() {
    stops(Way::Field, SOME).await;
}

// "any number of times": killed after each of the first requests of its own, over and over.
#[tokio::test]
async fn a_run_that_is_stopped_over_and_over_ends_the_same() {
    let (scene, today) = yesterday(Way::List, 1).await;
    scene.run(&scene.drop(&today)).await;
    let undisturbed = end(&scene);
    let (scene, today) = yesterday(Way::List, 1).await;
    let request = scene.drop(&today);
    for _ in 0..6 {
        let calls = Kill::new(9, true);
        let world = scene.world(Arc::clone(&calls), Kill::never());
        tokio::select! {
            () = calls.reached() => {}
            done = scene.run_in(&world, &request) => drop(done.unwrap()),
        }
    }
    scene.run(&request).await;
    assert_eq!(end(&scene), undisturbed);
}

// Another drop than the one that was stopped: what the dead run had confirmed is merged first.
#[tokio::test]
async fn what_a_dead_run_confirmed_is_kept_by_the_next_drop() {
    let mut scene = Scene::new(Options::default()).await;
    scene.set_membership(json!({ "field": "Reader" }));
    scene.set_connection("lanes", json!(1));
    // Three requests to open, two batches that are confirmed, and then silence.
    scene.sandbox.set_faults(Fault::parse_list("stall@6,stall@7,stall@8").unwrap());
    let first = scene.drop(people(0, 450, 1));
    let world = scene.immortal();
    assert!(tokio::time::timeout(Duration::from_secs(4), scene.run_in(&world, &first)).await.is_err());
    drop(world);
    scene.sandbox.clear_faults();
    let report = scene.run(&scene.drop(people(5, 460, 1))).await;
    assert_eq!((report.outcome, scene.state().len()), (Outcome::Succeeded, 455), "{report:?}");
    assert_eq!((report.rows.unchanged, report.members.leavers), (195, 5), "{report:?}");
    let members = scene.held().values().filter(|(_, custom, _)| custom["Reader"] == true).count();
    assert_eq!(members, 455);
    let dead = std::fs::read(scene.root().join(format!("runs/newsletter/{}/report.json", first.run_id))).unwrap();
    let dead: Report = serde_json::from_slice(&dead).unwrap();
    assert!(dead.rows.add_up() && (dead.rows.delivered, dead.outcome) == (200, Outcome::Interrupted), "{dead:?}");
}

// A checkpoint under way when a lane ends must not land after the lane's last one. At one request a second the first batch
// is being saved when the last one is answered.
#[tokio::test(start_paused = true)]
async fn a_slow_checkpoint_does_not_undo_the_last_one() {
    for (rate, batches) in [(1.0, 2), (1.0, 3), (0.95, 2), (0.95, 3), (0.9, 2), (0.9, 3)] {
        let place = format!("{rate} a second, {batches} batches");
        let mut sim = Sim::of(Way::Field, 1);
        sim.pace(1, 1);
        sim.set("/connections/eu/requests_per_second", json!(rate));
        let request = sim.drop("members", &people(0, batches * 100, 1));
        let store = Faulty::new(&sim, FaultKind::Detached, 0);
        let (world, config) = (sim.process(store, Duration::ZERO, &Kill::never()), &sim.config);
        steps::prepare(&world, config, &request).await.unwrap();
        steps::open(&world, config, &request).await.unwrap();
        assert!(steps::deliver(&world, config, &request, 0, &Limit::default()).await.unwrap().done);
        tokio::time::sleep(Duration::from_millis(250)).await;
        let report = steps::finish(&world, config, &request, None).await.unwrap();
        let delivered = u64::from(batches) * 100;
        assert_eq!((report.rows.delivered, report.rows.pending), (delivered, 0), "{place}: {report:?}");
    }
}
