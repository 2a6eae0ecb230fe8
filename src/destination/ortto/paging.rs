//! Pages of people.

use serde_json::Value;

use super::asking::text;
use super::request::PAGE;

/// What follows a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Following {
    /// Nothing.
    Last,
    /// The page at this offset, with this cursor.
    At(u64, Option<String>),
    /// Something, but the page does not lead there.
    Nowhere,
}

/// What follows the page at an offset, which holds a number of people. Where it does not say whether there is more, a full page
/// is not the last. Source: ORTTO_API 7.
pub(super) fn following(page: &Value, offset: u64, people: usize) -> Following {
    if !page.get("has_more").and_then(Value::as_bool).unwrap_or(people >= PAGE) {
        return Following::Last;
    }
    let next = match page.get("next_offset").and_then(Value::as_u64) {
        Some(next) => next,
        None => offset + people as u64,
    };
    if next > offset { Following::At(next, text(page, "cursor_id")) } else { Following::Nowhere }
}
