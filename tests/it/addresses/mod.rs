//! Addresses that change: with `match.id`, a new address of a known customer is an update of the same contact.

mod faulty;
mod killed;
mod listed;
mod refused;
mod shuffled;
mod story;
mod told;

use std::collections::BTreeSet;

use autopilot_export::report::Report;
use autopilot_export::run::{RequestedDrop, RunRequest, Trigger};
use autopilot_export::sandbox::HeldContact;
use autopilot_export::steps::{self, Cancellation};
use serde_json::{Value, json};

use crate::support::fixture::{API_KEY, LIST};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, SimWorld, Way, request};

const VIP: &str = "VIP";

/// An export with customer ids, of one segment or two.
fn sim(way: Way, segments: &[&str]) -> Sim {
    let mut sim = Sim::of(way, 1);
    sim.set("/exports/newsletter/match", json!({ "email": "EMail", "first_name": "FirstName", "id": "Id" }));
    let segment = |name: &&str| {
        let folder = if *name == LIST { "newsletter" } else { "vip" };
        json!({ "name": name, "prefix": format!("segments/{folder}/"), "membership": way.membership_of(name) })
    };
    sim.set("/exports/newsletter/segments", Value::from(segments.iter().map(segment).collect::<Vec<_>>()));
    sim.pace(100, 2);
    sim
}

/// Rows of an address and a customer id; the name is the address's first part.
fn rows(rows: &[(&str, &str)]) -> String {
    let row = |(name, id): &(&str, &str)| format!("{name}@x.example,{name},{id}\n");
    "EMail,FirstName,Id\n".to_owned() + &rows.iter().map(row).collect::<String>()
}

/// A request for new drops of segments, as an event names them.
fn of(sim: &Sim, name: &str, drops: &[(&str, String)]) -> RunRequest {
    let drop = |(segment, body): &(&str, String)| {
        let folder = if *segment == LIST { "newsletter" } else { "vip" };
        let key = format!("segments/{folder}/{name}.csv");
        sim.store.write(&key, body.clone());
        RequestedDrop { segment: (*segment).into(), key, version: None, is_empty: false }
    };
    let drops: Vec<RequestedDrop> = drops.iter().map(drop).collect();
    RunRequest { trigger: Trigger::S3, drops, ..request(name, "") }
}

async fn run_in(sim: &Sim, world: &SimWorld, request: &RunRequest) -> Report {
    let earlier = steps::resume(world, &sim.config, request).await.unwrap();
    let request = earlier.as_ref().unwrap_or(request);
    let report = steps::run(world, &sim.config, request, &Cancellation::default()).await.unwrap();
    assert!(report.rows.add_up(), "{report:?}");
    report
}

async fn run(sim: &Sim, request: &RunRequest) -> Report {
    run_in(sim, &sim.world(&Kill::never()), request).await
}

/// A run of a new drop of the one segment.
async fn drop(sim: &Sim, name: &str, people: &[(&str, &str)]) -> Report {
    run(sim, &of(sim, name, &[(LIST, rows(people))])).await
}

fn contact(sim: &Sim, name: &str) -> Option<HeldContact> {
    sim.sandbox.contents().by_email(&format!("{name}@x.example")).cloned()
}

fn id(sim: &Sim, name: &str) -> String {
    contact(sim, name).map(|contact| contact.id).unwrap_or_default()
}

/// Who is marked as a member, by the first parts of their addresses.
fn members(sim: &Sim, way: Way, segment: &str) -> BTreeSet<String> {
    let contents = sim.sandbox.contents();
    let flagged = contents.contacts.iter().filter(|contact| contact.custom.get(segment) == Some(&Value::Bool(true)));
    let flagged: BTreeSet<String> = flagged.filter_map(|contact| contact.email.clone()).collect();
    let members = if matches!(way, Way::Field | Way::Flag) { flagged } else { contents.members(segment) };
    members.iter().map(|email| email.replace("@x.example", "")).collect()
}

fn ask(sim: &Sim, method: &str, path: &str, body: &Value) {
    let (status, answer) = sim.sandbox.ask(method, path, API_KEY, body.to_string().as_bytes()).unwrap();
    assert!(status < 300, "{}", String::from_utf8_lossy(&answer));
}

/// Somebody else makes a contact in the account.
fn make(sim: &Sim, way: Way, name: &str) {
    let email = format!("{name}@x.example");
    match way.is_ortto() {
        true => {
            let people = json!([{ "fields": { "str::email": email } }]);
            ask(sim, "POST", "person/merge", &json!({ "people": people, "merge_by": ["str::email"] }));
        }
        false => ask(sim, "POST", "contact", &json!({ "contact": { "Email": email } })),
    }
}

/// Somebody opts out in the account.
fn opt_out(sim: &Sim, way: Way, name: &str) {
    let email = format!("{name}@x.example");
    match way.is_ortto() {
        true => {
            let people = json!([{ "fields": { "str::email": email, "bol::p": false } }]);
            ask(sim, "POST", "person/merge", &json!({ "people": people, "merge_by": ["str::email"] }));
        }
        false => ask(sim, "POST", &format!("contact/{email}/unsubscribe"), &Value::Null),
    }
}

fn writes(sim: &Sim) -> u64 {
    sim.sandbox.counters().writes
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const TWO: [(&str, &str); 2] = [("ann", "1"), ("bo", "2")];

#[tokio::test(start_paused = true)]
async fn a_new_address_of_a_known_id_keeps_its_contact() {
    for way in Way::ALL {
        let sim = sim(way, &[LIST]);
        drop(&sim, "a", &TWO).await;
        let before = id(&sim, "ann");
        let report = drop(&sim, "b", &[("anna", "1"), TWO[1]]).await;
        let counts = &report.members;
        assert_eq!(
            (counts.address_changed, counts.joiners, counts.changed, counts.leavers),
            (1, 0, 0, 0),
            "{report:?}"
        );
        assert_eq!((report.rows.delivered, report.rows.unchanged), (1, 1), "{way:?}: {report:?}");
        assert_eq!((id(&sim, "anna"), contact(&sim, "ann")), (before, None), "{way:?}");
        assert_eq!(contact(&sim, "anna").unwrap().fields[way.first_name()], "anna", "{way:?}");
        assert_eq!((sim.sandbox.contact_count(), members(&sim, way, LIST)), (2, names(&["anna", "bo"])), "{way:?}");
        assert!(report.warnings.is_empty(), "{report:?}");
        let before = writes(&sim);
        let report = drop(&sim, "c", &[("anna", "1"), TWO[1]]).await;
        assert_eq!((report.rows.unchanged, writes(&sim) - before), (2, 0), "{way:?}: {report:?}");
        // And back again.
        let report = drop(&sim, "d", &TWO).await;
        assert_eq!((report.members.address_changed, members(&sim, way, LIST)), (1, names(&["ann", "bo"])), "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_contact_of_two_segments_stays_in_both() {
    for way in Way::ALL {
        let sim = sim(way, &[LIST, VIP]);
        let both = |people: &[(&str, &str)]| [(LIST, rows(people)), (VIP, rows(people))];
        run(&sim, &of(&sim, "a", &both(&TWO))).await;
        let before = id(&sim, "ann");
        let report = run(&sim, &of(&sim, "b", &both(&[("anna", "1"), TWO[1]]))).await;
        assert_eq!((report.members.address_changed, report.members.leavers), (2, 0), "{way:?}: {report:?}");
        assert_eq!((id(&sim, "anna"), sim.sandbox.contact_count()), (before, 2), "{way:?}");
        for segment in [LIST, VIP] {
            assert_eq!(members(&sim, way, segment), names(&["anna", "bo"]), "{way:?} {segment}");
        }
        let (report, before) = (run(&sim, &of(&sim, "c", &both(&[("anna", "1"), TWO[1]]))).await, writes(&sim));
        assert_eq!((report.rows.unchanged, writes(&sim) - before), (4, 0), "{way:?}: {report:?}");
    }
}

/// On AWS each drop starts a run of its own.
#[tokio::test(start_paused = true)]
async fn segments_learn_of_a_new_address_one_after_the_other() {
    for way in Way::DESTINATIONS {
        let sim = sim(way, &[LIST, VIP]);
        run(&sim, &of(&sim, "a", &[(LIST, rows(&TWO))])).await;
        run(&sim, &of(&sim, "b", &[(VIP, rows(&TWO))])).await;
        let before = id(&sim, "ann");
        for (name, segment) in [("c", LIST), ("d", VIP)] {
            run(&sim, &of(&sim, name, &[(segment, rows(&[("anna", "1"), TWO[1]]))])).await;
            assert_eq!((id(&sim, "anna"), sim.sandbox.contact_count()), (before.clone(), 2), "{way:?}");
            assert_eq!(members(&sim, way, LIST), names(&["anna", "bo"]), "{way:?}");
            assert_eq!(members(&sim, way, VIP), names(&["anna", "bo"]), "{way:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn addresses_that_change_places_stay_the_contacts_that_they_are() {
    for way in Way::DESTINATIONS {
        let sim = sim(way, &[LIST]);
        drop(&sim, "a", &TWO).await;
        let before = [id(&sim, "ann"), id(&sim, "bo")];
        let report = drop(&sim, "b", &[("ann", "2"), ("bo", "1")]).await;
        assert_eq!((report.members.changed, report.members.address_changed), (2, 0), "{way:?}: {report:?}");
        assert_eq!([id(&sim, "ann"), id(&sim, "bo")], before, "{way:?}");
        assert!(report.warnings.iter().any(|warning| warning.starts_with("2 addresses have the")), "{report:?}");
        assert_eq!(drop(&sim, "c", &[("ann", "2"), ("bo", "1")]).await.rows.unchanged, 2, "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_that_disappears_is_a_leaver() {
    for way in Way::DESTINATIONS {
        let sim = sim(way, &[LIST]);
        drop(&sim, "a", &TWO).await;
        let report = drop(&sim, "b", &[TWO[1], ("anna", "3")]).await;
        let counts = &report.members;
        assert_eq!((counts.joiners, counts.leavers, counts.address_changed), (1, 1, 0), "{way:?}: {report:?}");
        assert_eq!((members(&sim, way, LIST), sim.sandbox.contact_count()), (names(&["anna", "bo"]), 3), "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_ids_a_new_address_joins_and_the_old_one_leaves() {
    for way in Way::DESTINATIONS {
        let mut sim = sim(way, &[LIST]);
        sim.set("/exports/newsletter/match", json!({ "email": "EMail", "first_name": "FirstName" }));
        drop(&sim, "a", &TWO).await;
        let report = drop(&sim, "b", &[("anna", "1"), TWO[1]]).await;
        assert_eq!((report.members.joiners, report.members.leavers), (1, 1), "{way:?}: {report:?}");
        assert!(!serde_json::to_string(&report).unwrap().contains("address_changed"), "{report:?}");
    }
}
