//! A run that a person stops from elsewhere: "`stop` ends sending within 15 s".

use std::time::Duration;

use autopilot_export::report::Outcome;
use autopilot_export::sandbox::Options;
use autopilot_export::steps::{self, Cancellation};
use serde_json::json;
use tokio::time::Instant;

use crate::support::fixture::people;
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way, request};

/// A run of this rate, with a request a row, is marked after 90 s; how much later its last request left, and what its report and the next run's say.
async fn marked(rate: f64, latency: Duration) -> (Duration, Outcome, bool, Outcome) {
    let mut sim = Sim::with(Way::Single, Options { latency, ..Way::Single.options() });
    sim.pace(1, 2);
    sim.set("/connections/eu/requests_per_second", json!(rate));
    let rows = (rate * 200.0) as u32;
    let asked = sim.drop("a", &people(0, rows, 1));
    let (one, other) = (sim.world(&Kill::never()), sim.world(&Kill::never()));
    let stops = async {
        tokio::time::sleep(Duration::from_secs(90)).await;
        steps::mark_stopped(&other, &asked.run_id).await.unwrap();
        Instant::now()
    };
    let stop = Cancellation::default();
    let (report, at) = tokio::join!(steps::run(&one, &sim.config, &asked, &stop), stops);
    let (report, last) = (report.unwrap(), *sim.sent.lock().unwrap().iter().max().unwrap());
    assert!(report.rows.add_up() && report.rows.delivered > 0 && report.rows.pending > 0, "{report:?}");
    let is_reported = report.error.is_some_and(|error| error.message.contains("stopped by hand"));
    let next = autopilot_export::run::RunRequest { run_id: request("next", "").run_id, ..asked };
    let next = steps::run(&other, &sim.config, &next, &Cancellation::default()).await.unwrap();
    assert_eq!(next.rows.delivered + next.rows.unchanged, u64::from(rows), "{next:?}");
    (last.saturating_duration_since(at), report.outcome, is_reported, next.outcome)
}

#[tokio::test(start_paused = true)]
async fn a_stopped_run_sends_nothing_after_15_seconds_at_any_rate() {
    for (rate, latency) in [(0.5, 80), (3.0, 80), (20.0, 80), (20.0, 2000)] {
        let (late, outcome, is_reported, next) = marked(rate, Duration::from_millis(latency)).await;
        assert!(late < Duration::from_secs(15), "{rate} a second: {late:?}");
        assert_eq!((outcome, is_reported, next), (Outcome::Stopped, true, Outcome::Succeeded), "{rate} a second");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_before_it_begins_sends_nothing() {
    for way in Way::DESTINATIONS {
        let sim = Sim::of(way, 1);
        let asked = sim.drop("a", &people(0, 9, 1));
        let world = sim.world(&Kill::never());
        steps::mark_stopped(&world, &asked.run_id).await.unwrap();
        let report = steps::run(&world, &sim.config, &asked, &Cancellation::default()).await.unwrap();
        assert_eq!((report.outcome, sim.sent.lock().unwrap().len()), (Outcome::Stopped, 0), "{report:?}");
    }
}

/// The process died, and then the run was stopped: the same command begins another.
#[tokio::test(start_paused = true)]
async fn a_dead_run_that_is_stopped_is_not_gone_on_with() {
    for way in Way::DESTINATIONS {
        let sim = Sim::of(way, 1);
        let asked = sim.drop("a", &people(0, 90, 1));
        sim.die(&asked, &Kill::new(30, true)).await;
        let world = sim.world(&Kill::never());
        steps::mark_stopped(&world, &asked.run_id).await.unwrap();
        assert_eq!(steps::resume(&world, &sim.config, &asked).await.unwrap(), None);
        let next = autopilot_export::run::RunRequest { run_id: request("next", "").run_id, ..asked.clone() };
        let report = steps::run(&world, &sim.config, &next, &Cancellation::default()).await.unwrap();
        assert_eq!((report.outcome, sim.held().len()), (Outcome::Succeeded, 90), "{report:?}");
        let key = autopilot_export::run::keys::of_run(&asked.run_id, "report.json");
        let stopped: autopilot_export::report::Report = serde_json::from_slice(&sim.store.body(&key).unwrap()).unwrap();
        assert_eq!(stopped.outcome, Outcome::Stopped, "{stopped:?}");
    }
}
