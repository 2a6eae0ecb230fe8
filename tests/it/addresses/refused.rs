//! New addresses that are another contact's, or that nobody is to be sent to.

use serde_json::json;

use super::{TWO, VIP, contact, drop, id, make, members, names, of, opt_out, rows, run, sim, writes};
use crate::support::fixture::LIST;
use crate::support::sim::Way;

#[tokio::test(start_paused = true)]
async fn a_new_address_that_is_taken_joins_and_the_old_one_leaves() {
    for way in Way::ALL {
        let sim = sim(way, &[LIST]);
        drop(&sim, "a", &TWO).await;
        make(&sim, way, "anna");
        let before = [id(&sim, "ann"), id(&sim, "anna")];
        let report = drop(&sim, "b", &[("anna", "1"), TWO[1]]).await;
        assert_eq!([id(&sim, "ann"), id(&sim, "anna")], before, "{way:?}: nobody is deleted or changed");
        assert_eq!(members(&sim, way, LIST), names(&["anna", "bo"]), "{way:?}: {report:?}");
        let told = report.warnings.iter().filter(|warning| warning.starts_with("1 people have a new address that"));
        assert_eq!((told.count(), report.rows.delivered), (1, 1), "{way:?}: {report:?}");
        let before = writes(&sim);
        let report = drop(&sim, "c", &[("anna", "1"), TWO[1]]).await;
        assert_eq!((report.rows.unchanged, report.members.leavers), (2, 0), "{way:?}: {report:?}");
        assert_eq!(writes(&sim) - before, 0, "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_opted_out_stays_opted_out_under_a_new_address() {
    for way in Way::DESTINATIONS {
        for is_taken in [false, true] {
            let sim = sim(way, &[LIST]);
            drop(&sim, "a", &TWO).await;
            opt_out(&sim, way, "ann");
            if is_taken {
                make(&sim, way, "anna");
            }
            // The second time, the earlier address is no longer there to be asked.
            for name in ["b", "c"] {
                let report = drop(&sim, name, &[("anna", "1"), TWO[1]]).await;
                let is_mailed =
                    members(&sim, way, LIST).contains("anna") && !contact(&sim, "anna").unwrap().unsubscribed;
                assert!(!is_mailed && !members(&sim, way, LIST).contains("ann"), "{way:?} {is_taken}: {report:?}");
                let is_told = report.warnings.iter().any(|warning| warning.contains("not sent to under it"));
                assert_eq!((is_told, report.rows.suppressed), (is_taken, u64::from(is_taken)), "{way:?}: {report:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_suppressed_is_not_sent_to_under_a_new_address() {
    for way in Way::DESTINATIONS {
        let mut sim = sim(way, &[LIST]);
        drop(&sim, "a", &TWO).await;
        sim.set("/exports/newsletter/suppression_file", json!("lists/stop.txt"));
        sim.store.write("lists/stop.txt", "ann@x.example\n");
        for name in ["b", "c"] {
            let report = drop(&sim, name, &[("anna", "1"), TWO[1]]).await;
            assert_eq!(members(&sim, way, LIST), names(&["bo"]), "{way:?}: {report:?}");
            assert_eq!((contact(&sim, "anna"), report.rows.suppressed), (None, 1), "{way:?}: {report:?}");
        }
        // Gone from the drop, it is forgotten.
        drop(&sim, "d", &TWO[1..]).await;
        let report = drop(&sim, "e", &TWO[1..]).await;
        assert_eq!((report.members.leavers, report.rows.unchanged), (0, 1), "{way:?}: {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_address_that_is_suppressed_leaves_as_before() {
    for way in Way::DESTINATIONS {
        let mut sim = sim(way, &[LIST]);
        drop(&sim, "a", &TWO).await;
        sim.set("/exports/newsletter/suppression_file", json!("lists/stop.txt"));
        sim.store.write("lists/stop.txt", "anna@x.example\n");
        let report = drop(&sim, "b", &[("anna", "1"), TWO[1]]).await;
        assert_eq!((report.members.leavers, report.rows.suppressed), (1, 1), "{way:?}: {report:?}");
        assert_eq!(members(&sim, way, LIST), names(&["bo"]), "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_ambiguous_id_joins_and_leaves_and_is_reported() {
    for way in Way::DESTINATIONS {
        let sim = sim(way, &[LIST]);
        drop(&sim, "a", &TWO).await;
        let report = drop(&sim, "b", &[("anna", "1"), ("annie", "1"), TWO[1]]).await;
        let counts = &report.members;
        assert_eq!((counts.joiners, counts.leavers, counts.address_changed), (2, 1, 0), "{way:?}: {report:?}");
        assert!(report.warnings.iter().any(|warning| warning.starts_with("1 known customer ids")), "{report:?}");
        assert_eq!(members(&sim, way, LIST), names(&["anna", "annie", "bo"]), "{way:?}");
        // The earlier address is still there: both are members.
        let report = drop(&sim, "c", &[("anna", "1"), ("annie", "1"), TWO[1], ("bob", "2")]).await;
        assert_eq!((report.members.joiners, report.members.leavers), (1, 0), "{way:?}: {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_address_that_another_segment_holds_stays() {
    for way in Way::DESTINATIONS {
        let sim = sim(way, &[LIST, VIP]);
        run(&sim, &of(&sim, "a", &[(LIST, rows(&TWO)), (VIP, rows(&TWO))])).await;
        let before = id(&sim, "ann");
        let drops = [(LIST, rows(&[("anna", "1"), TWO[1]])), (VIP, rows(&TWO))];
        let report = run(&sim, &of(&sim, "b", &drops)).await;
        assert_eq!((report.members.joiners, report.members.leavers), (1, 1), "{way:?}: {report:?}");
        assert!(report.warnings.iter().any(|warning| warning.starts_with("1 known customer ids")), "{report:?}");
        assert_eq!((members(&sim, way, VIP), id(&sim, "ann")), (names(&["ann", "bo"]), before), "{way:?}");
        assert_eq!(members(&sim, way, LIST), names(&["anna", "bo"]), "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_row_with_a_new_address_keeps_the_member() {
    for way in Way::DESTINATIONS {
        let mut sim = sim(way, &[LIST]);
        let custom = json!({ "Value": { "column": "Value", "type": "integer" } });
        sim.set("/exports/newsletter/match/custom", custom);
        let people = |rows: &str| format!("EMail,FirstName,Id,Value\n{rows}");
        run(&sim, &of(&sim, "a", &[(LIST, people("ann@x.example,ann,1,1\nbo@x.example,bo,2,1\n"))])).await;
        let before = id(&sim, "ann");
        for (name, value, address) in [("b", "many", "ann"), ("c", "7", "anna")] {
            let rows = people(&format!("anna@x.example,anna,1,{value}\nbo@x.example,bo,2,1\n"));
            let report = run(&sim, &of(&sim, name, &[(LIST, rows)])).await;
            assert_eq!((report.members.joiners, report.members.leavers), (0, 0), "{way:?}: {report:?}");
            assert_eq!(id(&sim, address), before, "{way:?} {name}: {report:?}");
            assert_eq!(members(&sim, way, LIST), names(&[address, "bo"]), "{way:?} {name}");
        }
    }
}
