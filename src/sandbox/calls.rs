//! Every call but the upserts, on the store.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::id;
use super::options::Options;
use super::read;
use super::route::Call;
use super::store::{Refused, Store};

/// Answers a call; `body` is read where the call has one.
pub(super) fn apply(store: &mut Store, call: &Call, body: &[u8], options: &Options) -> Answer {
    let answer = match call {
        Call::GetContact(contact) => get(store, contact),
        Call::DeleteContact(contact) => store.find(contact).map(|number| {
            store.delete(number);
            // Source: docs/AUTOPILOT_API.md 1.2, 204 in the vendor's blueprint.
            Answer::empty(StatusCode::NO_CONTENT)
        }),
        Call::Unsubscribe(contact) => store.find(contact).map(|number| {
            store.unsubscribe(number);
            Answer::ok(&json!({}))
        }),
        Call::PageContacts(bookmark) => Ok(paged(read::page(store, bookmark.as_deref()))),
        Call::CustomFields => Ok(Answer::ok(&custom_fields(store))),
        Call::Lists => Ok(Answer::ok(&lists(store))),
        Call::CreateList => Ok(create_list(store, body, options)),
        Call::PageList(list, bookmark) => {
            store.find_list(list).map(|list| paged(read::list_page(store, list, bookmark.as_deref())))
        }
        Call::IsMember(list, contact) => Ok(is_member(store, list, contact)),
        Call::AddMember(list, contact) => both(store, list, contact).map(|(list, contact)| {
            let changed = store.join(list, contact);
            modified(changed)
        }),
        Call::RemoveMember(list, contact) => both(store, list, contact).map(|(list, contact)| {
            let changed = store.leave(list, contact);
            modified(changed)
        }),
        Call::Segments => Ok(Answer::ok(&json!({ "segments": [] }))),
        Call::PageSegment => Ok(Answer::error(StatusCode::NOT_FOUND, "Segment does not exist.")),
        Call::Triggers => Ok(Answer::ok(&triggers(options))),
        Call::EnterJourney(trigger, contact) => enter(store, trigger, contact, options),
        Call::Account => Ok(Answer::ok(&json!({
            "instanceId": options.instance_id, "fullName": "Sandbox Owner", "email": "owner@sandbox.example",
        }))),
        Call::WrongMethod => Ok(Answer::error(StatusCode::METHOD_NOT_ALLOWED, "This method is not allowed here.")),
        _ => Ok(Answer::error(StatusCode::NOT_FOUND, "There is nothing here.")),
    };
    answer.unwrap_or_else(Answer::from)
}

fn get(store: &Store, contact: &str) -> Result<Answer, Refused> {
    let held = store.contact(store.find(contact)?).ok_or(Refused::NoContact)?;
    Ok(Answer::ok(&read::contact(store, held)))
}

fn both(store: &Store, list: &str, contact: &str) -> Result<(u32, u32), Refused> {
    Ok((store.find_list(list)?, store.find(contact)?))
}

/// 200 for a member, else 404 without a body.
fn is_member(store: &Store, list: &str, contact: &str) -> Answer {
    let member = both(store, list, contact)
        .is_ok_and(|(list, contact)| store.list(list).is_some_and(|list| list.members.contains(&contact)));
    if member { Answer::ok(&json!({})) } else { Answer::empty(StatusCode::NOT_FOUND) }
}

fn modified(changed: bool) -> Answer {
    if changed { Answer::ok(&json!({})) } else { Answer::ok(&json!({ "not_modified": true })) }
}

fn paged(page: Option<Value>) -> Answer {
    page.map_or_else(|| Answer::bad_request("Invalid bookmark."), |page| Answer::ok(&page))
}

fn custom_fields(store: &Store) -> Value {
    store.columns.customs().map(|(name, kind)| json!({ "name": name, "fieldType": kind.name() })).collect()
}

fn lists(store: &Store) -> Value {
    let lists: Vec<Value> =
        store.lists().iter().map(|list| json!({ "list_id": list.id, "title": list.title })).collect();
    json!({ "lists": lists })
}

#[derive(Deserialize)]
struct NewList {
    name: String,
}

fn create_list(store: &mut Store, body: &[u8], options: &Options) -> Answer {
    let Ok(NewList { name }) = serde_json::from_slice(body) else {
        return Answer::bad_request("A list needs a name.");
    };
    if name.trim().is_empty() {
        return Answer::bad_request("A list needs a name.");
    }
    if options.conflict_on_duplicate_list && store.lists().iter().any(|list| list.title == name) {
        return Answer::error(StatusCode::CONFLICT, "A list with this name exists.");
    }
    let id = store.create_list(name.clone());
    Answer::ok(&json!({ "list_id": id, "name": name }))
}

fn triggers(options: &Options) -> Value {
    let trigger = |(id, journey): &(String, String)| json!({ "trigger_id": id, "journey": journey, "trigger_type": "apiTrigger" });
    json!({ "triggers": options.triggers.iter().map(trigger).collect::<Vec<_>>() })
}

/// A contact enters a journey: nothing happens, and a blob says so.
fn enter(store: &mut Store, trigger: &str, contact: &str, options: &Options) -> Result<Answer, Refused> {
    store.find(contact)?;
    if !options.triggers.iter().any(|(id, _)| id == trigger) {
        return Ok(Answer::error(StatusCode::NOT_FOUND, "Trigger does not exist."));
    }
    let id = id::uuid(store.new_uuid());
    Ok(Answer::ok(&json!({ "_id": format!("trigger_event_{id}"), "trigger_id": trigger, "_removeResultKeys": [] })))
}
