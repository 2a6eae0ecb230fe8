//! What a person sees at `GET /`, and the same as JSON for scripts. Not part of the API, not counted, no key.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Html;
use maud::{DOCTYPE, Markup, html};

use super::contents::{self, Contents};
use super::counters::Counters;
use super::server::{Shared, locked};

/// Contacts shown on the page.
const SHOWN: usize = 50;

pub(super) async fn contents(State(shared): State<Arc<Shared>>) -> Json<Contents> {
    Json(Contents::of(&locked(&shared.store)))
}

pub(super) async fn counters(State(shared): State<Arc<Shared>>) -> Json<Counters> {
    Json(locked(&shared.meter).counters.clone())
}

pub(super) async fn page(State(shared): State<Arc<Shared>>) -> Html<String> {
    let counters = locked(&shared.meter).counters.clone();
    let (count, lists, contacts) = {
        let store = locked(&shared.store);
        let contacts: Vec<_> =
            store.contacts_from(0).take(SHOWN).map(|(_, contact)| contents::held(&store, contact)).collect();
        (store.count(), contents::lists(&store), contacts)
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "Autopilot sandbox" }
                style {
                    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}"
                    "table{border-collapse:collapse;margin-bottom:2rem}"
                    "th,td{text-align:left;padding:.2rem .8rem .2rem 0;border-bottom:1px solid #ddd;vertical-align:top}"
                }
            }
            body {
                h1 { "Autopilot sandbox" }
                p {
                    "A local stand-in for the Autopilot API, at " code { "/v1" } ". As JSON: "
                    a href="/_sandbox/contents" { "contents" } ", " a href="/_sandbox/counters" { "counters" } "."
                }
                (requests(&counters))
                h2 { "Lists (" (lists.len()) ")" }
                table {
                    tr { th { "Title" } th { "Id" } th { "Contacts" } }
                    @for list in &lists {
                        tr { td { (list.title) } td { code { (list.id) } } td { (list.members) } }
                    }
                }
                h2 { "Contacts (" (count) ")" }
                @if count > SHOWN { p { "The first " (SHOWN) ":" } }
                table {
                    tr { th { "Email" } th { "Fields" } th { "Custom" } th { "Lists" } th { "Opted out" } }
                    @for contact in &contacts {
                        tr {
                            td { (contact.email.as_deref().unwrap_or("none")) }
                            td { (pairs(&contact.fields)) }
                            td { (pairs(&contact.custom)) }
                            td { (contact.lists.len()) }
                            td { @if contact.unsubscribed { "yes" } @else { "no" } }
                        }
                    }
                }
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
            ". Throttled: " (counters.throttled) ". Without an answer: " (counters.unanswered)
            ". Struck by a fault: " (counters.struck) "."
        }
        table {
            tr { th { "Call" } th { "Requests" } }
            @for (route, requests) in &counters.by_route { tr { td { code { (route) } } td { (requests) } } }
        }
        table {
            tr { th { "Status" } th { "Answers" } }
            @for (status, answers) in &counters.statuses { tr { td { (status) } td { (answers) } } }
        }
    }
}

fn pairs(fields: &serde_json::Map<String, serde_json::Value>) -> Markup {
    html! {
        @for (name, value) in fields.iter().filter(|(name, _)| *name != "Email") { (name) ": " (value) br; }
    }
}
