//! Whether a drop is all there.

use std::time::Duration;

use jiff::Timestamp;

use super::Drop;
use crate::ports::ObjectMeta;
use crate::segment::Model;
use crate::segment::keys::{file_name, parent};

/// Whether a drop is all there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settling {
    /// It may be read.
    Complete,
    /// Parts may be on their way.
    Settling {
        /// When to look again.
        seconds: u64,
        /// What is waited for.
        why: String,
    },
}

/// Whether a drop is all there: a file always; a folder when the `model.json` that lists this very folder misses no
/// part, or a `_SUCCESS` is in it, above its partitions, or nothing of it changed for the time `settle`. `all` is the
/// listing.
pub fn settled(drop: &Drop, all: &[ObjectMeta], model: Option<&Model>, settle: Duration, now: Timestamp) -> Settling {
    if !drop.name.ends_with('/') && !drop.name.is_empty() {
        return Settling::Complete;
    }
    let inside = || all.iter().filter(|meta| parent(&meta.key) == drop.name);
    if inside().any(|meta| file_name(&meta.key) == "_SUCCESS") {
        return Settling::Complete;
    }
    let missing = model.and_then(|model| missing_parts(drop, model));
    if missing.as_ref().is_some_and(Vec::is_empty) {
        return Settling::Complete;
    }
    let newest = inside().chain(&drop.parts).map(|meta| meta.modified).max().unwrap_or(now);
    let quiet = quiet(newest, now);
    let Some(left) = left(settle, quiet) else { return Settling::Complete };
    let why = match missing {
        Some(missing) => format!("{} of the parts that model.json lists are not there yet", missing.len()),
        None => format!("its newest part is {} seconds old, of {}", quiet.as_secs(), settle.as_secs()),
    };
    Settling::Settling { seconds: left, why }
}

/// Whether a part has no bytes yet and was written within the time `settle`: some gateways create a file before they
/// fill it.
pub fn unfilled(drop: &Drop, settle: Duration, now: Timestamp) -> Settling {
    let empty = drop.parts.iter().filter(|part| part.bytes == 0);
    let Some(newest) = empty.map(|part| part.modified).max() else { return Settling::Complete };
    match left(settle, quiet(newest, now)) {
        Some(seconds) => Settling::Settling { seconds, why: "it has no bytes yet".to_owned() },
        None => Settling::Complete,
    }
}

/// For how long nothing was written. A store whose clock is ahead must not hold a drop up for ever.
fn quiet(newest: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(newest)).unwrap_or_default()
}

/// The seconds of `settle` that are left, rounded up.
fn left(settle: Duration, quiet: Duration) -> Option<u64> {
    let left = settle.checked_sub(quiet).filter(|left| !left.is_zero())?;
    Some(left.as_secs() + u64::from(left.subsec_nanos() > 0))
}

/// The names of the parts that `model` lists in the drop's very folder and that are not there; none where it lists
/// nothing there.
pub fn missing_parts(drop: &Drop, model: &Model) -> Option<Vec<String>> {
    let mut missing = model.parts_of(&drop.name)?;
    missing.retain(|name| !drop.parts.iter().any(|part| file_name(&part.key) == name));
    Some(missing)
}
