//! Ortto, whichever way its open questions are answered: the right people are tagged, each row is judged, and no ban is drawn.

use std::collections::BTreeSet;

use autopilot_export::report::{Outcome, Report};
use autopilot_export::sandbox::{Options, OrttoOptions};
use autopilot_export::steps::{self, Cancellation};
use serde_json::{Value, json};

use crate::support::fixture::{LIST, csv, people, set};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way};

/// Answers to open questions, as `--assume` takes them, alone and together.
const ASSUMED: [&[&str]; 16] = [
    &[],
    &["entry-order=shuffled"],
    &["entry-order=completion", "mixed-batch=omitted"],
    &["mixed-batch=omitted", "entry-order=shuffled", "skipped-rows=omitted"],
    &["mixed-batch=refused"],
    &["mixed-batch=refused-but-applied", "entry-order=shuffled"],
    &["skipped-rows=omitted"],
    &["skipped-rows=invalid"],
    &["skipped-rows=invalid", "mixed-batch=refused"],
    &["folds-tag-case=true", "trims-tags=true", "folds-email-case=false", "folds-filter-case=false"],
    &["resubscribes-by-omission=true", "archived=merged"],
    &["concurrent-merges=1"],
    &["concurrent-merges=1", "concurrency-status=409"],
    &["read-lag-ms=2000", "mixed-batch=omitted"],
    &["person-ids=false"],
    &["person-ids=false", "skipped-rows=invalid", "mixed-batch=refused"],
];

pub(crate) fn options(assumed: &[&str]) -> Options {
    Options { rate: Some(2000.0), ..OrttoOptions::parse(assumed.iter().copied()).unwrap().into() }
}

pub(crate) fn sim(assumed: &[&str]) -> Sim {
    Sim::with(Way::Tag, options(assumed))
}

pub(super) async fn run(sim: &Sim, name: &str, drop: &str) -> Report {
    let (world, request) = (sim.world(&Kill::never()), sim.drop(name, drop));
    let report = steps::run(&world, &sim.config, &request, &Cancellation::default()).await.unwrap();
    assert!(report.rows.add_up(), "{report:?}");
    assert_eq!(sim.sandbox.counters().bans, 0, "a ban was drawn");
    report
}

pub(super) fn tagged(sim: &Sim) -> BTreeSet<String> {
    sim.sandbox.contents().members(LIST)
}

pub(super) fn emails(numbers: impl IntoIterator<Item = u32>) -> BTreeSet<String> {
    numbers.into_iter().map(|number| format!("person.{number}@example.com")).collect()
}

#[tokio::test(start_paused = true)]
async fn joiners_changed_and_leavers_end_right_under_every_assumption() {
    let merged: [&[&str]; 2] =
        [&["skipped-rows=merged", "entry-order=shuffled"], &["skipped-rows=merged", "person-ids=false"]];
    for assumed in ASSUMED.into_iter().chain(merged) {
        let sim = sim(assumed);
        let report = run(&sim, "first", &people(0, 330, 1)).await;
        assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, 330), "{assumed:?} {report:?}");
        assert_eq!(tagged(&sim), emails(0..330), "{assumed:?}");
        let before = sim.sandbox.counters().requests;
        let report = run(&sim, "same", &people(0, 330, 1)).await;
        assert_eq!((report.outcome, sim.sandbox.counters().requests), (Outcome::NothingToDo, before), "{assumed:?}");
        // Ten leave, twenty change, thirty come.
        let mut drop = people(10, 30, 2);
        drop.push_str(&crate::support::fixture::more(30, 360, 1));
        let report = run(&sim, "second", &drop).await;
        assert_eq!(report.outcome, Outcome::Succeeded, "{assumed:?} {report:?}");
        assert_eq!((report.members.joiners, report.members.changed, report.members.leavers), (30, 20, 10));
        assert_eq!(tagged(&sim), emails(10..360), "{assumed:?}");
        assert_eq!(sim.sandbox.contact_count(), 360, "{assumed:?}: somebody was created by leaving, or twice");
        let held = sim.held();
        assert_eq!(held["person.12@example.com"].1["Value"], json!(2), "{assumed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn everybody_can_leave_whatever_the_order_of_entries() {
    for assumed in [&["entry-order=shuffled"], &["entry-order=completion"], &["entry-order=rows"]] {
        let sim = sim(assumed);
        run(&sim, "first", &people(0, 250, 1)).await;
        // A drop of one leaves 200 behind; then the rest.
        let report = run(&sim, "second", &people(200, 250, 1)).await;
        assert_eq!((report.outcome, tagged(&sim)), (Outcome::Succeeded, emails(200..250)), "{assumed:?} {report:?}");
        let report = run(&sim, "third", &people(249, 250, 1)).await;
        assert_eq!((report.outcome, tagged(&sim)), (Outcome::Succeeded, emails(249..250)), "{assumed:?} {report:?}");
        assert_eq!(sim.sandbox.contact_count(), 250);
    }
}

fn value(fields: &[(&str, Value)]) -> Value {
    fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<serde_json::Map<_, _>>().into()
}

#[tokio::test(start_paused = true)]
async fn new_choices_replace_the_old_ones() {
    let mut sim = sim(&[]);
    let field = json!({ "name": "Likes", "type": "multi_select", "values": ["tea", "milk", "rum"] });
    let made = sim.sandbox.ask("POST", "/person/custom-field/create", "any", field.to_string().as_bytes()).unwrap();
    assert_eq!(made.0, 200);
    sim.set("/exports/newsletter/match/custom/Likes", json!({ "column": "Likes", "type": "multi_select" }));
    for (name, likes, held) in
        [("first", "tea; milk", json!(["milk", "tea"])), ("second", "rum;tea", json!(["rum", "tea"]))]
    {
        let report = run(&sim, name, &format!("EMail,FirstName,Value,Likes\nann@example.com,Ann,1,{likes}\n")).await;
        assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, 1), "{report:?}");
        assert_eq!(sim.held()["ann@example.com"].1["Likes"], held);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_suppressed_or_archived_opted_out_is_not_sent() {
    for assumed in [&["suppression-entries=objects"][..], &["suppression-entries=strings"], &["archived=restored"]] {
        let sim = sim(assumed);
        let ask = |path: &str, body: Value| {
            let method = if path.contains("suppression") || path.contains("archive") { "PUT" } else { "POST" };
            sim.sandbox.ask(method, path, "any", body.to_string().as_bytes()).unwrap()
        };
        // More than a page comes before the one that counts.
        let mut listed: Vec<String> = (0..520).map(|n| format!("a.{n}@example.com")).collect();
        listed.push("Person.3@example.com".into());
        let (status, _) = ask("/suppression-list/email/add", json!({ "emails": listed }));
        assert_eq!(status, 200);
        let fields = value(&[("str::email", json!("person.4@example.com")), ("bol::p", json!(false))]);
        let (_, body) = ask("/person/merge", json!({ "people": [{ "fields": fields }], "merge_by": ["str::email"] }));
        let merged: Value = serde_json::from_slice(&body).unwrap();
        let id = merged["people"][0]["person_id"].as_str().unwrap().to_owned();
        let (status, body) = ask("/person/archive", json!({ "inclusion_ids": [id] }));
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        let report = run(&sim, "first", &people(0, 10, 1)).await;
        assert_eq!((report.rows.delivered, report.rows.suppressed), (8, 2), "{assumed:?} {report:?}");
        assert_eq!(tagged(&sim), emails((0..10).filter(|n| ![3, 4].contains(n))), "{assumed:?}");
        let before = sim.sandbox.contact_count();
        let report = run(&sim, "again", &people(0, 10, 1)).await;
        assert_eq!((report.rows.suppressed, sim.sandbox.contact_count()), (2, before), "{assumed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_gone_joins_again_when_it_changes() {
    for assumed in
        [&["skipped-rows=listed"], &["skipped-rows=omitted"], &["skipped-rows=invalid"], &["skipped-rows=merged"]]
    {
        let sim = sim(assumed);
        run(&sim, "first", &people(0, 5, 1)).await;
        let ids: Vec<String> = sim.sandbox.contents().contacts.iter().map(|contact| contact.id.clone()).collect();
        let body = json!({ "inclusion_ids": [ids[0], ids[1]] }).to_string();
        let (status, _) = sim.sandbox.ask("PUT", "/person/archive", "any", body.as_bytes()).unwrap();
        assert_eq!(status, 200);
        let (status, _) = sim.sandbox.ask("DELETE", "/person/delete", "any", body.as_bytes()).unwrap();
        assert_eq!(status, 200);
        assert_eq!(tagged(&sim).len(), 3);
        let report = run(&sim, "second", &people(0, 5, 2)).await;
        assert_eq!((report.outcome, tagged(&sim)), (Outcome::Succeeded, emails(0..5)), "{assumed:?} {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn values_ortto_would_refuse_are_rejects_the_rest_is_delivered() {
    let mut sim = sim(&[]);
    sim.set("/exports/newsletter/match/phone", json!("FirstName"));
    let rows: Vec<(String, &str, i64)> = (0..50)
        .map(|n| (format!("person.{n}@example.com"), if n % 25 == 7 { "call me" } else { "+47 22 33 44 55" }, 1))
        .collect();
    let rows: Vec<(&str, &str, i64)> =
        rows.iter().map(|(email, phone, value)| (email.as_str(), *phone, *value)).collect();
    let report = run(&sim, "first", &csv(&rows)).await;
    assert_eq!((report.outcome, report.rows.delivered, report.rows.rejected), (Outcome::SucceededWithRejects, 48, 2));
    assert_eq!(tagged(&sim), emails((0..50).filter(|n| n % 25 != 7)));
}

#[tokio::test(start_paused = true)]
async fn the_contact_limit_ends_the_run_by_its_name() {
    for assumed in [&["contact-limit=150"][..], &["contact-limit=150", "contact-limit-applies-part=true"]] {
        let sim = sim(assumed);
        let report = run(&sim, "first", &people(0, 400, 1)).await;
        let error = report.error.as_ref().unwrap();
        assert!(error.message.contains("contact limit"), "{}", error.message);
        assert!(report.rows.delivered >= 100 && report.rows.pending > 0, "{report:?}");
        sim.sandbox.change(|options| options.ortto.contact_limit = None);
        let report = run(&sim, "second", &people(0, 400, 1)).await;
        assert_eq!((report.outcome, tagged(&sim)), (Outcome::Succeeded, emails(0..400)), "{assumed:?}");
        assert_eq!(sim.sandbox.contact_count(), 400);
    }
}

#[tokio::test(start_paused = true)]
async fn a_field_the_account_lacks_is_named_before_anything_is_sent() {
    let mut sim = sim(&[]);
    sim.set("/exports/newsletter/create_fields", json!(false));
    let report = run(&sim, "first", &people(0, 5, 1)).await;
    let error = report.error.as_ref().unwrap();
    assert!(error.message.contains("has no custom field \"Value\""), "{}", error.message);
    assert_eq!(sim.sandbox.contact_count(), 0);
    assert_eq!(set(&[]), tagged(&sim));
}

/// Rows of an address, a name, an opt-out and a number.
fn opting_out(rows: &[String]) -> String {
    format!("EMail,FirstName,Out,Value\n{}", rows.concat())
}

pub(crate) fn opted_out(sim: &Sim) -> BTreeSet<String> {
    let contacts = sim.sandbox.contents().contacts.into_iter();
    contacts.filter(|contact| contact.unsubscribed).filter_map(|contact| contact.email).collect()
}

// An opt-out creates nobody, whatever a merge says of those who are gone.
#[tokio::test(start_paused = true)]
async fn an_opt_out_alone_takes_the_permission_and_creates_nobody() {
    for assumed in ASSUMED {
        let mut sim = sim(assumed);
        sim.set("/exports/newsletter/match/unsubscribed", json!("Out"));
        sim.set("/exports/newsletter/guards/max_reject_share", json!(1));
        let row = |n: u32, out: &str, value: &str| format!("person.{n}@example.com,A,{out},{value}\n");
        let rows: Vec<String> = (0..130).map(|n| row(n, "", "1")).collect();
        run(&sim, "first", &opting_out(&rows)).await;
        // Of those who opt out in a row that is rejected, two are gone, and one was never there.
        let contacts = sim.sandbox.contents().contacts;
        let is_gone = |email: &str| ["person.3@example.com", "person.40@example.com"].contains(&email);
        let gone = contacts.iter().filter(|contact| contact.email.as_deref().is_some_and(is_gone));
        let body = json!({ "inclusion_ids": gone.map(|contact| contact.id.clone()).collect::<Vec<_>>() }).to_string();
        for (method, path) in [("PUT", "/person/archive"), ("DELETE", "/person/delete")] {
            assert_eq!(sim.sandbox.ask(method, path, "any", body.as_bytes()).unwrap().0, 200);
        }
        let mut rows: Vec<String> =
            (0..130).map(|n| if n < 60 { row(n, "1", "many") } else { row(n, "", "1") }).collect();
        rows.push(row(999, "1", "many"));
        let wanted = emails((0..60).filter(|n| ![3, 40].contains(n)));
        let report = run(&sim, "second", &opting_out(&rows)).await;
        assert_eq!(
            (report.outcome, report.opt_outs_sent),
            (Outcome::SucceededWithRejects, 58),
            "{assumed:?} {report:?}"
        );
        assert_eq!(opted_out(&sim), wanted, "{assumed:?}");
        assert_eq!((sim.sandbox.contact_count(), tagged(&sim).len()), (128, 128), "{assumed:?}");
        assert_eq!(sim.held()["person.1@example.com"].1["Value"], json!(1), "nothing else of the row");
        // Those who are gone are asked for again, the others are not.
        let report = run(&sim, "third", &opting_out(&rows)).await;
        assert_eq!((report.opt_outs_sent, sim.sandbox.contact_count()), (0, 128), "{assumed:?} {report:?}");
    }
}

// Of a row without an address, the customer's id says whose it is.
#[tokio::test(start_paused = true)]
async fn an_opt_out_that_an_id_tells_takes_the_permission() {
    for assumed in ASSUMED {
        let mut sim = sim(assumed);
        sim.set("/exports/newsletter/match/unsubscribed", json!("Out"));
        sim.set("/exports/newsletter/match/id", json!("Id"));
        sim.set("/exports/newsletter/guards/max_reject_share", json!(1));
        let drop = |rows: String| format!("EMail,FirstName,Out,Value,Id\n{rows}");
        let rows = (0..130).map(|n| format!("person.{n}@example.com,A,,1,{n}\n"));
        run(&sim, "first", &drop(rows.collect())).await;
        let rows = (0..130).map(|n| match n {
            0..20 => format!("person.{n},A,1,1,{n}\n"),
            _ => format!("person.{n}@example.com,A,,1,{n}\n"),
        });
        let rows = drop(rows.collect::<String>() + "nobody@,A,1,1,999\n");
        let report = run(&sim, "second", &rows).await;
        assert_eq!((report.opt_outs_sent, report.rows.rejected), (20, 21), "{assumed:?} {report:?}");
        assert_eq!((opted_out(&sim), sim.sandbox.contact_count()), (emails(0..20), 130), "{assumed:?}");
        assert_eq!(tagged(&sim).len(), 130, "{assumed:?}: they stay");
        assert_eq!(run(&sim, "third", &rows).await.requests.total, 0, "{assumed:?}: once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tag_with_people_and_no_state_stops_before_anything_is_sent() {
    let first = sim(&[]);
    run(&first, "first", &people(0, 5, 1)).await;
    let mut second = Sim::with(Way::Tag, options(&[]));
    second.sandbox = first.sandbox.clone();
    let report = run(&second, "second", &people(0, 7, 2)).await;
    let error = report.error.as_ref().unwrap();
    assert!(error.message.contains("its list or tag has members already"), "{}", error.message);
    assert_eq!(tagged(&first), emails(0..5));
    // The tag's spelling may be what is wrong.
    second.set("/exports/newsletter/segments/0/membership", json!({ "tag": LIST.to_uppercase() }));
    let report = run(&second, "third", &people(0, 7, 2)).await;
    let message = &report.error.as_ref().unwrap().message;
    assert!(message.contains(&format!("the account writes it \"{LIST}\"")), "{message}");
}
