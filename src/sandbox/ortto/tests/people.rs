use super::*;

// ORTTO_API 2.2
#[test]
fn a_merge_creates_once_and_then_merges() {
    let sandbox = ortto();
    let created = merge_one(&sandbox, json!({ "str::email": "Ann@example.org", "str::first": "Ann" }));
    let merged = merge_one(&sandbox, json!({ "str::email": "ann@example.org", "str::last": "Lee" }));
    let id = created["person_id"].as_str().unwrap();
    assert_eq!((id.len(), &id[..2], &id[22..]), (24, "00", "00"));
    assert_eq!(created, json!({ "person_id": id, "status": "created" }), "nothing names the row");
    assert_eq!(merged, json!({ "person_id": id, "status": "merged" }));
    let fields = people(&sandbox, json!(["str::email", "str::first", "str::last"]));
    assert_eq!(fields, [json!({ "str::email": "ann@example.org", "str::first": "Ann", "str::last": "Lee" })]);
}

// ORTTO_API 10, email case
#[test]
fn emails_that_differ_in_case_may_be_two_people() {
    let sandbox = assuming(OrttoOptions { folds_email_case: false, ..OrttoOptions::default() });
    merge_one(&sandbox, json!({ "str::email": "Ann@example.org" }));
    assert_eq!(merge_one(&sandbox, json!({ "str::email": "ann@example.org" }))["status"], "created");
}

// ORTTO_API 2.1
#[test]
fn strategies_append_overwrite_or_ignore() {
    let sandbox = ortto();
    let row = |first: &str, last: &str| json!([{ "fields": { "str::email": "a@b.example", "str::first": first, "str::last": last }, "tags": [first] }]);
    merge_one(&sandbox, json!({ "str::email": "a@b.example", "str::first": "one" }));
    let names = || people(&sandbox, json!(["str::first", "str::last", "tags"]))[0].clone();
    merge_with(&sandbox, row("two", "two"), json!({ "merge_strategy": 1 }));
    assert_eq!(names(), json!({ "str::first": "one", "str::last": "two", "tags": ["two"] }));
    merge_with(&sandbox, row("three", "three"), json!({ "merge_strategy": 3 }));
    assert_eq!(names()["str::last"], "two");
    merge_with(&sandbox, row("four", "four"), json!({}));
    assert_eq!(names(), json!({ "str::first": "four", "str::last": "four", "tags": ["two", "four"] }));
}

// ORTTO_API 2.1
#[test]
fn null_clears_an_empty_text_stays_and_a_missing_field_stays() {
    let sandbox = ortto();
    let full = json!({ "str::email": "a@b.example", "str::first": "A", "str::last": "B", "str::postal": "1" });
    merge_one(&sandbox, full);
    merge_one(&sandbox, json!({ "str::email": "a@b.example", "str::first": null, "str::last": "" }));
    let fields = json!(["str::first", "str::last", "str::postal"]);
    assert_eq!(people(&sandbox, fields), [json!({ "str::last": "", "str::postal": "1" })]);
    let filter = json!({ "$has_any_value": { "field_id": "str::last" } });
    let page = post(&sandbox, "person/get", json!({ "fields": ["str::last"], "filter": filter }));
    assert_eq!(page["meta"]["total_matches"], 1, "an empty text is a value");
}

// ORTTO_API 2.1
#[test]
fn find_strategies_decide_who_several_fields_mean() {
    let both = json!({ "merge_by": ["str::email", "str::ei"] });
    let outcome = |find: u8, fields: Value| {
        let sandbox = ortto();
        merge_one(&sandbox, json!({ "str::email": "a@b.example", "str::ei": "1" }));
        merge_with(&sandbox, json!([{ "fields": { "str::ei": "2" } }]), json!({ "merge_by": ["str::ei"] }));
        let mut more = both.clone();
        more["find_strategy"] = find.into();
        merge_with(&sandbox, json!([{ "fields": fields }]), more).1["people"][0]["status"].clone()
    };
    let (taken, free) = (
        json!({ "str::email": "x@b.example", "str::ei": "1" }),
        json!({ "str::email": "x@b.example", "str::ei": "2" }),
    );
    assert_eq!([outcome(0, taken.clone()), outcome(0, free.clone())], ["merged", "merged"]);
    assert_eq!([outcome(1, taken.clone()), outcome(1, free.clone())], ["created", "merged"]);
    assert_eq!([outcome(2, taken), outcome(2, free)], ["created", "created"]);
}

// ORTTO_API 2.1
#[test]
fn without_merge_by_the_accounts_identifiers_apply() {
    let options =
        OrttoOptions { default_merge_by: vec!["str::email".into(), "phn::phone".into()], ..OrttoOptions::default() };
    let sandbox = assuming(options);
    let row =
        |email: &str| json!([{ "fields": { "str::email": email, "phn::phone": { "c": "47", "n": "12345678" } } }]);
    let merge = |email| call(&sandbox, "POST", "person/merge", &json!({ "people": row(email) })).1;
    assert_eq!(merge("a@b.example")["people"][0]["status"], "created");
    assert_eq!(merge("x@b.example")["people"][0]["status"], "merged", "into another person, by phone");
}

// ORTTO_API 2.1
#[test]
fn a_person_id_finds_its_person_and_stands_alone() {
    let sandbox = ortto();
    let id = merge_one(&sandbox, json!({ "str::email": "old@b.example" }))["person_id"].clone();
    let row = json!([{ "fields": { "str::person_id": id, "str::email": "new@b.example" } }]);
    let (status, merged) = merge_with(&sandbox, row.clone(), json!({ "merge_by": ["str::person_id"] }));
    assert_eq!((status, statuses(&merged)), (200, vec!["merged"]));
    assert_eq!(people(&sandbox, json!(["str::email"])), [json!({ "str::email": "new@b.example" })]);
    assert_eq!(merge_one(&sandbox, json!({ "str::email": "old@b.example" }))["status"], "created");
    assert_eq!(merge_with(&sandbox, row, json!({ "merge_by": ["str::person_id", "str::email"] })).0, 400);
}

// ORTTO_API 2.1
#[test]
fn a_person_without_email_needs_an_external_id() {
    let sandbox = ortto();
    let by_id = json!({ "merge_by": ["str::ei"] });
    assert_eq!(merge_with(&sandbox, json!([{ "fields": { "str::ei": "1" } }]), by_id).0, 200);
    assert_eq!(merge(&sandbox, json!([{ "fields": { "str::first": "A" } }])).0, 400);
}

// ORTTO_API 6
#[test]
fn new_people_are_subscribed_to_email_and_not_to_sms() {
    let sandbox = ortto();
    merge_one(&sandbox, json!({ "str::email": "a@b.example" }));
    assert_eq!(people(&sandbox, json!(["bol::p", "bol::sp"])), [json!({ "bol::p": true, "bol::sp": false })]);
    let answer = post(
        &sandbox,
        "person/subscriptions",
        json!({ "people": [{ "email": "A@b.example" }, { "email": "x@b.example" }] }),
    );
    assert_eq!(answer["people"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&answer["people"][0]["email_permissions"], &answer["people"][0]["sms_permissions"]),
        (&json!(true), &json!(false))
    );
}

// ORTTO_API 6
#[test]
fn a_permission_always_overwrites_and_its_absence_may() {
    for resubscribes in [false, true] {
        let sandbox = assuming(OrttoOptions { resubscribes_by_omission: resubscribes, ..OrttoOptions::default() });
        let opted_out = || sandbox.contents().contacts[0].unsubscribed;
        merge_one(&sandbox, json!({ "str::email": "a@b.example", "bol::p": false }));
        assert!(opted_out());
        merge_one(&sandbox, json!({ "str::email": "a@b.example", "str::first": "A" }));
        assert_eq!(opted_out(), !resubscribes);
        merge_one(&sandbox, json!({ "str::email": "a@b.example", "bol::p": false }));
        merge_one(&sandbox, json!({ "str::email": "a@b.example", "bol::p": true }));
        assert!(!opted_out(), "true subscribes again");
    }
}

// ORTTO_API 10, duplicates in flight
#[test]
fn the_same_address_twice_may_be_two_people() {
    let twice =
        || json!([{ "fields": { "str::email": "a@b.example" } }, { "fields": { "str::email": "A@b.example" } }]);
    let sandbox = ortto();
    assert_eq!(statuses(&merge(&sandbox, twice()).1).len(), 2);
    assert_eq!(sandbox.contact_count(), 1);
    let sandbox = assuming(OrttoOptions { match_lag_ms: 60_000, ..OrttoOptions::default() });
    merge(&sandbox, twice());
    merge(&sandbox, twice());
    assert_eq!(sandbox.contact_count(), 4, "nobody is found yet");
}
