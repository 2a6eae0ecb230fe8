//! What a browser shows at `GET /`, and the same as JSON for scripts. Not part of an API: not counted, no key.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::Html;
use maud::{Markup, html};

use super::contents::Contents;
use super::counters::Counters;
use super::markup::table;
use super::search::Search;
use super::server::Server;
use crate::report::html::frame;

pub(super) async fn contents(State(server): State<Arc<Server>>) -> Json<Contents> {
    Json(server.api.contents(&server.options()))
}

pub(super) async fn counters(State(server): State<Arc<Server>>) -> Json<Counters> {
    Json(server.counters())
}

pub(super) async fn page(State(server): State<Arc<Server>>, Query(search): Query<Search>) -> Html<String> {
    let title = format!("{} sandbox", server.api.name());
    let content = html! {
        h1 { (title) }
        p {
            "A local stand-in for the " (server.api.name()) " API, at " code { "/v1" } ". As JSON: "
            a href="/_sandbox/contents" { "contents" } ", " a href="/_sandbox/counters" { "counters" } "."
        }
        form role="search" {
            label for="q" { "Find people by anything that they hold" } " "
            input id="q" name="q" type="search" value=(search.q);
            " " button { "Find" }
        }
        (server.api.page(&search))
        (requests(&server.counters()))
    };
    Html(frame(&title, content))
}

fn requests(counters: &Counters) -> Markup {
    let by_route = counters.by_route.iter().map(|(route, requests)| {
        html! { tr { th scope="row" { code { (route) } } td.n { (requests) } } }
    });
    let statuses = counters.statuses.iter().map(|(status, responses)| {
        html! { tr { th scope="row" { (status) } td.n { (responses) } } }
    });
    html! {
        h2 { "Requests (" (counters.requests) ")" }
        p {
            "Applied writes: " (counters.writes) ". Most in a second: " (counters.peak_per_second)
            ". Most in flight: " (counters.peak_in_flight) ". Rate limited: " (counters.throttled)
            ". Without a response: " (counters.unanswered) ". Hit by a fault: " (counters.faulted)
            ". Bans: " (counters.bans) "."
        }
        (table("requests by endpoint", &["Endpoint", "Requests"], by_route))
        (table("responses by status", &["Status", "Responses"], statuses))
    }
}
