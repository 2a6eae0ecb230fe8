//! What the server asks of an API that it hosts. Each API is a folder with one implementation of [`Api`].

use std::fmt;

use axum::http::StatusCode;
use maud::Markup;
use tokio::time::Instant;

use super::contents::Contents;
use super::faults::InjectedFaults;
use super::options::Options;
use super::response::Response;
use super::route::{Endpoint, Route};
use super::search::Search;

/// A request that passed key, faults and limits.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) route: &'a Route,
    pub(super) body: &'a [u8],
    /// What goes wrong with single rows.
    pub(super) faults: &'a InjectedFaults,
    /// Requests to this endpoint that are not answered yet, this one among them.
    pub(super) in_flight: usize,
    pub(super) now: Instant,
}

/// One hosted API with the account that it serves.
pub(super) trait Api: fmt::Debug + Send + Sync {
    /// The service's name, for people.
    fn name(&self) -> &'static str;

    /// The header that carries the key, in lower case.
    fn key_header(&self) -> &'static str;

    /// Every endpoint. Of several that match a path the first counts.
    fn endpoints(&self) -> &'static [Endpoint];

    /// Applies a request. Takes no time and waits for nothing.
    fn handle(&self, request: &Request<'_>, options: &Options) -> Response;

    /// An error in the service's own form.
    fn error(&self, status: StatusCode, message: &str) -> Response;

    /// The answer to a request without a key.
    fn missing_key(&self) -> Response;

    /// The answer to a request with another key than the account's.
    fn wrong_key(&self, options: &Options) -> Response;

    /// The answer to a request above the rate.
    fn rate_limited(&self, options: &Options) -> Response;

    /// How many contacts the account holds.
    fn count(&self) -> usize;

    /// A copy of what the account holds.
    fn contents(&self, options: &Options) -> Contents;

    /// What the account holds, as part of a page, with the people that are looked for.
    fn page(&self, search: &Search) -> Markup;
}
