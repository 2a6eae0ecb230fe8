//! What the pages of all APIs share.

use maud::{Markup, html};
use serde_json::{Map, Value};

/// How many contacts a page shows.
pub(super) const SHOWN: usize = 50;

/// A table that a narrow screen can scroll; nothing where it has no row.
pub(super) fn table(name: &str, columns: &[&str], rows: impl Iterator<Item = Markup>) -> Markup {
    let mut rows = rows.peekable();
    html! {
        @if rows.peek().is_some() {
            div.scroll tabindex="0" role="region" aria-label=(name) {
                table {
                    thead { tr { @for column in columns { th scope="col" { (column) } } } }
                    tbody { @for row in rows { (row) } }
                }
            }
        } @else { p { "None." } }
    }
}

/// Names and values, one a line.
pub(super) fn pairs(fields: &Map<String, Value>) -> Markup {
    html! { @for (name, value) in fields { (name) ": " (value) br; } }
}
