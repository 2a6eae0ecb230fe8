//! What a run had confirmed, and what it did not come to.

use std::time::Duration;

use autopilot_export::report::Outcome;
use autopilot_export::run::keys;
use autopilot_export::steps::{self, Cancellation, Limit};
use serde_json::json;
use tokio::time::Instant;

use crate::support::fixture::people;
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way};

/// After a power failure a file may have its length and not its bytes.
#[tokio::test(start_paused = true)]
async fn damaged_results_count_as_none_and_rows_are_resent() {
    let damages = [&b""[..], b"\0\0\0\0\0\0\0\0", b"no results\tat all\n\xff"];
    // The run itself goes on, or another comes after it.
    for (damage, again) in damages.into_iter().flat_map(|damage| [(damage, true), (damage, false)]) {
        let mut sim = Sim::of(Way::List, 1);
        sim.pace(10, 2);
        let request = sim.drop("first", &people(0, 100, 1));
        let kill = Kill::new(170, true);
        let (dying, stop) = (sim.world(&kill), Cancellation::default());
        tokio::select! {
            biased;
            () = kill.reached() => {}
            done = steps::run(&dying, &sim.config, &request, &stop) => panic!("{done:?}"),
        }
        let results = keys::results(&request.run_id, 0, 0);
        let folder = results.split_at(results.find("/results/").unwrap() + 9).0;
        let found: Vec<String> = sim.store.keys().into_iter().filter(|key| key.starts_with(folder)).collect();
        let found: Vec<String> = found.into_iter().filter(|key| key.ends_with(".tsv")).collect();
        assert!(!found.is_empty(), "there are results");
        found.iter().for_each(|key| drop(sim.store.write(key, damage)));
        let next = if again { request } else { sim.drop("second", &people(0, 100, 1)) };
        let report =
            steps::run(&sim.world(&Kill::never()), &sim.config, &next, &Cancellation::default()).await.unwrap();
        assert_eq!((report.outcome, report.rows.pending), (Outcome::Succeeded, 0), "{report:?}");
        assert!(report.rows.add_up(), "{report:?}");
        assert_eq!((sim.held().len(), sim.state().len()), (100, 100));
    }
}

/// Leavers are not rows of the drop: a run whose rows are all confirmed is not finished until its leavers are removed.
#[tokio::test(start_paused = true)]
async fn leavers_not_reached_fail_the_run_and_leave_with_the_next() {
    for way in Way::DESTINATIONS {
        let mut sim = Sim::of(way, 1);
        sim.pace(10, 2);
        let request = sim.drop("first", &people(0, 50, 1));
        steps::run(&sim.world(&Kill::never()), &sim.config, &request, &Cancellation::default()).await.unwrap();
        let request = sim.drop("second", &people(10, 50, 1));
        let world = sim.world(&Kill::never());
        steps::prepare(&world, &sim.config, &request).await.unwrap();
        steps::open(&world, &sim.config, &request).await.unwrap();
        let report = steps::finish(&world, &sim.config, &request, None).await.unwrap();
        assert_eq!((report.outcome, report.rows.pending), (Outcome::Failed, 0), "{report:?}");
        assert_eq!(sim.state().len(), 50, "nobody has left");
        let request = sim.drop("third", &people(10, 50, 1));
        let report = steps::run(&world, &sim.config, &request, &Cancellation::default()).await.unwrap();
        assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
        let on_list = sim.held().values().filter(|(_, _, on_list)| *on_list).count();
        assert_eq!((on_list, sim.state().len()), (40, 40));
    }
}

/// At a request in ten seconds it is long until another answer comes.
#[tokio::test(start_paused = true)]
async fn verdicts_are_saved_after_a_second_without_another_answer() {
    for way in Way::DESTINATIONS {
        let mut sim = Sim::of(way, 1);
        sim.set("/connections/eu/requests_per_second", json!(0.1));
        sim.set("/exports/newsletter/segments/0/membership", json!("none"));
        let request = sim.drop("first", &people(0, 250, 1));
        let (world, limit) = (sim.world(&Kill::never()), Limit::default());
        steps::prepare(&world, &sim.config, &request).await.unwrap();
        steps::open(&world, &sim.config, &request).await.unwrap();
        let results = keys::results(&request.run_id, 0, 0);
        let is_saved =
            || sim.store.body(&results).is_some_and(|body| body.iter().filter(|byte| **byte == b'\n').count() > 100);
        let saved = async {
            while !is_saved() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Instant::now()
        };
        let saved = tokio::select! {
            done = steps::deliver(&world, &sim.config, &request, 0, &limit) => panic!("{done:?}"),
            saved = saved => saved,
        };
        let sent = *sim.sent.lock().unwrap().last().unwrap();
        assert!(saved - sent < Duration::from_millis(1200), "{:?} after the request", saved - sent);
    }
}
