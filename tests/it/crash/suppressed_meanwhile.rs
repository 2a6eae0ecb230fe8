//! People who are suppressed between a kill and the resumed run are not sent.

use std::time::Duration;

use autopilot_export::error::Kind;
use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::RunRequest;
use autopilot_export::steps::{self, Cancellation, Limit};
use serde_json::json;

use crate::support::fixture::people;
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way};

/// A run that is killed once the account holds this many contacts; gives its request.
async fn killed(sim: &Sim, rows: u32, contacts: usize) -> RunRequest {
    let request = sim.drop("a", &people(0, rows, 1));
    let (dying, stop) = (sim.world(&Kill::never()), Cancellation::default());
    let reached = async {
        while sim.sandbox.contact_count() < contacts {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        done = steps::run(&dying, &sim.config, &request, &stop) => panic!("{done:?}"),
        () = reached => {}
    }
    request
}

async fn resumed(sim: &Sim, request: &RunRequest) -> Report {
    steps::run(&sim.world(&Kill::never()), &sim.config, request, &Cancellation::default()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_became_suppressed_between_kill_and_resume_is_not_sent() {
    for way in Way::DESTINATIONS {
        let mut sim = Sim::of(way, 1);
        sim.pace(10, 2);
        sim.store.write("suppressed.txt", "nobody@example.com\n");
        sim.set("/exports/newsletter/suppression_file", json!("suppressed.txt"));
        let request = killed(&sim, 3000, 200).await;
        let is_held = |sim: &Sim, number: u32| sim.held().contains_key(&format!("person.{number}@example.com"));
        let sent = (0..3000).find(|number| is_held(&sim, *number)).unwrap();
        let unsent: Vec<u32> = (0..3000).filter(|number| !is_held(&sim, *number)).take(2).collect();
        let lines = unsent.iter().chain([&sent]).map(|number| format!("person.{number}@example.com\n"));
        sim.store.write("suppressed.txt", lines.collect::<String>());
        let report = resumed(&sim, &request).await;
        assert!(report.rows.add_up() && report.rows.suppressed >= 2, "{report:?}");
        assert_eq!((report.outcome, report.rows.pending), (Outcome::Succeeded, 0), "{report:?}");
        assert!(unsent.iter().all(|number| !is_held(&sim, *number)), "they were not sent");
        let said = report.warnings.join("\n");
        assert!(said.contains("suppressed after they may have been sent; the next run takes them off"), "{said}");
        // With the next drop the list has none of them.
        let request = sim.drop("b", &people(0, 3000, 2));
        resumed(&sim, &request).await;
        let held = sim.held();
        let is_member = |number: &u32| held.get(&format!("person.{number}@example.com")).is_some_and(|(_, _, on)| *on);
        assert!(!unsent.iter().chain([&sent]).any(is_member), "those who had been sent have been removed");
    }
}

/// A run of two lanes that is opened.
async fn opened(sim: &Sim, rows: u32) -> RunRequest {
    let (world, request) = (sim.world(&Kill::never()), sim.drop("a", &people(0, rows, 1)));
    steps::prepare(&world, &sim.config, &request).await.unwrap();
    steps::open(&world, &sim.config, &request).await.unwrap();
    request
}

const CONDITIONS: [&str; 2] = ["suppress", "require"];

#[tokio::test(start_paused = true)]
async fn conditions_that_changed_since_a_run_was_prepared_end_it() {
    for way in Way::DESTINATIONS {
        for condition in CONDITIONS {
            let mut sim = Sim::of(way, 1);
            let request = opened(&sim, 60).await;
            let before = sim.sandbox.counters().requests;
            sim.set(&format!("/exports/newsletter/{condition}"), json!([{ "column": "Value", "equals": 1 }]));
            let world = sim.world(&Kill::never());
            let error = steps::deliver(&world, &sim.config, &request, 0, &Limit::default()).await.unwrap_err();
            assert!(error.kind == Kind::Config && error.to_string().contains("suppress or require"), "{error}");
            assert_eq!(sim.sandbox.counters().requests, before, "nothing was sent by what was planned");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn conditions_that_changed_before_a_run_was_opened_end_it() {
    for way in Way::DESTINATIONS {
        for condition in CONDITIONS {
            let mut sim = Sim::of(way, 1);
            let (world, request) = (sim.world(&Kill::never()), sim.drop("a", &people(0, 40, 1)));
            steps::prepare(&world, &sim.config, &request).await.unwrap();
            sim.set(&format!("/exports/newsletter/{condition}"), json!([{ "column": "Value", "equals": 1 }]));
            let error = steps::open(&world, &sim.config, &request).await.unwrap_err();
            assert!(error.kind == Kind::Config && error.to_string().contains("suppress or require"), "{error}");
            assert_eq!(sim.sandbox.counters().requests, 0, "nothing was sent ahead");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn conditions_that_change_in_mid_run_end_it_at_the_next_look() {
    for way in Way::DESTINATIONS {
        for condition in CONDITIONS {
            let mut sim = Sim::of(way, 1);
            sim.pace(2, 1);
            sim.set("/exports/newsletter/segments/0/membership", json!("none"));
            let request = opened(&sim, 20_000).await;
            let before = sim.config.clone();
            sim.set(&format!("/exports/newsletter/{condition}"), json!([{ "column": "Value", "equals": 1 }]));
            sim.store.write("config/exports.json", sim.settings.to_string());
            let world = sim.world(&Kill::never());
            let error = steps::deliver(&world, &before, &request, 0, &Limit::default()).await.unwrap_err();
            assert!(error.kind == Kind::Config && error.to_string().contains("suppress or require"), "{error}");
            assert!(sim.sandbox.contact_count() < 10_000, "{}", sim.sandbox.contact_count());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_suppressed_in_mid_run_is_not_sent_after_the_next_look() {
    for way in Way::DESTINATIONS {
        let mut sim = Sim::of(way, 1);
        sim.pace(2, 1);
        sim.set("/exports/newsletter/segments/0/membership", json!("none"));
        sim.store.write("suppressed.txt", "nobody@example.com\n");
        sim.set("/exports/newsletter/suppression_file", json!("suppressed.txt"));
        let (world, request, stop) =
            (sim.world(&Kill::never()), sim.drop("a", &people(0, 6000, 1)), Cancellation::default());
        let suppress = async {
            while sim.sandbox.contact_count() < 100 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let all = (0..6000).map(|number| format!("person.{number}@example.com\n"));
            sim.store.write("suppressed.txt", all.collect::<String>());
        };
        let (ran, ()) = tokio::join!(steps::run(&world, &sim.config, &request, &stop), suppress);
        let report = ran.unwrap();
        assert!(report.rows.add_up(), "{report:?}");
        assert_eq!((report.outcome, report.rows.pending), (Outcome::Succeeded, 0), "{report:?}");
        // At two requests of 100 rows a second, within 15 s.
        assert!(report.rows.delivered <= 3100 && report.rows.suppressed >= 2900, "{report:?}");
        // The call before had answers to all that it sent.
        let is_late = |warning: &String| warning.contains("may have been sent");
        assert!(!report.warnings.iter().any(is_late), "{report:?}");
        assert_eq!(report.rows.delivered, sim.sandbox.contact_count() as u64, "{report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_became_suppressed_before_the_run_was_opened_is_not_sent() {
    for way in Way::DESTINATIONS {
        let mut sim = Sim::of(way, 1);
        sim.store.write("suppressed.txt", "nobody@example.com\n");
        sim.set("/exports/newsletter/suppression_file", json!("suppressed.txt"));
        let (world, request) = (sim.world(&Kill::never()), sim.drop("a", &people(0, 40, 1)));
        steps::prepare(&world, &sim.config, &request).await.unwrap();
        // All whom the canary may look at.
        let emails = (0..6).map(|number| format!("person.{number}@example.com\n"));
        sim.store.write("suppressed.txt", emails.collect::<String>());
        let report = resumed(&sim, &request).await;
        assert_eq!((report.rows.suppressed, sim.sandbox.contact_count()), (6, 34), "{report:?}");
    }
}
