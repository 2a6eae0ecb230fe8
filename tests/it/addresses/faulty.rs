//! Answers that are missing or say nothing while addresses change: each contact gets its new address once.

use autopilot_export::sandbox::{Fault, FaultKind, When};

use super::{TWO, drop, id, members, names, of, rows, run, sim};
use crate::support::fixture::LIST;
use crate::support::sim::Way;

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_changes_an_address_once() {
    use FaultKind::{CutAfter, CutBefore, Garbage, Html, Stall, Status, Truncate};
    for way in Way::DESTINATIONS {
        let sim = sim(way, &[LIST]);
        drop(&sim, "a", &TWO).await;
        let ids = ["ann", "bo"].map(|name| id(&sim, name));
        sim.sandbox.reset_counters();
        drop(&sim, "b", &[("anna", "1"), TWO[1]]).await;
        let requests = sim.sandbox.counters().requests;
        for kind in [Status(500), Status(429), CutBefore, CutAfter, Stall, Truncate, Html, Garbage] {
            for nth in 1..=requests {
                let sim = super::sim(way, &[LIST]);
                drop(&sim, "a", &TWO).await;
                sim.sandbox.set_faults(vec![Fault { kind: kind.clone(), when: When::Nth(nth) }]);
                let people = [("anna", "1"), ("bob", "2")];
                let report = run(&sim, &of(&sim, "b", &[(LIST, rows(&people))])).await;
                let place = format!("{way:?} {kind:?} {nth}: {report:?}");
                assert_eq!(["anna", "bob"].map(|name| id(&sim, name)), ids, "{place}");
                assert_eq!(
                    (sim.sandbox.contact_count(), members(&sim, way, LIST)),
                    (2, names(&["anna", "bob"])),
                    "{place}"
                );
            }
        }
    }
}
