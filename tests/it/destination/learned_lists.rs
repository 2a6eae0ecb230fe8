//! A learned setup expires: joiners are spot-checked, and lists may disappear.

use std::future::pending;
use std::sync::Arc;

use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{LearnedStrategy, keys};
use autopilot_export::sandbox::{AutopilotOptions, BulkLists, Options};
use autopilot_export::steps::{self, Cancellation, Environment, Limit};
use jiff::SignedDuration;

use crate::support::fixture::{API_KEY, LIST, people, sent_nothing};
use crate::support::kill::Kill;
use crate::support::sim::{self, Sim};

const WAYS: [BulkLists; 3] = [BulkLists::Never, BulkLists::CreateOnly, BulkLists::Always];

fn account(bulk: BulkLists, single: BulkLists) -> Sim {
    Sim::new(Options::from(AutopilotOptions { bulk_lists: bulk, single_lists: single, ..AutopilotOptions::default() }))
}

async fn run(sim: &Sim, name: &str, drop: &str) -> Report {
    let request = sim.drop(name, drop);
    steps::run(&sim.world(&Kill::never()), &sim.config, &request, &Cancellation::default()).await.unwrap()
}

fn members(sim: &Sim) -> usize {
    sim.sandbox.contents().members(LIST).len()
}

#[tokio::test(start_paused = true)]
async fn an_account_that_changes_its_way_between_runs_is_found_out() {
    for (bulk, single) in [(BulkLists::Always, BulkLists::Always), (BulkLists::Never, BulkLists::Always)] {
        for now in [(BulkLists::Never, BulkLists::Never), (BulkLists::Never, BulkLists::Always)] {
            // Few joiners, and many.
            for to in [43, 200] {
                let sim = account(bulk, single);
                run(&sim, "first", &people(0, 40, 1)).await;
                sim.sandbox.change(|options| (options.autopilot.bulk_lists, options.autopilot.single_lists) = now);
                let report = run(&sim, "second", &people(0, to, 1)).await;
                assert_eq!((report.outcome, members(&sim)), (Outcome::Succeeded, to as usize), "{bulk:?} {now:?}");
                assert!(sent_nothing(&run(&sim, "third", &people(0, to, 1)).await), "{bulk:?} {now:?}");
                // The canary runs again.
                let report = run(&sim, "fourth", &people(0, to + 40, 1)).await;
                assert_eq!(members(&sim), to as usize + 40, "{report:?}");
                let way = if now.1 == BulkLists::Always { "single" } else { "bulk_then_list" };
                assert_eq!(report.list_strategy.as_deref(), Some(way), "{bulk:?} {now:?} {to}");
            }
        }
    }
}

/// Ends when this many contacts were sent, and bulk calls have just stopped adding joiners.
async fn bulk_stops(sim: &Sim, contacts: usize) {
    while sim.sandbox.contact_count() < contacts {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    sim.sandbox.change(|options| options.autopilot.bulk_lists = BulkLists::Never);
}

/// Two lanes, of which the account stops adding joiners in the middle. Returns none where the run was killed.
async fn changes_its_way(sim: &Sim, people_count: u32, contacts: usize, kill: &Arc<Kill>) -> Option<Report> {
    let request = sim.drop("first", &people(0, people_count, 1));
    let (world, stop) = (sim.world(kill), Cancellation::default());
    let changes = async {
        bulk_stops(sim, contacts).await;
        pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = kill.reached() => None,
        report = steps::run(&world, &sim.config, &request, &stop) => Some(report.unwrap()),
        () = changes => unreachable!(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_that_changes_its_way_in_mid_run_is_put_right() {
    let mut sim = account(BulkLists::Always, BulkLists::Always);
    sim.pace(10, 2);
    let report = changes_its_way(&sim, 4000, 1500, &Kill::never()).await.unwrap();
    assert_eq!((report.outcome, report.rows.delivered, members(&sim)), (Outcome::Succeeded, 4000, 4000), "{report:?}");
    assert_eq!(report.list_strategy.as_deref(), Some("bulk_then_list"));
    assert!(report.warnings.iter().any(|warning| warning.contains("stopped adding joiners")), "{report:?}");
    assert!(sent_nothing(&run(&sim, "second", &people(0, 4000, 1)).await));
}

#[tokio::test(start_paused = true)]
async fn a_run_killed_while_it_puts_joiners_right_claims_nobody() {
    let mut later_kills = 0;
    for at in (60..).step_by(7) {
        let mut sim = account(BulkLists::Always, BulkLists::Always);
        sim.pace(20, 2);
        let kill = Kill::new(at, at % 2 == 0);
        kill.count_only_writes();
        let killed = changes_its_way(&sim, 900, 400, &kill).await.is_none();
        later_kills += u32::from(killed && members(&sim) > 0 && sim.sandbox.contact_count() == 900);
        let next = run(&sim, "second", &people(0, 900, 1)).await;
        assert!(next.error.is_none() && members(&sim) == 900, "{at}: {next:?}");
        assert!(sent_nothing(&run(&sim, "third", &people(0, 900, 1)).await), "{at}");
        if !killed {
            break;
        }
    }
    assert!(later_kills > 3, "{later_kills}");
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_finds_it_out_doubts_the_other_lanes() {
    let mut sim = account(BulkLists::Always, BulkLists::Always);
    sim.pace(20, 2);
    let (request, world) = (sim.drop("first", &people(0, 4000, 1)), sim.world(&Kill::never()));
    steps::prepare(&world, &sim.config, &request).await.unwrap();
    let opened = steps::open(&world, &sim.config, &request).await.unwrap();
    assert_eq!(opened.count, 2);
    let deliver = |lane| {
        let limit = Limit { until: Some(world.clock().now() + SignedDuration::from_secs(900)), ..Limit::default() };
        let (world, config, request) = (&world, &sim.config, &request);
        async move { steps::deliver(world, config, request, lane, &limit).await.unwrap().done }
    };
    // After the first lane's last spot check, so it trusts what follows.
    assert!(tokio::join!(deliver(0), bulk_stops(&sim, 1700)).0);
    assert!(members(&sim) < sim.sandbox.contact_count(), "the first lane noticed");
    assert!(deliver(1).await);
    let report = steps::finish(&world, &sim.config, &request, None).await.unwrap();
    assert!(report.rows.delivered <= members(&sim) as u64, "nobody is claimed who is not there: {report:?}");
    assert!(report.error.as_ref().is_some_and(|error| error.message.contains("stopped adding joiners")), "{report:?}");
    run(&sim, "second", &people(0, 4000, 1)).await;
    assert_eq!(members(&sim), 4000);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_goes_in_mid_run_ends_it() {
    for way in WAYS {
        let mut sim = account(way, way);
        sim.pace(10, 2);
        let request = sim.drop("first", &people(0, 4000, 1));
        let (world, stop) = (sim.world(&Kill::never()), Cancellation::default());
        let goes = async {
            while sim.sandbox.contact_count() < 600 {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            let list = sim.sandbox.contents().lists[0].id.clone();
            sim.sandbox.ask("DELETE", &format!("list/{list}"), API_KEY, b"").unwrap();
            std::future::pending::<()>().await;
        };
        let report = tokio::select! {
            report = steps::run(&world, &sim.config, &request, &stop) => report.unwrap(),
            () = goes => unreachable!(),
        };
        let message = report.error.clone().map(|error| error.message).unwrap_or_default();
        assert!(message.contains("the list of a segment was removed"), "{way:?} {message} {:?}", report.rows);
        assert_eq!(report.rows.rejected, 0, "{way:?}");
    }
}

// Behind the last spot check every call is answered as before.
#[tokio::test(start_paused = true)]
async fn a_list_that_goes_after_the_last_spot_check_fails_the_run() {
    for (way, from) in [(BulkLists::Always, 4000), (BulkLists::CreateOnly, 3990)] {
        let mut sim = account(way, BulkLists::Always);
        sim.pace(20, 1);
        let request = sim.drop("first", &people(0, 4000, 1));
        let (world, stop) = (sim.world(&Kill::never()), Cancellation::default());
        let goes = async {
            while sim.sandbox.contact_count() < from {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            let list = sim.sandbox.contents().lists[0].id.clone();
            sim.sandbox.ask("DELETE", &format!("list/{list}"), API_KEY, b"").unwrap();
            // A call for one joiner is answered 200, too.
            sim.sandbox.change(|options| options.autopilot.single_lists = BulkLists::Never);
            std::future::pending::<()>().await;
        };
        let report = tokio::select! {
            report = steps::run(&world, &sim.config, &request, &stop) => report.unwrap(),
            () = goes => unreachable!(),
        };
        let message = report.error.clone().map(|error| error.message).unwrap_or_default();
        assert!(message.contains(&format!("the list \"{LIST}\" is gone since the run began")), "{way:?} {message}");
        assert_eq!((report.outcome, report.rows.pending), (Outcome::Failed, 4000), "{way:?} {:?}", report.rows);
        assert!(report.warnings.iter().all(|warning| !warning.contains("stopped adding")), "{:?}", report.warnings);
        // The next run does not take anybody for a member.
        let next = run(&sim, "second", &people(0, 4000, 1)).await;
        assert!(next.error.is_some() || members(&sim) == 4000, "{next:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_joiner_is_read_back_beside_the_first_two() {
    let sim = account(BulkLists::Always, BulkLists::Always);
    let asked = || sim.sandbox.counters().of("GET /list/{list}/contact/{contact}");
    run(&sim, "first", &people(0, 40, 1)).await;
    for (name, to, version, expected) in [("changed", 40, 2, 0), ("joining", 50, 2, 3), ("nothing", 50, 2, 0)] {
        let before = asked();
        run(&sim, name, &people(0, to, version)).await;
        assert_eq!(asked() - before, expected, "{name}");
    }
}

/// What comes in the way of the last question.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    NoAnswer,
    Stop,
    Kill,
}

#[tokio::test(start_paused = true)]
async fn what_the_account_does_not_confirm_is_pending() {
    for trouble in [Trouble::NoAnswer, Trouble::Stop, Trouble::Kill] {
        let mut sim = account(BulkLists::Always, BulkLists::Always);
        sim.pace(10, 1);
        run(&sim, "before", &people(0, 300, 1)).await;
        let (request, world) = (sim.drop("first", &people(0, 400, 1)), sim.world(&Kill::never()));
        steps::prepare(&world, &sim.config, &request).await.unwrap();
        steps::open(&world, &sim.config, &request).await.unwrap();
        let until = Some(world.clock().now() + SignedDuration::from_secs(900));
        let limit = Limit { until, ..Limit::default() };
        assert!(steps::deliver(&world, &sim.config, &request, 0, &limit).await.unwrap().done);
        // As if the account had stopped in the last call, behind those whom it was asked for.
        let list = sim.sandbox.contents().lists[0].id.clone();
        for number in 367..400 {
            let path = format!("list/{list}/contact/person.{number}@example.com");
            assert_eq!(sim.sandbox.ask("DELETE", &path, API_KEY, b"").unwrap().0, 200);
        }
        let stop = Cancellation::default();
        match trouble {
            Trouble::NoAnswer => sim.sandbox.set_faults(vec!["503:1".parse().unwrap()]),
            Trouble::Stop => stop.cancel(),
            Trouble::Kill => sim.leases.end_all(),
        }
        if !matches!(trouble, Trouble::Kill) {
            let report = steps::run(&world, &sim.config, &request, &stop).await.unwrap();
            assert_eq!((report.rows.delivered, report.rows.pending), (0, 100), "{trouble:?}: {report:?}");
        }
        sim.sandbox.clear_faults();
        let report = run(&sim, "second", &people(0, 400, 1)).await;
        assert_eq!((report.outcome, members(&sim)), (Outcome::Succeeded, 400), "{trouble:?}: {report:?}");
    }
}

// Before its last spot check and behind it; with few joiners and many.
#[tokio::test(start_paused = true)]
async fn an_account_that_changes_its_way_at_any_time_is_put_right() {
    for (joiners, lanes) in [(300, 1), (900, 2), (3000, 1)] {
        for contacts in (150..joiners).step_by(joiners as usize / 5) {
            let mut sim = account(BulkLists::Always, BulkLists::Always);
            sim.pace(10 * lanes, lanes);
            let report = changes_its_way(&sim, joiners, contacts as usize, &Kill::never()).await.unwrap();
            let expected = (Outcome::Succeeded, u64::from(joiners), joiners as usize);
            assert_eq!((report.outcome, report.rows.delivered, members(&sim)), expected, "{contacts} {report:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_learnt_is_forgotten_after_thirty_days() {
    for (days, way) in [(29, "bulk"), (31, "single")] {
        let sim = account(BulkLists::Always, BulkLists::Always);
        run(&sim, "first", &people(0, 40, 1)).await;
        let key = keys::learned_setup(&sim::account());
        let mut learned: LearnedStrategy = serde_json::from_slice(&sim.store.body(&key).unwrap()).unwrap();
        learned.at -= SignedDuration::from_hours(24 * days);
        sim.store.write(&key, serde_json::to_vec(&learned).unwrap());
        sim.sandbox.change(|options| options.autopilot.bulk_lists = BulkLists::CreateOnly);
        let report = run(&sim, "second", &people(0, 80, 1)).await;
        assert_eq!((report.list_strategy.as_deref(), members(&sim)), (Some(way), 80), "after {days} days");
    }
}
