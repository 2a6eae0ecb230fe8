//! Promises 4 and 5: "The same drop, event, step or request delivered twice ends as if delivered once", and "A drop
//! strictly older than the one last applied is `superseded`, and sends nothing."

use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{RunRequest, Trigger};
use autopilot_export::sandbox::Options;
use autopilot_export::steps::{self, Prepared, Stop};

use crate::mortal::Kill;
use crate::scene::people;
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
