//! What plan and report say that is particular to Ortto.

use autopilot_export::report::Outcome;
use autopilot_export::sandbox::{Fault, OrttoOptions};
use autopilot_export::steps::{self, Limit};
use serde_json::{Value, json};

use crate::cli::command::Cli;
use crate::destination::ortto::{emails, run, sim, tagged};
use crate::support::fixture::{LIST, Scene, people};
use crate::support::kill::Kill;
use crate::support::sim::Way;

fn has(texts: &[String], words: &str) -> bool {
    texts.iter().any(|text| text.contains(words))
}

#[tokio::test(start_paused = true)]
async fn the_report_tells_the_tags_count_beside_the_expected() {
    let sim = sim(&[]);
    let report = run(&sim, "first", &people(0, 330, 1)).await;
    let remarks = &report.remarks;
    for words in
        ["at most 330 more people", "subscribed to email by default", "may start journeys", "330 members, as expected"]
    {
        assert!(has(remarks, words), "{words}: {remarks:?}");
    }
    // Somebody is tagged by hand: a remark, and no failure.
    let by_hand = json!({ "people": [{ "fields": { "str::email": "by@hand.example" }, "tags": [LIST] }], "merge_by": ["str::email"] });
    assert_eq!(sim.sandbox.ask("POST", "/person/merge", "any", by_hand.to_string().as_bytes()).unwrap().0, 200);
    let report = run(&sim, "second", &people(0, 320, 1)).await;
    assert_eq!((report.outcome, tagged(&sim).len()), (Outcome::Succeeded, 321));
    assert!(has(&report.remarks, "counts 321 members, 320 are expected"), "{:?}", report.remarks);
    assert!(!has(&report.remarks, "billed"), "nobody joined: {:?}", report.remarks);
    let before = sim.sandbox.counters().requests;
    let report = run(&sim, "same", &people(0, 320, 1)).await;
    assert_eq!((report.outcome, sim.sandbox.counters().requests), (Outcome::NothingToDo, before), "nothing is asked");
}

#[tokio::test(start_paused = true)]
async fn a_run_ends_well_where_its_tag_cannot_be_counted() {
    let mut sim = sim(&[]);
    run(&sim, "first", &people(0, 5, 1)).await;
    sim.set("/connections/eu/patience_seconds", json!(5));
    // The opening asks four times, then the rows are sent.
    let failing = (6..60).map(|number| format!("500@{number}")).collect::<Vec<_>>().join(",");
    sim.sandbox.set_faults(Fault::parse_list(&failing).unwrap());
    let report = run(&sim, "second", &people(0, 9, 1)).await;
    assert_eq!((report.outcome, tagged(&sim)), (Outcome::Succeeded, emails(0..9)), "{report:?}");
    assert!(has(&report.remarks, "the member count could not be read"), "{:?}", report.remarks);
}

#[tokio::test(start_paused = true)]
async fn what_is_disabled_at_its_end_asks_for_no_count() {
    let mut sim = sim(&[]);
    let (world, request) = (sim.world(&Kill::never()), sim.drop("first", &people(0, 5, 1)));
    steps::prepare(&world, &sim.config, &request).await.unwrap();
    let lanes = steps::open(&world, &sim.config, &request).await.unwrap().count;
    for lane in 0..lanes {
        steps::deliver(&world, &sim.config, &request, lane, &Limit::default()).await.unwrap();
    }
    let before = sim.sandbox.counters().requests;
    sim.set("/exports/newsletter/enabled", json!(false));
    let report = steps::finish(&world, &sim.config, &request, None).await.unwrap();
    assert_eq!((report.outcome, sim.sandbox.counters().requests), (Outcome::Succeeded, before), "{report:?}");
    assert!(has(&report.remarks, "export newsletter: is disabled"), "{:?}", report.remarks);
}

#[tokio::test]
async fn plan_counts_every_request_of_both_ways_to_mark_members() {
    for (way, form) in [(Way::Tag, "tag"), (Way::Flag, "field")] {
        let mut scene = Scene::new(OrttoOptions::default().into()).await;
        scene.settings = way.settings(scene.settings);
        scene.set_membership(way.membership());
        let cli = Cli::new(scene);
        let mut drop = cli.scene.file("members.csv", people(0, 350, 1).as_bytes());
        for joiners in [350, 40] {
            let (code, out, _) = cli.run(&["plan", "newsletter", "--json", "--drop", drop.to_str().unwrap()]).await;
            let plan: Value = serde_json::from_str(&out).unwrap();
            assert_eq!((code, &plan["new_people_at_most"]), (0, &json!(joiners)), "{out}");
            assert_eq!(plan["forms"][form]["requests"], plan["requests"], "{out}");
            let remarks = plan["remarks"].to_string();
            assert!(remarks.contains("subscribed"), "{out}");
            assert_eq!(remarks.contains("looked for among everybody"), joiners == 40, "of leavers: {out}");
            let (_, report) = cli.export(&drop).await;
            let total = report["requests"]["total"].as_u64().unwrap();
            let (fewest, most) = (plan["requests"].as_u64().unwrap(), plan["requests_at_most"].as_u64().unwrap());
            assert!((fewest..=most).contains(&total), "{form}: {fewest} <= {total} <= {most}");
            // Thirty leave, forty come.
            drop = cli.scene.file("tomorrow.csv", people(30, 390, 1).as_bytes());
        }
        let more = cli.scene.file("more.csv", people(30, 400, 1).as_bytes());
        let (_, out, _) = cli.run(&["plan", "newsletter", "--drop", more.to_str().unwrap()]).await;
        assert!(out.contains("by tag ") && out.contains("by field "), "{out}");
    }
}
