//! `POST /contact` and `POST /contacts`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::errors::{bad_request, failed};
use super::id;
use super::row::Row;
use super::store::Store;
use crate::sandbox::faults::InjectedFaults;
use crate::sandbox::options::{AutopilotOptions, RefuseInvalid};
use crate::sandbox::response::Response;

/// Most contacts of a bulk call.
///
/// Source: `docs/AUTOPILOT_API.md` 1.4.
const MOST: usize = 100;

#[derive(Deserialize)]
struct One {
    contact: Map<String, Value>,
}

#[derive(Deserialize)]
struct Many {
    contacts: Vec<Map<String, Value>>,
}

/// Parses the body of `POST /contact`, or refuses it.
pub(super) fn read_one(body: &[u8], faults: &InjectedFaults) -> Result<Row, Response> {
    let one: One = serde_json::from_slice(body).map_err(|_| bad_request("No contact in the request body."))?;
    let row = Row::read(one.contact);
    if faults.fails(row.email()) {
        return Err(failed());
    }
    if row.invalid || faults.refuses_row(row.email()) || faults.refuses_batch(row.email()) {
        return Err(bad_request("Invalid email address."));
    }
    Ok(row)
}

/// Parses the body of `POST /contacts` into the rows to write, or refuses it as a whole.
pub(super) fn read_many(
    body: &[u8],
    options: &AutopilotOptions,
    faults: &InjectedFaults,
) -> Result<Vec<Row>, Response> {
    let many: Many = serde_json::from_slice(body).map_err(|_| bad_request("No contacts in the request body."))?;
    if many.contacts.len() > MOST {
        return Err(bad_request("Too many contacts: at most 100 may be sent in one request."));
    }
    let mut rows: Vec<Row> = many.contacts.into_iter().map(Row::read).collect();
    if rows.iter().any(|row| faults.fails(row.email())) {
        return Err(failed());
    }
    let whole = options.refuse_invalid == RefuseInvalid::WholeBatch400;
    if rows.iter().any(|row| (whole && row.invalid) || faults.refuses_batch(row.email())) {
        return Err(bad_request("Invalid email address."));
    }
    let mut dropped = faults.dropped(rows.len()).into_iter();
    rows.retain(|row| !dropped.next().unwrap_or_default() && !row.invalid && !faults.refuses_row(row.email()));
    Ok(rows)
}

/// Writes one row: `{"contact_id": ...}`.
pub(super) fn one(store: &mut Store, row: Row, options: &AutopilotOptions) -> Response {
    let now_ms = Timestamp::now().as_millisecond();
    match store.upsert(row, options.single_lists, options.create_custom_fields, now_ms) {
        Ok(number) => Response::ok(&json!({ "contact_id": store.contact(number).map(|held| id::contact(held.id)) })),
        Err(refused) => refused.into(),
    }
}

/// The response of a bulk call.
///
/// Source: `docs/AUTOPILOT_API.md` 1.4: ids in the order of the rows, emails as sent, no error per row.
#[derive(Serialize)]
struct Written {
    contact_ids: Vec<String>,
    email_contact_map: Map<String, Value>,
    #[serde(rename = "_removeResultKeys")]
    remove_result_keys: [&'static str; 1],
}

/// Writes the rows. A refused one is missing from the response, without a reason.
pub(super) fn many(store: &mut Store, rows: Vec<Row>, options: &AutopilotOptions) -> Response {
    let now_ms = Timestamp::now().as_millisecond();
    let mut written = Written {
        contact_ids: Vec::with_capacity(rows.len()),
        email_contact_map: Map::new(),
        remove_result_keys: ["proposedContacts"],
    };
    for row in rows {
        let email = row.email.clone();
        let Ok(number) = store.upsert(row, options.bulk_lists, options.create_custom_fields, now_ms) else {
            continue;
        };
        let Some(id) = store.contact(number).map(|held| id::contact(held.id)) else {
            continue;
        };
        if let Some(email) = email {
            written.email_contact_map.insert(email, id.clone().into());
        }
        written.contact_ids.push(id);
    }
    Response::ok(&written)
}
