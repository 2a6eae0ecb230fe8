//! Promises 4 and 5: "The same drop, event, step or request delivered twice ends as if delivered once", and "A drop
//! strictly older than the one last applied is `superseded`, and sends nothing."

use autopilot_export::error::Kind;
use autopilot_export::ports::{Leases, World};
use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{RunRequest, Trigger, keys};
use autopilot_export::sandbox::Options;
use autopilot_export::steps::{self, Prepared, Stop};
use serde_json::json;

use crate::mortal::Kill;
use crate::scene::{EXPORT, LIST, people};
use crate::sim::Sim;

async fn run(sim: &Sim, request: &RunRequest) -> Report {
    steps::run(&sim.world(&Kill::never()), &sim.config, request, &Stop::default()).await.unwrap()
}

/// Three drops, one after the other in time, as events tell of them.
fn drops(sim: &Sim) -> [RunRequest; 3] {
    [("a", 1), ("b", 2), ("c", 3)].map(|(name, value)| {
        let request = sim.drop(name, &people(0, 10 + value as u32, value));
        RunRequest { trigger: Trigger::S3, ..request }
    })
}

#[tokio::test(start_paused = true)]
async fn drops_in_any_order_and_twice_end_with_the_newest() {
    let orders: Vec<[usize; 3]> = vec![[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        for twice in [false, true] {
            let mut sim = Sim::new(Options::default());
            sim.pace(100, 2);
            let requests = drops(&sim);
            let mut newest = None;
            for at in order {
                let report = run(&sim, &requests[at]).await;
                let expected =
                    if newest.is_some_and(|newest| at < newest) { Outcome::Superseded } else { Outcome::Succeeded };
                assert_eq!(report.outcome, expected, "{order:?}, {at}: {report:?}");
                newest = newest.max(Some(at));
                if twice {
                    let before = sim.sent.lock().unwrap().len();
                    let again = run(&sim, &requests[at]).await;
                    assert_eq!((again, sim.sent.lock().unwrap().len()), (report, before), "{order:?}, {at}");
                }
            }
            let held = sim.held();
            let on_list = held.values().filter(|(_, _, on_list)| *on_list).count();
            assert_eq!((on_list, sim.state().len()), (13, 13), "{order:?}");
            assert!(held.values().all(|(_, custom, on_list)| !on_list || custom["Value"] == 3), "{order:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn drops_that_come_at_once_end_with_the_newest() {
    let mut sim = Sim::new(Options::default());
    sim.pace(100, 2);
    let requests = drops(&sim);
    let (a, b, c) = tokio::join!(run(&sim, &requests[2]), run(&sim, &requests[0]), run(&sim, &requests[1]));
    assert_eq!([a.outcome, b.outcome, c.outcome], [Outcome::Succeeded, Outcome::Superseded, Outcome::Superseded]);
    assert!(sim.held().values().all(|(_, custom, _)| custom["Value"] == 3));
}

// A newer drop comes while an older one is in prepare: it waits, and then counts.
#[tokio::test(start_paused = true)]
async fn a_drop_that_comes_while_another_is_prepared_waits_and_counts() {
    let mut sim = Sim::new(Options::default());
    sim.pace(100, 2);
    let requests = drops(&sim);
    let world = sim.world(&Kill::never());
    let ready = steps::prepare(&world, &sim.config, &requests[1]).await.unwrap();
    assert!(matches!(ready, Prepared::Ready { .. }), "{ready:?}");
    for other in [0, 2] {
        let waits = steps::prepare(&world, &sim.config, &requests[other]).await.unwrap();
        assert!(matches!(waits, Prepared::Wait { .. }), "{waits:?}");
    }
    let (middle, newest) = tokio::join!(run(&sim, &requests[1]), run(&sim, &requests[2]));
    assert_eq!((middle.outcome, newest.outcome), (Outcome::Succeeded, Outcome::Succeeded));
    assert_eq!(run(&sim, &requests[0]).await.outcome, Outcome::Superseded);
    assert!(sim.held().values().all(|(_, custom, _)| custom["Value"] == 3));
}

// DESIGN 4: "A dropped object belongs to the segment with the longest matching `prefix`", also where nothing was dropped
// just now and a schedule takes the newest.
#[tokio::test(start_paused = true)]
async fn a_schedule_takes_only_its_own_segments_drops() {
    let mut sim = Sim::new(Options::default());
    sim.pace(100, 2);
    let mut export = sim.settings["exports"][EXPORT].clone();
    export["segments"] = json!([{ "name": "VIP", "prefix": "segments/newsletter/vip/" }]);
    sim.set("/exports/vip", export);
    let request = sim.drop("mine", &people(0, 10, 1));
    sim.drop("vip/theirs", &people(50, 53, 1));
    let request = RunRequest { trigger: Trigger::Schedule, drops: Vec::new(), ..request };
    let report = run(&sim, &request).await;
    assert_eq!((report.outcome, report.rows.delivered, report.members.leavers), (Outcome::Succeeded, 10, 0));
    assert!(report.sources.iter().all(|source| source.key.ends_with("/mine.csv")), "{report:?}");
}

// A configuration that changes between two steps is not applied to a plan that was made by another.
#[tokio::test(start_paused = true)]
async fn a_plan_of_another_configuration_is_not_opened() {
    let mut sim = Sim::new(Options::default());
    sim.pace(100, 2);
    let request = sim.drop("a", &people(0, 10, 1));
    let world = sim.world(&Kill::never());
    steps::prepare(&world, &sim.config, &request).await.unwrap();
    let before = sim.config.clone();
    sim.set(&format!("/exports/{EXPORT}/segments/0/membership"), json!({ "list": "Another" }));
    let error = steps::open(&world, &sim.config, &request).await.unwrap_err();
    assert!(error.kind == Kind::Config && error.to_string().contains("has changed"), "{error}");
    assert_eq!(sim.held().len(), 0);
    let opened = steps::open(&world, &before, &request).await.unwrap();
    let again = steps::open(&world, &before, &request).await.unwrap();
    assert_eq!(opened, again, "an open run is only told again");
}

// A run that died in front of a state that cannot be read: `--full` is the way out that the error names.
#[tokio::test(start_paused = true)]
async fn full_is_the_way_out_where_an_unfinished_run_stands_before_a_damaged_state() {
    let mut sim = Sim::new(Options::default());
    sim.pace(100, 2);
    let request = sim.drop("a", &people(0, 10, 1));
    run(&sim, &request).await;
    let world = sim.world(&Kill::never());
    let dies = sim.drop("b", &people(0, 20, 2));
    steps::prepare(&world, &sim.config, &dies).await.unwrap();
    steps::open(&world, &sim.config, &dies).await.unwrap();
    world.leases().give_back("eu", &dies.run_id).await.unwrap();
    sim.store.write(&keys::members(EXPORT, LIST), "damaged");
    let next = sim.drop("c", &people(0, 20, 3));
    let error = steps::run(&world, &sim.config, &next, &Stop::default()).await;
    let told = match error {
        Ok(report) => report.error.map(|error| error.message).unwrap_or_default(),
        Err(error) => error.to_string(),
    };
    assert!(told.contains("--full"), "{told}");
    let full = RunRequest { full: true, ..sim.drop("d", &people(0, 20, 4)) };
    let report = run(&sim, &full).await;
    assert_eq!((report.outcome, sim.state().len()), (Outcome::Succeeded, 20), "{report:?}");
}
