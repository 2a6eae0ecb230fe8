//! From a listing to drops: which objects are data, what belongs together, since when, and whether it is all there.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::Model;
use crate::ports::Meta;

/// What a segment's drop is (`segments[].drop`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DropKind {
    /// Each object is a whole segment.
    #[default]
    File,
    /// All parts of one folder are the segment.
    Folder,
}

/// What holds a segment's members at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drop {
    /// The key of the file, or of the folder with its trailing `/`.
    pub name: String,
    /// The time in its path or name, else when the newest of its parts was written.
    pub time: Timestamp,
    /// The files, in order of their keys; at least one.
    pub parts: Vec<Meta>,
    /// The key of the nearest `model.json` up the path that the listing holds.
    pub model: Option<String>,
    /// A digest of the parts' keys and versions: 16 hexadecimal digits.
    pub version: String,
}

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

/// The drops among what was listed under `prefix`, the oldest first. Objects that are no data belong to none; an
/// empty file is a part like any other.
pub fn drops(prefix: &str, metas: &[Meta], kind: DropKind) -> Vec<Drop> {
    let listed = || metas.iter().filter(|meta| meta.key.starts_with(prefix));
    let mut groups: BTreeMap<String, Vec<Meta>> = BTreeMap::new();
    for meta in listed().filter(|meta| is_data(&meta.key)) {
        let name = match kind {
            DropKind::File => meta.key.clone(),
            DropKind::Folder => parent(&meta.key).to_owned(),
        };
        groups.entry(name).or_default().push(meta.clone());
    }
    let mut drops: Vec<Drop> = groups
        .into_iter()
        .map(|(name, mut parts)| {
            parts.sort_by(|one, other| one.key.cmp(&other.key));
            let model = nearest_model(&name, |key| listed().any(|meta| meta.key == key));
            Drop { time: time(&name, &parts), version: version(&parts), name, parts, model }
        })
        .collect();
    drops.sort_by(|one, other| (one.time, &one.name).cmp(&(other.time, &other.name)));
    drops
}

/// The name of the drop that an object belongs to where a segment's drops are of `kind`; none for what is no data,
/// except that a `_SUCCESS` belongs to its folder.
pub fn drop_of(key: &str, kind: DropKind) -> Option<String> {
    match kind {
        DropKind::File => is_data(key).then(|| key.to_owned()),
        DropKind::Folder => (is_data(key) || file_name(key) == "_SUCCESS").then(|| parent(key).to_owned()),
    }
}

/// Whether a drop is all there: a file always; a folder when the `model.json` that lists this very folder misses no
/// part, or a `_SUCCESS` is in it, or nothing in it changed for the time `settle`. `all` is the listing.
pub fn settled(drop: &Drop, all: &[Meta], model: Option<&Model>, settle: Duration, now: Timestamp) -> Settling {
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
    // A store whose clock is ahead must not hold a drop up for ever.
    let quiet = Duration::try_from(now.duration_since(newest)).unwrap_or_default();
    let Some(left) = settle.checked_sub(quiet).filter(|left| !left.is_zero()) else { return Settling::Complete };
    let why = match missing {
        Some(missing) => format!("{} of the parts that model.json lists are not there yet", missing.len()),
        None => format!("its newest part is {} seconds old, of {}", quiet.as_secs(), settle.as_secs()),
    };
    Settling::Settling { seconds: left.as_secs() + u64::from(left.subsec_nanos() > 0), why }
}

/// The names of the parts that `model` lists in the drop's very folder and that are not there; none where it lists
/// nothing there.
pub fn missing_parts(drop: &Drop, model: &Model) -> Option<Vec<String>> {
    let mut missing = model.parts_of(&drop.name)?;
    missing.retain(|name| !drop.parts.iter().any(|part| file_name(&part.key) == name));
    Some(missing)
}

/// Whether an object holds rows, by its name.
pub fn is_data(key: &str) -> bool {
    let name = file_name(key);
    let other = name == "model.json" || name.ends_with(".manifest.cdm.json") || name.ends_with(".crc");
    !(name.is_empty() || name.starts_with(['.', '_']) || other)
}

/// The time in the folders of a Customer Insights path, `.../{YYYY}/{MM}/{DD}/{HHMM}/...`, in UTC.
pub(super) fn path_time(path: &str) -> Option<Timestamp> {
    let folders: Vec<&str> = parent(path).trim_end_matches('/').split('/').collect();
    let [.., year, month, day, clock] = folders.as_slice() else { return None };
    let digits = |text: &str, length: usize| {
        let sound = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
        sound.then(|| text.parse::<i16>().ok()).flatten()
    };
    let small = |text: &str| digits(text, 2).and_then(|number| i8::try_from(number).ok());
    let clock = digits(clock, 4)?;
    let (hour, minute) = (i8::try_from(clock / 100).ok()?, i8::try_from(clock % 100).ok()?);
    let at = DateTime::new(digits(year, 4)?, small(month)?, small(day)?, hour, minute, 0, 0).ok()?;
    TimeZone::UTC.to_timestamp(at).ok()
}

/// The time in a name like `Destination_Segment_1613059542.csv`.
fn name_time(key: &str) -> Option<Timestamp> {
    let stem = file_name(key).split('.').next()?;
    let (_, digits) = stem.rsplit_once('_')?;
    let sound = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    Timestamp::from_second(sound.then(|| digits.parse().ok()).flatten()?).ok()
}

fn time(name: &str, parts: &[Meta]) -> Timestamp {
    let named = || parts.iter().map(|part| name_time(&part.key)).max().flatten();
    let written = || parts.iter().map(|part| part.modified).max().unwrap_or(Timestamp::MIN);
    path_time(name).or_else(named).unwrap_or_else(written)
}

fn version(parts: &[Meta]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.key.as_bytes());
        digest.update([0]);
        digest.update(part.version.as_bytes());
        digest.update([0]);
    }
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn nearest_model(name: &str, listed: impl Fn(&str) -> bool) -> Option<String> {
    let mut folder = parent(name);
    loop {
        let key = format!("{folder}model.json");
        if listed(&key) {
            return Some(key);
        }
        folder = match folder.strip_suffix('/') {
            Some(folder) => parent(folder),
            None => return None,
        };
    }
}

/// The folder a key lies in, with its trailing `/`; a folder's is itself.
fn parent(key: &str) -> &str {
    key.rfind('/').and_then(|end| key.get(..=end)).unwrap_or_default()
}

fn file_name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or_default()
}
