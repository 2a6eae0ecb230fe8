//! People archived, restored and deleted.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::errors::{error, parse};
use super::store::Store;
use crate::sandbox::options::OrttoOptions;
use crate::sandbox::response::Response;

#[derive(Deserialize, Default)]
#[serde(default)]
struct People {
    inclusion_ids: Vec<String>,
    exclusion_ids: Vec<String>,
    all_rows_selected: bool,
}

/// What to do with people who are no longer wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    Archive,
    Restore,
    /// Archived people only.
    Delete,
}

/// Archives, restores or deletes people.
pub(super) fn remove(
    store: &mut Store,
    body: &[u8],
    removal: Removal,
    now: Instant,
    options: &OrttoOptions,
) -> Result<Response, Response> {
    let People { inclusion_ids, exclusion_ids, all_rows_selected } = parse(body, options)?;
    if inclusion_ids.is_empty() && !all_rows_selected {
        return Err(error(StatusCode::BAD_REQUEST, "inclusion_ids or all_rows_selected is required"));
    }
    let wants_archived = removal != Removal::Archive;
    let chosen: Vec<u32> = (store.people.iter())
        .filter(|(_, person)| all_rows_selected || inclusion_ids.contains(&person.id))
        .filter(|(_, person)| !exclusion_ids.contains(&person.id))
        .filter(|(_, person)| person.current().is_some_and(|profile| profile.archived == wants_archived))
        .map(|(number, _)| number)
        .collect();
    let email = store.known.email;
    for number in &chosen {
        match removal {
            Removal::Delete => store.people.delete(*number, email),
            _ => store.people.change(*number, now, options.read_lag(), email, |profile| {
                profile.archived = removal == Removal::Archive;
            }),
        }
    }
    let counted = match removal {
        Removal::Archive => "archived_contacts",
        Removal::Restore => "restored_contacts",
        Removal::Delete => "deleted_contacts",
    };
    Ok(Response::ok(&json!({ "scheduled_contacts": 0, counted: chosen.len() })))
}
