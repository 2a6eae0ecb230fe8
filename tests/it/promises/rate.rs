//! Promise 6, "The account's rate is kept", also where the configuration lowers it after the run began.

use std::time::Duration;

use autopilot_export::error::Kind;
use autopilot_export::report::Outcome;
use autopilot_export::run::{RunRequest, keys};
use autopilot_export::steps::{self, Cancellation, Limit, Prepared};
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::fixture::people;
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way, request};

const ROWS: u32 = 12_000;

fn sim(way: Way) -> Sim {
    let mut sim = Sim::of(way, 1);
    sim.pace(40, 4);
    sim.set("/exports/newsletter/segments/0/membership", json!("none"));
    sim
}

/// A run that died when it had sent some of its rows, at 40 requests a second.
async fn died(sim: &Sim) -> RunRequest {
    let request = sim.drop("a", &people(0, ROWS, 1));
    let (world, stop) = (sim.world(&Kill::never()), Cancellation::default());
    let has_sent_some = async {
        while sim.sent.lock().unwrap().len() < 50 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        biased;
        () = has_sent_some => {}
        report = steps::run(&world, &sim.config, &request, &stop) => panic!("{report:?}"),
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    sim.sent.lock().unwrap().clear();
    request
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_keeps_a_rate_that_was_lowered_meanwhile() {
    for way in Way::DESTINATIONS {
        for rate in [5, 7, 39] {
            let mut sim = sim(way);
            let request = died(&sim).await;
            sim.pace(rate, 4);
            let world = sim.world(&Kill::never());
            let earlier = steps::resume(&world, &sim.config, &request).await.unwrap();
            assert_eq!(earlier.as_ref(), Some(&request));
            let report = steps::run(&world, &sim.config, &request, &Cancellation::default()).await.unwrap();
            assert_eq!((report.outcome, sim.held().len() as u32), (Outcome::Succeeded, ROWS), "{rate}: {report:?}");
            assert!(sim.peak() <= rate as usize, "{rate}: {} requests in a second", sim.peak());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lanes_beyond_a_lowered_rate_leave_their_rows_to_the_next_run() {
    for way in Way::DESTINATIONS {
        let mut sim = sim(way);
        let first = died(&sim).await;
        sim.pace(2, 4);
        let world = sim.world(&Kill::never());
        let report = steps::run(&world, &sim.config, &first, &Cancellation::default()).await.unwrap();
        let error = report.error.as_ref().unwrap();
        assert_eq!((report.outcome, error.kind), (Outcome::Failed, Kind::Config), "{report:?}");
        let next = RunRequest { run_id: request("next", "").run_id, ..first };
        let report = steps::run(&world, &sim.config, &next, &Cancellation::default()).await.unwrap();
        assert_eq!((report.outcome, sim.held().len() as u32), (Outcome::Succeeded, ROWS), "{report:?}");
        assert!(sim.peak() <= 2, "{} requests in a second", sim.peak());
    }
}

/// As the workflow calls them, while somebody puts another configuration into the bucket.
#[tokio::test(start_paused = true)]
async fn a_function_at_work_applies_the_configured_changes() {
    for way in Way::DESTINATIONS {
        for (path, value, kind) in [
            ("/connections/eu/requests_per_second", json!(4), None),
            ("/exports/newsletter/enabled", json!(false), Some(Kind::Stopped)),
            ("/connections/eu/consent", json!(null), Some(Kind::Config)),
        ] {
            let sim = sim(way);
            let request = sim.drop("a", &people(0, 8 * ROWS, 1));
            let (world, began) = (sim.world(&Kill::never()), sim.config.clone());
            let prepared = steps::prepare(&world, &began, &request).await.unwrap();
            assert!(matches!(prepared, Prepared::Ready { .. }), "{prepared:?}");
            let opened = steps::open(&world, &began, &request).await.unwrap();
            let parent = path.rsplit_once('/').unwrap().0;
            let mut settings = sim.settings.clone();
            let name = path.rsplit_once('/').unwrap().1;
            if value.is_null() {
                settings.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
            } else {
                settings.pointer_mut(parent).unwrap()[name] = value;
            }
            sim.store.write(keys::CONFIG, settings.to_string());
            let limit = Limit {
                until: Some(autopilot_export::steps::Environment::clock(&world).now() + SignedDuration::from_secs(60)),
                ..Limit::default()
            };
            let lanes = (0..opened.count).map(|lane| steps::deliver(&world, &began, &request, lane, &limit));
            let ends = join_all(lanes).await;
            let after_the_look = {
                let sent = sim.sent.lock().unwrap();
                let first = *sent.first().unwrap();
                let late = sent.iter().filter(|at| **at > first + Duration::from_secs(15));
                late.count()
            };
            match kind {
                Some(kind) => {
                    assert!(
                        ends.iter().all(|end| end.as_ref().is_err_and(|error| error.kind == kind)),
                        "{path}: {ends:?}"
                    );
                    assert_eq!(after_the_look, 0, "{path}");
                }
                None => {
                    assert!(ends.iter().all(|end| end.as_ref().is_ok_and(|end| !end.done)), "{path}: {ends:?}");
                    assert!(after_the_look <= 4 * 45, "{path}: {after_the_look}");
                }
            }
        }
    }
}
