//! Promise 2: "Nothing is lost. Stop the program after any request, at any step, any number of times: going on ends
//! with the same contacts, the same lists and the same state as a run that was never stopped."

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use autopilot_export::report::{Outcome, Report};
use autopilot_export::sandbox::{BulkLists, Fault, Options};
use autopilot_export::steps::{self, Limit};
use futures_util::stream::{StreamExt, iter};
use serde_json::{Value, json};

use crate::mortal::Kill;
use crate::scene::{Scene, people};

/// How the account and the membership are: each of the ways in which rows are sent.
const WAYS: [(&str, BulkLists, BulkLists); 4] = [
    ("bulk", BulkLists::Always, BulkLists::Always),
    ("single", BulkLists::Never, BulkLists::Always),
    ("bulk then list", BulkLists::Never, BulkLists::Never),
    ("field", BulkLists::Never, BulkLists::Never),
];

/// What a run leaves behind.
#[derive(Debug, PartialEq)]
struct End {
    held: BTreeMap<String, (Value, Value, bool)>,
    state: BTreeMap<[u8; 32], [u8; 16]>,
}

fn end(scene: &Scene) -> End {
    End { held: scene.held(), state: scene.state() }
}

/// Yesterday's members are in place; today's drop has joiners, changes, leavers and rejects.
async fn yesterday(way: usize) -> (Scene, String) {
    let (name, bulk, single) = WAYS[way];
    let scene = Scene::new(Options { bulk_lists: bulk, single_lists: single, ..Options::default() }).await;
    let mut scene = scene;
    if name == "field" {
        scene.set_membership(json!({ "field": "Reader" }));
    }
    scene.run(&scene.drop(people(0, 4, 1))).await;
    let today = people(2, 3, 1) + "person.3@example.com,Changed,2\nno address,Ana,1\nvalue@example.com,Ana,many\n";
    let joiners = people(10, 22, 1);
    (scene, today + joiners.split_once('\n').unwrap().1)
}

/// Kills today's run at `calls` and `writes`, then goes on, as a new process, until the end.
async fn play(way: usize, calls: Arc<Kill>, writes: Arc<Kill>) -> (End, Report, Scene) {
    let (scene, today) = yesterday(way).await;
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

async fn the_same_end(way: usize, at: u64, after: bool, of_calls: bool, undisturbed: &(End, Report)) {
    let kill = Kill::new(at, after);
    let (calls, writes) = if of_calls { (kill, Kill::never()) } else { (Kill::never(), kill) };
    let (end, report, scene) = play(way, calls, writes).await;
    let place = format!("{}, {} {at}, after: {after}", WAYS[way].0, if of_calls { "call" } else { "write" });
    assert_eq!(end, undisturbed.0, "{place}");
    let over = report.outcome == Outcome::NothingToDo;
    assert!(over || report.rows == undisturbed.1.rows, "{place}: {report:?}");
    assert!(over || report.members == undisturbed.1.members, "{place}: {report:?}");
    let passing = scene.root().join(format!("runs/newsletter/{}/results", report.run_id));
    assert!(!passing.exists() || std::fs::read_dir(&passing).unwrap().all(|lane| empty(&lane.unwrap().path())));
}

fn empty(folder: &std::path::Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

async fn stops_everywhere(way: usize) {
    let (calls, writes) = (Kill::never(), Kill::never());
    let (scene, today) = yesterday(way).await;
    let world = scene.world(Arc::clone(&calls), Arc::clone(&writes));
    let report = scene.run_in(&world, &scene.drop(&today)).await.unwrap();
    assert_eq!((report.outcome, report.rows.delivered), (Outcome::SucceededWithRejects, 13), "{report:?}");
    let undisturbed = (end(&scene), report);
    let places = [true, false].into_iter().flat_map(|of_calls| {
        let count = if of_calls { calls.calls() } else { writes.calls() };
        (1..=count).flat_map(move |at| [false, true].map(|after| (at, after, of_calls)))
    });
    let undisturbed = &undisturbed;
    let all: Vec<_> = places.collect();
    assert!(all.len() > 40, "{all:?}");
    iter(all).for_each_concurrent(6, |(at, after, of_calls)| the_same_end(way, at, after, of_calls, undisturbed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_in_bulk_that_is_stopped_anywhere_goes_on() {
    stops_everywhere(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_one_by_one_that_is_stopped_anywhere_goes_on() {
    stops_everywhere(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_in_bulk_and_then_onto_the_list_that_is_stopped_anywhere_goes_on() {
    stops_everywhere(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_a_field_that_is_stopped_anywhere_goes_on() {
    stops_everywhere(3).await;
}

// "any number of times": killed after each of the first requests of its own, over and over.
#[tokio::test]
async fn a_run_that_is_stopped_over_and_over_ends_the_same() {
    let (scene, today) = yesterday(2).await;
    scene.run(&scene.drop(&today)).await;
    let undisturbed = end(&scene);
    let (scene, today) = yesterday(2).await;
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
async fn what_a_dead_run_had_confirmed_is_kept_when_another_drop_comes() {
    let mut scene = Scene::new(Options::default()).await;
    scene.set_membership(json!({ "field": "Reader" }));
    scene.set_connection("lanes", json!(1));
    // Three requests to open, two batches that are confirmed, and then silence.
    scene.sandbox.set_faults(Fault::parse_list("stall@6,stall@7,stall@8").unwrap());
    let first = scene.drop(people(0, 450, 1));
    let world = scene.immortal();
    assert!(tokio::time::timeout(Duration::from_millis(1700), scene.run_in(&world, &first)).await.is_err());
    drop(world);
    scene.sandbox.clear_faults();
    let report = scene.run(&scene.drop(people(5, 460, 1))).await;
    assert_eq!((report.outcome, scene.state().len()), (Outcome::Succeeded, 455), "{report:?}");
    assert_eq!((report.rows.unchanged, report.members.leavers), (195, 5), "{report:?}");
    let members = scene.held().values().filter(|(_, custom, _)| custom["Reader"] == true).count();
    assert_eq!(members, 455);
    let dead = std::fs::read(scene.root().join(format!("runs/newsletter/{}/report.json", first.run_id))).unwrap();
    let dead: Report = serde_json::from_slice(&dead).unwrap();
    assert!(dead.rows.add_up() && (dead.rows.delivered, dead.outcome) == (200, Outcome::Failed), "{dead:?}");
}

// A checkpoint under way when a lane ends must not land after the lane's last one.
#[tokio::test]
async fn a_slow_checkpoint_does_not_undo_the_last_one() {
    let mut scene = Scene::new(Options::default()).await;
    scene.set_membership(json!({ "field": "Reader" }));
    scene.set_connection("lanes", json!(1));
    scene.set_connection("requests_per_second", json!(20));
    let world = scene.world(Kill::never(), Kill::never_but_slow());
    let (config, request) = (&scene.config, scene.drop(people(0, 150, 1)));
    steps::prepare(&world, config, &request).await.unwrap();
    steps::open(&world, config, &request).await.unwrap();
    assert!(steps::deliver(&world, config, &request, 0, &Limit::default()).await.unwrap().done);
    tokio::time::sleep(Duration::from_millis(250)).await;
    let report = steps::finish(&world, config, &request, None).await.unwrap();
    assert_eq!((report.rows.delivered, report.rows.pending), (150, 0), "{report:?}");
}
