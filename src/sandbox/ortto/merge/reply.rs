//! What a merge answers.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::errors::request_id;
use super::judge::Verdict;
use crate::sandbox::options::{OrttoOptions, SkippedRows};
use crate::sandbox::response::Response;

/// One entry of `people` or `details`. Nothing in it names the row.
///
/// Source: `docs/ORTTO_API.md` 2.2 and 2.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Created(String),
    Merged(String),
    Queued(Option<String>),
    Skipped,
    /// What it says is in no text.
    Unnamed,
    Suppressed,
    Invalid(String),
}

impl Entry {
    fn json(&self, options: &OrttoOptions) -> Value {
        match self {
            Self::Created(id) => json!({ "person_id": id, "status": "created" }),
            Self::Merged(id) => json!({ "person_id": id, "status": "merged" }),
            Self::Queued(None) => json!({ "status": "queued" }),
            Self::Queued(Some(id)) => json!({ "person_id": id, "status": "queued" }),
            Self::Skipped => json!({ "status": "skipped" }),
            Self::Unnamed => json!({ "status": "unchanged" }),
            Self::Suppressed => json!({ "status": "suppressed", "error": self.reason() }),
            Self::Invalid(reason) => json!({ "status": options.invalid_status, "error": reason }),
        }
    }

    fn reason(&self) -> &str {
        match self {
            Self::Suppressed => "Email is suppressed",
            Self::Invalid(reason) => reason,
            _ => "",
        }
    }
}

/// The entry of a bad row; `None` for others.
pub(super) fn bad(verdict: &Verdict, options: &OrttoOptions) -> Option<Entry> {
    match verdict {
        Verdict::Invalid(reason) => Some(Entry::Invalid(reason.clone())),
        Verdict::Suppressed => Some(Entry::Suppressed),
        Verdict::Skipped if options.skipped_rows == SkippedRows::Invalid => {
            Some(Entry::Invalid("person does not exist".to_owned()))
        }
        Verdict::Skipped | Verdict::Valid(_) | Verdict::Lost => None,
    }
}

/// The entries of all bad rows.
pub(super) fn bad_rows(verdicts: &[Verdict], options: &OrttoOptions) -> Vec<Entry> {
    verdicts.iter().filter_map(|verdict| bad(verdict, options)).collect()
}

/// 200 with the entries; null where there are none.
pub(super) fn merged(entries: &[Entry], options: &OrttoOptions) -> Response {
    let shown = |entry: &Entry| {
        let mut entry = entry.json(options);
        if let (false, Some(fields)) = (options.person_ids, entry.as_object_mut()) {
            fields.remove("person_id");
        }
        entry
    };
    let people: Vec<Value> = entries.iter().map(shown).collect();
    Response::ok(&json!({ "people": if people.is_empty() { Value::Null } else { people.into() } }))
}

/// 400 with the reasons.
pub(super) fn refused(bad: &[Entry], options: &OrttoOptions) -> Response {
    let first = bad.first().map(Entry::reason).unwrap_or_default();
    let body = json!({
        "request_id": request_id(),
        "code": 400,
        "error": format!("No valid contacts provided ({first})"),
        "details": bad.iter().map(|entry| entry.json(options)).collect::<Vec<_>>(),
    });
    let mut response = Response::json(StatusCode::BAD_REQUEST, &body);
    response.is_excused = !options.refused_merges_are_bad_requests;
    response
}
