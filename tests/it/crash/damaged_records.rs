//! Records of an unfinished run that are gone or damaged: it is found all the same, and what can no longer be known is said.

use std::sync::{Arc, Mutex};

use autopilot_export::entry::environment::Adapters;
use autopilot_export::error::Kind;
use autopilot_export::ports::{Event, Observer};
use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{RunRequest, keys};
use autopilot_export::steps::{self, Cancellation, Cleaned};
use serde_json::json;

use crate::support::fixture::{EXPORT, people};
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way, account_of};

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

const DAMAGES: [&[u8]; 3] = [b"", b"\0\0\0\0", b"{\"half\": "];

/// The people of a drop; ten times as many where a request takes a hundred.
fn people_of(way: Way, few: u32) -> u32 {
    if way.is_one_by_one() { few } else { 10 * few }
}

/// A run of 60 people, or 600, that was killed after it sent many of them; a few were members before.
async fn killed(way: Way) -> (Sim, RunRequest) {
    let mut sim = Sim::of(way, 1);
    sim.pace(10, 2);
    run(&sim, &sim.drop("before", &people(0, people_of(way, 5), 1))).await;
    let request = sim.drop("first", &people(0, people_of(way, 60), 1));
    sim.die_with(&request, people_of(way, 40) as usize).await;
    sim.leases.end_all();
    (sim, request)
}

#[tokio::test(start_paused = true)]
async fn an_unfinished_run_is_found_without_its_note() {
    for way in Way::DESTINATIONS {
        let few = people_of(way, 5);
        let another = json!("20270101T000000Z-newsletter-00000000").to_string();
        let damages = DAMAGES.map(Some).into_iter().chain([None, Some(another.as_bytes())]);
        for damage in damages {
            let (sim, request) = killed(way).await;
            let note = keys::unfinished(EXPORT);
            match damage {
                None => sim.store.remove(&note),
                Some(damage) => drop(sim.store.write(&note, damage.to_vec())),
            }
            let (report, _) = run(&sim, &sim.drop("second", &people(0, few, 1))).await;
            assert_eq!((report.outcome, sim.members()), (Outcome::Succeeded, few as usize), "{report:?}");
            assert!(sim.store.body(&keys::of_run(&request.run_id, "report.json")).is_some(), "the first has its end");
            assert_eq!(sim.store.body(&note), None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn damaged_records_on_which_nothing_depends_heal() {
    for (way, damage) in Way::DESTINATIONS.into_iter().flat_map(|way| DAMAGES.map(|damage| (way, damage))) {
        let account = account_of(way);
        let notes = [keys::connection_activity("eu"), keys::account_activity(&account), keys::account_behind("eu")];
        // There is nothing to learn of Ortto.
        let learned = Some(keys::learned_setup(&account)).filter(|_| !way.is_ortto());
        for key in learned.into_iter().chain(notes) {
            let sim = Sim::of(way, 1);
            run(&sim, &sim.drop("first", &people(0, 20, 1))).await;
            sim.store.write(&key, damage);
            let (report, _) = run(&sim, &sim.drop("second", &people(0, 30, 1))).await;
            assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, 10), "{key}: {report:?}");
            assert!(sim.store.body(&key).unwrap() != damage, "{key}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_record_of_a_run_says_which_folder_to_remove() {
    for (way, record) in
        Way::DESTINATIONS.into_iter().flat_map(|way| ["run.json", "open.json"].map(|record| (way, record)))
    {
        let (sim, request) = killed(way).await;
        sim.store.write(&keys::of_run(&request.run_id, record), "\0\0");
        let rows = people(people_of(way, 30), people_of(way, 60), 1);
        let (world, never) = (sim.world(&Kill::never()), Cancellation::default());
        let said = match steps::run(&world, &sim.config, &sim.drop("second", &rows), &never).await {
            Err(error) => error.chain(),
            Ok(report) => report.error.map(|error| error.message).unwrap_or_default(),
        };
        let folder = keys::of_run(&request.run_id, "");
        assert!(said.contains(&format!("remove {folder}: ")), "{record}: {said}");
        for key in sim.store.keys().into_iter().filter(|key| key.starts_with(&folder)) {
            sim.store.remove(&key);
        }
        let (report, _) = run(&sim, &RunRequest { full: true, ..sim.drop("third", &rows) }).await;
        assert_eq!((report.outcome, report.rows.pending), (Outcome::Succeeded, 0), "{record}: {report:?}");
        // A run in full removes nobody.
        assert_eq!(sim.state().len(), people_of(way, 35) as usize);
    }
}

#[tokio::test(start_paused = true)]
async fn results_that_are_gone_lose_nobody() {
    for way in Way::DESTINATIONS {
        let few = people_of(way, 5);
        let (sim, request) = killed(way).await;
        let folder = keys::of_run(&request.run_id, "results/");
        let results = |key: &String| key.starts_with(&folder) && key.ends_with(".tsv");
        sim.store.keys().into_iter().filter(results).for_each(|key| sim.store.remove(&key));
        let (report, _) = run(&sim, &sim.drop("second", &people(0, few, 1))).await;
        assert_eq!((report.outcome, sim.members()), (Outcome::Succeeded, few as usize), "{way:?} {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_recovered_run_no_longer_tells_is_said_by_the_next() {
    for way in Way::DESTINATIONS {
        let few = people_of(way, 5);
        for (lost, says) in [
            ("run.json", "it is not known what it sent"),
            ("open.json", "it is not known what it sent"),
            ("chunks/", "people may have been sent whom the state does not know"),
        ] {
            let (sim, request) = killed(way).await;
            let of_run = keys::of_run(&request.run_id, lost);
            let chunk = |key: &String| key.starts_with(&of_run) && (lost != "chunks/" || key.ends_with(".tsv"));
            sim.store.keys().into_iter().filter(chunk).for_each(|key| sim.store.remove(&key));
            let (report, heard) = run(&sim, &sim.drop("second", &people(0, few, 1))).await;
            let said = report.warnings.join("\n");
            for said in [said, heard] {
                assert!(said.contains(says) && said.contains("reconcile newsletter"), "{lost}: {said}");
                assert!(said.contains(&request.run_id), "{lost}: {said}");
            }
            let (report, heard) = run(&sim, &sim.drop("third", &people(0, few + 1, 1))).await;
            assert!(!format!("{:?} {heard}", report.warnings).contains(says), "{lost}: {report:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_lost_its_lanes_is_not_gone_on_with() {
    for way in Way::DESTINATIONS {
        let (sim, request) = killed(way).await;
        let resume = async || steps::resume(&sim.world(&Kill::never()), &sim.config, &request).await.unwrap();
        assert!(resume().await.is_some());
        sim.store.remove(&keys::of_run(&request.run_id, "open.json"));
        assert!(resume().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_count_of_suppressed_says_what_to_do() {
    for way in Way::DESTINATIONS {
        let mut sim = Sim::of(way, 1);
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
}

#[tokio::test(start_paused = true)]
async fn an_export_that_was_taken_out_keeps_no_chunks() {
    for way in Way::DESTINATIONS {
        let (sim, request) = killed(way).await;
        let chunks = || sim.store.keys().into_iter().filter(|key| key.contains("/chunks/")).count();
        assert!(chunks() > 0);
        let clean = async |days| steps::clean(&sim.world(&Kill::never()), Some("eu"), EXPORT, days).await.unwrap();
        let kept = clean(Some(30)).await;
        assert!(matches!(kept, Cleaned::Done(_, Some(run)) if run == request.run_id) && chunks() > 0);
        let cleaned = clean(None).await;
        assert!(matches!(cleaned, Cleaned::Done(removed, None) if removed > 0) && chunks() == 0, "{cleaned:?}");
    }
}
