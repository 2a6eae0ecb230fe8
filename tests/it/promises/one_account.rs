//! Promise 6, "The account's rate is kept", where two connections with secrets of their own lead to one account.

use std::time::Duration;

use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{Mode, RequestedDrop, RunRequest, keys, run_id};
use autopilot_export::sandbox::OrttoOptions;
use autopilot_export::steps::{self, Cancellation};
use serde_json::json;

use crate::support::fixture::{EXPORT, people};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way, account, account_of, comparison};

const OTHER: &str = "second";
const ROWS: u32 = 120;

/// This many rows make about as many requests at each: at Autopilot one, at Ortto a hundred rows a request.
const WAYS: [(Way, u32); 2] = [(Way::Single, ROWS), (Way::Tag, 100 * ROWS)];

/// Exports through two connections to an account of this kind, at 5 and at 3 requests a second.
fn sim_of(way: Way) -> Sim {
    let mut sim = match way.is_ortto() {
        // It is known by the name that its tags have.
        true => Sim::with(way, OrttoOptions { organization_tags: vec!["Any".into()], ..Default::default() }.into()),
        false => Sim::of(way, 1),
    };
    sim.pace(5, 1);
    let mut connection = sim.settings["connections"]["eu"].clone();
    connection["secret"] = json!("another");
    connection["requests_per_second"] = json!(3);
    let mut export = sim.settings["exports"][EXPORT].clone();
    export["connection"] = json!("eu-too");
    export["segments"][0] =
        json!({ "name": "Second", "prefix": "segments/second/", "membership": way.membership_of("Second") });
    sim.settings["connections"]["eu-too"] = connection;
    sim.set("/exports/second", export);
    sim
}

fn second(sim: &Sim, name: &str, body: &str) -> RunRequest {
    let key = format!("segments/second/{name}.csv");
    sim.store.write(&key, body.to_owned());
    let drops = vec![RequestedDrop { segment: "Second".into(), key, version: None, is_empty: false }];
    let run_id = run_id("2026-11-24T06:00:00Z".parse().unwrap(), OTHER, name);
    RunRequest { run_id, export: OTHER.into(), drops, ..sim.drop("unused", "EMail\n") }
}

async fn run(sim: &Sim, request: &RunRequest) -> Report {
    steps::run(&sim.world(&Kill::never()), &sim.config, request, &Cancellation::default()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn two_connections_to_one_account_keep_its_lowest_rate_together() {
    for (way, rows) in WAYS {
        let sim = sim_of(way);
        for request in [sim.drop("first", &people(0, 3, 1)), second(&sim, "first", &people(0, 3, 1))] {
            assert_eq!(run(&sim, &request).await.outcome, Outcome::Succeeded);
        }
        assert!(sim.store.keys().contains(&keys::account_activity(&account_of(way))), "{:?}", sim.store.keys());
        tokio::time::sleep(Duration::from_secs(3600)).await;
        sim.sent.lock().unwrap().clear();
        let (one, other) = (sim.drop("next", &people(0, rows, 1)), second(&sim, "next", &people(0, rows, 1)));
        let (one, other) = tokio::join!(run(&sim, &one), run(&sim, &other));
        for report in [one, other] {
            assert_eq!(
                (report.outcome, report.rows.delivered),
                (Outcome::Succeeded, u64::from(rows) - 3),
                "{report:?}"
            );
        }
        assert!(sim.peak() <= 3, "{} requests in a second", sim.peak());
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_found_to_lead_to_a_busy_account_gives_way() {
    for (way, rows) in WAYS {
        let sim = sim_of(way);
        let (one, other) = (sim.drop("first", &people(0, rows, 1)), second(&sim, "first", &people(0, rows, 1)));
        let late = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            run(&sim, &other).await
        };
        let (one, late) = tokio::join!(run(&sim, &one), late);
        assert_eq!(one.outcome, Outcome::Succeeded, "{one:?}");
        let message = late.error.map(|error| error.message).unwrap_or_default();
        assert!(message.contains("another connection to the same account is at work"), "{message}");
        assert_eq!((late.outcome, late.rows.pending), (Outcome::Failed, u64::from(rows)));
        let again = run(&sim, &second(&sim, "again", &people(0, rows, 1))).await;
        assert_eq!((again.outcome, again.rows.delivered), (Outcome::Succeeded, u64::from(rows)), "{again:?}");
    }
}

/// What was learned of an account is known to all connections to it.
#[tokio::test(start_paused = true)]
async fn exports_of_one_account_share_no_list_over_two_connections() {
    for (way, mark) in [(Way::List, "list"), (Way::Tag, "tag")] {
        let mut sim = sim_of(way);
        sim.set("/exports/second/segments/0/membership", way.membership_of("newsLETTER"));
        sim.set("/exports/newsletter/segments/0/membership", way.membership_of("Newsletter"));
        assert_eq!(run(&sim, &sim.drop("first", &people(0, 3, 1))).await.outcome, Outcome::Succeeded);
        let writes = sim.sandbox.counters().writes;
        let report = run(&sim, &second(&sim, "first", &people(3, 6, 1))).await;
        let message = report.error.map(|error| error.message).unwrap_or_default();
        assert!(message.contains(&format!("has the same {mark} as export newsletter")), "{message}");
        assert_eq!((report.outcome, sim.sandbox.counters().writes), (Outcome::Failed, writes));
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_connection_learned_the_other_knows() {
    let sim = sim_of(Way::Single);
    run(&sim, &sim.drop("first", &people(0, 40, 1))).await;
    let learnt = sim.store.body(&keys::learned_setup(&account()));
    assert!(learnt.is_some());
    run(&sim, &second(&sim, "first", &people(0, 40, 1))).await;
    assert_eq!(sim.store.body(&keys::learned_setup(&account())), learnt, "it is not learned once more");
}

#[tokio::test(start_paused = true)]
async fn a_rate_lowered_at_the_other_connection_counts_on_resuming() {
    for (way, rows) in WAYS {
        let mut sim = sim_of(way);
        for request in [sim.drop("first", &people(0, 3, 1)), second(&sim, "first", &people(0, 3, 1))] {
            assert_eq!(run(&sim, &request).await.outcome, Outcome::Succeeded);
        }
        let next = sim.drop("next", &people(0, rows, 1));
        sim.die_with(&next, rows as usize / 2).await;
        sim.leases.end_all();
        sim.set("/connections/eu-too/requests_per_second", json!(1));
        tokio::time::sleep(Duration::from_secs(60)).await;
        sim.sent.lock().unwrap().clear();
        let world = sim.world(&Kill::never());
        let again = steps::resume(&world, &sim.config, &next).await.unwrap().unwrap_or(next);
        let report = run(&sim, &again).await;
        assert_eq!((report.outcome, report.rows.pending), (Outcome::Succeeded, 0), "{report:?}");
        assert_eq!(sim.peak(), 1);
    }
}

async fn reconcile(sim: &Sim, name: &str) -> Report {
    sim.drop(name, "EMail\n");
    let asked = comparison(name, Mode::Look);
    steps::reconcile(&sim.world(&Kill::never()), &sim.config, &asked, &Cancellation::default()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn reconcile_keeps_the_lowest_rate_and_waits_its_turn() {
    for (way, rows) in WAYS {
        let mut sim = sim_of(way);
        let busy = second(&sim, "first", &people(0, rows, 1));
        let late = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            reconcile(&sim, "early").await
        };
        let (ran, late) = tokio::join!(run(&sim, &busy), late);
        assert_eq!(ran.outcome, Outcome::Succeeded, "{ran:?}");
        let message = late.error.map(|error| error.message).unwrap_or_default();
        assert!(message.contains("another connection to the same account is at work"), "{message}");
        assert_eq!(run(&sim, &sim.drop("first", &people(0, 3, 1))).await.outcome, Outcome::Succeeded);
        sim.set("/connections/eu-too/requests_per_second", json!(1));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        sim.sent.lock().unwrap().clear();
        let report = reconcile(&sim, "late").await;
        assert!(report.error.is_none() && sim.sent.lock().unwrap().len() > 2, "{report:?}");
        assert_eq!(sim.peak(), 1);
    }
}
