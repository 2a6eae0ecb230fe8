//! An answer of Autopilot to each call: success only where the status says so, no id that is not in the body, and a
//! refusal's words short and printable. The bytes are the body and the wait, the last two of them also a status.
#![no_main]

use std::collections::HashSet;

use autopilot_export::adapters::autopilot::answer;
use autopilot_export::delivery::call::{Call, Payload, Response};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fn calls() -> [Call; 10] {
    let (list, contact, body) = (String::from("list"), String::from("contact"), || Vec::new().into());
    [
        Call::Account,
        Call::Lists,
        Call::CreateList { title: "title".into() },
        Call::CustomFields,
        Call::Contact { contact: contact.clone() },
        Call::Member { list: list.clone(), contact: contact.clone() },
        Call::UpsertMany { body: body(), rows: 1 },
        Call::UpsertOne { body: body() },
        Call::AddMember { list: list.clone(), contact: contact.clone() },
        Call::RemoveMember { list, contact },
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

fn ids(reply: Payload) -> Vec<String> {
    match reply {
        Payload::Account(id) | Payload::List(id) | Payload::Written(id) => vec![id],
        Payload::Contact { id, lists, .. } => lists.into_iter().flatten().chain([id]).collect(),
        Payload::Lists(lists) => lists.into_iter().map(|list| list.id).collect(),
        Payload::CustomFields(fields) => fields.into_iter().map(|field| field.name).collect(),
        Payload::Upserted { map, ids } => map.into_iter().flatten().map(|(_, id)| id).chain(ids).collect(),
        Payload::Nothing => Vec::new(),
    }
}

fuzz_target!(|body: &[u8]| {
    let status = body.last_chunk().map_or(500, |last| 100 + u16::from_be_bytes(*last) % 600);
    let wait = String::from_utf8_lossy(body);
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut known = HashSet::new();
    texts(&value, &mut known);
    for status in [status, 200, 400, 429] {
        for call in calls() {
            match answer::read(&call, status, Some(&wait), body) {
                Response::Done(reply) => {
                    assert!((200..300).contains(&status));
                    for id in ids(reply) {
                        assert!(known.contains(id.as_str()), "{id:?}");
                    }
                }
                Response::Refused(text) => {
                    assert!(!text.is_empty() && text.chars().count() <= 300 && !text.contains(char::is_control));
                }
                Response::RateLimited(wait) => assert!(wait.is_none_or(|wait| wait.as_secs() <= 300)),
                _ => {}
            }
        }
    }
});
