//! The promises that are kept run by run; the others have modules of their own.

use std::time::Duration;

use autopilot_export::error::Kind;
use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{RunRequest, Trigger};
use autopilot_export::sandbox::{Fault, Options};
use autopilot_export::steps::{self, Failure, Limit};
use serde_json::json;

use crate::support::fixture::{Scene, people};
use crate::support::sim::Way;

fn counts(report: &Report) -> [u64; 6] {
    let rows = &report.rows;
    [rows.read, rows.delivered, rows.unchanged, rows.rejected, rows.suppressed, rows.pending]
}

fn faults(text: &str) -> Vec<Fault> {
    Fault::parse_list(text).unwrap()
}

// Promise 1: "Every row has one outcome. `read = delivered + unchanged + rejected + suppressed + pending`".
#[tokio::test]
async fn rows_add_up_with_every_kind_of_reject() {
    for way in Way::DESTINATIONS {
        let mut scene = Scene::with(way, Options { faults: faults("refuse-rows:refused"), ..way.options() }).await;
        scene.set_export("suppress", json!([{ "column": "FirstName", "equals": "Quiet" }]));
        let report = scene.run(&scene.drop(people(0, 5, 1))).await;
        assert_eq!(counts(&report), [5, 5, 0, 0, 0, 0]);
        let drop = people(0, 5, 1)
            + "new@example.com,New,2\n,Nobody,1\nno address,Ana,1\nPerson.0@example.com,Twice,1\nshort@example.com,1\n\
           value@example.com,Ana,many\nrefused@example.com,Ana,1\nquiet@example.com,Quiet,1\n";
        let report = scene.run(&scene.drop(drop)).await;
        assert_eq!(counts(&report), [13, 1, 5, 6, 1, 0]);
        assert!(report.rejects.values().all(|count| *count == 1), "{:?}", report.rejects);
        assert_eq!(report.outcome, Outcome::SucceededWithRejects);
        let rejects =
            std::fs::read_to_string(scene.root().join(format!("runs/newsletter/{}/rejects.csv", report.run_id)));
        assert_eq!(rejects.unwrap().lines().count(), 7);
    }
}

// Promise 1, where the destination goes away behind the first batch: what was not confirmed is pending, and the next run sends it.
#[tokio::test]
async fn unconfirmed_rows_are_pending_and_sent_by_the_next_run() {
    for (way, second) in [(Way::List, 5), (Way::Tag, 7)] {
        let mut scene = Scene::of(way).await;
        scene.set_connection("patience_seconds", json!(1));
        scene.set_membership(json!("none"));
        let outage: Vec<String> = (second..100).map(|request| format!("500@{request}")).collect();
        scene.sandbox.set_faults(faults(&outage.join(",")));
        let request = scene.drop(people(0, 150, 1));
        let report = scene.run(&request).await;
        assert_eq!((report.outcome, report.exit_code()), (Outcome::Failed, 5), "{report:?}");
        assert_eq!(counts(&report), [150, 100, 0, 0, 0, 50]);
        assert_eq!(scene.state().len(), 100);
        scene.sandbox.clear_faults();
        let report = scene.run(&RunRequest { run_id: scene.drop("").run_id, ..request }).await;
        assert_eq!(counts(&report), [150, 50, 100, 0, 0, 0]);
        assert_eq!((scene.emails().len(), scene.state().len()), (150, 150));
    }
}

// Promise 3: "Nothing is claimed that was not confirmed. The state advances row by row, only for rows that the
// destination confirmed. A row that failed is tried again by the next run."
#[tokio::test]
async fn a_refused_row_is_not_in_the_state_and_is_tried_again() {
    for (way, refusing) in [(Way::List, "refuse-batch:person.3@"), (Way::Tag, "refuse-rows:person.3@")] {
        let scene = Scene::with(way, Options { faults: faults(refusing), ..way.options() }).await;
        let request = scene.drop(people(0, 6, 1));
        let report = scene.run(&request).await;
        assert_eq!(counts(&report), [6, 5, 0, 1, 0, 0]);
        assert_eq!((scene.emails().len(), scene.members().len(), scene.state().len()), (5, 5, 5));
        scene.sandbox.clear_faults();
        // What Ortto refused is held back for a week, but for --full.
        let (full, sent) = (way.is_ortto(), if way.is_ortto() { 6 } else { 1 });
        let report = scene.run(&RunRequest { run_id: scene.drop("").run_id, full, ..request }).await;
        assert_eq!(counts(&report), [6, sent, 6 - sent, 0, 0, 0]);
        assert_eq!((scene.members().len(), scene.state().len()), (6, 6));
    }
}

// Promise 4: "Twice is once. The same drop, event, step or request delivered twice ends as if it had been delivered
// once."
#[tokio::test]
async fn a_drop_that_comes_twice_is_sent_once() {
    for way in Way::DESTINATIONS {
        let scene = Scene::of(way).await;
        scene.run(&scene.drop(people(0, 30, 1))).await;
        let (held, state) = (scene.held(), scene.state());
        scene.sandbox.reset_counters();
        let report = scene.run(&scene.drop(people(0, 30, 1))).await;
        assert_eq!((report.outcome, counts(&report)), (Outcome::NothingToDo, [30, 0, 30, 0, 0, 0]));
        assert_eq!(scene.sandbox.counters().requests, 0);
        assert_eq!((scene.held(), scene.state()), (held, state));
    }
}

// Promise 4 again, for steps.
#[tokio::test]
async fn steps_that_are_called_twice_are_done_once() {
    for way in Way::DESTINATIONS {
        let scene = Scene::of(way).await;
        let (world, config, request) = (scene.immortal(), &scene.config, scene.drop(people(0, 20, 1)));
        let first = steps::prepare(&world, config, &request).await.unwrap();
        assert_eq!(steps::prepare(&world, config, &request).await.unwrap(), first);
        let first = steps::open(&world, config, &request).await.unwrap();
        let asked = scene.sandbox.counters().requests;
        assert_eq!(steps::open(&world, config, &request).await.unwrap(), first);
        assert_eq!(scene.sandbox.counters().requests, asked, "the second open asks nothing");
        let limit = Limit::default();
        for lane in 0..first.count {
            let sent = steps::deliver(&world, config, &request, lane, &limit).await.unwrap();
            let writes = scene.sandbox.counters().writes;
            assert_eq!(steps::deliver(&world, config, &request, lane, &limit).await.unwrap(), sent);
            assert_eq!(scene.sandbox.counters().writes, writes, "the second deliver sends nothing");
        }
        let report = steps::finish(&world, config, &request, None).await.unwrap();
        let late = Failure { kind: Kind::OutOfTime, message: "too late".into() };
        assert_eq!(steps::finish(&world, config, &request, Some(late)).await.unwrap(), report);
        assert!(steps::deliver(&world, config, &request, 0, &limit).await.unwrap().done, "a late call does nothing");
        assert_eq!(counts(&report), [20, 20, 0, 0, 0, 0]);
        assert_eq!((scene.members().len(), scene.state().len()), (20, 20));
    }
}

// Promise 4 again, for requests: a run that has ended answers with its report and is not run.
#[tokio::test]
async fn a_request_that_is_repeated_after_its_end_tells_its_report() {
    for way in Way::DESTINATIONS {
        let scene = Scene::of(way).await;
        let request = scene.drop(people(0, 3, 1));
        let report = scene.run(&request).await;
        let asked = scene.sandbox.counters().requests;
        assert_eq!(scene.run(&request).await, report);
        assert_eq!(scene.sandbox.counters().requests, asked);
    }
}

// Promise 5: "Older never overwrites newer. A drop strictly older than the one last applied is `superseded` and sends
// nothing."
#[tokio::test]
async fn an_older_drop_that_comes_later_is_superseded() {
    for way in Way::DESTINATIONS {
        let mut scene = Scene::of(way).await;
        scene.set("/exports/newsletter/segments/0/drop", json!("folder"));
        let drop = |at: &str, body: String| {
            let folder = format!("segments/newsletter/CustomerInsights_7c9e/Export/Gold/{at}/");
            scene.write(&format!("{folder}Gold_1.csv"), body.as_bytes());
            scene.write(&format!("{folder}_SUCCESS"), b"");
            scene.request(&format!("{folder}Gold_1.csv"), Trigger::S3)
        };
        let (older, newer) = (drop("2026/11/22/0600", people(0, 5, 1)), drop("2026/11/23/0600", people(2, 9, 2)));
        let same = scene.request(&newer.drops[0].key, Trigger::S3);
        let report = scene.run(&newer).await;
        assert_eq!((report.outcome, report.rows.delivered), (Outcome::Succeeded, 7), "{report:?}");
        let held = scene.held();
        scene.sandbox.reset_counters();
        let report = scene.run(&older).await;
        assert_eq!((report.outcome, report.exit_code()), (Outcome::Superseded, 0), "{report:?}");
        assert_eq!(scene.run(&same).await.outcome, Outcome::NothingToDo, "a drop is not older than itself");
        assert_eq!((scene.sandbox.counters().requests, scene.held()), (0, held));
    }
}

// Promise 5: "A drop that a person names on the command line counts as the newest."
#[tokio::test]
async fn an_older_drop_that_a_person_names_is_applied() {
    for way in Way::DESTINATIONS {
        let mut scene = Scene::of(way).await;
        scene.set("/exports/newsletter/segments/0/drop", json!("folder"));
        for (day, body) in [("23", people(0, 5, 2)), ("22", people(0, 4, 1))] {
            scene.write(&format!("segments/newsletter/2026/11/{day}/0600/a.csv"), body.as_bytes());
            scene.write(&format!("segments/newsletter/2026/11/{day}/0600/_SUCCESS"), b"");
        }
        let on = |day: &str| format!("segments/newsletter/2026/11/{day}/0600/");
        scene.run(&scene.request(&on("23"), Trigger::Command)).await;
        let report = scene.run(&scene.request(&on("22"), Trigger::Command)).await;
        assert_eq!(report.rows.delivered, 4, "{report:?}");
        assert_eq!(scene.members().len(), 4);
    }
}

// Promise 6: "The account's rate is kept. No one-second window holds more requests than the connection's rate, over
// all lanes and all runs of the connection." What arrives in time is shown in `concurrency`, where time
// is counted and not waited for.
#[tokio::test]
async fn the_rate_is_kept_over_lanes_and_runs() {
    for (way, fewest) in [(Way::List, 60), (Way::Tag, 10)] {
        let mut scene =
            Scene::with(way, Options { rate: Some(20.0), latency: Duration::from_millis(150), ..way.options() }).await;
        scene.set_connection("requests_per_second", json!(20));
        scene.set_connection("lanes", json!(4));
        scene.run(&scene.drop(people(0, 45, 1))).await;
        let report = scene.run(&scene.drop(people(20, 60, 1))).await;
        let counters = scene.sandbox.counters();
        assert!(counters.requests > fewest, "{counters:?}");
        assert!(report.requests.peak_per_second <= 20.0);
        assert_eq!(scene.members().len(), 40);
    }
}

// Promise 8: "No opt-in by accident. `unsubscribed: false` is never sent, whatever is mapped. An opt-out is sent only
// if a column is mapped to it."
#[tokio::test]
async fn an_opt_out_stays_whatever_the_column_says() {
    for way in Way::DESTINATIONS {
        let mut scene = Scene::of(way).await;
        scene.set_export("match", json!({ "email": "EMail", "unsubscribed": "Out", "first_name": "Name" }));
        scene.run(&scene.drop("EMail,Name,Out\nann@example.com,Ann,true\nbob@example.com,Bob,false\n")).await;
        let report =
            scene.run(&scene.drop("EMail,Name,Out\nann@example.com,Anna,false\nbob@example.com,Bobby,0\n")).await;
        assert_eq!(report.members.changed, 2);
        let contents = scene.sandbox.contents();
        let (ann, bob) = (contents.by_email("ann@example.com").unwrap(), contents.by_email("bob@example.com").unwrap());
        assert!(ann.unsubscribed && !bob.unsubscribed);
        assert_eq!((&ann.fields[way.first_name()], &bob.fields[way.first_name()]), (&json!("Anna"), &json!("Bobby")));
        assert!(!bob.fields.contains_key("unsubscribed"), "{bob:?}");
        scene.set_export("match", json!({ "email": "EMail", "first_name": "Name" }));
        scene.run(&scene.drop("EMail,Name,Out\ncy@example.com,Cy,true\n")).await;
        assert!(!scene.sandbox.contents().by_email("cy@example.com").unwrap().unsubscribed, "it was not mapped");
    }
}

// Promise 9: "Guards come before the first request. Each names its numbers."
#[tokio::test]
async fn guards_come_before_the_first_request_and_name_their_numbers() {
    for way in Way::DESTINATIONS {
        let mut scene = Scene::of(way).await;
        scene.run(&scene.drop(people(0, 10, 1))).await;
        let held = scene.held();
        scene.sandbox.reset_counters();
        let cases = [
            ("max_profiles", json!({ "max_profiles": 11 }), people(0, 12, 1), "12 profiles; max_profiles allows 11"),
            ("max_leavers_share", json!({ "max_leavers_share": 0.5 }), people(6, 20, 1), "6 of 10 members would leave"),
            (
                "max_reject_share",
                json!({ "max_reject_share": 0.2, "max_leavers_share": 1 }),
                people(0, 3, 1) + ",A,1\n",
                "1 of 4 rows are rejected",
            ),
            ("allow_empty", json!({}), people(0, 0, 1), "the drop holds no profile"),
        ];
        for (guard, guards, drop, numbers) in cases {
            scene.set_export("guards", guards);
            let report = scene.run(&scene.drop(drop)).await;
            let message = report.error.clone().unwrap().message;
            assert_eq!((report.outcome, report.exit_code()), (Outcome::StoppedByGuard, 4), "{message}");
            assert!(message.contains(numbers) && message.contains(&format!("--pass-guard {guard}")), "{message}");
            assert_eq!(scene.sandbox.counters().requests, 0, "{guard}");
        }
        assert_eq!(scene.held(), held);
        let request = RunRequest {
            pass_guards: vec!["allow_empty".into(), "max_leavers_share".into()],
            ..scene.drop("EMail,FirstName,Value\n")
        };
        let report = scene.run(&request).await;
        assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
        assert_eq!(report.guards_passed_over, ["allow_empty"]);
        assert_eq!((scene.members().len(), scene.emails().len()), (0, 10));
    }
}

// Promise 9: "`max_reject_share` also watches what the destination refuses while rows are sent."
#[tokio::test]
async fn refusals_beyond_the_share_stop_the_run() {
    // Ortto refuses a whole batch at once.
    for (way, refused, name) in [(Way::List, 7, "Autopilot"), (Way::Tag, 60, "Ortto")] {
        let mut scene = Scene::with(way, Options { faults: faults("refuse-rows:person"), ..way.options() }).await;
        scene.set_connection("lanes", json!(1));
        scene.set_export("guards", json!({ "max_reject_share": 0.1 }));
        let report = scene.run(&scene.drop(people(0, 60, 1))).await;
        assert_eq!((report.outcome, report.rows.rejected), (Outcome::StoppedByGuard, refused), "{report:?}");
        assert!(
            report
                .error
                .unwrap()
                .message
                .contains(&format!("{refused} of 60 rows are rejected, {refused} of them by {name}"))
        );
        assert!(scene.emails().is_empty());
    }
}

#[tokio::test]
async fn refusals_of_all_lanes_count_together() {
    for way in Way::DESTINATIONS {
        let mut scene = Scene::with(way, Options { faults: faults("refuse-rows:person"), ..way.options() }).await;
        scene.set_export("guards", json!({ "max_reject_share": 0.1 }));
        scene.set_membership(json!("none"));
        scene.set_connection("lanes", json!(4));
        let report = scene.run(&scene.drop(people(0, 10_000, 1))).await;
        assert_eq!(report.outcome, Outcome::StoppedByGuard, "{report:?}");
        // Each of the four lanes alone would go on to 1,000.
        assert!((1001..2000).contains(&report.rows.rejected), "{:?}", report.rows);
    }
}

#[tokio::test]
async fn a_run_warns_before_max_profiles_stops_it() {
    let mut scene = Scene::new(Options::default()).await;
    scene.set_export("guards", json!({ "max_profiles": 20, "max_leavers_share": 1 }));
    for (rows, is_near) in [(18, false), (19, true), (20, true)] {
        let report = scene.run(&scene.drop(people(0, rows, 1))).await;
        assert!(report.error.is_none(), "{report:?}");
        let said = format!("{rows} profiles are over 90 % of max_profiles, 20");
        assert_eq!(report.warnings.iter().any(|warning| warning.contains(&said)), is_near, "{:?}", report.warnings);
    }
}
