//! Who is on a list by one address is sent under none: the customer id tells, as long as the list names the person.

use autopilot_export::run::{Mode, Reconcile, RunRequest};
use autopilot_export::steps::person::{Sought, erase};
use autopilot_export::steps::{self, Cancellation};
use serde_json::json;

use super::{TWO, contact, drop, members, names, of, opt_out, rows, run, sim, writes};
use crate::support::fixture::LIST;
use crate::support::kill::Kill;
use crate::support::sim::{Sim, Way, request};

const STOP: &str = "lists/stop.txt";

fn stop(sim: &Sim, name: &str) {
    sim.store.write(STOP, format!("{name}@x.example\nzoe@x.example\nzac@x.example\n"));
}

#[tokio::test(start_paused = true)]
async fn the_suppression_file_follows_a_customer_to_any_address() {
    for way in Way::DESTINATIONS {
        let mut sim = sim(way, &[LIST]);
        sim.set("/exports/newsletter/suppression_file", json!(STOP));
        stop(&sim, "nobody");
        drop(&sim, "a", &TWO).await;
        stop(&sim, "ann");
        assert_eq!(drop(&sim, "b", &TWO).await.rows.suppressed, 1, "{way:?}");
        // In whichever later run, and back to an address that the file does not name.
        for (name, address) in [("c", "anna"), ("d", "annie"), ("e", "anna")] {
            let report = drop(&sim, name, &[(address, "1"), TWO[1]]).await;
            assert_eq!((report.rows.suppressed, contact(&sim, address)), (1, None), "{way:?} {name}: {report:?}");
        }
        let full = RunRequest { full: true, ..of(&sim, "f", &[(LIST, rows(&[("anna", "1"), TWO[1]]))]) };
        let report = run(&sim, &full).await;
        assert_eq!((report.rows.suppressed, contact(&sim, "anna")), (1, None), "{way:?}: {report:?}");
        // Off the file, the person is sent again.
        stop(&sim, "nobody");
        let report = drop(&sim, "g", &[("anna", "1"), TWO[1]]).await;
        assert_eq!(report.rows.suppressed, 0, "{way:?}: {report:?}");
        assert_eq!(members(&sim, way, LIST), names(&["anna", "bo"]), "{way:?}");
        let before = writes(&sim);
        drop(&sim, "h", &[("anna", "1"), TWO[1]]).await;
        assert_eq!(writes(&sim), before, "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_opt_out_there_follows_a_customer_to_another_address() {
    for way in Way::DESTINATIONS {
        for (is_full, is_seen_before) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut sim = sim(way, &[LIST]);
            sim.set("/exports/newsletter/honour_optouts", json!(true));
            drop(&sim, "a", &TWO).await;
            opt_out(&sim, way, "ann");
            let look = Reconcile { mode: Mode::Look, segment: None };
            let look = RunRequest { reconcile: Some(look), ..request("look", "") };
            steps::reconcile(&sim.world(&Kill::never()), &sim.config, &look, &Cancellation::default()).await.unwrap();
            if is_seen_before {
                assert_eq!(drop(&sim, "b", &TWO).await.rows.suppressed, 1, "{way:?}");
            }
            for name in ["c", "d"] {
                let moved = of(&sim, name, &[(LIST, rows(&[("anna", "1"), TWO[1]]))]);
                let report = run(&sim, &RunRequest { full: is_full, ..moved }).await;
                let place = format!("{way:?} {is_full} {is_seen_before} {name}: {report:?}");
                assert_eq!((report.rows.suppressed, contact(&sim, "anna")), (1, None), "{place}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_erased_does_not_come_back_under_another_address() {
    for way in Way::DESTINATIONS {
        let sim = sim(way, &[LIST]);
        drop(&sim, "a", &TWO).await;
        drop(&sim, "b", &[("anna", "1"), TWO[1]]).await;
        let sought = Sought::read("anna@x.example").unwrap();
        erase(&sim.world(&Kill::never()), &sim.config, &sought, false).await.unwrap();
        for (name, address) in [("c", "ann"), ("d", "anna"), ("e", "annie")] {
            let report = drop(&sim, name, &[(address, "1"), TWO[1]]).await;
            assert_eq!(report.rows.suppressed, 1, "{way:?} {name}: {report:?}");
            assert_eq!(members(&sim, way, LIST), names(&["bo"]), "{way:?} {name}");
        }
    }
}
