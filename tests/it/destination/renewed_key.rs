//! A key that is replaced while a run is under way: the next request takes the new one, and nobody has to do anything.

use std::sync::Mutex;
use std::time::Duration;

use autopilot_export::adapters::local::GivenSecrets;
use autopilot_export::entry::environment::Adapters;
use autopilot_export::error::{Kind, Result};
use autopilot_export::ports::{Freshness, SecretSource, Secrets};
use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{RunRequest, keys};
use autopilot_export::sandbox::{Options, Sandbox};
use autopilot_export::steps::{self, Cancellation, Environment};
use serde_json::json;

use crate::support::fixture::{API_KEY, STATE_KEY, people};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way};

/// Keeps the old key until it is asked past that; counts how often it was.
struct Renewed(Mutex<u32>);

impl SecretSource for Renewed {
    async fn secrets(&self, _connection: &str, _secret: &str, freshness: Freshness) -> Result<Secrets> {
        let mut asked = self.0.lock().unwrap();
        *asked += u32::from(freshness == Freshness::Newest);
        let api_key = if *asked > 0 { "the-new-key" } else { API_KEY };
        Ok(Secrets { api_key: api_key.to_owned().into(), state_key: STATE_KEY.to_owned().into() })
    }
}

/// An account that accepts the old key, and the request for a drop of 9,000 people.
fn begun() -> (Sim, RunRequest) {
    let mut sim = Sim::new(Options { api_key: Some(API_KEY.into()), ..Options::default() });
    sim.pace(40, 2);
    sim.set("/exports/newsletter/segments/0/membership", json!("none"));
    let request = sim.drop("a", &people(0, 9000, 1));
    (sim, request)
}

fn renewing(sim: &Sim) -> impl Environment<Secrets = Renewed> {
    let Adapters { store, leases, http, clock, observer, .. } = sim.world(&Kill::never());
    Adapters { store, leases, secrets: Renewed(Mutex::new(0)), http, clock, observer }
}

#[tokio::test(start_paused = true)]
async fn a_key_renewed_during_many_requests_ends_no_lane() {
    let (sim, request) = begun();
    let (world, stop) = (renewing(&sim), Cancellation::default());
    let (report, ()) = tokio::join!(steps::run(&world, &sim.config, &request, &stop), async {
        tokio::time::sleep(Duration::from_millis(1300)).await;
        sim.sandbox.set_api_key(Some("the-new-key".into()));
    });
    let report = report.unwrap();
    assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, 9000), "{report:?}");
    assert!(report.requests.retried > 1, "several were refused: {report:?}");
    let asked = *world.secrets().0.lock().unwrap();
    assert!(asked <= 2, "each lane asks once for all of its requests: {asked}");
}

/// From now on another account answers, which has another key.
fn replace_account(sandbox: &Sandbox) {
    sandbox.change(|options| {
        options.api_key = Some("the-new-key".into());
        options.autopilot.instance_id = "another".into();
    });
}

fn ended_for_another_account(report: &Report) {
    let error = report.error.as_ref().unwrap();
    assert_eq!((report.outcome, error.kind), (Outcome::Failed, Kind::Access), "{report:?}");
    assert!(error.message.contains("another account"), "{error:?}");
    assert!(report.rows.pending > 0 && report.rows.add_up(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_renewed_key_of_another_account_ends_the_run() {
    let (sim, request) = begun();
    let (world, stop) = (renewing(&sim), Cancellation::default());
    let (report, held) = tokio::join!(steps::run(&world, &sim.config, &request, &stop), async {
        tokio::time::sleep(Duration::from_millis(1300)).await;
        replace_account(&sim.sandbox);
        sim.sandbox.contact_count()
    });
    let report = report.unwrap();
    ended_for_another_account(&report);
    assert_eq!(sim.sandbox.contact_count(), held, "nothing was sent to the other account");
    assert!(report.rows.delivered > 0, "{report:?}");
}

/// Killed while the canary is at work, or a lane.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_resumed_with_another_accounts_key_ends() {
    for phase in ["\"canary\"", "\"assigned\""] {
        let mut sim = Sim::of(Way::Bulk, 1);
        sim.sandbox.set_api_key(Some(API_KEY.into()));
        sim.pace(10, 2);
        let request = sim.drop("a", &people(0, 3000, 1));
        let (dying, stop) = (sim.world(&Kill::never()), Cancellation::default());
        let open = keys::of_run(&request.run_id, "open.json");
        let is_reached = || {
            let body = sim.store.body(&open).unwrap_or_default();
            String::from_utf8_lossy(&body).contains(phase) && sim.sandbox.contact_count() > 0
        };
        let reached = async {
            while !is_reached() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            done = steps::run(&dying, &sim.config, &request, &stop) => panic!("{done:?}"),
            () = reached => {}
        }
        drop(dying);
        replace_account(&sim.sandbox);
        let held = sim.sandbox.contact_count();
        let Adapters { store, leases, http, clock, observer, .. } = sim.world(&Kill::never());
        let secrets = Secrets { api_key: "the-new-key".to_owned().into(), state_key: STATE_KEY.to_owned().into() };
        let world = Adapters { store, leases, secrets: GivenSecrets(secrets), http, clock, observer };
        let report = steps::run(&world, &sim.config, &request, &stop).await.unwrap();
        ended_for_another_account(&report);
        assert_eq!(sim.sandbox.contact_count(), held, "{phase}: nothing was sent to the other account");
    }
}
