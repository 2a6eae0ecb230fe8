//! Ortto in trouble: the right people are tagged, each row is judged once, and no ban is drawn.

use std::time::Duration;

use autopilot_export::contact::RejectCode;
use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{RunRequest, keys};
use autopilot_export::sandbox::{BanRule, BanSign, Fault, Options, OrttoOptions};
use autopilot_export::state::MemberStatus;
use autopilot_export::steps::{self, Cancellation};
use serde_json::json;

use crate::destination::ortto::{emails, tagged};
use crate::support::fixture::{EXPORT, more, people, profiles_of};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way};

fn sim(way: Way, assumed: &[&str], faults: &str, seed: u64) -> Sim {
    let faults = Fault::parse_list(faults).unwrap();
    let account: Options = OrttoOptions::parse(assumed.iter().copied()).unwrap().into();
    let mut sim = Sim::with(way, Options { faults, seed, rate: Some(200.0), ..account });
    sim.set("/connections/eu/patience_seconds", json!(600));
    sim.pace(100, 2);
    sim
}

async fn run_to_its_end(sim: &Sim, kill: &std::sync::Arc<Kill>, request: &RunRequest) -> Report {
    let world = sim.world(kill);
    let earlier = steps::resume(&world, &sim.config, request).await.unwrap();
    let request = earlier.as_ref().unwrap_or(request);
    let report = steps::run(&world, &sim.config, request, &Cancellation::default()).await.unwrap();
    assert!(report.rows.add_up(), "{report:?}");
    report
}

async fn run(sim: &Sim, name: &str, drop: &str) -> Report {
    run_to_its_end(sim, &Kill::never(), &sim.drop(name, drop)).await
}

/// The state's confirmed profiles without their contacts' ids, which are hints where entries are shuffled. A row that was
/// refused after it may have been sent is in the state too, as one that may be a member.
fn state(sim: &Sim) -> Vec<([u8; 32], [u8; 16], Vec<MemberStatus>)> {
    let (_, profiles) = profiles_of(&sim.store.body(&keys::profiles(EXPORT)).unwrap());
    let confirmed = profiles.into_iter().filter(|profile| profile.memberships.contains(&MemberStatus::Confirmed));
    confirmed.map(|profile| (profile.key, profile.digest, profile.memberships)).collect()
}

const MIXED: [&[&str]; 5] = [
    &[],
    &["mixed-batch=omitted", "entry-order=shuffled"],
    &["mixed-batch=refused"],
    &["mixed-batch=refused-but-applied", "entry-order=shuffled", "refused-merges-are-bad-requests=true"],
    &["skipped-rows=omitted", "mixed-batch=omitted", "entry-order=completion"],
];

#[tokio::test(start_paused = true)]
async fn batches_of_nothing_but_bad_rows_draw_no_ban() {
    for assumed in MIXED {
        for way in [Way::Tag, Way::Flag] {
            let sim = sim(way, assumed, "refuse-rows:person.", 1);
            let report = run(&sim, "first", &people(0, 950, 1)).await;
            assert_eq!(
                (report.rows.rejected, report.rejects[&RejectCode::Refused]),
                (950, 950),
                "{assumed:?} {report:?}"
            );
            assert_eq!((sim.sandbox.counters().bans, sim.sandbox.contact_count()), (0, 0), "{assumed:?}");
            let rejects = sim.store.body(&keys::of_run(&report.run_id, "rejects.csv")).unwrap();
            assert_eq!(String::from_utf8_lossy(&rejects).lines().count(), 951, "a line and a reason for each");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn some_bad_rows_in_every_batch_are_judged_alone_without_a_ban() {
    for assumed in MIXED {
        // Three of each hundred rows.
        let is_bad = |n: u32| matches!(n % 100, 3 | 50 | 99);
        let bad = (0..500).filter(|n| is_bad(*n)).map(|n| format!("refuse-rows:person.{n}@"));
        let sim = sim(Way::Tag, assumed, &bad.collect::<Vec<_>>().join(","), 1);
        let report = run(&sim, "first", &people(0, 500, 1)).await;
        let good = emails((0..500).filter(|n| !is_bad(*n)));
        assert_eq!(tagged(&sim), good, "{assumed:?} {report:?}");
        assert_eq!((report.rows.delivered, sim.sandbox.counters().bans), (good.len() as u64, 0), "{assumed:?}");
        assert_eq!(report.rows.rejected + report.rows.delivered, 500, "{assumed:?}");
    }
}

// A batch with such a row is refused without a word on any row.
#[tokio::test(start_paused = true)]
async fn a_bad_row_that_no_answer_names_is_found_among_good_ones() {
    let sim = sim(Way::Tag, &[], "refuse-batch:person.77@", 1);
    let report = run(&sim, "first", &people(0, 300, 1)).await;
    assert_eq!((report.rows.delivered, report.rejects[&RejectCode::Refused]), (299, 1), "{report:?}");
    assert_eq!((tagged(&sim), sim.sandbox.counters().bans), (emails((0..300).filter(|n| *n != 77)), 0));
}

#[tokio::test(start_paused = true)]
async fn where_everything_is_refused_the_run_ends_and_blames_no_row() {
    for rows in [1, 300] {
        let sim = sim(Way::Tag, &[], "refuse-batch:person.", 1);
        let report = run(&sim, "first", &people(0, rows, 1)).await;
        let error = report.error.as_ref().unwrap();
        assert!(error.message.contains("status 400") && error.message.contains("fault of the sandbox"), "{error:?}");
        assert_eq!((report.rows.pending, report.rows.rejected), (u64::from(rows), 0), "{report:?}");
        let counters = sim.sandbox.counters();
        assert!(counters.bans == 0 && counters.answered(400) <= 9, "{} refusals", counters.answered(400));
        sim.sandbox.clear_faults();
        let report = run(&sim, "second", &people(0, rows, 1)).await;
        assert_eq!((report.outcome, tagged(&sim)), (Outcome::Succeeded, emails(0..rows)), "{report:?}");
    }
}

// Each process begins with no refusals of its own, and is killed once it has as many as it may.
#[tokio::test(start_paused = true)]
async fn processes_killed_one_after_another_draw_no_ban() {
    let sim = sim(Way::Tag, &["refused-merges-are-bad-requests=true"], "refuse-batch:person.", 1);
    let request = sim.drop("first", &people(0, 950, 1));
    let refused = || sim.sandbox.counters().answered(400);
    for process in 1..=4 {
        let is_at_its_most = async {
            while refused() < process * 6 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let never = Kill::never();
        tokio::select! {
            () = is_at_its_most => {}
            report = run_to_its_end(&sim, &never, &request) => panic!("{process}: {report:?}"),
        }
    }
    assert_eq!(sim.sandbox.counters().bans, 0, "{} refusals", refused());
}

// Other programs behind the address may draw a ban: it is waited out, and nobody is lost.
#[tokio::test(start_paused = true)]
async fn a_ban_that_others_draw_is_waited_out() {
    for sign in [BanSign::Status(403), BanSign::Cut, BanSign::Status(429)] {
        for after in [0, 400, 2500] {
            let mut sim = sim(Way::Tag, &["entry-order=shuffled"], "", 1);
            sim.pace(4, 1);
            sim.sandbox.change(|options| {
                options.ban = Some(BanRule { requests: 15, window: Duration::from_secs(15), sign });
            });
            let others = async {
                tokio::time::sleep(Duration::from_millis(after)).await;
                (0..15).for_each(|_| std::mem::drop(sim.sandbox.ask("POST", "/person/merge", "any", b"no JSON")));
            };
            let drop = people(0, 1200, 1);
            let (report, ()) = tokio::join!(run(&sim, "first", &drop), others);
            assert_eq!(
                (report.outcome, report.rows.delivered),
                (Outcome::Succeeded, 1200),
                "{sign:?} {after} {report:?}"
            );
            assert_eq!((tagged(&sim), sim.sandbox.contact_count()), (emails(0..1200), 1200), "{sign:?} {after}");
            assert_eq!(sim.sandbox.counters().bans, 1, "{sign:?} {after}: another was drawn");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lost_and_shuffled_answers_leave_the_right_people_tagged() {
    let assumed: [&[&str]; 4] = [
        &["entry-order=shuffled", "mixed-batch=omitted"],
        &["concurrent-merges=1", "entry-order=completion"],
        &["concurrent-merges=1", "concurrency-status=409", "skipped-rows=omitted"],
        &["read-lag-ms=1500", "mixed-batch=refused-but-applied"],
    ];
    for (seed, assumed) in (1..).zip(assumed) {
        for way in [Way::Tag, Way::Flag] {
            let faults = "cut-after:0.2,500:0.1,stall:0.02,refuse-rows:person.77@";
            let sim = sim(way, assumed, faults, seed);
            let report = run(&sim, "first", &people(0, 700, 1)).await;
            let place = format!("{way:?} {assumed:?}");
            assert_eq!((report.rows.delivered, report.rows.rejected), (699, 1), "{place} {report:?}");
            // A fifth leaves, some change, some come.
            let drop = people(140, 200, 2) + &more(200, 760, 1);
            let report = run(&sim, "second", &drop).await;
            // The refused one is among them where a request that carried it had no answer.
            let leavers = report.members.leavers;
            assert!(report.rows.pending == 0 && (139..=140).contains(&leavers), "{place} {report:?}");
            let held = sim.held();
            let members = |name: &String| match way {
                Way::Tag => held[name].2,
                _ => held[name].1["Reader"] == json!(true),
            };
            let now: std::collections::BTreeSet<String> = held.keys().filter(|name| members(name)).cloned().collect();
            assert_eq!(now, emails(140..760), "{place}");
            assert_eq!(
                (held.len(), sim.sandbox.counters().bans),
                (759, 0),
                "{place}: somebody was made twice, or by leaving"
            );
        }
    }
}

// Promise 2, of batches with good and bad rows, whatever a mixed batch answers.
#[tokio::test(start_paused = true)]
async fn mixed_batches_end_the_same_wherever_the_run_is_killed() {
    for (number, assumed) in MIXED.into_iter().enumerate() {
        let play = async |kill: &std::sync::Arc<Kill>| {
            let sim = sim(Way::Tag, assumed, "refuse-rows:person.12@,refuse-rows:person.31@", 1);
            run(&sim, "yesterday", &people(0, 8, 1)).await;
            let request = sim.drop("today", &(people(4, 6, 2) + &more(6, 8, 1) + &more(8, 40, 1)));
            let killed = tokio::select! {
                biased;
                () = kill.reached() => true,
                _ = run_to_its_end(&sim, kill, &request) => false,
            };
            let again = RunRequest { run_id: crate::support::sim::request("again", "").run_id, ..request };
            let report = if killed { Some(run_to_its_end(&sim, &Kill::never(), &again).await) } else { None };
            (sim, report)
        };
        let never = Kill::never();
        let (whole, _) = play(&never).await;
        let good = emails((4..40).filter(|n| ![12, 31].contains(n)));
        assert_eq!(tagged(&whole), good, "{assumed:?}");
        let calls = never.calls();
        assert!(calls > 30, "{calls}");
        // Each call, before it and after it in turn.
        for at in 1..=calls {
            let kill = Kill::new(at, (at as usize + number).is_multiple_of(2));
            let (sim, report) = play(&kill).await;
            let place = format!("{assumed:?}, call {at}: {report:?}");
            assert_eq!(tagged(&sim), good, "{place}");
            assert_eq!((sim.held(), state(&sim)), (whole.held(), state(&whole)), "{place}");
            assert_eq!(sim.sandbox.counters().bans, 0, "{place}");
            let refused = report.map_or(2, |report| report.rejects[&RejectCode::Refused]);
            assert_eq!(refused, 2, "{place}");
        }
    }
}
