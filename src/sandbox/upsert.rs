//! `POST /contact` and `POST /contacts`.

use std::sync::Arc;

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::id;
use super::injector::Refusals;
use super::options::{Options, RefuseInvalid};
use super::row::Row;
use super::store::Store;

/// Most contacts of a bulk call.
///
/// Source: `docs/AUTOPILOT_API.md` 1.4.
const MOST: usize = 100;

/// What goes wrong within upserts.
#[derive(Debug, Default)]
pub(super) struct InjectedFaults {
    pub(super) refusals: Arc<Refusals>,
    /// Drop some rows, chosen by this seed.
    pub(super) drop_rows: Option<u64>,
}

#[derive(Deserialize)]
struct One {
    contact: Map<String, Value>,
}

#[derive(Deserialize)]
struct Many {
    contacts: Vec<Map<String, Value>>,
}

/// A body that was read and may be applied.
#[derive(Debug)]
pub(super) struct Rows(Vec<Row>);

/// Reads the body of `POST /contact`; also its refusals.
pub(super) fn read_one(body: &[u8], spoilt: &InjectedFaults) -> Result<Rows, Answer> {
    let one: One = serde_json::from_slice(body).map_err(|_| Answer::bad_request("No contact in the request body."))?;
    let row = Row::read(one.contact);
    let email = lower(&row);
    if spoilt.refusals.fails(&email) {
        return Err(Answer::struck(StatusCode::INTERNAL_SERVER_ERROR));
    }
    if row.invalid || spoilt.refusals.row(&email) || spoilt.refusals.batch(&email) {
        return Err(Answer::bad_request("Invalid email address."));
    }
    Ok(Rows(vec![row]))
}

/// Reads the body of `POST /contacts`; also what refuses it whole.
pub(super) fn read_many(body: &[u8], options: &Options, spoilt: &InjectedFaults) -> Result<Rows, Answer> {
    let many: Many =
        serde_json::from_slice(body).map_err(|_| Answer::bad_request("No contacts in the request body."))?;
    if many.contacts.len() > MOST {
        return Err(Answer::bad_request("Too many contacts: at most 100 may be sent in one request."));
    }
    let rows: Vec<Row> = many.contacts.into_iter().map(Row::read).collect();
    if rows.iter().any(|row| spoilt.refusals.fails(&lower(row))) {
        return Err(Answer::struck(StatusCode::INTERNAL_SERVER_ERROR));
    }
    let whole = options.refuse_invalid == RefuseInvalid::WholeBatch400;
    if rows.iter().any(|row| (whole && row.invalid) || spoilt.refusals.batch(&lower(row))) {
        return Err(Answer::bad_request("Invalid email address."));
    }
    Ok(Rows(rows))
}

/// Writes one row: `{"contact_id": ...}`.
pub(super) fn one(store: &mut Store, rows: Rows, options: &Options) -> Answer {
    let now_ms = Timestamp::now().as_millisecond();
    let mut rows = rows.0.into_iter();
    let written = rows.next().map(|row| store.upsert(row, options.single_lists, options.create_custom_fields, now_ms));
    match written.map(|written| written.map(|number| store.contact(number).map(|held| id::contact(held.id)))) {
        Some(Ok(id)) => Answer::ok(&json!({ "contact_id": id })),
        Some(Err(refused)) => refused.into(),
        None => Answer::bad_request("No contact in the request body."),
    }
}

/// The answer of a bulk call.
///
/// Source: `docs/AUTOPILOT_API.md` 1.4: ids in the order of the rows, emails as sent, no error per row.
#[derive(Serialize)]
struct Written {
    contact_ids: Vec<String>,
    email_contact_map: Map<String, Value>,
    #[serde(rename = "_removeResultKeys")]
    remove_result_keys: [&'static str; 1],
}

/// Writes the rows. One that is refused is missing from the answer, and nothing says why.
pub(super) fn many(store: &mut Store, rows: Rows, options: &Options, spoilt: &InjectedFaults) -> Answer {
    let now_ms = Timestamp::now().as_millisecond();
    let mut dropped = spoilt.drop_rows.map(|seed| Dropped::new(seed, rows.0.len()));
    let mut written = Written {
        contact_ids: Vec::with_capacity(rows.0.len()),
        email_contact_map: Map::new(),
        remove_result_keys: ["proposedContacts"],
    };
    for (at, row) in rows.0.into_iter().enumerate() {
        let drop = dropped.as_mut().is_some_and(|dropped| dropped.takes(at));
        if drop || row.invalid || spoilt.refusals.row(&lower(&row)) {
            continue;
        }
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
    Answer::ok(&written)
}

fn lower(row: &Row) -> String {
    row.email.as_deref().unwrap_or_default().to_lowercase()
}

/// At least one row, and each other one in five times.
struct Dropped {
    sure: usize,
    random: fastrand::Rng,
}

impl Dropped {
    fn new(seed: u64, rows: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        Self { sure: random.usize(..rows.max(1)), random }
    }

    fn takes(&mut self, at: usize) -> bool {
        self.random.u8(..5) == 0 || at == self.sure
    }
}
