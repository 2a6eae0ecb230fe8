use std::time::Duration;

use super::*;

// ORTTO_API 7
#[test]
fn people_are_paged_by_offset_and_cursor() {
    let sandbox = ortto();
    for from in [0, 100] {
        merge(&sandbox, numbered(from, from + 100));
    }
    merge(&sandbox, numbered(200, 220));
    let (mut sizes, mut body) = (Vec::new(), json!({ "fields": ["str::email"], "limit": 100 }));
    loop {
        let page = post(&sandbox, "person/get", body.clone());
        sizes.push(page["contacts"].as_array().unwrap().len());
        assert_eq!(
            page["meta"],
            json!({ "total_contacts": 220, "total_organizations": 0, "total_matches": 220, "total_subscribers": 220 })
        );
        if page["has_more"] == false {
            break;
        }
        body["offset"] = page["next_offset"].clone();
        body["cursor_id"] = page["cursor_id"].clone();
    }
    assert_eq!(sizes, [100, 100, 20]);
    body["offset"] = 220.into();
    let past = post(&sandbox, "person/get", body);
    assert_eq!(
        (&past["contacts"], &past["offset"], &past["meta"]["total_contacts"]),
        (&Value::Null, &json!(0), &json!(0))
    );
    assert_eq!(past["cursor_id"], "0".repeat(24));
}

// ORTTO_API 7
#[test]
fn a_read_needs_one_to_a_hundred_fields_and_whole_ids() {
    let sandbox = ortto();
    let get = |body: Value| call(&sandbox, "POST", "person/get", &body);
    let (status, answer) = get(json!({ "fields": [] }));
    assert_eq!((status, answer.get("details")), (400, None));
    assert!(answer["error"].as_str().unwrap().ends_with("incorrect size 0 of fields, minimum 1 and maximum 100"));
    assert_eq!(get(json!({ "fields": vec!["str::email"; 101] })).0, 400);
    let (status, answer) = get(json!({ "fields": ["str::email"], "cursor_id": "0".repeat(20) }));
    assert_eq!(status, 400);
    assert!(answer["error"].as_str().unwrap().contains("the length must be 12 or 24 + 2 for hex but it is 22"));
    let short = json!({ "contact_ids": ["00"], "fields": ["str::email"] });
    assert_eq!(call(&sandbox, "POST", "person/get-by-ids", &short).0, 400);
}

// ORTTO_API 7
#[test]
fn people_by_id_are_an_object_without_those_who_are_gone() {
    for archived_by_id in [false, true] {
        let sandbox = assuming(OrttoOptions { archived_by_id, ..OrttoOptions::default() });
        let ids = ["a@b.example", "b@b.example"]
            .map(|email| merge_one(&sandbox, json!({ "str::email": email }))["person_id"].clone());
        call(&sandbox, "PUT", "person/archive", &json!({ "inclusion_ids": [ids[1]] }));
        let asked = json!({ "contact_ids": [ids[0], ids[1], "f".repeat(24)], "fields": ["str::email", "str::first"] });
        let read = post(&sandbox, "person/get-by-ids", asked);
        let contacts = read["contacts"].as_object().unwrap();
        assert_eq!(contacts.len(), 1 + usize::from(archived_by_id));
        assert_eq!(
            contacts[ids[0].as_str().unwrap()],
            json!({ "id": ids[0], "fields": { "str::email": "a@b.example" } })
        );
    }
}

// ORTTO_API 7
#[test]
fn filters_find_people_by_value() {
    let sandbox = ortto();
    for (email, first) in [("a@b.example", "Ann"), ("b@b.example", "Bo")] {
        merge_one(&sandbox, json!({ "str::email": email, "str::first": first, "geo::city": { "name": "Oslo" } }));
    }
    merge_one(&sandbox, json!({ "str::email": "c@b.example", "bol::p": false }));
    let matches = |filter: Value| {
        let body = json!({ "fields": ["str::email"], "filter": filter });
        post(&sandbox, "person/get", body)["meta"]["total_matches"].clone()
    };
    let is = |field: &str, value: Value| json!({ "$str::is": { "field_id": field, "value": value } });
    assert_eq!(matches(is("str::email", json!("A@b.example"))), 1);
    assert_eq!(matches(is("geo::city", json!("Oslo"))), 2);
    assert_eq!(matches(json!({ "$bol::is": { "field_id": "bol::p", "value": false } })), 1);
    assert_eq!(matches(json!({ "$and": [is("geo::city", json!("Oslo")), is("str::first", json!("Bo"))] })), 1);
    assert_eq!(matches(json!({ "$or": [is("str::first", json!("Ann")), is("str::first", json!("Bo"))] })), 2);
    assert_eq!(matches(json!({ "$has_no_value": { "field_id": "str::first" } })), 1);
    sandbox.change(|options| options.ortto.folds_filter_case = false);
    assert_eq!(matches(is("str::email", json!("A@b.example"))), 0);
    let unknown = json!({ "fields": ["str::email"], "filter": { "$unheard::of": {} } });
    assert_eq!(call(&sandbox, "POST", "person/get", &unknown).0, 400);
}

// ORTTO_API 10, a guess
#[test]
fn people_may_be_found_by_tag_or_the_operator_is_unknown() {
    for (filters_by_tag, status) in [(true, 200), (false, 400)] {
        let sandbox = assuming(OrttoOptions { filters_by_tag, ..OrttoOptions::default() });
        merge(&sandbox, json!([{ "fields": { "str::email": "a@b.example" }, "tags": ["t"] }]));
        merge(&sandbox, numbered(0, 1));
        let filter = json!({ "$id_set_is": { "field_id": "u4s::t", "value": [1] } });
        let body = json!({ "fields": ["str::email"], "filter": filter });
        let (answered, page) = call(&sandbox, "POST", "person/get", &body);
        assert_eq!(answered, status);
        assert_eq!(page["meta"]["total_matches"].as_u64(), filters_by_tag.then_some(1));
    }
}

// ORTTO_API 10, lag
#[tokio::test(start_paused = true)]
async fn a_write_can_be_read_only_after_a_while() {
    let sandbox = assuming(OrttoOptions { read_lag_ms: 2000, ..OrttoOptions::default() });
    let read = || people(&sandbox, json!(["str::first"]));
    let name = |first: &str| {
        merge_one(&sandbox, json!({ "str::email": "a@b.example", "str::first": first }))["status"].clone()
    };
    assert_eq!((name("one"), name("two")), (json!("created"), json!("merged")), "merges see it at once");
    merge(&sandbox, json!([{ "fields": { "str::email": "a@b.example" }, "tags": ["t"] }]));
    assert!(read().is_empty());
    tokio::time::sleep(Duration::from_secs(2)).await;
    name("three");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(read(), [json!({ "str::first": "two" })]);
    assert_eq!(post(&sandbox, "tags/get", json!({}))[0]["count"], 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(read(), [json!({ "str::first": "three" })]);
}
