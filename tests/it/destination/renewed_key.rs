//! A key that is replaced while a run is under way: the next request takes the new one, and nobody has to do anything.

use std::sync::Mutex;
use std::time::Duration;

use autopilot_export::entry::environment::Adapters;
use autopilot_export::error::Result;
use autopilot_export::ports::{SecretSource, Secrets};
use autopilot_export::report::Outcome;
use autopilot_export::sandbox::Options;
use autopilot_export::steps::{self, Cancellation};
use serde_json::json;

use crate::support::fixture::{API_KEY, STATE_KEY, people};
use crate::support::kill::Kill;
use crate::support::sim::Sim;

/// Keeps the old key until it is asked past that; counts how often it was.
struct Renewed(Mutex<u32>);

impl SecretSource for Renewed {
    async fn secrets(&self, _connection: &str, _secret: &str, again: bool) -> Result<Secrets> {
        let mut asked = self.0.lock().unwrap();
        *asked += u32::from(again);
        let api_key = if *asked > 0 { "the-new-key" } else { API_KEY };
        Ok(Secrets { api_key: api_key.to_owned().into(), state_key: STATE_KEY.to_owned().into() })
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_renewed_during_many_requests_ends_no_lane() {
    let mut sim = Sim::new(Options { api_key: Some(API_KEY.into()), ..Options::default() });
    sim.pace(40, 2);
    sim.set("/exports/newsletter/segments/0/membership", json!("none"));
    let request = sim.drop("a", &people(0, 9000, 1));
    let Adapters { store, leases, http, clock, observer, .. } = sim.world(&Kill::never());
    let world = Adapters { store, leases, secrets: Renewed(Mutex::new(0)), http, clock, observer };
    let stop = Cancellation::default();
    let (report, ()) = tokio::join!(steps::run(&world, &sim.config, &request, &stop), async {
        tokio::time::sleep(Duration::from_millis(1300)).await;
        sim.sandbox.set_api_key(Some("the-new-key".into()));
    });
    let report = report.unwrap();
    assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, 9000), "{report:?}");
    assert!(report.requests.retried > 1, "several were refused: {report:?}");
    let asked = *world.secrets.0.lock().unwrap();
    assert!(asked <= 2, "each lane asks once for all of its requests: {asked}");
}
