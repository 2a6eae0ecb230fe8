//! Steps of one run that are called again: while the call before still works, after it slept, while another run works.

use std::time::Duration;

use autopilot_export::error::Kind;
use autopilot_export::ports::Leases;
use autopilot_export::report::Outcome;
use autopilot_export::run::{RunRequest, keys, run_id};
use autopilot_export::steps::Environment;
use autopilot_export::steps::{self, Cancellation, Limit, Prepared};
use jiff::SignedDuration;

use crate::support::fixture::{EXPORT, people};
use crate::support::flaky_store::{FaultKind, Faulty};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, SimWorld, Way};

/// This many members make about as many requests at each: at Autopilot every joiner is one, at Ortto a hundred are.
fn members(way: Way) -> usize {
    if way.is_ortto() { 20_000 } else { 200 }
}

fn sim(way: Way, rate: u32, lanes: u32) -> (Sim, RunRequest) {
    let mut sim = Sim::of(way, 1);
    sim.pace(rate, lanes);
    let request = sim.drop("first", &people(0, members(way) as u32, 1));
    (sim, request)
}

/// A call of the function; all hold the lease of the run that they are of.
fn call(sim: &Sim) -> SimWorld {
    sim.world(&Kill::never())
}

fn limit(world: &SimWorld) -> Limit {
    Limit { until: Some(world.clock().now() + SignedDuration::from_secs(900)), ..Limit::default() }
}

async fn ends_exact(way: Way, sim: &Sim, request: &RunRequest, rate: usize) {
    let members = members(way);
    let report = steps::finish(&call(sim), &sim.config, request, None).await.unwrap();
    assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, members as u64), "{report:?}");
    assert_eq!((sim.held().len(), sim.state().len()), (members, members));
    assert!(sim.peak() <= rate, "{} requests in a second", sim.peak());
}

// The workflow makes a call again when it lost sight of a function that still works. Both have the run's lease.
#[tokio::test(start_paused = true)]
async fn a_repeated_deliver_call_waits_until_the_first_has_stopped() {
    for (way, seconds) in [(Way::List, 1), (Way::List, 7), (Way::List, 14), (Way::List, 20), (Way::Tag, 7)] {
        let (sim, request) = sim(way, 4, 1);
        let (one, two) = (call(&sim), call(&sim));
        steps::prepare(&one, &sim.config, &request).await.unwrap();
        steps::open(&one, &sim.config, &request).await.unwrap();
        let again = async {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            steps::deliver(&two, &sim.config, &request, 0, &limit(&two)).await
        };
        let limit = limit(&one);
        let (first, again) = tokio::join!(steps::deliver(&one, &sim.config, &request, 0, &limit), again);
        let error = first.unwrap_err();
        assert_eq!(error.kind, Kind::Unavailable, "{error}");
        assert!(error.to_string().contains("a later call works on lane"), "{error}");
        assert!(again.unwrap().done);
        ends_exact(way, &sim, &request, 4).await;
    }
}

// Lanes work by one deal alone, also where a second call deals when they are under way.
#[tokio::test(start_paused = true)]
async fn an_open_call_that_comes_late_changes_nothing_of_the_deal() {
    let moments = (0..600).step_by(17).chain([1000, 2000, 5000]).map(|milliseconds| (Way::List, milliseconds));
    for (way, milliseconds) in moments.chain([0, 200, 2000].map(|milliseconds| (Way::Tag, milliseconds))) {
        let (sim, request) = sim(way, 10, 4);
        let one = call(&sim);
        let two = sim.process(Faulty::new(&sim, FaultKind::Slow, milliseconds), Duration::ZERO, &Kill::never());
        steps::prepare(&one, &sim.config, &request).await.unwrap();
        let deal = keys::of_run(&request.run_id, "open.json");
        let first = async {
            let opened = steps::open(&one, &sim.config, &request).await.unwrap();
            let dealt = sim.store.body(&deal).unwrap();
            let lanes = (0..opened.count).map(async |lane| {
                let world = call(&sim);
                steps::deliver(&world, &sim.config, &request, lane, &limit(&world)).await.unwrap();
            });
            futures_util::future::join_all(lanes).await;
            (opened, dealt)
        };
        let ((opened, dealt), again) = tokio::join!(first, steps::open(&two, &sim.config, &request));
        assert_eq!(again.unwrap().count, opened.count, "{milliseconds} ms");
        assert!(sim.store.body(&deal).unwrap() == dealt, "{milliseconds} ms: dealt again");
        let report = steps::finish(&one, &sim.config, &request, None).await.unwrap();
        assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, members(way) as u64), "{report:?}");
    }
}

/// A frozen process loses its lease without a word.
#[tokio::test(start_paused = true)]
async fn a_process_that_slept_renews_its_lease_before_it_sends() {
    for way in Way::DESTINATIONS {
        let (sim, request) = sim(way, 4, 1);
        let (one, two) = (call(&sim), call(&sim));
        steps::prepare(&one, &sim.config, &request).await.unwrap();
        steps::open(&one, &sim.config, &request).await.unwrap();
        let limit = limit(&one);
        let mut frozen = Box::pin(steps::deliver(&one, &sim.config, &request, 0, &limit));
        tokio::select! {
            done = &mut frozen => panic!("{done:?}"),
            () = tokio::time::sleep(Duration::from_secs(4)) => {}
        }
        let sent = sim.sent.lock().unwrap().len();
        let mut asked = 0;
        while !two.leases().take("eu", "another run").await.unwrap() {
            asked += 1;
            assert!(asked < 200, "the lease never ends");
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        let error = frozen.await.unwrap_err();
        assert_eq!(error.kind, Kind::Unavailable, "{error}");
        assert_eq!(sim.sent.lock().unwrap().len(), sent, "it sent beside another run");
    }
}

// An execution has room for 25,000 events, and a first fill of a list takes hours.
#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_hours_asks_less_and_less_often() {
    for way in Way::DESTINATIONS {
        let sim = Sim::of(way, 1);
        let world = call(&sim);
        assert!(world.leases().take("eu", "another run").await.unwrap());
        let request = sim.drop("first", &people(0, 10, 1));
        let request = RunRequest { run_id: run_id(world.clock().now(), EXPORT, "waits"), ..request };
        let (mut times, mut waits) = (0, Vec::new());
        let began = world.clock().now();
        while world.clock().now().duration_since(began) < SignedDuration::from_hours(24) {
            assert!(world.leases().renew("eu", "another run").await.unwrap());
            match steps::prepare(&world, &sim.config, &request).await.unwrap() {
                Prepared::Wait { seconds, .. } => {
                    // The other goes on meanwhile.
                    for _ in 0..seconds / 10 {
                        tokio::time::sleep(Duration::from_secs(10)).await;
                        assert!(world.leases().renew("eu", "another run").await.unwrap());
                    }
                    waits.push(seconds);
                }
                other => panic!("{other:?}"),
            }
            times += 1;
        }
        assert_eq!((waits[0], waits[waits.len() - 1]), (10, 300));
        assert!(times < 400, "{times} times in a day");
    }
}

/// Who only looks, as `check` does, takes the connection's turn and keeps its pace too.
#[tokio::test(start_paused = true)]
async fn who_only_looks_takes_the_connections_turn_and_leaves_it() {
    for way in Way::DESTINATIONS {
        let (sim, request) = sim(way, 4, 1);
        let (config, connection) = (&sim.config, &sim.config.connections["eu"]);
        let (one, two) = (call(&sim), call(&sim));
        assert!(one.leases().take("eu", &request.run_id).await.unwrap());
        assert!(steps::survey(&two, config, connection, "check").await.unwrap().is_none(), "a run has the connection");
        assert_eq!(sim.sent.lock().unwrap().len(), 0);
        one.leases().release("eu", &request.run_id).await.unwrap();
        let (first, second) =
            (steps::survey(&one, config, connection, "check"), steps::survey(&two, config, connection, "check"));
        assert!(first.await.unwrap().is_some() && second.await.unwrap().is_some());
        steps::run(&call(&sim), &sim.config, &request, &Cancellation::default()).await.unwrap();
        assert!(sim.peak() <= 4, "{} requests in a second", sim.peak());
    }
}
