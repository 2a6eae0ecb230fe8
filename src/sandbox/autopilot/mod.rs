//! Classic Autopilot, v1: contacts, lists and custom fields.
//!
//! The awkward behaviour is deliberate: a missing key is 400, bulk calls name no failed row, rows without an email
//! create a new contact each time.

mod calls;
mod columns;
mod contents;
mod errors;
mod id;
mod page;
mod read;
mod row;
mod store;
#[cfg(test)]
mod tests;
mod upsert;
mod write;

use std::sync::Mutex;

use axum::http::StatusCode;
use maud::Markup;
use serde_json::json;

use super::api::{Api, Request};
use super::contents::Contents;
use super::lock::locked;
use super::options::{AutopilotOptions, Options};
use super::response::Response;
use super::route::{Endpoint, reads, writes};
use super::search::Search;
use errors::{bad_request, error, failed};
use store::Store;

/// Source: `docs/AUTOPILOT_API.md` 1.2 and 1.5.
const ENDPOINTS: &[Endpoint] = &[
    writes("POST /contact"),
    writes("POST /contacts"),
    reads("GET /contact/{contact}"),
    writes("DELETE /contact/{contact}"),
    writes("POST /contact/{contact}/unsubscribe"),
    reads("GET /contacts"),
    reads("GET /contacts/custom_fields"),
    reads("GET /contacts/{bookmark}"),
    reads("GET /lists"),
    writes("POST /list"),
    // Of the blueprint of 2015 alone; in the app, people delete lists.
    writes("DELETE /list/{list}"),
    reads("GET /list/{list}/contacts"),
    reads("GET /list/{list}/contacts/{bookmark}"),
    reads("GET /list/{list}/contact/{contact}"),
    writes("POST /list/{list}/contact/{contact}"),
    writes("DELETE /list/{list}/contact/{contact}"),
    reads("GET /account"),
];

/// The rate named in a 429 where none is kept.
///
/// Source: `docs/AUTOPILOT_API.md` 1.7, 5 requests per second.
const STATED_RATE: f64 = 5.0;

#[derive(Debug)]
pub(super) struct Account(Mutex<Store>);

impl Account {
    pub(super) fn new(options: &AutopilotOptions, seed: u64) -> Self {
        Self(Mutex::new(Store::new(options, seed)))
    }
}

impl Api for Account {
    fn name(&self) -> &'static str {
        "Autopilot"
    }

    fn key_header(&self) -> &'static str {
        "autopilotapikey"
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        ENDPOINTS
    }

    fn handle(&self, request: &Request<'_>, options: &Options) -> Response {
        let Request { route, body, faults, .. } = request;
        let options = &options.autopilot;
        if route.parameters.iter().any(|parameter| faults.fails(parameter)) {
            return failed();
        }
        let store = || locked(&self.0);
        match (route.endpoint.pattern, route.parameters.as_slice()) {
            // Bodies are parsed before the lock is taken.
            ("POST /contact", _) => upsert::read_one(body, faults)
                .map_or_else(|refused| refused, |row| upsert::one(&mut store(), row, options)),
            ("POST /contacts", _) => upsert::read_many(body, options, faults)
                .map_or_else(|refused| refused, |rows| upsert::many(&mut store(), rows, options)),
            ("GET /account", _) => Response::ok(&json!({
                "instanceId": options.instance_id, "fullName": "Sandbox Owner", "email": "owner@sandbox.example",
            })),
            (pattern, parameters) => calls::apply(&mut store(), pattern, parameters, body, options),
        }
    }

    fn error(&self, status: StatusCode, message: &str) -> Response {
        error(status, message)
    }

    fn missing_key(&self) -> Response {
        // Source: docs/AUTOPILOT_API.md 1.1, a missing key is 400, a wrong one 401.
        bad_request("The autopilotapikey header is missing.")
    }

    fn wrong_key(&self, _options: &Options) -> Response {
        error(StatusCode::UNAUTHORIZED, "The provided autopilotapikey is not valid.")
    }

    /// Source: `docs/AUTOPILOT_API.md` 1.7. No `Retry-After` is attested: it is sent only on request.
    fn rate_limited(&self, options: &Options) -> Response {
        let rate = options.rate.unwrap_or(STATED_RATE);
        let message = format!("You have exceeded your request rate of {rate} r/s.");
        let mut response = error(StatusCode::TOO_MANY_REQUESTS, &message);
        response.retry_after = options.autopilot.retry_after;
        response
    }

    fn count(&self) -> usize {
        locked(&self.0).count()
    }

    fn contents(&self, _options: &Options) -> Contents {
        locked(&self.0).contents()
    }

    fn page(&self, search: &Search) -> Markup {
        page::page(&locked(&self.0), search)
    }
}
