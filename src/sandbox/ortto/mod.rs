//! Ortto, the successor of classic Autopilot: people, tags and fields.
//!
//! The awkward behaviour is deliberate: nothing in a merge's response names its row, reads lag, archived people are
//! invisible to merges. What is not attested is an option ([`OrttoOptions`]).

mod archive;
mod change;
mod custom_fields;
mod errors;
mod field_type;
mod fields;
mod merge;
mod merge_request;
mod merge_row;
mod page;
mod people;
mod phone;
mod read;
mod store;
mod suppression;
mod tags;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Mutex;

use axum::http::StatusCode;
use maud::Markup;
use serde_json::json;
use tokio::time::Instant;

use super::api::{Api, Request};
use super::contents::Contents;
use super::lock::locked;
use super::options::{Options, OrttoOptions, WrongKey};
use super::response::Response;
use super::route::{Endpoint, reads, writes};
use super::search::Search;
use archive::Removal;
use errors::error;
use store::Store;

/// Source: `docs/ORTTO_API.md` 1.
const ENDPOINTS: &[Endpoint] = &[
    writes("POST /person/merge"),
    reads("POST /person/get"),
    reads("POST /person/get-by-ids"),
    reads("POST /person/subscriptions"),
    reads("POST /person/custom-field/get"),
    writes("POST /person/custom-field/create"),
    writes("PUT /person/archive"),
    writes("PUT /person/restore"),
    writes("DELETE /person/delete"),
    reads("POST /tags/get"),
    reads("POST /suppression-list/email/get"),
    writes("PUT /suppression-list/email/add"),
    writes("PUT /suppression-list/email/remove"),
    reads("POST /instance-schema/get"),
];

#[derive(Debug)]
pub(super) struct Account(Mutex<Store>);

impl Account {
    pub(super) fn new(options: &OrttoOptions, seed: u64) -> Self {
        Self(Mutex::new(Store::new(options, seed)))
    }
}

impl Api for Account {
    fn name(&self) -> &'static str {
        "Ortto"
    }

    fn key_header(&self) -> &'static str {
        "x-api-key"
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        ENDPOINTS
    }

    fn handle(&self, request: &Request<'_>, options: &Options) -> Response {
        let (body, now, options) = (request.body, request.now, &options.ortto);
        let store = &mut *locked(&self.0);
        store.apply_due(now, options);
        let response = match request.route.endpoint.pattern {
            "POST /person/merge" => merge::merge(store, request, options),
            "POST /person/get" => read::get(store, body, now, options),
            "POST /person/get-by-ids" => read::get_by_ids(store, body, now, options),
            "POST /person/subscriptions" => read::subscriptions(store, body, now, options),
            "POST /person/custom-field/get" => Ok(custom_fields::list(store, options)),
            "POST /person/custom-field/create" => custom_fields::create(store, body, options),
            "PUT /person/archive" => archive::remove(store, body, Removal::Archive, now, options),
            "PUT /person/restore" => archive::remove(store, body, Removal::Restore, now, options),
            "DELETE /person/delete" => archive::remove(store, body, Removal::Delete, now, options),
            "POST /tags/get" => read::tags(store, body, now, options),
            "POST /suppression-list/email/get" => suppression::get(store, body, options),
            "PUT /suppression-list/email/add" => suppression::change(store, body, true, options),
            "PUT /suppression-list/email/remove" => suppression::change(store, body, false, options),
            "POST /instance-schema/get" => custom_fields::schema(store, body, options),
            _ => Err(error(StatusCode::NOT_FOUND, "not found")),
        };
        response.unwrap_or_else(|refused| refused)
    }

    fn error(&self, status: StatusCode, message: &str) -> Response {
        error(status, message)
    }

    /// Source: `docs/ORTTO_API.md` 1, a request without a key is 400.
    fn missing_key(&self) -> Response {
        error(StatusCode::BAD_REQUEST, "X-Api-Key is missing")
    }

    fn wrong_key(&self, options: &Options) -> Response {
        match options.ortto.wrong_key {
            WrongKey::Unauthorized => error(StatusCode::UNAUTHORIZED, "invalid api key"),
            WrongKey::Empty => Response::empty(StatusCode::UNAUTHORIZED),
            WrongKey::NotFound => error(StatusCode::NOT_FOUND, "not found"),
        }
    }

    /// Here `error` is an object, everywhere else a string.
    ///
    /// Source: `docs/ORTTO_API.md` 3.
    fn rate_limited(&self, options: &Options) -> Response {
        let error = match options.ortto.try_in_seconds {
            Some(seconds) => json!({ "code": "rate-limit", "message": "rate limit", "try-in-seconds": seconds }),
            None => json!({ "code": "rate-limit", "message": "rate limit" }),
        };
        Response::json(StatusCode::TOO_MANY_REQUESTS, &json!({ "error": error }))
    }

    fn count(&self) -> usize {
        locked(&self.0).people.count()
    }

    fn contents(&self, options: &Options) -> Contents {
        let mut store = locked(&self.0);
        store.apply_due(Instant::now(), &options.ortto);
        store.contents()
    }

    fn page(&self, search: &Search) -> Markup {
        page::page(&locked(&self.0), search)
    }
}
