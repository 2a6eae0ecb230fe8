//! Small JSON objects in the store.

use jiff::SignedDuration;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::Export;
use crate::error::{Error, Kind, Result, escaped_json};
use crate::ports::{PutMode, PutOutcome, Store};
use crate::run::{AppliedDrop, keys};

/// How far ahead of the clock a drop's time may be: names of folders may tell the time of any zone.
pub(super) const MAY_BE_AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// Reads an object, `None` where there is none.
///
/// # Errors
/// Kind `config`, where it is not what this program wrote.
pub async fn read_json<T: DeserializeOwned>(store: &impl Store, key: &str) -> Result<Option<T>> {
    let Some(object) = store.get(key).await? else { return Ok(None) };
    serde_json::from_slice(&object.body).map(Some).map_err(|cause| {
        let hint = match key.rsplit_once('/') {
            Some((run, "run.json" | "open.json")) => format!(
                "restore an older version of it; without one, remove {run}/: the next run sends its rows again, and \
                 `reconcile` names those whom it added and who have left the segment since"
            ),
            _ => "restore an older version of it".to_owned(),
        };
        Error::new(Kind::Config, key, "cannot be read: it is damaged or of another version")
            .hint(hint)
            .with_source(cause)
    })
}

/// The same for an object that can be rebuilt: a damaged one counts as missing.
///
/// # Errors
/// Those of the store.
pub async fn read_if_whole<T: DeserializeOwned>(store: &impl Store, key: &str) -> Result<Option<T>> {
    match read_json(store, key).await {
        Err(error) if error.kind == Kind::Config => {
            tracing::warn!(error.kind = error.kind.name(), "{}", error.chain());
            Ok(None)
        }
        read => read,
    }
}

/// A segment's last applied drop; none where it is damaged and a run sends everything anyway.
///
/// # Errors
/// As [`read_json`].
pub(super) async fn read_order(
    store: &impl Store,
    export: &str,
    segment: &str,
    full: bool,
) -> Result<Option<AppliedDrop>> {
    let key = keys::order(export, segment);
    if full {
        return read_if_whole(store, &key).await;
    }
    read_json(store, &key).await.map_err(|error| match error.kind {
        Kind::Config => error.hint("restore an older version of it, or remove it: any next drop then counts as newer"),
        _ => error,
    })
}

/// How many members each segment of an export has for certain, as far as its runs know.
///
/// # Errors
/// Those of the store.
pub(super) async fn confirmed_members(store: &impl Store, export: &Export) -> Result<u64> {
    let mut members = 0;
    for segment in &export.segments {
        let applied: Option<AppliedDrop> = read_if_whole(store, &keys::order(&export.name, &segment.name)).await?;
        members += applied.map_or(0, |applied| applied.members.saturating_sub(applied.unconfirmed));
    }
    Ok(members)
}

/// How many members each segment of an export has or may have, as far as its runs know.
///
/// # Errors
/// Those of the store.
pub async fn known_members(store: &impl Store, export: &Export) -> Result<Vec<u64>> {
    let mut members = Vec::new();
    for segment in &export.segments {
        let applied: Option<AppliedDrop> = read_if_whole(store, &keys::order(&export.name, &segment.name)).await?;
        members.push(applied.map_or(0, |applied| applied.members));
    }
    Ok(members)
}

/// Writes an object on a condition; `false` where it does not hold, or this very writing was made before and its
/// answer lost.
///
/// # Errors
/// Those of the store.
pub async fn write_json_if<T: Serialize>(store: &impl Store, key: &str, value: &T, condition: PutMode) -> Result<bool> {
    Ok(put(store, key, value, condition).await? != PutOutcome::Conflict)
}

/// Writes an object, whatever was there.
///
/// # Errors
/// Those of the store.
pub async fn write_json<T: Serialize>(store: &impl Store, key: &str, value: &T) -> Result<PutOutcome> {
    put(store, key, value, PutMode::Overwrite).await
}

async fn put<T: Serialize>(store: &impl Store, key: &str, value: &T, condition: PutMode) -> Result<PutOutcome> {
    let body = serde_json::to_string_pretty(value)
        .map_err(|cause| Error::new(Kind::Bug, key, "cannot be written").with_source(cause))?;
    // People look at these objects too.
    store.put(key, escaped_json(&body).into(), condition).await
}
