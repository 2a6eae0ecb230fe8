//! A response of Autopilot to each request: success only where the status says so, no id that is not in the body, and a
//! refusal's words short and printable. The bytes are the body and the wait, the last two of them also a status.
#![no_main]

use std::collections::HashSet;

use autopilot_export::destination::autopilot::request::{Endpoint, Membership};
use autopilot_export::destination::autopilot::response::{Payload, Reply, read};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fn endpoints() -> [Endpoint; 10] {
    let member = Membership { list: "list".into(), contact: "contact".into() };
    [
        Endpoint::Account,
        Endpoint::Lists,
        Endpoint::CreateList("title".into()),
        Endpoint::CustomFields,
        Endpoint::Contact("contact".into()),
        Endpoint::Member(member.clone()),
        Endpoint::UpsertMany(Default::default()),
        Endpoint::UpsertOne(Default::default()),
        Endpoint::AddMember(member.clone()),
        Endpoint::RemoveMember(member),
    ]
}

fn texts<'v>(value: &'v Value, found: &mut HashSet<&'v str>) {
    match value {
        Value::String(text) => drop(found.insert(text)),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(map) => map.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

fn ids(payload: Payload) -> Vec<String> {
    match payload {
        Payload::Account(id) | Payload::List(id) | Payload::Written(id) => vec![id],
        Payload::Contact { id, lists, .. } => lists.into_iter().flatten().chain([id]).collect(),
        Payload::Lists(lists) => lists.into_iter().map(|list| list.id).collect(),
        Payload::CustomFields(fields) => fields.into_iter().map(|field| field.name).collect(),
        Payload::Upserted { map, ids } => map.into_iter().flatten().map(|(_, id)| id).chain(ids).collect(),
        Payload::Nothing | Payload::HasMembers(_) | Payload::Page(_) => Vec::new(),
    }
}

fuzz_target!(|body: &[u8]| {
    let status = body.last_chunk().map_or(500, |last| 100 + u16::from_be_bytes(*last) % 600);
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut known = HashSet::new();
    texts(&value, &mut known);
    for status in [status, 200, 400, 429] {
        let mut response = http::Response::builder().status(status);
        if let Ok(wait) = http::HeaderValue::from_bytes(body) {
            response = response.header("retry-after", wait);
        }
        let response = response.body(bytes::Bytes::copy_from_slice(body)).unwrap();
        for endpoint in endpoints() {
            match read(&endpoint, &response) {
                Reply::Done(payload) => {
                    assert!((200..300).contains(&status));
                    for id in ids(payload) {
                        assert!(known.contains(id.as_str()), "{id:?}");
                    }
                }
                Reply::Refused(text) => {
                    assert!(
                        !text.is_empty() && text.chars().count() <= 10 * 300 + 1 && !text.contains(char::is_control)
                    );
                }
                Reply::RateLimited(wait) => assert!(wait.is_none_or(|wait| wait.as_secs() <= 300)),
                _ => {}
            }
        }
    }
});
