//! Promise 11: "Leaving a segment never deletes a contact ... A drop with more rows without a readable address than the last
//! one removes nobody".

use autopilot_export::report::Outcome;
use autopilot_export::run::{RunRequest, Trigger};
use autopilot_export::sandbox::Options;
use serde_json::json;

use crate::support::fixture::{LIST, Scene, csv, people, set};
use crate::support::sim::Way;

#[tokio::test]
async fn a_leaver_leaves_the_list_and_stays_a_contact() {
    for way in Way::DESTINATIONS {
        let scene = Scene::of(way).await;
        scene.run(&scene.drop(people(0, 6, 1))).await;
        let report = scene.run(&scene.drop(people(0, 4, 1))).await;
        assert_eq!((report.outcome, report.members.leavers, report.rows.unchanged), (Outcome::Succeeded, 2, 4));
        assert_eq!((scene.members().len(), scene.emails().len(), scene.state().len()), (4, 6, 4));
        assert_eq!(scene.sandbox.counters().of("DELETE /contact/{contact}"), 0);
    }
}

// A lane waited for good for the answer to a request that nobody had to make.
#[tokio::test]
async fn without_membership_a_leaver_leaves_the_state_only() {
    let mut scene = Scene::new(Options::default()).await;
    scene.set_membership(json!("none"));
    scene.run(&scene.drop(people(0, 6, 1))).await;
    for (to, joiners) in [(4, 0), (2, 0), (5, 3)] {
        let report = scene.run(&scene.drop(people(0, to, 1))).await;
        assert_eq!((report.outcome, report.members.joiners), (Outcome::Succeeded, joiners), "{report:?}");
        assert_eq!((scene.state().len(), scene.emails().len()), (to as usize, 6));
        assert_eq!(report.requests.total, 3 + joiners.min(1), "the account is asked, and the joiners are sent");
    }
}

#[tokio::test]
async fn a_leaver_who_comes_back_is_on_the_list_again() {
    for way in Way::DESTINATIONS {
        let scene = Scene::of(way).await;
        for to in [6, 4, 6] {
            scene.run(&scene.drop(people(0, to, 1))).await;
            assert_eq!((scene.members().len(), scene.emails().len()), (to as usize, 6));
        }
    }
}

#[tokio::test]
async fn a_leaver_unknown_to_autopilot_has_left() {
    let scene = Scene::new(Options::default()).await;
    scene.run(&scene.drop(people(0, 4, 1))).await;
    let gone = scene.sandbox.contents().by_email("person.3@example.com").unwrap().id.clone();
    let url = format!("{}/contact/{gone}", scene.sandbox.url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(client.delete(url).header("autopilotapikey", "a").send().await.unwrap().status().is_success());
    let report = scene.run(&scene.drop(people(0, 2, 1))).await;
    assert_eq!((report.outcome, scene.members().len(), scene.state().len()), (Outcome::Succeeded, 2, 2), "{report:?}");
}

#[tokio::test]
async fn a_drop_with_a_malformed_row_removes_nobody_and_says_so() {
    for way in Way::DESTINATIONS {
        let scene = Scene::of(way).await;
        scene.run(&scene.drop(people(0, 6, 1))).await;
        let report = scene.run(&scene.drop(people(2, 8, 1) + "broken@example.com,Ana\n")).await;
        assert_eq!((report.members.leavers, report.members.leavers_withheld), (0, 2));
        assert!(report.warnings.iter().any(|warning| warning.contains("2 leavers are withheld")), "{report:?}");
        assert_eq!((scene.members().len(), scene.state().len()), (8, 8));
        let report = scene.run(&scene.drop(people(2, 8, 1))).await;
        assert_eq!((report.members.leavers, scene.members().len()), (2, 6), "the next whole drop removes them");
    }
}

// "A suppressed profile that is on the list leaves it; a profile rejected for another field than its email stays."
#[tokio::test]
async fn a_suppressed_profile_leaves_and_a_rejected_one_stays() {
    for way in Way::DESTINATIONS {
        let mut scene = Scene::of(way).await;
        let (ann, bob, cy, di) = ("ann@example.com", "bob@example.com", "cy@example.com", "di@example.com");
        scene.run(&scene.drop(csv(&[(ann, "Ann", 1), (bob, "Bob", 1), (cy, "Cy", 1), (di, "Di", 1)]))).await;
        scene.set_export("suppress", json!([{ "column": "FirstName", "equals": "quiet" }]));
        scene.set_export("suppression_file", json!("config/suppressed.txt"));
        scene.write("config/suppressed.txt", b"BOB@example.com\n");
        let drop = format!("EMail,FirstName,Value\n{ann},Quiet,1\n{bob},Bob,2\n{cy},Cy,many\n{di},Di,1\n");
        let report = scene.run(&scene.drop(drop)).await;
        assert_eq!((report.rows.suppressed, report.rows.rejected, report.members.leavers), (2, 1, 2), "{report:?}");
        assert_eq!((scene.members(), scene.emails().len()), (set(&[cy, di]), 4));
        assert_eq!(scene.held()[bob].1["Value"], 1, "what is suppressed is not sent");
    }
}

#[tokio::test]
async fn a_run_in_full_sends_every_row_and_removes_nobody() {
    for way in Way::DESTINATIONS {
        let scene = Scene::of(way).await;
        scene.run(&scene.drop(people(0, 6, 1))).await;
        let report = scene.run(&RunRequest { full: true, ..scene.drop(people(4, 8, 1)) }).await;
        assert_eq!((report.rows.delivered, report.members.leavers, scene.members().len()), (4, 0, 8), "{report:?}");
        assert_eq!(scene.state().len(), 8, "who was kept is still known");
        scene.run(&scene.drop(people(4, 8, 1))).await;
        assert_eq!(scene.members().len(), 4);
    }
}

#[tokio::test]
async fn leavers_of_a_field_get_false_and_come_back_with_true() {
    for way in [Way::Field, Way::Flag] {
        let scene = Scene::of(way).await;
        let readers = |scene: &Scene| scene.held().values().filter(|(_, custom, _)| custom["Reader"] == true).count();
        scene.run(&scene.drop(people(0, 6, 1))).await;
        assert_eq!(readers(&scene), 6);
        let report = scene.run(&scene.drop(people(0, 4, 1))).await;
        assert_eq!((report.outcome, report.members.leavers, readers(&scene)), (Outcome::Succeeded, 2, 4));
        let held = scene.held();
        assert_eq!(held["person.5@example.com"].1["Reader"], json!(false));
        assert_eq!(held["person.5@example.com"].1["Value"], json!(1), "the rest of the contact stays");
        scene.run(&scene.drop(people(0, 6, 1))).await;
        assert_eq!((readers(&scene), scene.emails().len()), (6, 6));
        assert!(scene.sandbox.contents().members(LIST).is_empty());
    }
}

#[tokio::test]
async fn a_folder_that_lacks_parts_removes_nobody_and_says_so() {
    for way in Way::DESTINATIONS {
        let mut scene = Scene::of(way).await;
        scene.set("/exports/newsletter/segments/0/drop", json!("folder"));
        scene.run(&scene.drop(people(0, 6, 1))).await;
        let root = "segments/newsletter/CustomerInsights_7c9e/Export";
        let part = |n: u32| {
            json!({ "name": format!("Gold_{n}"), "fileFormatSettings": { "columnHeaders": true },
                "location": format!("https://x.example/c/CustomerInsights_7c9e/Export/Gold/2026/11/23/0600/Gold_{n}.csv") })
        };
        let attributes: Vec<_> =
            people(0, 1, 1).lines().next().unwrap().split(',').map(|name| json!({ "name": name })).collect();
        let model = json!({ "entities": [{ "$type": "LocalEntity", "name": "Gold", "attributes": attributes,
                                       "partitions": [part(1), part(2)] }] });
        scene.write(&format!("{root}/model.json"), model.to_string().as_bytes());
        scene.write(&format!("{root}/Gold/2026/11/23/0600/Gold_1.csv"), people(0, 3, 1).as_bytes());
        scene.write(&format!("{root}/Gold/2026/11/23/0600/_SUCCESS"), b"");
        let report =
            scene.run(&scene.request(&format!("{root}/Gold/2026/11/23/0600/Gold_1.csv"), Trigger::Command)).await;
        assert_eq!((report.members.leavers, report.members.leavers_withheld), (0, 3), "{report:?}");
        assert!(report.warnings.iter().any(|warning| warning.contains("lacks 1 parts")), "{report:?}");
        assert_eq!(scene.members().len(), 6);
    }
}
