//! What a browser shows at `GET /`, and the same as JSON for scripts. Not part of an API: not counted, no key.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Html;
use maud::{DOCTYPE, Markup, html};
use serde_json::{Map, Value};

use super::contents::Contents;
use super::counters::Counters;
use super::server::Server;

/// How many contacts a page shows.
pub(super) const SHOWN: usize = 50;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}\
    table{border-collapse:collapse;margin-bottom:2rem}\
    th,td{text-align:left;padding:.2rem .8rem .2rem 0;border-bottom:1px solid #ddd;vertical-align:top}";

pub(super) async fn contents(State(server): State<Arc<Server>>) -> Json<Contents> {
    Json(server.api.contents(&server.options()))
}

pub(super) async fn counters(State(server): State<Arc<Server>>) -> Json<Counters> {
    Json(server.counters())
}

pub(super) async fn page(State(server): State<Arc<Server>>) -> Html<String> {
    let title = format!("{} sandbox", server.api.name());
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (title) }
                style { (STYLE) }
            }
            body {
                h1 { (title) }
                p {
                    "A local stand-in for the " (server.api.name()) " API, at " code { "/v1" } ". As JSON: "
                    a href="/_sandbox/contents" { "contents" } ", " a href="/_sandbox/counters" { "counters" } "."
                }
                (requests(&server.counters()))
                (server.api.page())
            }
        }
    };
    Html(page.into_string())
}

fn requests(counters: &Counters) -> Markup {
    html! {
        h2 { "Requests (" (counters.requests) ")" }
        p {
            "Applied writes: " (counters.writes) ". Most in a second: " (counters.peak_per_second)
            ". Most in flight: " (counters.peak_in_flight) ". Rate limited: " (counters.throttled)
            ". Without a response: " (counters.unanswered) ". Hit by a fault: " (counters.faulted)
            ". Bans: " (counters.bans) "."
        }
        table {
            tr { th { "Endpoint" } th { "Requests" } }
            @for (route, requests) in &counters.by_route { tr { td { code { (route) } } td { (requests) } } }
        }
        table {
            tr { th { "Status" } th { "Responses" } }
            @for (status, responses) in &counters.statuses { tr { td { (status) } td { (responses) } } }
        }
    }
}

/// Names and values, one a line.
pub(super) fn pairs(fields: &Map<String, Value>) -> Markup {
    html! { @for (name, value) in fields { (name) ": " (value) br; } }
}
