use super::*;
use crate::sandbox::{Archived, SuppressionEntries};

/// An opted-out, tagged and archived person; its id.
fn archived(sandbox: &Sandbox) -> String {
    let id = merge_one(sandbox, json!({ "str::email": "a@b.example", "bol::p": false }))["person_id"].clone();
    let (status, answer) = call(sandbox, "PUT", "person/archive", &json!({ "inclusion_ids": [id] }));
    assert_eq!((status, answer), (200, json!({ "scheduled_contacts": 0, "archived_contacts": 1 })));
    id.as_str().unwrap().to_owned()
}

// ORTTO_API 6
#[test]
fn merge_misses_an_archived_person_and_creates_a_second() {
    let sandbox = ortto();
    let id = archived(&sandbox);
    let second = merge_one(&sandbox, json!({ "str::email": "a@b.example" }));
    assert_eq!(second["status"], "created");
    assert_ne!(second["person_id"], id);
    assert!(!sandbox.contents().by_email("a@b.example").unwrap().unsubscribed);
}

// ORTTO_API 10, archived people may be restored or merged
#[test]
fn an_archived_person_may_be_restored_or_merged() {
    for (way, archived_after) in [(Archived::Restored, false), (Archived::Merged, true)] {
        let sandbox = assuming(OrttoOptions { archived: way, ..OrttoOptions::default() });
        let id = archived(&sandbox);
        assert_eq!(
            merge_one(&sandbox, json!({ "str::email": "a@b.example" })),
            json!({ "person_id": id, "status": "merged" })
        );
        let held = &sandbox.contents().contacts[0];
        assert_eq!((held.archived, held.unsubscribed), (archived_after, true));
    }
}

// ORTTO_API 6
#[test]
fn a_leaver_who_is_archived_is_skipped() {
    let sandbox = ortto();
    archived(&sandbox);
    assert_eq!(statuses(&leave(&sandbox, "a@b.example", "t").1), ["skipped"]);
    assert_eq!((sandbox.contact_count(), sandbox.contents().contacts.len()), (0, 1));
}

// ORTTO_API 6
#[test]
fn archived_people_are_listed_without_a_filter() {
    let sandbox = ortto();
    archived(&sandbox);
    merge_one(&sandbox, json!({ "str::email": "b@b.example" }));
    let get = |more: Value| {
        let mut body = json!({ "type": "archived", "fields": ["str::email", "bol::p"] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        call(&sandbox, "POST", "person/get", &body)
    };
    assert_eq!(get(json!({})).1["contacts"][0]["fields"], json!({ "str::email": "a@b.example", "bol::p": false }));
    assert_eq!(get(json!({ "q": "nobody" })).1["contacts"], Value::Null);
    assert_eq!(get(json!({ "filter": { "$has_any_value": { "field_id": "str::email" } } })).0, 400);
    assert_eq!(people(&sandbox, json!(["str::email"])), [json!({ "str::email": "b@b.example" })]);
}

#[test]
fn archived_people_are_restored_or_deleted() {
    let sandbox = ortto();
    let id = archived(&sandbox);
    let ids = json!({ "inclusion_ids": [id] });
    assert_eq!(call(&sandbox, "PUT", "person/restore", &ids).1["restored_contacts"], 1);
    assert_eq!(call(&sandbox, "DELETE", "person/delete", &ids).1["deleted_contacts"], 0, "only archived ones");
    let all = json!({ "all_rows_selected": true });
    assert_eq!(call(&sandbox, "PUT", "person/archive", &all).1["archived_contacts"], 1);
    assert_eq!(call(&sandbox, "DELETE", "person/delete", &all).1["deleted_contacts"], 1);
    assert_eq!(sandbox.contents().contacts.len(), 0);
    assert_eq!(merge_one(&sandbox, json!({ "str::email": "a@b.example" }))["status"], "created");
}

// ORTTO_API 2.1
#[test]
fn a_suppressed_address_is_not_created_but_merged() {
    let sandbox = ortto();
    merge_one(&sandbox, json!({ "str::email": "known@b.example" }));
    let emails = json!({ "emails": ["Known@b.example", "new@b.example"] });
    assert_eq!(call(&sandbox, "PUT", "suppression-list/email/add", &emails).0, 200);
    let row = |email: &str| json!([{ "fields": { "str::email": email } }]);
    let checked = json!({ "suppression_list_field_id": "str::email" });
    let (status, answer) = merge_with(&sandbox, row("NEW@b.example"), checked.clone());
    assert_eq!((status, &answer["error"]), (400, &json!("No valid contacts provided (Email is suppressed)")));
    assert_eq!(answer["details"], json!([{ "status": "suppressed", "error": "Email is suppressed" }]));
    assert_eq!(statuses(&merge_with(&sandbox, row("known@b.example"), checked).1), ["merged"]);
    assert_eq!(statuses(&merge(&sandbox, row("new@b.example")).1), ["created"], "without the check");
}

// ORTTO_API 10, how entries look
#[test]
fn the_suppression_list_is_paged_and_has_two_forms() {
    for (suppression_entries, entry) in [
        (SuppressionEntries::Objects, json!({ "email": "000@b.example" })),
        (SuppressionEntries::Strings, json!("000@b.example")),
    ] {
        let sandbox = assuming(OrttoOptions { suppression_entries, ..OrttoOptions::default() });
        let get =
            |offset: usize| post(&sandbox, "suppression-list/email/get", json!({ "limit": 500, "offset": offset }));
        assert_eq!((&get(0)["emails"], &get(0)["has_more"]), (&Value::Null, &json!(false)));
        let emails: Vec<String> = (0..501).map(|n| format!("{n:03}@b.example")).collect();
        call(&sandbox, "PUT", "suppression-list/email/add", &json!({ "emails": emails }));
        let page = get(0);
        assert_eq!((page["emails"].as_array().unwrap().len(), &page["emails"][0]), (500, &entry));
        assert_eq!((&page["has_more"], &page["meta"]["total"]), (&json!(true), &json!(501)));
        assert_eq!((get(500)["emails"].as_array().unwrap().len(), &get(500)["has_more"]), (1, &json!(false)));
        sandbox.change(|options| (options.ortto.page_size, options.ortto.suppression_has_more) = (3, false));
        assert_eq!((get(0)["emails"].as_array().unwrap().len(), &get(0)["has_more"]), (3, &Value::Null));
        call(&sandbox, "PUT", "suppression-list/email/remove", &json!({ "emails": emails }));
        assert_eq!(get(0)["meta"]["total"], 0);
    }
}
