//! Every endpoint but the upserts, on the store.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::{bad_request, error};
use super::read;
use super::store::{Store, StoreError};
use crate::sandbox::options::AutopilotOptions;
use crate::sandbox::response::Response;

/// Answers a request; `body` is read where the endpoint has one.
pub(super) fn apply(
    store: &mut Store,
    pattern: &str,
    parameters: &[String],
    body: &[u8],
    options: &AutopilotOptions,
) -> Response {
    let response = match (pattern, parameters) {
        ("GET /contact/{contact}", [contact]) => get(store, contact),
        ("DELETE /contact/{contact}", [contact]) => store.find(contact).map(|number| {
            store.delete(number);
            Response::empty(StatusCode::NO_CONTENT)
        }),
        ("POST /contact/{contact}/unsubscribe", [contact]) => store.find(contact).map(|number| {
            store.unsubscribe(number);
            Response::ok(&json!({}))
        }),
        ("GET /contacts", _) => Ok(paged(read::page(store, None))),
        ("GET /contacts/{bookmark}", [bookmark]) => Ok(paged(read::page(store, Some(bookmark)))),
        ("GET /contacts/custom_fields", _) => Ok(Response::ok(&custom_fields(store))),
        ("GET /lists", _) => Ok(Response::ok(&lists(store))),
        ("POST /list", _) => Ok(create_list(store, body, options)),
        ("DELETE /list/{list}", [list]) => store.find_list(list).map(|number| {
            store.delete_list(number);
            Response::empty(StatusCode::NO_CONTENT)
        }),
        ("GET /list/{list}/contacts", [list]) => {
            store.find_list(list).map(|list| paged(read::list_page(store, list, None)))
        }
        ("GET /list/{list}/contacts/{bookmark}", [list, bookmark]) => {
            store.find_list(list).map(|list| paged(read::list_page(store, list, Some(bookmark))))
        }
        ("GET /list/{list}/contact/{contact}", [list, contact]) => Ok(is_member(store, list, contact)),
        ("POST /list/{list}/contact/{contact}", [list, contact]) => {
            both(store, list, contact).map(|(list, contact)| modified(store.join(list, contact)))
        }
        ("DELETE /list/{list}/contact/{contact}", [list, contact]) => {
            both(store, list, contact).map(|(list, contact)| modified(store.leave(list, contact)))
        }
        _ => Ok(error(StatusCode::NOT_FOUND, "Unknown endpoint.")),
    };
    response.unwrap_or_else(Response::from)
}

fn get(store: &Store, contact: &str) -> Result<Response, StoreError> {
    let held = store.contact(store.find(contact)?).ok_or(StoreError::NoContact)?;
    Ok(Response::ok(&read::contact(store, held)))
}

fn both(store: &Store, list: &str, contact: &str) -> Result<(u32, u32), StoreError> {
    Ok((store.find_list(list)?, store.find(contact)?))
}

/// 200 for a member, else 404 without a body.
fn is_member(store: &Store, list: &str, contact: &str) -> Response {
    let member = both(store, list, contact)
        .is_ok_and(|(list, contact)| store.list(list).is_some_and(|list| list.members.contains(&contact)));
    if member { Response::ok(&json!({})) } else { Response::empty(StatusCode::NOT_FOUND) }
}

fn modified(changed: bool) -> Response {
    if changed { Response::ok(&json!({})) } else { Response::ok(&json!({ "not_modified": true })) }
}

fn paged(page: Option<Value>) -> Response {
    page.map_or_else(|| bad_request("Invalid bookmark."), |page| Response::ok(&page))
}

fn custom_fields(store: &Store) -> Value {
    store.columns.customs().map(|(name, kind)| json!({ "name": name, "fieldType": kind.name() })).collect()
}

fn lists(store: &Store) -> Value {
    let lists: Vec<Value> = store.lists().map(|list| json!({ "list_id": list.id, "title": list.title })).collect();
    json!({ "lists": lists })
}

#[derive(Deserialize)]
struct NewList {
    name: String,
}

fn create_list(store: &mut Store, body: &[u8], options: &AutopilotOptions) -> Response {
    let Some(NewList { name }) =
        serde_json::from_slice(body).ok().filter(|list: &NewList| !list.name.trim().is_empty())
    else {
        return bad_request("A list needs a name.");
    };
    if options.conflict_on_duplicate_list && store.lists().any(|list| list.title == name) {
        return error(StatusCode::CONFLICT, "A list with this name exists.");
    }
    let id = store.create_list(name.clone());
    Response::ok(&json!({ "list_id": id, "name": name }))
}

impl From<StoreError> for Response {
    fn from(refused: StoreError) -> Self {
        match refused {
            StoreError::BadId => bad_request("Invalid contact_id_or_email value."),
            StoreError::NoContact => error(StatusCode::NOT_FOUND, "Contact could not be found."),
            StoreError::NoList => error(StatusCode::NOT_FOUND, "List does not exist."),
            StoreError::Taken => error(StatusCode::CONFLICT, "Another contact has this email."),
        }
    }
}
