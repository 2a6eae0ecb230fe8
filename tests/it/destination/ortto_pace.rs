//! How long a first fill takes, by the clock of a world without machines: nothing but requests, answers and pauses.

use std::time::Duration;

use autopilot_export::report::Outcome;
use autopilot_export::sandbox::{Options, OrttoOptions};
use autopilot_export::steps::{self, Cancellation};
use tokio::time::Instant;

use crate::support::fixture::people;
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way};

const RATE: u32 = 10;

#[tokio::test(start_paused = true)]
async fn a_first_fill_takes_little_longer_than_the_rate_allows() {
    let account: Options = OrttoOptions::default().into();
    let options = Options { rate: Some(f64::from(RATE)), latency: Duration::from_millis(300), ..account };
    let mut sim = Sim::with(Way::Tag, options);
    sim.pace(RATE, 1);
    let (world, request) = (sim.world(&Kill::never()), sim.drop("first", &people(0, 100_000, 1)));
    let began = Instant::now();
    let report = steps::run(&world, &sim.config, &request, &Cancellation::default()).await.unwrap();
    let (seconds, counters) = (began.elapsed().as_secs_f64(), sim.sandbox.counters());
    assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, 100_000));
    let at_the_rate = counters.requests as f64 / f64::from(RATE);
    println!("{} requests in {seconds:.1} s, {:.3} of the rate's time", counters.requests, seconds / at_the_rate);
    assert!(seconds <= 1.05 * at_the_rate, "{seconds:.1} s for {} requests", counters.requests);
    assert_eq!(counters.throttled, 0);
}
