//! The account beside the state: what people changed there by hand is reported, taken over or put right.

use std::collections::BTreeSet;

use autopilot_export::report::{Outcome, Reconciled, Report};
use autopilot_export::run::{Mode, RunRequest, keys};
use autopilot_export::sandbox::OrttoOptions;
use autopilot_export::steps::person::{Sought, history};
use autopilot_export::steps::{self, Cancellation};
use serde_json::{Value, json};

use super::ortto;
use crate::support::fixture::{API_KEY, EXPORT, LIST, people, set};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way, comparison};

pub(super) async fn run(sim: &Sim, request: &RunRequest) -> Report {
    let report = steps::run(&sim.world(&Kill::never()), &sim.config, request, &Cancellation::default()).await.unwrap();
    assert!(report.rows.add_up() && report.error.is_none(), "{report:?}");
    report
}

pub(super) async fn reconcile(sim: &Sim, name: &str, mode: Mode) -> Report {
    let asked = comparison(name, mode);
    let world = sim.world(&Kill::never());
    let report = steps::reconcile(&world, &sim.config, &asked, &Cancellation::default()).await.unwrap();
    assert!(report.error.is_none(), "{report:?}");
    report
}

fn ask(sim: &Sim, method: &str, path: &str, body: &Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = sim.sandbox.ask(method, path, API_KEY, body.as_bytes()).unwrap();
    assert!(status < 300, "{path}: {}", String::from_utf8_lossy(&answer));
}

/// What somebody does in the account.
#[derive(Clone, Copy)]
enum Hand {
    Deletes,
    TakesOff,
    PutsOn,
    OptsOut,
    OptsIn,
}

fn by_hand(sim: &Sim, way: Way, hand: Hand, email: &str) {
    let contents = sim.sandbox.contents();
    let id = contents.by_email(email).map(|contact| contact.id.clone()).unwrap_or_default();
    let merge = |more: Value| {
        let mut person = json!({ "fields": { "str::email": email } });
        for part in ["fields", "tags", "unset_tags"] {
            if let Some(more) = more.get(part) {
                match (&mut person[part], more) {
                    (Value::Object(fields), Value::Object(more)) => fields.extend(more.clone()),
                    (part, more) => *part = more.clone(),
                }
            }
        }
        let body = json!({ "people": [person], "async": false, "merge_by": ["str::email"], "merge_strategy": 2 });
        ask(sim, "POST", "/person/merge", &body);
    };
    let contact = |more: Value| {
        let mut contact = json!({ "Email": email });
        contact.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ask(sim, "POST", "/contact", &json!({ "contact": contact }));
    };
    let flag = |on: bool| match way {
        Way::Tag if on => merge(json!({ "tags": [LIST] })),
        Way::Tag => merge(json!({ "unset_tags": [LIST] })),
        Way::Flag => merge(json!({ "fields": { "bol:cm:reader": on } })),
        Way::Field => contact(json!({ "custom": { "boolean--Reader": on } })),
        _ => {
            if on && id.is_empty() {
                contact(json!({}));
            }
            let list = contents.lists.iter().find(|list| list.title == LIST).unwrap().id.clone();
            ask(sim, if on { "POST" } else { "DELETE" }, &format!("/list/{list}/contact/{email}"), &Value::Null);
        }
    };
    match hand {
        Hand::PutsOn => flag(true),
        Hand::TakesOff => flag(false),
        Hand::Deletes if way.is_ortto() => {
            ask(sim, "PUT", "/person/archive", &json!({ "inclusion_ids": [id] }));
            ask(sim, "DELETE", "/person/delete", &json!({ "inclusion_ids": [id] }));
        }
        Hand::Deletes => ask(sim, "DELETE", &format!("/contact/{id}"), &Value::Null),
        Hand::OptsOut if way.is_ortto() => merge(json!({ "fields": { "bol::p": false } })),
        Hand::OptsIn if way.is_ortto() => merge(json!({ "fields": { "bol::p": true } })),
        Hand::OptsOut => ask(sim, "POST", &format!("/contact/{id}/unsubscribe"), &Value::Null),
        Hand::OptsIn => contact(json!({ "unsubscribed": false })),
    }
}

fn who(number: u32) -> String {
    format!("person.{number}@example.com")
}

/// Who is marked as a member.
fn marked(sim: &Sim) -> BTreeSet<String> {
    let contents = sim.sandbox.contents();
    let mut members = contents.members(LIST);
    let flagged = contents.contacts.iter().filter(|contact| contact.custom.get("Reader") == Some(&json!(true)));
    members.extend(flagged.filter_map(|contact| contact.email.as_deref().map(str::to_lowercase)));
    members
}

/// The rows of a CSV, without its header.
fn rows(sim: &Sim, key: &str) -> Vec<Vec<String>> {
    let body = sim.store.body(key).unwrap_or_default();
    let text = String::from_utf8_lossy(&body).into_owned();
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// What a comparison finds of [`scene`].
fn found() -> Reconciled {
    Reconciled {
        segment: LIST.into(),
        members: 30,
        there: 30,
        missing: 1,
        deleted: 2,
        extra: 3,
        opted_out: 1,
        ..Reconciled::default()
    }
}

/// A list on which somebody was at work.
async fn scene(way: Way) -> Sim {
    scene_in(way, Sim::of(way, 1)).await
}

async fn scene_in(way: Way, sim: Sim) -> Sim {
    run(&sim, &sim.drop("first", &people(0, 30, 1))).await;
    for (hand, number) in [
        (Hand::Deletes, 1),
        (Hand::Deletes, 2),
        (Hand::TakesOff, 3),
        (Hand::PutsOn, 100),
        (Hand::PutsOn, 101),
        (Hand::PutsOn, 102),
        (Hand::OptsOut, 4),
    ] {
        by_hand(&sim, way, hand, &who(number));
    }
    sim
}

#[tokio::test(start_paused = true)]
async fn what_people_changed_by_hand_is_named_exactly() {
    for way in Way::ALL {
        let sim = scene(way).await;
        let (before, state) = (sim.sandbox.contents(), sim.store.body(&keys::profiles(EXPORT)));
        let report = reconcile(&sim, "look", Mode::Look).await;
        let expected = Reconciled { keeps_others: true, ..found() };
        assert_eq!((report.outcome, report.exit_code()), (Outcome::DifferencesFound, 1), "{way:?}");
        assert_eq!(report.reconciled, [expected], "{way:?}");
        let differences = rows(&sim, &keys::of_run(&report.run_id, keys::DIFFERENCES));
        let of = |what: &str| -> BTreeSet<String> {
            differences.iter().filter(|row| row[1] == what).map(|row| row[2].clone()).collect()
        };
        assert_eq!(of("missing"), set(&[&who(3)]), "{way:?}");
        assert_eq!(of("extra"), set(&[&who(100), &who(101), &who(102)]), "{way:?}");
        assert_eq!(of("opted out"), set(&[&who(4)]), "{way:?}");
        assert_eq!((of("deleted"), differences.len()), (set(&[""]), 7), "{way:?}: nobody knows their addresses");
        assert_eq!(sim.sandbox.contents(), before, "{way:?}: the account is as it was");
        assert_eq!(sim.store.body(&keys::profiles(EXPORT)), state, "{way:?}: so is the state");
    }
}

// The state then has ids of other people.
#[tokio::test(start_paused = true)]
async fn people_are_named_and_put_back_whatever_the_order_of_answers() {
    for order in ["entry-order=shuffled", "entry-order=completion"] {
        let mut sim = scene_in(Way::Tag, ortto::sim(&[order])).await;
        sim.set("/exports/newsletter/honour_optouts", json!(true));
        let report = reconcile(&sim, "look", Mode::Look).await;
        assert_eq!(report.reconciled, [Reconciled { keeps_others: true, ..found() }], "{order}");
        let differences = rows(&sim, &keys::of_run(&report.run_id, keys::DIFFERENCES));
        let of = |what: &str| differences.iter().filter(|row| row[1] == what).map(|row| row[2].clone()).collect();
        let sets: [BTreeSet<String>; 3] = ["missing", "opted out", "deleted"].map(of);
        assert_eq!(sets, [set(&[&who(3)]), set(&[&who(4)]), set(&[""])], "{order}");
        reconcile(&sim, "repair", Mode::Repair).await;
        let report = run(&sim, &sim.drop("second", &people(0, 30, 1))).await;
        let counts = (report.members.joiners, report.rows.suppressed, report.rows.unchanged);
        assert_eq!(counts, (3, 1, 26), "{order}: whose fields are known are not sent");
        let expected = (0..30).filter(|number| *number != 4).chain(100..103).map(who).collect();
        assert_eq!(marked(&sim), expected, "{order}");
        assert_eq!(reconcile(&sim, "after", Mode::Look).await.outcome, Outcome::NothingToDo, "{order}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_as_it_was_left_has_no_differences() {
    for way in Way::ALL {
        let sim = Sim::of(way, 1);
        run(&sim, &sim.drop("first", &people(0, 250, 1))).await;
        let report = reconcile(&sim, "look", Mode::Look).await;
        assert_eq!((report.outcome, report.exit_code()), (Outcome::NothingToDo, 0), "{way:?}");
        let [found] = report.reconciled.as_slice() else { panic!("{report:?}") };
        assert_eq!((found.members, found.there, found.differences()), (250, 250, 0), "{way:?}");
        assert!(sim.store.body(&keys::of_run(&report.run_id, keys::DIFFERENCES)).is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_adopted_loses_who_is_not_in_the_drop() {
    for way in Way::ALL {
        let sim = Sim::of(way, 1);
        let all = if matches!(way, Way::Bulk | Way::Tag) { 10_000 } else { 1_000 };
        let rest = all - all / 10;
        run(&sim, &sim.drop("first", &people(0, all, 1))).await;
        // The state is lost, and all that is known of runs.
        sim.store.keys().iter().filter(|key| !key.starts_with("segments/")).for_each(|key| sim.store.remove(key));
        let report = reconcile(&sim, "adopt", Mode::Adopt).await;
        assert_eq!((report.outcome, report.reconciled[0].extra), (Outcome::Succeeded, all.into()), "{way:?}");
        let report = run(&sim, &sim.drop("second", &people(0, rest, 1))).await;
        assert_eq!(
            (report.members.leavers, report.members.changed),
            ((all / 10).into(), rest.into()),
            "{way:?}: fields are sent once"
        );
        assert_eq!(marked(&sim).len(), rest as usize, "{way:?}");
        let report = run(&sim, &sim.drop("third", &people(0, rest, 1))).await;
        assert_eq!((report.outcome, report.rows.unchanged), (Outcome::NothingToDo, rest.into()), "{way:?}");
        assert_eq!(reconcile(&sim, "again", Mode::Look).await.reconciled[0].differences(), 0, "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn repair_puts_back_and_takes_off_then_nothing_differs() {
    for way in Way::ALL {
        for others in ["keep", "remove"] {
            let mut sim = scene(way).await;
            sim.set("/exports/newsletter/segments/0/others", json!(others));
            reconcile(&sim, "repair", Mode::Repair).await;
            let report = run(&sim, &sim.drop("second", &people(0, 30, 1))).await;
            let leavers = if others == "remove" { 3 } else { 0 };
            assert_eq!((report.members.joiners, report.members.leavers), (3, leavers), "{way:?} {others}");
            assert_eq!(report.rows.unchanged, 27, "{way:?} {others}: whose fields are known");
            let after = reconcile(&sim, "after", Mode::Look).await;
            assert_eq!(
                (after.outcome, after.reconciled[0].differences()),
                (Outcome::NothingToDo, 0),
                "{way:?} {others}"
            );
            assert_eq!(marked(&sim).len(), 33 - leavers as usize, "{way:?} {others}");
            let contents = sim.sandbox.contents();
            assert!(contents.by_email(&who(4)).unwrap().unsubscribed, "{way:?}: nobody is opted in");
        }
    }
}

/// Promise 2, of a comparison: at every call of every port, before it takes effect and after it.
#[tokio::test(start_paused = true)]
async fn a_comparison_that_dies_at_any_call_ends_the_same() {
    for way in [Way::List, Way::Field, Way::Tag, Way::Flag] {
        let play = async |kill: &std::sync::Arc<Kill>| {
            let mut sim = scene(way).await;
            sim.set("/exports/newsletter/segments/0/others", json!("remove"));
            let asked = comparison("repair", Mode::Repair);
            let (world, stop) = (sim.world(kill), Cancellation::default());
            let mut reported = tokio::select! {
                biased;
                () = kill.reached() => None,
                report = steps::reconcile(&world, &sim.config, &asked, &stop) => Some(report.unwrap()),
            };
            sim.leases.end_all();
            let has_ended = sim.store.body(&keys::of_run(&asked.run_id, "report.json")).is_some();
            if reported.is_none() && !has_ended {
                reported = Some(reconcile(&sim, "again", Mode::Repair).await);
            }
            if let Some(report) = reported {
                assert_eq!(report.reconciled, [found()], "{way:?} {}", kill.calls());
                assert_eq!(rows(&sim, &keys::of_run(&report.run_id, keys::DIFFERENCES)).len(), 7, "{way:?}");
            }
            let report = run(&sim, &sim.drop("second", &people(0, 30, 1))).await;
            assert_eq!((report.members.joiners, report.members.leavers), (3, 3), "{way:?} {}", kill.calls());
            assert_eq!(marked(&sim), (0..30).map(who).collect(), "{way:?}");
            assert_eq!(reconcile(&sim, "after", Mode::Look).await.outcome, Outcome::NothingToDo, "{way:?}");
            let left: Vec<String> = sim.store.keys().into_iter().filter(|key| keys::is_transient(key)).collect();
            assert!(left.is_empty(), "{way:?} {}: {left:?}", kill.calls());
        };
        let never = Kill::never();
        play(&never).await;
        assert!(never.calls() > 15, "{way:?}: {}", never.calls());
        for at in 1..=never.calls() {
            for after in [false, true] {
                play(&Kill::new(at, after)).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_opted_out_there_is_returned_and_no_longer_sent() {
    for way in Way::ALL {
        let mut sim = scene(way).await;
        sim.set("/exports/newsletter/honour_optouts", json!(true));
        let returned = |sim: &Sim| -> Vec<Vec<String>> {
            let files: Vec<String> = sim.store.keys().into_iter().filter(|key| key.starts_with("returns/")).collect();
            files.last().map(|key| rows(sim, key)).unwrap_or_default()
        };
        let held_back = async |sim: &Sim, name: &str| {
            let drop = people(0, 30, 2) + &who(4).to_uppercase() + ",Ann,3\n";
            let report = run(sim, &sim.drop(name, &drop)).await;
            (report.rows.suppressed, marked(sim).contains(&who(4)))
        };
        assert_eq!(held_back(&sim, "before").await, (0, true), "{way:?}: nobody knows yet");
        reconcile(&sim, "look", Mode::Look).await;
        let [row] = &returned(&sim)[..] else { panic!("{way:?}: {:?}", returned(&sim)) };
        assert_eq!((&row[0], &row[2]), (&who(4), &format!("eu: {LIST}")), "{way:?}");
        assert_eq!(held_back(&sim, "after").await, (1, false), "{way:?}");
        let state = sim.store.body(&keys::opted_out("eu")).unwrap();
        assert!(!String::from_utf8_lossy(&state).contains("example.com"), "{way:?}: the state has digests");
        // They are off the list, and still known.
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        reconcile(&sim, "again", Mode::Look).await;
        assert_eq!(returned(&sim)[0][..2], row[..2], "{way:?}");
        by_hand(&sim, way, Hand::OptsIn, &who(4));
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        reconcile(&sim, "opted in", Mode::Look).await;
        assert_eq!(held_back(&sim, "in again").await, (0, true), "{way:?}");
    }
}

/// Who is gone is a joiner, unless archived: sent anew, the person would be another contact, subscribed and billed.
#[tokio::test(start_paused = true)]
async fn an_archived_member_does_not_join_after_a_repair() {
    for way in [Way::Tag, Way::Flag] {
        for (by_id, opts_out, mode) in [
            ("archived-by-id=false", false, Mode::Repair),
            ("archived-by-id=true", false, Mode::Repair),
            ("archived-by-id=false", true, Mode::Repair),
            ("archived-by-id=false", false, Mode::Adopt),
        ] {
            let place = format!("{way:?} {by_id} {opts_out} {mode:?}");
            let sim = Sim::with(way, OrttoOptions::parse([by_id]).unwrap().into());
            run(&sim, &sim.drop("first", &people(0, 10, 1))).await;
            if opts_out {
                by_hand(&sim, way, Hand::OptsOut, &who(1));
            }
            let id = sim.sandbox.contents().by_email(&who(1)).unwrap().id.clone();
            ask(&sim, "PUT", "/person/archive", &json!({ "inclusion_ids": [id] }));
            by_hand(&sim, way, Hand::Deletes, &who(2));
            let report = reconcile(&sim, "look", Mode::Look).await;
            let [found] = report.reconciled.as_slice() else { panic!("{report:?}") };
            assert_eq!((found.archived, found.deleted, found.differences()), (1, 1, 1), "{place}: {found:?}");
            let differences = rows(&sim, &keys::of_run(&report.run_id, keys::DIFFERENCES));
            assert!(differences.iter().any(|row| row[1] == "archived" && row[3] == id), "{place}: {differences:?}");
            reconcile(&sim, "repair", mode).await;
            let report = run(&sim, &sim.drop("second", &people(0, 10, 1))).await;
            assert_eq!((report.members.joiners, report.rows.unchanged), (1, 9), "{place}: {report:?}");
            let after = reconcile(&sim, "after", Mode::Look).await;
            let [found] = after.reconciled.as_slice() else { panic!("{after:?}") };
            assert_eq!((after.outcome, found.archived, found.differences()), (Outcome::NothingToDo, 1, 0), "{place}");
            let report = run(&sim, &sim.drop("third", &people(0, 10, 2))).await;
            assert_eq!((report.rows.delivered, report.rows.suppressed), (9, 1), "{place}: {report:?}");
            let contents = sim.sandbox.contents();
            let own: Vec<_> = contents.contacts.iter().filter(|held| held.email == Some(who(1))).collect();
            assert!(own.len() == 1 && own[0].archived, "{place}: {own:?}");
            let (world, sought) = (sim.world(&Kill::never()), Sought::read(&who(1)).unwrap());
            let said = history(&world, &sim.config, &sought).await.unwrap();
            assert!(said.verdicts[0].words.contains("or has archived the person"), "{place}: {said:?}");
        }
    }
}
