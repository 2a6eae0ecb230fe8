//! How joiners get on lists, how lists are found, and what the state is held against.

use autopilot_export::report::{Outcome, Report};
use autopilot_export::run::{RunRequest, Trigger};
use autopilot_export::sandbox::{AutopilotOptions, BulkLists, Options};
use serde_json::json;

use crate::support::fixture::{LIST, Scene, people};

fn account(bulk: BulkLists, single: BulkLists) -> Options {
    AutopilotOptions { bulk_lists: bulk, single_lists: single, ..AutopilotOptions::default() }.into()
}

async fn canary(bulk: BulkLists, single: BulkLists) -> (Option<String>, Report) {
    let scene = Scene::new(account(bulk, single)).await;
    let report = scene.run(&scene.drop(people(0, 40, 1))).await;
    assert_eq!((report.rows.delivered, scene.members().len(), scene.emails().len()), (40, 40, 40), "{report:?}");
    let later = scene.run(&scene.drop(people(0, 60, 1))).await;
    assert_eq!(
        (later.list_strategy, scene.members().len()),
        (report.list_strategy.clone(), 60),
        "what was learned is kept"
    );
    (report.list_strategy.clone(), report)
}

#[tokio::test]
async fn bulk_rows_name_the_list_where_that_is_honoured() {
    let (way, report) = canary(BulkLists::Always, BulkLists::Always).await;
    assert_eq!(way, Some("bulk".to_owned()));
    assert!(report.requests.total <= 20, "{report:?}");
}

#[tokio::test]
async fn bulk_rows_that_only_new_contacts_honour_are_not_trusted() {
    assert_eq!(canary(BulkLists::CreateOnly, BulkLists::Always).await.0, Some("single".to_owned()));
    assert_eq!(canary(BulkLists::CreateOnly, BulkLists::CreateOnly).await.0, Some("bulk_then_list".to_owned()));
}

#[tokio::test]
async fn single_contacts_that_name_the_list_are_second_best() {
    assert_eq!(canary(BulkLists::Never, BulkLists::Always).await.0, Some("single".to_owned()));
}

#[tokio::test]
async fn joiners_are_added_one_by_one_where_no_upsert_names_the_list() {
    assert_eq!(canary(BulkLists::Never, BulkLists::Never).await.0, Some("bulk_then_list".to_owned()));
}

// Promise 3, for the canary: a row that was lost on its way must not pass for a contact that exists.
#[tokio::test]
async fn a_canary_that_loses_a_row_does_not_learn_what_is_not_so() {
    for nth in 10..24 {
        let scene = Scene::new(account(BulkLists::CreateOnly, BulkLists::CreateOnly)).await;
        scene.sandbox.set_faults(vec![format!("drop-rows@{nth}").parse().unwrap()]);
        for to in [20, 2, 20] {
            scene.run(&scene.drop(people(0, to, 1))).await;
            scene.sandbox.clear_faults();
        }
        scene.run(&scene.drop(people(0, 20, 1))).await;
        assert_eq!(scene.members().len(), 20, "a row was lost with request {nth}");
    }
}

#[tokio::test]
async fn few_joiners_are_put_on_the_list_without_a_canary() {
    let scene = Scene::new(account(BulkLists::Always, BulkLists::Always)).await;
    let report = scene.run(&scene.drop(people(0, 5, 1))).await;
    assert_eq!((report.list_strategy, scene.members().len()), (Some("bulk_then_list".to_owned()), 5));
    let report = scene.run(&scene.drop(people(0, 25, 1))).await;
    assert_eq!(
        (report.list_strategy, scene.members().len()),
        (Some("bulk".to_owned()), 25),
        "a few joiners teach nothing"
    );
}

#[tokio::test]
async fn contacts_that_autopilot_had_before_are_put_on_the_list() {
    for (bulk, single) in [
        (BulkLists::Always, BulkLists::Always),
        (BulkLists::CreateOnly, BulkLists::Always),
        (BulkLists::CreateOnly, BulkLists::CreateOnly),
        (BulkLists::Never, BulkLists::Never),
    ] {
        let mut scene = Scene::new(account(bulk, single)).await;
        scene.set_membership(json!("none"));
        scene.run(&scene.drop(people(0, 30, 1))).await;
        scene.set_membership(json!({ "list": LIST }));
        let report = scene.run(&RunRequest { full: true, ..scene.drop(people(0, 40, 1)) }).await;
        assert_eq!((report.outcome, scene.members().len()), (Outcome::Succeeded, 40), "{report:?}");
    }
}

#[tokio::test]
async fn an_existing_list_is_used_and_a_missing_one_is_made_once() {
    let lists = vec![("contactlist_1".into(), LIST.into())];
    let scene = Scene::new(AutopilotOptions { lists, ..AutopilotOptions::default() }.into()).await;
    scene.run(&scene.drop(people(0, 3, 1))).await;
    assert_eq!(scene.sandbox.contents().lists.len(), 1);
    let conflicts = AutopilotOptions { conflict_on_duplicate_list: true, ..AutopilotOptions::default() };
    let scene = Scene::new(conflicts.into()).await;
    scene.run(&scene.drop(people(0, 3, 1))).await;
    scene.run(&scene.drop(people(0, 6, 1))).await;
    assert_eq!((scene.sandbox.contents().lists.len(), scene.members().len()), (1, 6));
}

#[tokio::test]
async fn a_list_whose_making_gave_no_answer_is_made_once() {
    for fault in ["cut-after", "truncate", "garbage", "html"] {
        for conflict in [true, false] {
            let options = AutopilotOptions { conflict_on_duplicate_list: conflict, ..AutopilotOptions::default() };
            let scene = Scene::new(options.into()).await;
            // The first three ask for the account, its lists and its fields.
            scene.sandbox.set_faults(vec![format!("{fault}@4").parse().unwrap()]);
            let report = scene.run(&scene.drop(people(0, 3, 1))).await;
            assert_eq!(report.outcome, Outcome::Succeeded, "{fault} {report:?}");
            assert_eq!((scene.sandbox.contents().lists.len(), scene.members().len()), (1, 3), "{fault} {conflict}");
        }
    }
}

#[tokio::test]
async fn of_two_lists_with_one_title_the_same_is_always_used() {
    let lists = vec![("contactlist_b".into(), LIST.into()), ("contactlist_a".into(), LIST.into())];
    let scene = Scene::new(AutopilotOptions { lists, ..AutopilotOptions::default() }.into()).await;
    for to in [3, 6] {
        let report = scene.run(&scene.drop(people(0, to, 1))).await;
        assert!(report.warnings.iter().any(|warning| warning.contains("2 lists have the title")), "{report:?}");
    }
    let sizes: Vec<usize> = scene.sandbox.contents().lists.iter().map(|list| list.members).collect();
    assert_eq!(sizes, [0, 6]);
}

async fn refused(scene: &Scene, says: &str) {
    let before = scene.held();
    scene.sandbox.reset_counters();
    let report = scene.run(&scene.drop(people(0, 8, 2))).await;
    let message = report.error.clone().unwrap().message;
    assert_eq!((report.outcome, report.exit_code()), (Outcome::Failed, 2), "{message}");
    assert!(message.contains(says), "{message}");
    assert_eq!((scene.sandbox.counters().writes, scene.held()), (0, before), "{message}");
}

#[tokio::test]
async fn another_title_in_the_configuration_sends_nothing() {
    let mut scene = Scene::new(Options::default()).await;
    scene.run(&scene.drop(people(0, 4, 1))).await;
    scene.set_membership(json!({ "list": "Readers" }));
    refused(&scene, "is of the list \"Newsletter\", the configuration names \"Readers\"").await;
    assert_eq!(scene.sandbox.counters().requests, 0);
    scene.set_membership(json!({ "field": "Reader" }));
    refused(&scene, "another kind of membership").await;
}

#[tokio::test]
async fn another_field_in_the_configuration_is_named() {
    let mut scene = Scene::new(Options::default()).await;
    scene.set_membership(json!({ "field": "Reader" }));
    scene.run(&scene.drop(people(0, 4, 1))).await;
    scene.set_membership(json!({ "field": "Subscriber" }));
    refused(&scene, "is of the field \"Reader\", the configuration names \"Subscriber\"").await;
}

#[tokio::test]
async fn the_state_of_another_account_sends_nothing() {
    let scene = Scene::new(Options::default()).await;
    scene.run(&scene.drop(people(0, 4, 1))).await;
    scene.sandbox.change(|options| options.autopilot.instance_id = "another".into());
    refused(&scene, "the state belongs to another Autopilot account").await;
}

#[tokio::test]
async fn a_state_under_another_key_sends_nothing() {
    let scene = Scene::new(Options::default()).await;
    scene.run(&scene.drop(people(0, 4, 1))).await;
    scene.write("state.key", "ab".repeat(32).as_bytes());
    let report = scene.run(&scene.drop(people(0, 8, 2))).await;
    assert!(report.error.unwrap().message.contains("another state key"));
}

#[tokio::test]
async fn a_damaged_or_missing_state_is_an_error_until_full() {
    for (damage, says) in [(Some("no state"), "--full"), (None, "though the export has members; restore it")] {
        let scene = Scene::new(Options::default()).await;
        scene.run(&scene.drop(people(0, 4, 1))).await;
        let path = "state/newsletter/profiles.gz";
        match damage {
            Some(text) => scene.write(path, text.as_bytes()),
            None => std::fs::remove_file(scene.root().join(path)).unwrap(),
        }
        refused(&scene, says).await;
        let report = scene.run(&RunRequest { full: true, ..scene.drop(people(0, 4, 1)) }).await;
        assert_eq!((report.outcome, scene.state().len()), (Outcome::Succeeded, 4), "{report:?}");
    }
}

#[tokio::test]
async fn a_custom_field_of_another_type_sends_nothing() {
    let fields = vec![("Value".to_owned(), "date".to_owned())];
    let scene = Scene::new(AutopilotOptions { custom_fields: fields, ..AutopilotOptions::default() }.into()).await;
    refused(&scene, "custom field \"Value\": has the type date in the account, integer in the configuration").await;
}

#[tokio::test]
async fn a_changed_matching_sends_only_rows_whose_fields_changed() {
    let mut scene = Scene::new(Options::default()).await;
    let drop = "EMail,FirstName,Value,City\na@example.com,Ann,1,\nb@example.com,Bob,2,Oslo\nc@example.com,Cy,3,\n";
    scene.run(&scene.drop(drop)).await;
    scene.set_export(
        "match",
        json!({
            "email": "EMail", "first_name": "FirstName", "mailing_city": "City",
            "custom": { "Value": { "column": "Value", "type": "integer" } }
        }),
    );
    let report = scene.run(&scene.drop(drop)).await;
    assert_eq!((report.rows.delivered, report.rows.unchanged), (1, 2), "{report:?}");
    assert_eq!(scene.held()["b@example.com"].0["MailingCity"], "Oslo");
}

#[tokio::test]
async fn a_profile_in_two_segments_is_one_contact_on_two_lists() {
    let mut scene = Scene::new(Options::default()).await;
    scene.set_export(
        "segments",
        json!([
            { "name": LIST, "prefix": "segments/newsletter/" }, { "name": "VIP", "prefix": "segments/vip/" }
        ]),
    );
    scene.write("segments/newsletter/a.csv", people(0, 20, 1).as_bytes());
    scene.write("segments/vip/a.csv", people(10, 30, 1).as_bytes());
    let request = RunRequest { drops: Vec::new(), ..scene.request("", Trigger::Schedule) };
    let report = scene.run(&request).await;
    assert_eq!((report.rows.read, report.rows.delivered), (40, 40), "{report:?}");
    let vips = scene.sandbox.contents().members("VIP").len();
    assert_eq!((scene.emails().len(), scene.members().len(), vips), (30, 20, 20));
}
