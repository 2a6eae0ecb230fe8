//! People who leave an Ortto segment lose its mark, whatever the state holds; and one address is one person.

use std::collections::BTreeSet;
use std::time::Duration;

use autopilot_export::error::Kind;
use autopilot_export::report::Outcome;
use autopilot_export::run::{RunRequest, Trigger};
use autopilot_export::sandbox::Fault;
use autopilot_export::steps::{self, Cancellation, Limit};
use serde_json::{Value, json};

use crate::destination::ortto::{emails, run, sim, tagged};
use crate::support::fixture::{API_KEY, LIST, csv, people, set};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, request};

/// The ids of these people.
fn ids(sim: &Sim, emails: &BTreeSet<String>) -> Vec<String> {
    let contacts = sim.sandbox.contents().contacts.into_iter();
    let is_one = |email: &Option<String>| email.as_ref().is_some_and(|email| emails.contains(email));
    contacts.filter(|held| is_one(&held.email)).map(|held| held.id).collect()
}

/// Makes a call by hand.
fn by_hand(sim: &Sim, method: &str, path: &str, body: &Value) {
    assert_eq!(sim.sandbox.ask(method, path, API_KEY, body.to_string().as_bytes()).unwrap().0, 200);
}

/// Until reads show who was sent.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(301)).await;
}

/// Deletes these people.
fn delete(sim: &Sim, gone: &BTreeSet<String>) {
    let gone = json!({ "inclusion_ids": ids(sim, gone) });
    by_hand(sim, "PUT", "/person/archive", &gone);
    by_hand(sim, "DELETE", "/person/delete", &gone);
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

// Who has another address now may be the leaver, and stays; whose id the state has wrong beside it is found.
#[tokio::test(start_paused = true)]
async fn one_with_another_address_stays_and_nobody_else() {
    let sim = sim(&["entry-order=shuffled"]);
    run(&sim, "first", &people(0, 30, 1)).await;
    let id = ids(&sim, &emails(3..4)).remove(0);
    let fields = json!({ "str::person_id": id, "str::email": "another@example.com" });
    let moved = json!({ "people": [{ "fields": fields }], "merge_by": ["str::person_id"] });
    by_hand(&sim, "POST", "/person/merge", &moved);
    let report = run(&sim, "second", &people(10, 30, 1)).await;
    assert!(report.members.leavers_withheld <= 1, "{report:?}");
    let mut there = tagged(&sim);
    assert!(there.remove("another@example.com"));
    assert_eq!((there, sim.sandbox.contact_count()), (emails(10..30), 30), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn all_who_are_gone_are_looked_for_at_once() {
    let mut sim = sim(&[]);
    sim.set("/connections/eu/lanes", json!(1));
    run(&sim, "first", &people(0, 450, 1)).await;
    delete(&sim, &emails(50..450));
    settle().await;
    let report = run(&sim, "second", &people(0, 50, 1)).await;
    // The opening and the count are five; each hundred ids are looked up.
    assert_eq!((report.members.leavers, report.requests.total), (400, 5 + 4 + 1), "{report:?}");
}

// Their stored ids lead to others, in chains that end at different times.
#[tokio::test(start_paused = true)]
async fn all_whose_ids_lead_to_nobody_are_looked_for_at_once() {
    let mut sim = sim(&["entry-order=shuffled"]);
    sim.set("/connections/eu/lanes", json!(1));
    run(&sim, "first", &people(0, 3000, 1)).await;
    delete(&sim, &emails(2940..3000));
    settle().await;
    let report = run(&sim, "second", &people(0, 2940, 1)).await;
    assert_eq!((report.members.leavers, tagged(&sim)), (60, emails(0..2940)), "{report:?}");
    // Six pages of everybody, beside those that open reads and the count of members.
    let pages = sim.sandbox.counters().of("POST /person/get");
    assert!(pages <= 8, "everybody is read once: {pages} pages, {} requests", report.requests.total);
}

// The same right after a run, when some may not show yet: chains that go on do not wait for those that ended.
#[tokio::test(start_paused = true)]
async fn all_whose_ids_lead_to_nobody_are_waited_for_at_once() {
    let sim = sim(&["entry-order=shuffled"]);
    run(&sim, "first", &people(0, 500, 1)).await;
    delete(&sim, &emails(490..496));
    let began = tokio::time::Instant::now();
    let report = run(&sim, "second", &people(0, 400, 1)).await;
    assert_eq!((report.members.leavers, tagged(&sim)), (100, emails(0..400)), "{report:?}");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(45), "{took:?}, {} requests", report.requests.total);
}

// Deleted by hand right after a run.
#[tokio::test(start_paused = true)]
async fn all_who_may_be_unseen_are_waited_for_at_once() {
    let mut sim = sim(&[]);
    sim.set("/connections/eu/lanes", json!(1));
    run(&sim, "first", &people(0, 450, 1)).await;
    delete(&sim, &emails(50..450));
    let report = run(&sim, "second", &people(0, 50, 1)).await;
    assert_eq!((report.members.leavers, report.members.leavers_withheld), (400, 0), "{report:?}");
    // Each hundred ids are looked up five times, once more after each wait; everybody is read once.
    assert_eq!(report.requests.total, 5 + 4 * 5 + 1, "{report:?}");
    assert_eq!(run(&sim, "third", &people(0, 50, 1)).await.requests.total, 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_waited_for_who_shows() {
    let sim = sim(&[]);
    run(&sim, "first", &people(0, 20, 1)).await;
    let began = tokio::time::Instant::now();
    let report = run(&sim, "second", &people(5, 20, 1)).await;
    // The opening and the count are five; they are looked up and leave.
    assert_eq!((report.members.leavers, report.requests.total), (5, 5 + 1 + 1), "{report:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn leavers_that_reads_show_late_are_waited_for() {
    for skipped in ["skipped-rows=omitted", "skipped-rows=invalid", "skipped-rows=listed"] {
        let sim = sim(&[skipped, "read-lag-ms=2500", "archived-by-id=true", "mixed-batch=refused-but-applied"]);
        run(&sim, "first", &people(0, 20, 1)).await;
        // One of them is not there any more when the others are asked to leave.
        by_hand(&sim, "PUT", "/person/archive", &json!({ "inclusion_ids": ids(&sim, &emails(15..16)) }));
        tokio::time::sleep(Duration::from_secs(60)).await;
        let report = run(&sim, "second", &people(0, 10, 1)).await;
        assert_eq!((report.outcome, report.members.leavers_withheld), (Outcome::Succeeded, 0), "{skipped} {report:?}");
        assert_eq!(tagged(&sim), emails(0..10), "{skipped}");
    }
}

// The account does not show them yet; they are there, and keep the tag for good if they count as gone.
#[tokio::test(start_paused = true)]
async fn leavers_that_do_not_show_yet_lose_their_tag() {
    for ids in ["person-ids=true", "person-ids=false"] {
        let sim = sim(&["read-lag-ms=15000", ids]);
        run(&sim, "first", &people(0, 20, 1)).await;
        let report = run(&sim, "second", &people(2, 20, 1)).await;
        assert_eq!((report.members.leavers, report.members.leavers_withheld), (2, 0), "{ids} {report:?}");
        assert_eq!(tagged(&sim), emails(2..20), "{ids}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leaver_that_was_deleted_long_ago_has_left() {
    let sim = sim(&["read-lag-ms=30000"]);
    run(&sim, "first", &people(0, 20, 1)).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    delete(&sim, &emails(0..2));
    settle().await;
    let report = run(&sim, "second", &people(2, 20, 1)).await;
    assert_eq!((report.outcome, report.members.leavers, report.members.leavers_withheld), (Outcome::Succeeded, 2, 0));
    assert_eq!(run(&sim, "third", &people(2, 20, 1)).await.requests.total, 0);
}

// A merge may bring back who is archived, and subscribe it.
#[tokio::test(start_paused = true)]
async fn an_archived_leaver_stays_archived_and_has_left() {
    for (archived, by_id) in [("restored", "true"), ("restored", "false"), ("merged", "true"), ("invisible", "true")] {
        let assumed = [format!("archived={archived}"), format!("archived-by-id={by_id}")];
        let sim = sim(&[&assumed[0], &assumed[1]]);
        run(&sim, "first", &people(0, 20, 1)).await;
        by_hand(&sim, "PUT", "/person/archive", &json!({ "inclusion_ids": ids(&sim, &emails(0..3)) }));
        settle().await;
        let before = sim.sandbox.counters().of("POST /person/merge");
        let report = run(&sim, "second", &people(3, 20, 1)).await;
        assert_eq!((report.members.leavers, report.members.leavers_withheld), (3, 0), "{assumed:?} {report:?}");
        let merges = sim.sandbox.counters().of("POST /person/merge") - before;
        assert_eq!((tagged(&sim), merges), (emails(3..20), 0), "{assumed:?}");
    }
}

// The merge restores it with the tag that it had; a look-up just after does not show it.
#[tokio::test(start_paused = true)]
async fn an_archived_leaver_restored_by_another_segment_leaves_again() {
    let mut sim = sim(&["archived=restored", "read-lag-ms=2000"]);
    let segment = |name: &str, prefix: &str| json!({ "name": name, "prefix": prefix, "membership": { "tag": name } });
    let segments = json!([segment(LIST, "segments/newsletter/"), segment("VIP", "segments/vip/")]);
    sim.set("/exports/newsletter/segments", segments);
    run(&sim, "first", &people(0, 20, 1)).await;
    by_hand(&sim, "PUT", "/person/archive", &json!({ "inclusion_ids": ids(&sim, &emails(0..1)) }));
    settle().await;
    sim.store.write("segments/newsletter/second.csv", people(1, 20, 1));
    sim.store.write("segments/vip/second.csv", people(0, 1, 1));
    for (name, leavers) in [("second", 1), ("third", 1), ("fourth", 0)] {
        let request = RunRequest { trigger: Trigger::Schedule, drops: Vec::new(), ..request(name, "") };
        let report = steps::run(&sim.world(&Kill::never()), &sim.config, &request, &Cancellation::default()).await;
        assert_eq!(report.unwrap().members.leavers, leavers);
        settle().await;
    }
    assert_eq!(tagged(&sim), emails(1..20));
    assert_eq!(sim.sandbox.contents().members("VIP"), emails(0..1));
}

// Of such a one the state has no id, and its address as the drop writes it.
#[tokio::test(start_paused = true)]
async fn a_leaver_that_was_never_confirmed_loses_its_tag() {
    let sim = sim(&["folds-email-case=false", "skipped-rows=omitted"]);
    // The opening asks four times and makes a field; after that every answer is lost.
    let lost = (6..200).map(|number| format!("cut-after@{number}")).collect::<Vec<_>>().join(",");
    sim.sandbox.set_faults(Fault::parse_list(&lost).unwrap());
    let rows = [("Ann@Example.com", "Ann", 1), ("bob@example.com", "Bob", 1), ("eve@example.com", "Eve", 1)];
    let report = run(&sim, "first", &csv(&rows)).await;
    assert_eq!((report.rows.pending, tagged(&sim).len()), (3, 3), "{report:?}");
    sim.sandbox.clear_faults();
    let report = run(&sim, "second", &csv(&rows[1..])).await;
    assert_eq!((report.outcome, report.members.leavers_withheld), (Outcome::Succeeded, 0), "{report:?}");
    assert_eq!(tagged(&sim), set(&["bob@example.com", "eve@example.com"]));
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
