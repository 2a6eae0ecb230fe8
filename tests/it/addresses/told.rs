//! What is said of an address that changed: in a person's history, and by a plan.

use autopilot_export::run::RunRequest;
use autopilot_export::steps::person::{Sought, history};
use autopilot_export::steps::{self, Rehearsal};

use super::{TWO, contact, drop, id, members, names, of, rows, run, sim, writes};
use crate::support::fixture::LIST;
use crate::support::kill::Kill;
use crate::support::sim::Way;

#[tokio::test(start_paused = true)]
async fn the_history_of_both_addresses_says_so() {
    for way in Way::DESTINATIONS {
        let sim = sim(way, &[LIST]);
        drop(&sim, "a", &TWO).await;
        drop(&sim, "b", &[("anna", "1"), TWO[1]]).await;
        for (name, verdicts) in [("ann", vec!["address_changed", "joined"]), ("anna", vec!["address_changed"])] {
            let sought = Sought::read(&format!("{name}@x.example")).unwrap();
            let said = history(&sim.world(&Kill::never()), &sim.config, &sought).await.unwrap().verdicts;
            let mut said: Vec<_> = said.iter().map(|said| said.verdict).collect();
            said.sort_unstable();
            assert_eq!(said, verdicts, "{way:?} {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_counts_it_and_sends_nothing() {
    for way in Way::DESTINATIONS {
        let sim = sim(way, &[LIST]);
        drop(&sim, "a", &TWO).await;
        let before = writes(&sim);
        let request = of(&sim, "b", &[(LIST, rows(&[("anna", "1"), TWO[1]]))]);
        let world = sim.world(&Kill::never());
        let planned = steps::plan(&world, &sim.config, &request, Rehearsal::new(5, false).unwrap()).await.unwrap();
        let counts = planned.record.counts();
        assert_eq!((counts.address_changed, counts.joiners, counts.leavers), (1, 0, 0), "{way:?}");
        assert_eq!((planned.record.profiles, writes(&sim) - before), (2, 0), "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_share_of_leavers_counts_new_addresses() {
    for way in Way::DESTINATIONS {
        let mut sim = sim(way, &[LIST]);
        drop(&sim, "a", &TWO).await;
        sim.set("/exports/newsletter/guards/max_leavers_share", serde_json::json!(0.1));
        let report = drop(&sim, "b", &[("anna", "1"), ("bob", "2")]).await;
        assert_eq!((report.members.address_changed, report.error), (2, None), "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_in_full_knows_no_earlier_address() {
    for way in Way::DESTINATIONS {
        let sim = sim(way, &[LIST]);
        drop(&sim, "a", &TWO).await;
        let before = id(&sim, "ann");
        let people = [("anna", "1"), TWO[1]];
        let full = RunRequest { full: true, ..of(&sim, "b", &[(LIST, rows(&people))]) };
        let report = run(&sim, &full).await;
        assert_eq!(report.members.address_changed, 0, "{way:?}: {report:?}");
        assert_eq!(contact(&sim, "ann").unwrap().id, before, "{way:?}");
        drop(&sim, "c", &people).await;
        assert_eq!(members(&sim, way, LIST), names(&["anna", "bo"]), "{way:?}");
    }
}
