//! Promise 7: "Within the time limit. No deliver call outlives the function's time limit, however slow the destination
//! and however large the segment."

use std::time::Duration;

use autopilot_export::report::Outcome;
use autopilot_export::sandbox::Options;
use autopilot_export::steps::Environment;
use autopilot_export::steps::{self, Limit, Prepared};
use futures_util::future::join_all;
use jiff::SignedDuration;

use crate::support::fixture::people;
use crate::support::flaky_store::{FaultKind, Faulty};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way};

const LIMIT: SignedDuration = SignedDuration::from_secs(60);

/// Two lanes, called as the workflow calls them, with a destination and a store of these speeds. At Autopilot each row is a
/// request of its own, and one more for its list.
async fn play(way: Way, rows: u32, answer: Duration, store_call_ms: u64) {
    let place = format!("{way:?}: {answer:?}, store: {store_call_ms} ms");
    let mut sim = Sim::with(way, Options { latency: answer, ..way.options() });
    sim.pace(4, 2);
    let request = sim.drop("members", &people(0, rows, 1));
    let world = sim.process(Faulty::new(&sim, FaultKind::Slow, store_call_ms), Duration::ZERO, &Kill::never());
    let began = world.clock().now();
    let prepared = steps::prepare(&world, &sim.config, &request).await.unwrap();
    assert!(matches!(prepared, Prepared::Ready { .. }), "{place}: {prepared:?}");
    let opened = steps::open(&world, &sim.config, &request).await.unwrap();
    assert_eq!(opened.count, 2, "{place}");
    let lanes = (0..opened.count).map(async |lane| {
        for calls in 1.. {
            let began = world.clock().now();
            let limit = Limit { until: Some(began + LIMIT), ..Limit::default() };
            let said = steps::deliver(&world, &sim.config, &request, lane, &limit).await;
            let took = world.clock().now().duration_since(began);
            assert!(took < LIMIT, "{place}: call {calls} of lane {lane} took {took}");
            if said.unwrap_or_else(|error| panic!("{place}: {error}")).done {
                return calls;
            }
        }
        unreachable!()
    });
    let calls: Vec<u32> = join_all(lanes).await;
    assert!(calls.iter().all(|calls| *calls > 1), "{place}: {calls:?}");
    let took = world.clock().now().duration_since(began);
    let answers = if way.is_ortto() { 10 } else { 30 };
    assert!(took > SignedDuration::try_from(answer * answers).unwrap(), "{place}: {took}, the answers came sooner");
    let report = steps::finish(&world, &sim.config, &request, None).await.unwrap();
    assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, u64::from(rows)), "{place}: {report:?}");
    assert!(sim.peak() <= 4, "{place}: {} requests in a second", sim.peak());
}

#[tokio::test(start_paused = true)]
async fn no_deliver_call_outlives_its_limit_with_slow_answers() {
    for seconds in [0, 1, 5, 12, 28] {
        play(Way::List, 300, Duration::from_secs(seconds), 0).await;
    }
    for (seconds, rows) in [(0, 30_000), (12, 6_000)] {
        play(Way::Tag, rows, Duration::from_secs(seconds), 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_deliver_call_outlives_its_limit_with_a_slow_store() {
    for milliseconds in [100, 500, 1000, 2000, 3000] {
        play(Way::List, 300, Duration::from_millis(300), milliseconds).await;
    }
    play(Way::Tag, 30_000, Duration::from_millis(300), 1000).await;
}
