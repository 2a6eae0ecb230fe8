//! Promises 4 and 5: "The same drop, event, step or request delivered twice ends as if it had been delivered once",
//! and "A drop strictly older than the one last applied is `superseded` and sends nothing."

use std::time::Duration;

use autopilot_export::ports::{Clock, Leases, Store};
use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{RunRequest, Trigger, keys};
use autopilot_export::steps::{self, Cancellation, Limit, Prepared};
use serde_json::json;

use crate::support::fixture::{EXPORT, LIST, people, settings};
use crate::support::flaky_store::{FaultKind, Faulty};
use crate::support::kill::Kill;
use crate::support::lease_checked_store::TERM;
use crate::support::sim::{Sim, Way, request};

async fn run(sim: &Sim, request: &RunRequest) -> Report {
    steps::run(&sim.world(&Kill::never()), &sim.config, request, &Cancellation::default()).await.unwrap()
}

/// Three drops, one after the other in time, as events tell of them.
fn drops(sim: &Sim) -> [RunRequest; 3] {
    [("a", 1), ("b", 2), ("c", 3)].map(|(name, value)| {
        let request = sim.drop(name, &people(0, 10 + value as u32, value));
        RunRequest { trigger: Trigger::S3, ..request }
    })
}

#[tokio::test(start_paused = true)]
async fn drops_in_any_order_and_twice_end_with_the_newest() {
    for way in Way::DESTINATIONS {
        let orders: Vec<[usize; 3]> = vec![[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        for order in orders {
            for twice in [false, true] {
                let mut sim = Sim::of(way, 1);
                sim.pace(100, 2);
                let requests = drops(&sim);
                let mut newest = None;
                for at in order {
                    let report = run(&sim, &requests[at]).await;
                    let expected =
                        if newest.is_some_and(|newest| at < newest) { Outcome::Superseded } else { Outcome::Succeeded };
                    assert_eq!(report.outcome, expected, "{order:?}, {at}: {report:?}");
                    newest = newest.max(Some(at));
                    if twice {
                        let before = sim.sent.lock().unwrap().len();
                        let again = run(&sim, &requests[at]).await;
                        assert_eq!((again, sim.sent.lock().unwrap().len()), (report, before), "{order:?}, {at}");
                    }
                }
                let held = sim.held();
                let on_list = held.values().filter(|(_, _, on_list)| *on_list).count();
                assert_eq!((on_list, sim.state().len()), (13, 13), "{order:?}");
                assert!(held.values().all(|(_, custom, on_list)| !on_list || custom["Value"] == 3), "{order:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn drops_that_come_at_once_end_with_the_newest() {
    for way in Way::DESTINATIONS {
        let mut sim = Sim::of(way, 1);
        sim.pace(100, 2);
        let requests = drops(&sim);
        let (a, b, c) = tokio::join!(run(&sim, &requests[2]), run(&sim, &requests[0]), run(&sim, &requests[1]));
        assert_eq!([a.outcome, b.outcome, c.outcome], [Outcome::Succeeded, Outcome::Superseded, Outcome::Superseded]);
        assert!(sim.held().values().all(|(_, custom, _)| custom["Value"] == 3));
    }
}

// A newer drop comes when an older one has been prepared: it waits, and then counts.
#[tokio::test(start_paused = true)]
async fn a_drop_that_comes_when_another_is_prepared_waits_and_counts() {
    for way in Way::DESTINATIONS {
        let mut sim = Sim::of(way, 1);
        sim.pace(100, 2);
        let requests = drops(&sim);
        let world = sim.world(&Kill::never());
        let ready = steps::prepare(&world, &sim.config, &requests[1]).await.unwrap();
        assert!(matches!(ready, Prepared::Ready { .. }), "{ready:?}");
        for other in [0, 2] {
            let waits = steps::prepare(&world, &sim.config, &requests[other]).await.unwrap();
            assert!(matches!(waits, Prepared::Wait { .. }), "{waits:?}");
        }
        let (middle, newest) = tokio::join!(run(&sim, &requests[1]), run(&sim, &requests[2]));
        assert_eq!((middle.outcome, newest.outcome), (Outcome::Succeeded, Outcome::Succeeded));
        assert_eq!(run(&sim, &requests[0]).await.outcome, Outcome::Superseded);
        assert!(sim.held().values().all(|(_, custom, _)| custom["Value"] == 3));
    }
}

fn source(report: &Report) -> &str {
    assert_eq!(report.sources.len(), 1, "{report:?}");
    &report.sources[0].key
}

/// A request as a trigger makes it: of an event for its drop, of a schedule for the newest.
fn asked(trigger: Trigger, name: &str, key: &str) -> RunRequest {
    let mut request = RunRequest { trigger, ..request(name, key) };
    if trigger == Trigger::Schedule {
        request.drops.clear();
    }
    request
}

// A newer drop comes in the middle of the reading of an older one, at any piece of it: what is read was fixed before, and
// the newer one is the next run's.
#[tokio::test(start_paused = true)]
async fn a_drop_that_lands_while_another_is_read_is_the_next_ones() {
    let (older, newer) = ("segments/newsletter/older.csv", "segments/newsletter/newer.csv");
    for (trigger, way) in [(Trigger::S3, Way::Bulk), (Trigger::Schedule, Way::Bulk), (Trigger::S3, Way::Tag)] {
        let mut landings = 0;
        for at in 1.. {
            let mut sim = Sim::of(way, 1);
            sim.pace(100, 2);
            sim.store.write(older, people(0, 200, 1));
            let store = Faulty::new(&sim, FaultKind::Lands, at);
            *store.lands.lock().unwrap() = Some((newer.into(), people(10, 210, 2)));
            let world = sim.process(store.clone(), Duration::ZERO, &Kill::never());
            let first = asked(trigger, "first", older);
            let report = steps::run(&world, &sim.config, &first, &Cancellation::default()).await.unwrap();
            if store.lands.lock().unwrap().is_some() {
                break;
            }
            landings += 1;
            let place = format!("{trigger:?}, lands at call {at}");
            assert_eq!((source(&report), report.rows.delivered), (older, 200), "{place}: {report:?}");
            let report = run(&sim, &asked(trigger, "second", newer)).await;
            assert_eq!((source(&report), report.rows.delivered), (newer, 200), "{place}: {report:?}");
            assert_eq!((report.members.joiners, report.members.leavers), (10, 10), "{place}: {report:?}");
            let late = run(&sim, &asked(Trigger::S3, "late", older)).await;
            assert_eq!(late.outcome, Outcome::Superseded, "{place}: {late:?}");
            let held = sim.held();
            let values = held.values().filter(|(_, custom, on_list)| *on_list && custom["Value"] == 2).count();
            assert_eq!((values, sim.state().len()), (200, 200), "{place}");
        }
        assert!(landings > 6, "{landings}");
    }
}

// "Its listing is frozen then; a part that comes later makes a new version of the drop."
#[tokio::test(start_paused = true)]
async fn a_repeated_prepare_keeps_its_listing() {
    for way in Way::DESTINATIONS {
        let folder = "segments/newsletter/2026/11/23/0600/";
        let (mut frozen_times, mut open_times) = (0, 0);
        for at in 1.. {
            let mut sim = Sim::of(way, 1);
            sim.pace(100, 2);
            sim.set("/exports/newsletter/segments/0/drop", json!("folder"));
            let yesterday = sim.drop("2026/11/22/0600/all", &people(0, 20, 1));
            run(&sim, &RunRequest { trigger: Trigger::S3, ..yesterday }).await;
            sim.store.write(&format!("{folder}part_1.csv"), people(0, 10, 1));
            sim.store.write(&format!("{folder}_SUCCESS"), "");
            let kill = Kill::new(at, at % 2 == 0);
            let event = asked(Trigger::S3, "first", &format!("{folder}part_1.csv"));
            let world = sim.world(&kill);
            tokio::select! {
                biased;
                () = kill.reached() => {}
                prepared = steps::prepare(&world, &sim.config, &event) => {
                    assert!(matches!(prepared, Ok(Prepared::Ready { .. })), "{prepared:?}");
                    break;
                }
            }
            let frozen = sim.store.body(&keys::of_run(&event.run_id, "run.json")).is_some();
            (frozen_times, open_times) = (frozen_times + u32::from(frozen), open_times + u32::from(!frozen));
            sim.store.write(&format!("{folder}part_2.csv"), people(10, 20, 1));
            let report = run(&sim, &event).await;
            let part_of_it = (1, Outcome::Succeeded, 10, 10);
            let all = (2, Outcome::NothingToDo, 0, 20);
            let told = |report: &Report| {
                let members = sim.held().values().filter(|(_, _, on_list)| *on_list).count();
                (report.sources.len(), report.outcome, report.members.leavers, members)
            };
            assert_eq!(told(&report), if frozen { part_of_it } else { all }, "call {at}: {report:?}");
            let report = run(&sim, &asked(Trigger::S3, "second", &format!("{folder}part_2.csv"))).await;
            let back = (2, Outcome::Succeeded, 0, 20);
            assert_eq!(told(&report), if frozen { back } else { all }, "call {at}: {report:?}");
            assert_eq!(sim.state().len(), 20, "call {at}");
        }
        assert!(frozen_times > 5 && open_times > 5, "{frozen_times}, {open_times}");
    }
}

// A person who runs the same again, after a part came late, means the folder as it is now.
#[tokio::test(start_paused = true)]
async fn a_command_does_not_resume_a_run_whose_drop_has_a_new_part() {
    for way in Way::DESTINATIONS {
        let mut sim = Sim::of(way, 1);
        sim.pace(100, 2);
        sim.set("/exports/newsletter/segments/0/drop", json!("folder"));
        let folder = "segments/newsletter/2026/11/23/0600/";
        sim.store.write(&format!("{folder}part_1.csv"), people(0, 10, 1));
        sim.store.write(&format!("{folder}_SUCCESS"), "");
        let world = sim.world(&Kill::never());
        let first = request("first", folder);
        steps::prepare(&world, &sim.config, &first).await.unwrap();
        let again = request("again", folder);
        assert_eq!(steps::resume(&world, &sim.config, &again).await.unwrap(), Some(first));
        sim.store.write(&format!("{folder}part_2.csv"), people(10, 20, 1));
        assert_eq!(steps::resume(&world, &sim.config, &again).await.unwrap(), None);
    }
}

// "A dropped object belongs to the segment with the longest matching `prefix`", however the run was started.
#[tokio::test(start_paused = true)]
async fn a_schedule_takes_only_its_own_segments_drops() {
    for way in Way::DESTINATIONS {
        for kind in ["file", "folder"] {
            let mut sim = Sim::of(way, 1);
            sim.pace(100, 2);
            let mut inner = settings("")["exports"]["newsletter"].clone();
            inner["create_fields"] = json!(way.is_ortto());
            inner["segments"] = json!([{ "name": "VIP", "membership": way.membership_of("VIP"), "prefix": "segments/news/vip/", "drop": kind, "recursive": kind == "file" }]);
            sim.set("/exports/vip", inner);
            sim.set("/exports/newsletter/segments/0/prefix", json!("segments/news/"));
            sim.set("/exports/newsletter/segments/0/drop", json!(kind));
            sim.set("/exports/newsletter/segments/0/recursive", json!(kind == "file"));
            let mut vip = asked(Trigger::Schedule, "vip", "");
            vip.run_id = vip.run_id.replace("newsletter", "vip");
            vip.export = "vip".into();
            // The inner one's come first and last, so that neither the oldest nor the newest of all is the outer one's.
            for (number, name) in ["vip/2026/11/22/0600", "2026/11/23/0600", "vip/2026/11/24/0600"].iter().enumerate() {
                let from = 100 * number as u32;
                sim.store.write(&format!("segments/news/{name}/all.csv"), people(from, from + 10, 1));
                sim.store.write(&format!("segments/news/{name}/_SUCCESS"), "");
            }
            let (outer, inner) = (run(&sim, &asked(Trigger::Schedule, "news", "")).await, run(&sim, &vip).await);
            assert_eq!(source(&outer), "segments/news/2026/11/23/0600/all.csv", "{kind}");
            assert_eq!(source(&inner), "segments/news/vip/2026/11/24/0600/all.csv", "{kind}");
            let emails = |from: u32| (from..from + 10).map(|number| format!("person.{number}@example.com")).collect();
            let contents = sim.sandbox.contents();
            assert_eq!((contents.members(LIST), contents.members("VIP")), (emails(100), emails(200)), "{kind}");
        }
    }
}

/// The export goes through another connection from now on.
fn moves(sim: &mut Sim) {
    let mut connection = sim.settings["connections"]["eu"].clone();
    connection["secret"] = json!("us");
    sim.set("/connections/us", connection);
    sim.set(&format!("/exports/{EXPORT}/connection"), json!("us"));
}

#[tokio::test(start_paused = true)]
async fn a_run_keeps_its_connection_when_its_export_moves_to_another() {
    for way in Way::DESTINATIONS {
        let mut sim = Sim::of(way, 1);
        sim.pace(100, 2);
        let request = sim.drop("a", &people(0, 60, 1));
        let world = sim.world(&Kill::never());
        steps::prepare(&world, &sim.config, &request).await.unwrap();
        let opened = steps::open(&world, &sim.config, &request).await.unwrap();
        moves(&mut sim);
        for lane in 0..opened.count {
            assert!(steps::deliver(&world, &sim.config, &request, lane, &Limit::default()).await.unwrap().done);
        }
        let report = steps::finish(&world, &sim.config, &request, None).await.unwrap();
        assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, 60), "{report:?}");
        assert_eq!(report.connection, "eu");
        assert!(sim.leases.take("eu", "another run").await.unwrap(), "its lease was given back");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_died_is_finished_under_the_connection_that_it_had() {
    let mut sim = Sim::of(Way::List, 1);
    sim.pace(10, 2);
    let kill = Kill::new(140, true);
    let (dying, stop) = (sim.world(&kill), Cancellation::default());
    let first = sim.drop("first", &people(0, 90, 1));
    tokio::select! {
        biased;
        () = kill.reached() => {}
        done = steps::run(&dying, &sim.config, &first, &stop) => panic!("never came there: {done:?}"),
    }
    moves(&mut sim);
    tokio::time::sleep(TERM).await;
    assert!(sim.leases.take("eu", "another run").await.unwrap());
    let second = sim.drop("second", &people(0, 90, 1));
    let world = sim.world(&Kill::never());
    let waits = steps::prepare(&world, &sim.config, &second).await.unwrap();
    assert!(matches!(waits, Prepared::Wait { .. }), "{waits:?}");
    sim.leases.release("eu", "another run").await.unwrap();
    let report = run(&sim, &second).await;
    assert_eq!((report.outcome, report.connection.as_str()), (Outcome::Succeeded, "us"), "{report:?}");
    assert!(report.rows.unchanged > 10, "what the first had confirmed is kept: {report:?}");
    for connection in ["eu", "us"] {
        assert!(sim.leases.take(connection, "another run").await.unwrap(), "{connection} was given back");
    }
}

// "A drop that a person names on the command line counts as the newest": of those that there are then. It is compared with
// times of the store, so its own is by the store's clock as well.
#[tokio::test(start_paused = true)]
async fn a_named_drop_is_newest_by_the_stores_clock() {
    for way in Way::DESTINATIONS {
        for (clock, is_new) in [("2020", true), ("2020", false), ("2030", true), ("2030", false)] {
            let mut sim = Sim::of(way, 1);
            sim.pace(100, 2);
            let run = async |request: &RunRequest| {
                let mut world = sim.world(&Kill::never());
                world.clock = Clock::counted(format!("{clock}-01-01T00:00:00Z").parse().unwrap());
                steps::run(&world, &sim.config, request, &Cancellation::default()).await.unwrap()
            };
            let event = |name, rows: String| RunRequest { trigger: Trigger::S3, ..sim.drop(name, &rows) };
            let first = event("first", people(0, 12, if is_new { 1 } else { 2 }));
            run(&first).await;
            let named = sim.drop("named", &people(0, 12, 2));
            let before = event("before", people(0, 13, 3));
            let report = run(&named).await;
            let outcome = if is_new { Outcome::Succeeded } else { Outcome::NothingToDo };
            assert_eq!(report.outcome, outcome, "{clock}: {report:?}");
            let after = event("after", people(0, 14, 4));
            let (before, after) = (run(&before).await, run(&after).await);
            assert_eq!(before.outcome, Outcome::Superseded, "{clock}, {is_new}: {before:?}");
            assert_eq!((after.outcome, after.rows.delivered), (Outcome::Succeeded, 14), "{clock}, {is_new}: {after:?}");
        }
    }
}

// Nor does a retry, which a person names as well: it is not the whole segment.
#[tokio::test(start_paused = true)]
async fn a_retry_makes_no_drop_an_older_one() {
    for (is_new, way) in [true, false].into_iter().flat_map(|is_new| [(is_new, Way::Bulk), (is_new, Way::Tag)]) {
        let mut sim = Sim::of(way, 1);
        sim.pace(100, 2);
        let [first, second, third] = drops(&sim);
        run(&sim, &second).await;
        let mut retry = RunRequest { keep_leavers: true, ..request("retry", "") };
        retry.drops[0].key = keys::retry(&retry.run_id, LIST);
        sim.store.write(&retry.drops[0].key, if is_new { people(20, 21, 1) } else { people(0, 1, 2) });
        let report = run(&sim, &retry).await;
        let outcome = if is_new { Outcome::Succeeded } else { Outcome::NothingToDo };
        assert_eq!(report.outcome, outcome, "{report:?}");
        assert_eq!(run(&sim, &third).await.outcome, Outcome::Succeeded, "{is_new}");
        assert_eq!(run(&sim, &first).await.outcome, Outcome::Superseded, "{is_new}");
    }
}

// Its file is whole, also where drops of the segment are folders that parts may yet come to.
#[tokio::test(start_paused = true)]
async fn a_retry_waits_for_no_folder_to_settle() {
    for way in Way::DESTINATIONS {
        let mut sim = Sim::of(way, 1);
        sim.set("/exports/newsletter/segments/0/drop", json!("folder"));
        let mut retry = RunRequest { keep_leavers: true, ..request("retry", "") };
        retry.drops[0].key = keys::retry(&retry.run_id, LIST);
        sim.store.write(&retry.drops[0].key, people(0, 10, 1));
        let mut world = sim.world(&Kill::never());
        world.clock = Clock::counted(sim.store.head(&retry.drops[0].key).await.unwrap().unwrap().modified);
        let prepared = steps::prepare(&world, &sim.config, &retry).await.unwrap();
        assert!(matches!(prepared, Prepared::Ready { .. }), "{prepared:?}");
        // The same rows as a folder's part may not be all.
        let drop = sim.drop("2026/11/23/0600/part_1", &people(0, 10, 1));
        world.leases.release("eu", &retry.run_id).await.unwrap();
        let other = steps::prepare(&world, &sim.config, &drop).await.unwrap();
        assert!(matches!(other, Prepared::Wait { .. }), "{other:?}");
    }
}
