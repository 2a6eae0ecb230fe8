//! What became of a row of a merge, as an entry of the answer says it. Nothing in an entry names the row, and an entry may
//! be anything: one with an error is of a bad row, whatever its status.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::request::is_id;
use crate::error::escaped;

/// What became of a row of a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Merged; the person's id, where there is one.
    Done(Option<String>),
    /// Created; the person's id, where there is one.
    Created(Option<String>),
    /// Accepted, to be done later.
    Queued,
    /// It does not exist, and was not to be created.
    Skipped,
    /// Its address is suppressed.
    Suppressed,
    /// Refused, with this reason.
    Invalid(String),
    /// Anything else, in a few words.
    Unclear(String),
}

impl Entry {
    /// Whether the row was merged.
    pub(super) fn is_merged(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Created(_))
    }

    /// The id of a person who was merged.
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::Done(id) | Self::Created(id) => id.as_deref(),
            _ => None,
        }
    }

    /// Why the row was refused.
    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Self::Invalid(reason) => Some(reason),
            _ => None,
        }
    }
}

/// The most characters of a reason, and of a status that is not known.
const REASON_CHARS: usize = 300;
const STATUS_CHARS: usize = 40;
/// Source: ORTTO_API 2.2.
const SUPPRESSED: &str = "email is suppressed";
/// The reason of a refusal that gives none.
pub(super) const NO_REASON: &str = "refused without a reason";

/// A reason, where the text is one.
pub(super) fn reason(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty()).map(|text| escaped(text, REASON_CHARS))
}

/// What an answer, or an entry of it, gives as its error.
pub(super) fn error_of(value: &Value) -> Option<String> {
    let text = |key: &str| {
        let error = value.get(key)?;
        reason(error.as_str().or_else(|| error.get("message")?.as_str()))
    };
    text("error").or_else(|| text("message")).or_else(|| text("reason"))
}

/// An entry of a merge that was accepted.
pub(super) fn entry(value: &Value) -> Entry {
    let id = || value.get("person_id").and_then(Value::as_str).filter(|id| is_id(id)).map(str::to_owned);
    let status = value.get("status").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let error = || error_of(value).or_else(|| reason(value.as_str()));
    match (status.as_str(), error()) {
        ("merged", _) => Entry::Done(id()),
        ("created", _) => Entry::Created(id()),
        ("skipped" | "ignored" | "not_found", _) => Entry::Skipped,
        ("suppressed", _) => Entry::Suppressed,
        (_, Some(error)) if error.to_ascii_lowercase() == SUPPRESSED => Entry::Suppressed,
        (_, Some(error)) => Entry::Invalid(error),
        ("queued", None) => Entry::Queued,
        ("invalid", None) => Entry::Invalid(NO_REASON.to_owned()),
        ("", None) => Entry::Unclear("answered without a status".to_owned()),
        (status, None) => {
            Entry::Unclear(format!("answered with the unknown status \"{}\"", escaped(status, STATUS_CHARS)))
        }
    }
}

/// An entry of a merge that was refused: whatever it says else, its row is bad.
fn refused(value: &Value) -> Entry {
    match entry(value) {
        Entry::Unclear(_) | Entry::Queued => Entry::Invalid(NO_REASON.to_owned()),
        entry => entry,
    }
}

/// The entries of a refusal; none where it does not speak of rows.
pub(super) fn refusals(body: &Value) -> Vec<Entry> {
    let of = |key: &str| match body.get(key) {
        Some(Value::Array(details)) => details.iter().map(refused).collect(),
        Some(detail @ Value::Object(fields)) if fields.contains_key("status") || error_of(detail).is_some() => {
            vec![refused(detail)]
        }
        Some(Value::String(detail)) if !detail.trim().is_empty() => vec![refused(&detail.as_str().into())],
        _ => Vec::new(),
    };
    let details: Vec<Entry> = of("details");
    if details.is_empty() { of("people") } else { details }
}

/// The entries of a merge; where the answer has no list of them, its own error counts as one.
pub fn entries(body: &Value) -> Vec<Entry> {
    match body.get("people").and_then(Value::as_array) {
        Some(people) => people.iter().map(entry).collect(),
        None => error_of(body).map(Entry::Invalid).into_iter().collect(),
    }
}

/// Whether no two entries name one person.
pub(super) fn are_distinct(entries: &[Entry]) -> bool {
    let ids: Vec<&str> = entries.iter().filter_map(Entry::id).collect();
    ids.iter().collect::<HashSet<_>>().len() == ids.len()
}

/// The reasons of all entries, each once.
pub(super) fn reasons(entries: &[Entry]) -> Option<String> {
    let reasons: BTreeSet<&str> = entries.iter().filter_map(Entry::reason).collect();
    (!reasons.is_empty()).then(|| reasons.into_iter().collect::<Vec<_>>().join("; "))
}
