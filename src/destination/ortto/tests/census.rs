//! Who has a tag, whatever the account makes of a filter on tags.

use serde_json::json;

use super::*;
use crate::destination::Census;
use crate::destination::ortto::census::OrttoCensus;

/// Everybody: with the tag, with another one, with none.
fn everybody(body: &Value) -> Vec<Value> {
    assert!(body["fields"].as_array().unwrap().contains(&json!("tags")), "what is not asked for is not shown: {body}");
    let person = |n: u32, tags: Value| json!({ "id": id(n), "fields": { "str::email": email(n), "tags": tags } });
    let mut all = vec![person(1, json!(["T"])), person(2, json!(["U"])), person(3, json!([])), person(4, Value::Null)];
    all.push(json!({ "id": id(5), "fields": { "str::email": email(5) } }));
    all
}

#[tokio::test]
async fn people_without_the_tag_have_it_by_no_filter() {
    let target = MembershipTarget::Tag("T".to_owned());
    for filter in ["refused", "passed over", "finds nobody", "finds its people"] {
        let mut account = scripted(|path, body| {
            let people = match (body.get("filter"), filter) {
                _ if path == "/tags/get" => return (200, json!([{ "id": 7, "name": "T", "count": 1, "type": "" }])),
                (Some(_), "refused") => return (400, json!({ "error": "unknown operator" })),
                (Some(_), "finds nobody") => return (200, json!({ "contacts": null })),
                (Some(_), "finds its people") => everybody(body).into_iter().take(1).collect(),
                _ => everybody(body),
            };
            (200, json!({ "contacts": people, "has_more": false }))
        });
        let page = OrttoCensus.page(&mut account, &target, None).await.unwrap();
        let members = page.people.iter().filter(|person| person.is_member).map(|person| person.id.as_str());
        assert_eq!(members.collect::<Vec<_>>(), [id(1)], "{filter}");
    }
}
