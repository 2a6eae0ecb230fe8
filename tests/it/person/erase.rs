//! `erase`: no byte of the store holds the person, and no later drop brings them back. Killed, it ends the same.

use std::io::Read;

use autopilot_export::error::Kind;
use autopilot_export::plan::objection::Objection;
use autopilot_export::plan::stored_objections::StoredObjections;
use autopilot_export::run::keys;
use autopilot_export::state::{Digester, half, hex};
use autopilot_export::steps::person::{Receipt, Sought, erase, holdings};

use super::{drop, run};
use crate::support::fixture::{EXPORT, STATE_KEY, more, people};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, SimWorld, Way};

const ANN: &str = "person.1@example.com";

/// A store that holds Ann in every place that there is: in the state, as a refused and a rejected row, in what a run left
/// behind that was killed, as an opt-out to give back, in drops.
async fn scene(way: Way) -> Sim {
    let mut sim = Sim::of(way, 1);
    sim.pace(2000, 2);
    drop(&sim, "first", &people(0, 5, 1)).await;
    // Twice in one drop: a reject.
    drop(&sim, "second", &(people(0, 5, 2) + &more(1, 2, 3))).await;
    let row = format!("{{\"profile\":\"{}\",\"row\":\"{}\"}}", key(), "0".repeat(32));
    sim.store.write(&keys::corrections(EXPORT, "Newsletter"), format!("[{row}]"));
    let row =
        format!("{{\"profile\":\"{}\",\"fields\":\"{}\",\"at\":\"2026-11-24T06:00:00Z\"}}", key(), "0".repeat(32));
    sim.store.write(&keys::refusals(EXPORT, "Newsletter"), format!("[{row}]"));
    let mut objections = StoredObjections::default();
    let says = Objection { opted_out: true, ..Objection::default() };
    for name in [ANN, "bo@example.com"] {
        objections.add(Some(&Digester::new(STATE_KEY).unwrap().profile(name)), None, says);
    }
    objections.settle();
    let fingerprint = Digester::new(STATE_KEY).unwrap().fingerprint();
    sim.store.write(&keys::objections(EXPORT, "Newsletter"), objections.to_bytes(&fingerprint));
    sim.store.write(&keys::unconfirmed(EXPORT), format!("{{\"k\":\"{}\",\"e\":\"{ANN}\"}}\n", key()));
    // A run that was killed.
    let request = sim.drop("third", &people(0, 9, 4));
    let kill = Kill::new(30, true);
    let world = sim.world(&kill);
    tokio::select! {
        () = kill.reached() => {}
        _ = run(&world, &sim, &request) => panic!("it was not killed"),
    }
    sim.leases.end_all();
    // After the runs, which remove old ones.
    sim.store.write("returns/newsletter/1.csv", format!("email,since,where\nbo@example.com,,x\n{ANN},,y\n"));
    sim
}

fn key() -> String {
    hex(&Digester::new(STATE_KEY).unwrap().profile(ANN))
}

async fn erased(world: &SimWorld, sim: &Sim, deletes: bool) -> Receipt {
    erase(world, &sim.config, &Sought::read(" Person.1@Example.com ").unwrap(), deletes).await.unwrap()
}

/// Where the store holds the address or its digest, packed or not.
fn holding(sim: &Sim) -> Vec<String> {
    let mut found = Vec::new();
    for name in sim.store.keys() {
        let body = sim.store.body(&name).unwrap();
        let mut text = Vec::new();
        if flate2::read::MultiGzDecoder::new(&*body).read_to_end(&mut text).is_err() {
            text = body.to_vec();
        }
        let digest = Digester::new(STATE_KEY).unwrap().profile(ANN);
        let has = |needle: &[u8]| text.windows(needle.len()).any(|part| part.eq_ignore_ascii_case(needle));
        if has(ANN.as_bytes()) || has(hex(&half(&digest)).as_bytes()) || has(&half(&digest)) {
            found.push(name);
        }
    }
    found
}

#[tokio::test(start_paused = true)]
async fn erase_leaves_no_byte_of_the_person() {
    for way in [Way::List, Way::Tag] {
        let sim = scene(way).await;
        assert!(holding(&sim).len() > 6, "{way:?}: {:?}", holding(&sim));
        let receipt = erased(&sim.world(&Kill::never()), &sim, false).await;
        assert_eq!(holding(&sim), ["state/erased"], "{way:?}");
        let receipt = serde_json::to_string(&receipt).unwrap();
        assert!(!receipt.contains("person.1") && receipt.contains("newsletter"), "{way:?}: {receipt}");
        let held = sim.held();
        assert!(held.contains_key(ANN), "{way:?}: the contact stays");
        let others = sim.store.body("returns/newsletter/1.csv").unwrap();
        assert!(others.starts_with(b"email,since,where\nbo@example.com"), "{way:?}");
        // No later drop brings the person back.
        for (name, value) in [("fourth", 5), ("fifth", 6)] {
            let report = drop(&sim, name, &people(0, 5, value)).await;
            assert_eq!((report.rows.suppressed, report.rows.delivered), (1, 4), "{way:?} {report:?}");
        }
        let members = sim.sandbox.contents().members("Newsletter");
        assert!(!members.contains(ANN), "{way:?}: {members:?}");
        assert_ne!(sim.held()[ANN].1["Reader"], true, "{way:?}");
        assert_eq!(sim.held()[ANN].1["Value"], held[ANN].1["Value"], "{way:?}: nothing was sent");
    }
}

/// Promise 11: "Leaving a segment never deletes a contact", nor does anything but `erase --delete-contact`.
#[tokio::test(start_paused = true)]
async fn erase_deletes_one_contact_and_nothing_else_does() {
    for way in [Way::Field, Way::Tag] {
        for archived in [false, true] {
            let sim = scene(way).await;
            let before = sim.sandbox.contact_count();
            if archived && way.is_ortto() {
                // A command that was killed before the person was deleted.
                let id = sim.sandbox.contents().by_email(ANN).unwrap().id.clone();
                let body = serde_json::json!({ "inclusion_ids": [id] }).to_string();
                sim.sandbox.ask("PUT", "/person/archive", "any", body.as_bytes()).unwrap();
            }
            let receipt = erased(&sim.world(&Kill::never()), &sim, true).await;
            assert_eq!(receipt.contacts_deleted, Some(1), "{way:?}");
            assert_eq!(sim.sandbox.contact_count(), before - 1, "{way:?}");
            assert!(!sim.held().contains_key(ANN), "{way:?}");
            let receipt = erased(&sim.world(&Kill::never()), &sim, true).await;
            assert_eq!(receipt.contacts_deleted, Some(0), "{way:?}: twice is once");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn erase_ends_the_same_killed_at_some_calls() {
    for way in [Way::List, Way::Tag] {
        for call in [2, 9, 19, 28] {
            let sim = scene(way).await;
            let kill = Kill::new(call, call % 2 == 0);
            let world = sim.world(&kill);
            tokio::select! {
                biased;
                () = kill.reached() => {}
                _ = erased(&world, &sim, true) => panic!("{way:?}: {call}"),
            }
            sim.leases.end_all();
            erased(&sim.world(&Kill::never()), &sim, true).await;
            assert_eq!(holding(&sim), ["state/erased"], "{way:?} killed at {call}");
            assert!(!sim.held().contains_key(ANN), "{way:?} killed at {call}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn erase_keeps_out_whom_the_store_never_had() {
    let sim = Sim::of(Way::List, 1);
    drop(&sim, "first", &people(2, 5, 1)).await;
    erased(&sim.world(&Kill::never()), &sim, false).await;
    let report = drop(&sim, "second", &people(0, 5, 1)).await;
    assert_eq!((report.rows.suppressed, report.rows.delivered), (1, 1), "{report:?}");
    let held = holdings(&sim.world(&Kill::never()), &sim.config, &Sought::read(ANN).unwrap()).await.unwrap();
    assert!(!held.iter().any(|holding| holding.held));
}

#[tokio::test(start_paused = true)]
async fn erase_waits_for_no_run_and_does_nothing_beside_one() {
    let sim = Sim::of(Way::List, 1);
    drop(&sim, "first", &people(0, 5, 1)).await;
    let world = sim.world(&Kill::never());
    let taken = autopilot_export::ports::Leases::take(&world.leases, "eu", "a run").await.unwrap();
    assert!(taken);
    let error = erase(&world, &sim.config, &Sought::read(ANN).unwrap(), false).await.unwrap_err();
    assert!(
        error.to_string().contains("a run has the connection") && !error.to_string().contains("person.1"),
        "{error}"
    );
    assert!(sim.store.body(keys::ERASED).is_none());
}

#[tokio::test(start_paused = true)]
async fn erase_does_nothing_in_another_account() {
    let sim = Sim::of(Way::List, 1);
    drop(&sim, "first", &people(0, 5, 1)).await;
    sim.sandbox.change(|options| options.autopilot.instance_id = "another".into());
    let before = sim.sandbox.contents();
    let asked = Sought::read(ANN).unwrap();
    let error = erase(&sim.world(&Kill::never()), &sim.config, &asked, true).await.unwrap_err();
    assert_eq!(error.kind, Kind::Access, "{error}");
    assert_eq!(sim.sandbox.contents(), before);
}
