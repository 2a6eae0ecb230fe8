use super::*;

/// Names and counts of the tags of people.
fn tags(sandbox: &Sandbox) -> Vec<(String, u64)> {
    let tags = post(sandbox, "tags/get", json!({}));
    let tags = tags.as_array().unwrap().iter().filter(|tag| tag["type"] == "");
    tags.map(|tag| (tag["name"].as_str().unwrap().to_owned(), tag["count"].as_u64().unwrap())).collect()
}

fn tag(sandbox: &Sandbox, email: &str, set: &[&str], unset: &[&str]) -> u16 {
    merge(sandbox, json!([{ "fields": { "str::email": email }, "tags": set, "unset_tags": unset }])).0
}

// ORTTO_API 5
#[test]
fn tags_are_made_on_first_use_added_and_removed() {
    let sandbox = ortto();
    assert_eq!(post(&sandbox, "tags/get", json!({})), json!([]));
    tag(&sandbox, "a@b.example", &["One", "Two"], &[]);
    tag(&sandbox, "b@b.example", &["Two"], &["never set"]);
    assert_eq!(tags(&sandbox), [("One".into(), 1), ("Two".into(), 2)]);
    leave(&sandbox, "a@b.example", "Two");
    assert_eq!(tags(&sandbox), [("One".into(), 1), ("Two".into(), 1)]);
    assert_eq!(people(&sandbox, json!(["tags"])), [json!({ "tags": ["One"] }), json!({ "tags": ["Two"] })]);
    assert_eq!(people(&sandbox, json!(["u4s::t"]))[1], json!({ "u4s::t": [2] }));
    leave(&sandbox, "a@b.example", "One");
    assert_eq!(people(&sandbox, json!(["tags", "u4s::t"]))[0], json!({}), "no tags, no key");
    assert_eq!(sandbox.contents().members("Two"), ["b@b.example".to_owned()].into());
}

// ORTTO_API 5
#[test]
fn tags_are_listed_as_a_bare_array_with_counts_of_subscribers() {
    let options = OrttoOptions { organization_tags: vec!["My organization".into()], ..OrttoOptions::default() };
    let sandbox = assuming(options);
    let rows = json!([
        { "fields": { "str::email": "a@b.example" }, "tags": ["Spring sale"] },
        { "fields": { "str::email": "b@b.example", "bol::p": false }, "tags": ["Spring sale"] },
    ]);
    merge(&sandbox, rows);
    let tags = post(&sandbox, "tags/get", json!({}));
    assert_eq!(tags.as_array().unwrap().len(), 2);
    let (people, organization) = (&tags[0], &tags[1]);
    assert_eq!((&people["instance_id"], &people["type"]), (&json!("ortto-sandbox"), &json!("")));
    assert_eq!((&people["count"], &people["subscribers"]), (&json!(2), &json!(1)));
    assert_eq!((&organization["type"], &organization["id"]), (&json!("organization"), &people["id"]), "ids repeat");
    for (q, found) in [("sale spring", 1), ("spring autumn", 0), ("", 2)] {
        assert_eq!(post(&sandbox, "tags/get", json!({ "q": q })).as_array().unwrap().len(), found, "{q}");
    }
}

// ORTTO_API 10, case, trimming and length
#[test]
fn how_a_tag_is_spelt_may_matter_or_not() {
    let exact = ortto();
    tag(&exact, "a@b.example", &["Sale", "sale", " Sale"], &[]);
    assert_eq!(tags(&exact).len(), 3);
    leave(&exact, "a@b.example", "SALE");
    assert_eq!(tags(&exact)[0], ("Sale".into(), 1));
    let folding = assuming(OrttoOptions {
        folds_tag_case: true,
        trims_tags: true,
        tag_characters: Some(4),
        ..OrttoOptions::default()
    });
    tag(&folding, "a@b.example", &["Sale", "sale", " Sale"], &[]);
    assert_eq!(tags(&folding), [("Sale".into(), 1)]);
    leave(&folding, "a@b.example", "SALE");
    assert_eq!(tags(&folding), [("Sale".into(), 0)]);
    assert_eq!(tag(&folding, "a@b.example", &["longer"], &[]), 400);
}

// ORTTO_API 10, order of the two arrays
#[test]
fn a_tag_in_both_arrays_is_set_or_unset() {
    for unset_wins in [true, false] {
        let sandbox = assuming(OrttoOptions { unset_wins, ..OrttoOptions::default() });
        tag(&sandbox, "a@b.example", &["t"], &["t"]);
        tag(&sandbox, "a@b.example", &["t"], &["t"]);
        assert_eq!(tags(&sandbox), [("t".into(), u64::from(!unset_wins))]);
    }
}
