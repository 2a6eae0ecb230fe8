//! Ortto within the process: what a client asks and is answered. Each claim names its point of `docs/ORTTO_API.md`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod archive;
mod batches;
mod fields;
mod http;
mod limits;
mod people;
mod reading;
mod tags;
mod values;

use serde_json::{Value, json};

use crate::sandbox::{Counters, Fault, OrttoOptions, Sandbox};

/// An account that behaves as attested best.
fn ortto() -> Sandbox {
    assuming(OrttoOptions::default())
}

fn assuming(options: OrttoOptions) -> Sandbox {
    Sandbox::unserved(options.into())
}

/// Status and body of a call; null where the body is empty.
fn call(sandbox: &Sandbox, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let (status, body) = sandbox.ask(method, path, "key", body.to_string().as_bytes()).unwrap();
    (status, if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() })
}

/// The body of a call that succeeds.
fn post(sandbox: &Sandbox, path: &str, body: Value) -> Value {
    let (status, answer) = call(sandbox, "POST", path, &body);
    assert_eq!(status, 200, "{answer}");
    answer
}

/// A merge by email, with these elements besides.
fn merge_with(sandbox: &Sandbox, people: Value, more: Value) -> (u16, Value) {
    let mut body = json!({ "people": people, "async": false, "merge_by": ["str::email"] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call(sandbox, "POST", "person/merge", &body)
}

fn merge(sandbox: &Sandbox, people: Value) -> (u16, Value) {
    merge_with(sandbox, people, json!({}))
}

/// A merge of one person that succeeds; its entry.
fn merge_one(sandbox: &Sandbox, fields: Value) -> Value {
    let (status, answer) = merge(sandbox, json!([{ "fields": fields }]));
    assert_eq!(status, 200, "{answer}");
    answer["people"][0].clone()
}

/// A merge that leaves a tag, as a leaver is sent.
fn leave(sandbox: &Sandbox, email: &str, tag: &str) -> (u16, Value) {
    let leaver = json!([{ "fields": { "str::email": email }, "unset_tags": [tag] }]);
    merge_with(sandbox, leaver, json!({ "skip_non_existing": true }))
}

/// What the reading endpoint shows of everyone, in these fields.
fn people(sandbox: &Sandbox, fields: Value) -> Vec<Value> {
    let page = post(sandbox, "person/get", json!({ "fields": fields, "limit": 500 }));
    let contacts = page["contacts"].as_array().cloned().unwrap_or_default();
    contacts.into_iter().map(|contact| contact["fields"].clone()).collect()
}

/// Rows `<from>@example.org` to `<to - 1>@example.org`.
fn numbered(from: usize, to: usize) -> Value {
    (from..to).map(|n| json!({ "fields": { "str::email": format!("{n}@example.org") } })).collect()
}

fn statuses(answer: &Value) -> Vec<&str> {
    answer["people"].as_array().unwrap().iter().map(|entry| entry["status"].as_str().unwrap()).collect()
}
