//! Who leaves an Ortto segment loses its mark, whatever the state has kept; and one address is one person.

use std::collections::BTreeSet;

use autopilot_export::error::Kind;
use autopilot_export::report::Outcome;
use autopilot_export::steps::{self, Limit};
use serde_json::json;

use crate::destination::ortto::{emails, run, sim, tagged};
use crate::support::fixture::{API_KEY, csv, people};
use crate::support::kill::Kill;
use crate::support::sim::Sim;

/// Deletes these people.
fn delete(sim: &Sim, gone: &BTreeSet<String>) {
    let contacts = sim.sandbox.contents().contacts;
    let is_gone = |email: &Option<String>| email.as_ref().is_some_and(|email| gone.contains(email));
    let ids: Vec<String> = contacts.into_iter().filter(|held| is_gone(&held.email)).map(|held| held.id).collect();
    let body = json!({ "inclusion_ids": ids }).to_string();
    let ask = |method: &str, path: &str| sim.sandbox.ask(method, path, API_KEY, body.as_bytes()).unwrap().0;
    assert_eq!(ask("PUT", "/person/archive"), 200);
    assert_eq!(ask("DELETE", "/person/delete"), 200);
}

// The state may have the id of somebody who was deleted with the profile of a leaver.
#[tokio::test(start_paused = true)]
async fn leavers_lose_their_tag_though_their_ids_are_others() {
    for assumed in [&["entry-order=shuffled"][..], &["entry-order=completion"], &["entry-order=rows"]] {
        let sim = sim(assumed);
        run(&sim, "first", &people(0, 95, 1)).await;
        delete(&sim, &emails(0..40));
        for (name, to) in [("second", 94), ("third", 70)] {
            let report = run(&sim, name, &people(0, to, 1)).await;
            assert_eq!((report.outcome, report.members.leavers_withheld), (Outcome::Succeeded, 0), "{report:?}");
            assert_eq!(tagged(&sim), emails(40..to), "{assumed:?}");
        }
        assert_eq!(sim.sandbox.contact_count(), 55, "{assumed:?}: somebody was made by leaving");
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_in_another_case_is_the_same_person() {
    let sim = sim(&["folds-email-case=false"]);
    run(&sim, "first", &csv(&[("Ann@Example.com", "Ann", 1), ("bob@example.com", "Bob", 1)])).await;
    let report = run(&sim, "second", &csv(&[("ann@example.com", "Anne", 2), ("BOB@example.com", "Bob", 2)])).await;
    assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, 2), "{report:?}");
    assert_eq!((sim.sandbox.contact_count(), tagged(&sim).len()), (2, 2));
}

// An account that does not know a key may say that it finds nothing: no row is to blame.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_found_refuses_no_row() {
    for wrong in ["wrong-key=not-found", "wrong-key=empty", "wrong-key=unauthorized"] {
        let sim = sim(&[wrong]);
        let (world, request) = (sim.world(&Kill::never()), sim.drop("first", &people(0, 250, 1)));
        steps::prepare(&world, &sim.config, &request).await.unwrap();
        steps::open(&world, &sim.config, &request).await.unwrap();
        sim.sandbox.set_api_key(Some("another".into()));
        let failed = steps::deliver(&world, &sim.config, &request, 0, &Limit::default()).await.unwrap_err();
        assert_eq!(failed.kind, Kind::Access, "{wrong}: {failed:?}");
        assert_eq!((sim.sandbox.counters().bans, sim.sandbox.contact_count()), (0, 0), "{wrong}");
        sim.sandbox.set_api_key(None);
        let report = run(&sim, "second", &people(0, 250, 1)).await;
        assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, 250), "{wrong} {report:?}");
    }
}
