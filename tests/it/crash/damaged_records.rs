//! Records of an unfinished run that are gone or damaged: it is found all the same, and what can no longer be known is said.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use autopilot_export::entry::environment::Adapters;
use autopilot_export::error::Kind;
use autopilot_export::ports::{Event, Observer};
use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{RunRequest, keys};
use autopilot_export::steps::{self, Cancellation, Cleaned};
use serde_json::json;

use crate::support::fixture::{EXPORT, people};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way};

/// Hears warnings.
struct Heard(Arc<Mutex<Vec<String>>>);

impl Observer for Heard {
    fn notify(&self, event: Event<'_>) {
        if let Event::Warns(text) = event {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }
}

/// Runs a drop; what the report warns of, and what was shown on the way.
async fn run(sim: &Sim, request: &RunRequest) -> (Report, String) {
    let heard = Arc::default();
    let Adapters { store, leases, secrets, http, clock, .. } = sim.world(&Kill::never());
    let observer = Box::new(Heard(Arc::clone(&heard)));
    let world = Adapters { store, leases, secrets, http, clock, observer };
    let report = steps::run(&world, &sim.config, request, &Cancellation::default()).await.unwrap();
    assert!(report.rows.add_up(), "{report:?}");
    let heard = heard.lock().unwrap().join("\n");
    (report, heard)
}

/// A run of persons 0 to 59 that was killed after it sent many of them; those below 5 were members before.
async fn killed() -> (Sim, RunRequest) {
    let mut sim = Sim::of(Way::Single, 1);
    sim.pace(10, 2);
    run(&sim, &sim.drop("before", &people(0, 5, 1))).await;
    let request = sim.drop("first", &people(0, 60, 1));
    let (dying, never) = (sim.world(&Kill::never()), Cancellation::default());
    let sent = async {
        while on_list(&sim) < 40 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        report = steps::run(&dying, &sim.config, &request, &never) => panic!("{report:?}"),
        () = sent => {}
    }
    drop(dying);
    sim.leases.end_all();
    (sim, request)
}

fn on_list(sim: &Sim) -> usize {
    sim.held().values().filter(|(_, _, on_list)| *on_list).count()
}

#[tokio::test(start_paused = true)]
async fn an_unfinished_run_is_found_without_its_note() {
    for damage in ["gone", "of another run", "empty"] {
        let (sim, request) = killed().await;
        let note = keys::unfinished(EXPORT);
        match damage {
            "gone" => sim.store.remove(&note),
            "empty" => drop(sim.store.write(&note, "")),
            _ => drop(sim.store.write(&note, json!(request.run_id.replace("2026", "2027")).to_string())),
        }
        let (report, _) = run(&sim, &sim.drop("second", &people(0, 5, 1))).await;
        assert_eq!((report.outcome, on_list(&sim)), (Outcome::Succeeded, 5), "{damage}: {report:?}");
        assert!(sim.store.body(&keys::of_run(&request.run_id, "report.json")).is_some(), "{damage}");
        assert_eq!(sim.store.body(&note), None, "{damage}");
    }
}

#[tokio::test(start_paused = true)]
async fn results_that_are_gone_lose_nobody() {
    let (sim, request) = killed().await;
    let folder = keys::of_run(&request.run_id, "results/");
    let results = |key: &String| key.starts_with(&folder) && key.ends_with(".tsv");
    sim.store.keys().into_iter().filter(results).for_each(|key| sim.store.remove(&key));
    let (report, _) = run(&sim, &sim.drop("second", &people(0, 5, 1))).await;
    assert_eq!((report.outcome, on_list(&sim)), (Outcome::Succeeded, 5), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_recovered_run_no_longer_tells_is_said_by_the_next() {
    for (lost, says) in [
        ("run.json", "it is not known what it sent"),
        ("open.json", "it is not known what it sent"),
        ("chunks/", "people may have been sent whom the state does not know"),
    ] {
        let (sim, request) = killed().await;
        let of_run = keys::of_run(&request.run_id, lost);
        let chunk = |key: &String| key.starts_with(&of_run) && (lost != "chunks/" || key.ends_with(".tsv"));
        sim.store.keys().into_iter().filter(chunk).for_each(|key| sim.store.remove(&key));
        let (report, heard) = run(&sim, &sim.drop("second", &people(0, 5, 1))).await;
        let said = report.warnings.join("\n");
        for said in [said, heard] {
            assert!(said.contains(says) && said.contains("reconcile newsletter"), "{lost}: {said}");
            assert!(said.contains(&request.run_id), "{lost}: {said}");
        }
        let (report, heard) = run(&sim, &sim.drop("third", &people(0, 6, 1))).await;
        assert!(!format!("{:?} {heard}", report.warnings).contains(says), "{lost}: {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_lost_its_lanes_is_not_gone_on_with() {
    let (sim, request) = killed().await;
    let resume = async || steps::resume(&sim.world(&Kill::never()), &sim.config, &request).await.unwrap();
    assert!(resume().await.is_some());
    sim.store.remove(&keys::of_run(&request.run_id, "open.json"));
    assert!(resume().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_damaged_count_of_suppressed_says_what_to_do() {
    let mut sim = Sim::of(Way::Single, 1);
    sim.store.write("suppressed.txt", "nobody@example.com\n");
    sim.set("/exports/newsletter/suppression_file", json!("suppressed.txt"));
    run(&sim, &sim.drop("first", &people(0, 5, 1))).await;
    sim.store.write(&keys::suppression(EXPORT), "");
    let (report, _) = run(&sim, &sim.drop("second", &people(0, 6, 1))).await;
    let error = report.error.unwrap();
    assert!(error.kind == Kind::Config && error.message.contains("remove this one"), "{error:?}");
    sim.store.remove(&keys::suppression(EXPORT));
    let (report, _) = run(&sim, &sim.drop("third", &people(0, 6, 1))).await;
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn an_export_that_was_taken_out_keeps_no_chunks() {
    let (sim, request) = killed().await;
    let chunks = || sim.store.keys().into_iter().filter(|key| key.contains("/chunks/")).count();
    assert!(chunks() > 0);
    let clean = async |days| steps::clean(&sim.world(&Kill::never()), Some("eu"), EXPORT, days).await.unwrap();
    let kept = clean(Some(30)).await;
    assert!(matches!(kept, Cleaned::Done(_, Some(run)) if run == request.run_id) && chunks() > 0);
    let cleaned = clean(None).await;
    assert!(matches!(cleaned, Cleaned::Done(removed, None) if removed > 0) && chunks() == 0, "{cleaned:?}");
}
