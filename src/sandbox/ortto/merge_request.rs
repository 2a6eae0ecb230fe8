//! The body of a merge.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::errors::error;
use crate::sandbox::options::OrttoOptions;
use crate::sandbox::response::Response;

/// Most people of a merge, and its largest body.
///
/// Source: `docs/ORTTO_API.md` 2.1.
const MOST_PEOPLE: usize = 100;
const MOST_BYTES: usize = 2 << 20;
/// Most fields that identify a person.
const MOST_MERGE_BY: usize = 3;

/// Identifies a person by its id; must stand alone.
pub(super) const PERSON_ID: &str = "str::person_id";

/// One person of a merge, as sent.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Row {
    #[serde(default)]
    pub(super) fields: Map<String, Value>,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    #[serde(default)]
    pub(super) unset_tags: Vec<String>,
    #[serde(default)]
    pub(super) clear_fields: Map<String, Value>,
}

impl Row {
    /// The email as sent, or nothing.
    pub(super) fn email(&self) -> &str {
        self.text("str::email").unwrap_or_default()
    }

    /// A field's text, where it holds any.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
    }
}

/// How existing values are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MergeStrategy {
    Append,
    Overwrite,
    Ignore,
}

/// How several identifying fields find a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FindStrategy {
    Any,
    NextIfEmpty,
    All,
}

/// What holds for every row of a merge.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) merge_by: Vec<String>,
    pub(super) merge_strategy: MergeStrategy,
    pub(super) find_strategy: FindStrategy,
    pub(super) skip_non_existing: bool,
    pub(super) suppression_field: Option<String>,
}

/// A merge as sent.
#[derive(Debug)]
pub(super) struct MergeRequest {
    pub(super) rows: Vec<Row>,
    pub(super) rules: Rules,
    pub(super) is_async: bool,
}

#[derive(Deserialize)]
struct Body {
    people: Vec<Row>,
    #[serde(default, rename = "async")]
    is_async: bool,
    merge_by: Option<Vec<String>>,
    merge_strategy: Option<u8>,
    find_strategy: Option<u8>,
    #[serde(default)]
    skip_non_existing: bool,
    suppression_list_field_id: Option<String>,
}

/// Parses a body.
///
/// # Errors
/// The response that refuses the whole call.
pub(super) fn parse(body: &[u8], options: &OrttoOptions) -> Result<MergeRequest, Response> {
    let refuse = |problem: &str| error(StatusCode::BAD_REQUEST, &format!("{}: {problem}", options.instance_id));
    if body.len() > MOST_BYTES {
        return Err(error(StatusCode::PAYLOAD_TOO_LARGE, "request body is larger than 2 MB"));
    }
    let body: Body = serde_json::from_slice(body).map_err(|_| refuse("Failed to parse request"))?;
    if !(1..=MOST_PEOPLE).contains(&body.people.len()) {
        return Err(refuse(&format!("incorrect size {} of people, minimum 1 and maximum 100", body.people.len())));
    }
    let merge_by = body.merge_by.filter(|fields| !fields.is_empty()).unwrap_or(options.default_merge_by.clone());
    if merge_by.len() > MOST_MERGE_BY {
        return Err(refuse("merge_by takes at most 3 fields"));
    }
    if merge_by.len() > 1 && merge_by.iter().any(|field| field == PERSON_ID) {
        return Err(refuse("str::person_id must be the only field of merge_by"));
    }
    let rules = Rules {
        merge_by,
        merge_strategy: match body.merge_strategy {
            Some(1) => MergeStrategy::Append,
            None | Some(2) => MergeStrategy::Overwrite,
            Some(3) => MergeStrategy::Ignore,
            Some(_) => return Err(refuse("unknown merge_strategy")),
        },
        find_strategy: match body.find_strategy {
            None | Some(0) => FindStrategy::Any,
            Some(1) => FindStrategy::NextIfEmpty,
            Some(2) => FindStrategy::All,
            Some(_) => return Err(refuse("unknown find_strategy")),
        },
        skip_non_existing: body.skip_non_existing,
        suppression_field: body.suppression_list_field_id.filter(|field| !field.is_empty()),
    };
    Ok(MergeRequest { rows: body.people, rules, is_async: body.is_async })
}
