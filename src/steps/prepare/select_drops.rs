//! Which drops a run takes: those it was asked for, else the newest of each segment.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::steps::documents::{MAY_BE_AHEAD, read_order};

use crate::config::{Config, Export, Segment};
use crate::error::{Error, Kind, Result, escaped};
use crate::ports::{ObjectMeta, Store};
use crate::run::{RequestedDrop, RunRequest, SegmentRecord, SourceRecord, Trigger, keys};
use crate::segment::drops::{Survey, missing_parts, settled, unfilled};
use crate::segment::{Drop, DropKind, DropRules, MAX_MODEL_BYTES, Model, Settling};
use crate::steps::environment::Environment;

/// The most ignored objects, or folders, that a message names.
const NAMED: usize = 3;
/// The most characters of a key in a list of several.
const SHOWN: usize = 200;

/// What the run is to read.
pub(in crate::steps) enum Selection {
    /// These sources, per segment; segments without a drop take no part.
    Drops(Vec<SegmentRecord>, Vec<SourceRecord>),
    /// Not yet complete: ask again in this many seconds.
    Wait(u64, String),
    /// Every drop is older than the one last applied.
    Superseded(Vec<SegmentRecord>),
    /// There is none yet; the error that a run ends with.
    NoDrop(Error),
}

pub(in crate::steps) async fn select_drops<W: Environment>(
    env: &W,
    config: &Config,
    export: &Export,
    request: &RunRequest,
) -> Result<Selection> {
    for asked in &request.drops {
        if request.drops.iter().filter(|other| other.segment == asked.segment).count() > 1 {
            return Err(Error::new(Kind::BadRequest, &asked.segment, "is given more than one drop")
                .hint("name one drop of a segment in a run; a folder of parts is one drop"));
        }
        if !export.segments.iter().any(|segment| segment.name == asked.segment) {
            let names: Vec<&str> = export.segments.iter().map(|segment| segment.name.as_str()).collect();
            return Err(Error::new(Kind::BadRequest, &asked.segment, "unknown segment")
                .hint(format!("name one of: {}", names.join(", "))));
        }
    }
    let (mut records, mut sources, mut superseded) = (Vec::new(), Vec::new(), 0);
    let mut ignored = Vec::new();
    for (number, segment) in export.segments.iter().enumerate() {
        let mut record = SegmentRecord { name: segment.name.clone(), ..SegmentRecord::default() };
        let asked = request.drops.iter().find(|asked| asked.segment == segment.name);
        let of = Of { config, export, segment };
        let found = match (asked, request.drops.is_empty()) {
            (Some(asked), _) => Some(requested(env, of, asked, request.trigger).await?),
            (None, true) => newest(env, of, &mut ignored).await?,
            (None, false) => None,
        };
        if asked.is_some_and(|asked| asked.is_empty) && found.as_ref().is_some_and(|found| !found.is_empty()) {
            // What has filled the object since has an event of its own.
            superseded += 1;
        } else if let Some(Found { drop, listing, is_settling, notes }) = found {
            let model = model(env.store(), drop.model.as_deref()).await?;
            let settle = Duration::from_secs(segment.settle_seconds);
            let now = env.clock().now();
            if is_settling && let Some(wait) = waits(settled(&drop, &listing, model.as_ref(), settle, now)) {
                return Ok(wait);
            }
            if request.trigger == Trigger::S3
                && let Some(wait) = waits(unfilled(&drop, settle, now))
            {
                return Ok(wait);
            }
            let missing = model.as_ref().and_then(|model| missing_parts(&drop, model));
            record.missing_parts = missing.map_or(0, |missing| missing.len() as u64);
            record.notes = notes;
            let by_name = asked.is_some() && request.trigger == Trigger::Command;
            record.time = (!by_name).then_some(drop.time);
            let order = read_order(env.store(), &export.name, &segment.name, request.full).await?;
            let latest = now.checked_add(MAY_BE_AHEAD).unwrap_or(now);
            if drop.time > latest {
                record.notes.push(from_the_future(&drop.name, drop.time));
            }
            if let (Some(time), Some(order)) = (record.time, order)
                // What a clock that was far ahead wrote must not keep out every drop until then.
                && (order.time <= latest || time > latest)
                && time < order.time
            {
                superseded += 1;
            } else {
                record.drop = Some(drop.name);
                record.version = drop.version;
                record.model = drop.model;
                sources.extend(drop.parts.into_iter().map(|part| source(part, number)));
            }
        }
        records.push(record);
    }
    if records.iter().any(|record| record.drop.is_some()) {
        return Ok(Selection::Drops(records, sources));
    }
    if superseded > 0 {
        return Ok(Selection::Superseded(records));
    }
    Ok(Selection::NoDrop(no_drop(export, &ignored)))
}

fn from_the_future(name: &str, time: jiff::Timestamp) -> String {
    let name = escaped(name, SHOWN);
    format!("{name} is dated {time}, in the future: drops that are dated before are not read; correct its date")
}

fn no_drop(export: &Export, ignored: &[(String, &str)]) -> Error {
    let prefixes: Vec<&str> = export.segments.iter().filter_map(|segment| segment.prefix.as_deref()).collect();
    if prefixes.is_empty() {
        return Error::new(Kind::Segment, &export.name, "no drop found: no segment has a prefix")
            .hint("name a file behind the export, or set segments[].prefix");
    }
    let problem = format!("no drop found under {}{}", prefixes.join(", "), and_ignored(ignored));
    Error::new(Kind::Segment, &export.name, problem).hint("drop a file there, or name one behind the export")
}

/// What was ignored, for an error that nothing is left.
fn and_ignored(ignored: &[(String, &str)]) -> String {
    let named: Vec<String> =
        ignored.iter().take(NAMED).map(|(key, why)| format!("{} {why}", escaped(key, SHOWN))).collect();
    match ignored.len() {
        0 => String::new(),
        several if several > NAMED => format!("; {several} objects are ignored: {}, ...", named.join(", ")),
        _ => format!("; {}", named.join(", ")),
    }
}

fn source(part: ObjectMeta, segment: usize) -> SourceRecord {
    let ObjectMeta { key, bytes, modified, version } = part;
    SourceRecord { key, version, bytes, modified, segment, columns: Vec::new() }
}

/// A drop that was found.
struct Found {
    drop: Drop,
    /// What was listed with it.
    listing: Vec<ObjectMeta>,
    /// Whether parts may be on their way.
    is_settling: bool,
    /// What people should know of it.
    notes: Vec<String>,
}

impl Found {
    fn is_empty(&self) -> bool {
        self.drop.parts.iter().all(|part| part.bytes == 0)
    }
}

/// A segment of an export of the configuration.
#[derive(Clone, Copy)]
struct Of<'a> {
    config: &'a Config,
    export: &'a Export,
    segment: &'a Segment,
}

/// What lies under a prefix, less what belongs to another segment, whose prefix is longer; and the `model.json` above.
async fn list<W: Environment>(env: &W, of: Of<'_>, prefix: &str, kind: DropKind) -> Result<Vec<ObjectMeta>> {
    let mut listing = env.store().list(prefix).await?;
    listing.retain(|meta| {
        let routed = of.config.route(&meta.key);
        routed.is_empty() || routed.iter().any(|(name, other)| *name == of.export.name && other.name == of.segment.name)
    });
    if kind == DropKind::Folder {
        look_above(env.store(), prefix.trim_end_matches('/'), &mut listing).await?;
    }
    Ok(listing)
}

/// The newest drop under the segment's prefix. Where there is none, what is `ignored` there is added.
async fn newest<W: Environment>(
    env: &W,
    of: Of<'_>,
    ignored: &mut Vec<(String, &'static str)>,
) -> Result<Option<Found>> {
    let Some(prefix) = &of.segment.prefix else { return Ok(None) };
    let Some(rules) = of.segment.drop_rules() else { return Ok(None) };
    let listing = list(env, of, prefix, of.segment.drop).await?;
    let mut survey = rules.survey(&listing);
    let Some(drop) = survey.drops.pop() else {
        if survey.elsewhere.is_empty() {
            ignored.append(&mut survey.ignored);
            return Ok(None);
        }
        return Err(only_elsewhere(prefix, &survey).hint(
            "set segments[].recursive to true to read them, or segments[].drop to \"folder\" where a folder is a drop",
        ));
    };
    let notes = notes(&drop, &survey, of.segment.drop);
    Ok(Some(Found { drop, listing, is_settling: of.segment.drop == DropKind::Folder, notes }))
}

/// The drop that was asked for: an object, or a folder of them.
async fn requested<W: Environment>(env: &W, of: Of<'_>, asked: &RequestedDrop, trigger: Trigger) -> Result<Found> {
    let key = asked.key.as_str();
    let is_folder = of.segment.drop == DropKind::Folder && !key.starts_with("file:") && !keys::is_retry(key);
    let is_ours = of.segment.prefix.as_deref().is_some_and(|prefix| key.starts_with(prefix));
    match of.segment.drop_rules() {
        // A person means the folder that is named, an event the drop that it is a part of.
        _ if key.ends_with('/') && trigger != Trigger::S3 => folder(env, of, key).await,
        Some(rules) if is_folder && is_ours => around(env, of, key, &rules).await,
        _ if is_folder => folder(env, of, key.rfind('/').and_then(|end| key.get(..=end)).unwrap_or_default()).await,
        _ => file(env, key).await,
    }
}

fn missing(key: &str, ignored: &[(String, &str)]) -> Error {
    let problem = format!("contains no segment file{}", and_ignored(ignored));
    Error::new(Kind::Segment, key, problem).hint("name a file or a folder with files")
}

/// A file, whatever it is called.
async fn file<W: Environment>(env: &W, key: &str) -> Result<Found> {
    let meta = env.store().head(key).await?.ok_or_else(|| missing(key, &[]))?;
    let beside = key.rsplit_once('/').map(|(folder, _)| format!("{folder}/model.json")).filter(|beside| beside != key);
    let beside = match beside {
        Some(beside) => env.store().head(&beside).await?,
        None => None,
    };
    let drop = Drop::of_file(meta, beside.as_ref().map(|model| model.key.as_str()));
    Ok(Found { drop, listing: Vec::new(), is_settling: false, notes: Vec::new() })
}

/// The drop in a folder that a person names.
async fn folder<W: Environment>(env: &W, of: Of<'_>, key: &str) -> Result<Found> {
    let rules = of.segment.drop_rules_of(key);
    let listing = list(env, of, key, DropKind::Folder).await?;
    let mut survey = rules.survey(&listing);
    let drop = survey.take_of_folder(key).ok_or_else(|| match survey.elsewhere.is_empty() {
        true => missing(key, &survey.ignored),
        false => only_elsewhere(key, &survey)
            .hint("name one of them, or set segments[].recursive to true to read all that is below"),
    })?;
    let notes = notes(&drop, &survey, DropKind::Folder);
    Ok(Found { drop, listing, is_settling: !key.starts_with("file:"), notes })
}

/// The drop that an object, or a folder, is a part of.
async fn around<W: Environment>(env: &W, of: Of<'_>, key: &str, rules: &DropRules) -> Result<Found> {
    let folder = rules.drop_of(key).unwrap_or(key);
    let prefix = of.segment.prefix.as_deref().unwrap_or(folder);
    let listing = list(env, of, prefix, DropKind::Folder).await?;
    let mut survey = rules.survey(&listing);
    let drop = survey.take_around(folder).ok_or_else(|| missing(key, &survey.ignored))?;
    let notes = notes(&drop, &survey, DropKind::Folder);
    Ok(Found { drop, listing, is_settling: true, notes })
}

/// The error of a place where nothing but folders hold data.
fn only_elsewhere(place: &str, survey: &Survey) -> Error {
    let problem = format!("holds no drop, but folders below it hold data: {}", folders(survey));
    Error::new(Kind::Segment, place, problem)
}

/// What people should know of objects that hold data and were not read, and of folders that may be several drops.
fn notes(drop: &Drop, survey: &Survey, kind: DropKind) -> Vec<String> {
    let count = survey.elsewhere.len();
    let why = match kind {
        DropKind::File => "they are in folders below the prefix",
        DropKind::Folder => "their folders are not the drop's",
    };
    let note =
        || format!("{count} objects were ignored, as {why}: {}; segments[].recursive reads them", folders(survey));
    let by_time = drop.partitions_by_time();
    let one = || {
        format!(
            "{} folders by time are read as one drop: {}; where each is a drop, name them by the day, as dt=2024-03-01",
            by_time.len(),
            named(&by_time)
        )
    };
    let notes = [(count > 0).then(note), (!by_time.is_empty()).then(one)];
    notes.into_iter().flatten().collect()
}

fn folders(survey: &Survey) -> String {
    named(&survey.folders_elsewhere())
}

fn named(folders: &BTreeSet<&str>) -> String {
    let named: Vec<String> = folders.iter().take(NAMED).map(|folder| escaped(folder, SHOWN)).collect();
    let more = folders.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", named.join(", "))
}

fn waits(settling: Settling) -> Option<Selection> {
    match settling {
        Settling::Complete => None,
        Settling::Settling { seconds, why } => Some(Selection::Wait(seconds.max(1), why)),
    }
}

/// Adds the `model.json` above a folder: Customer Insights leaves it at the destination, up to six folders (table, year,
/// month, day, time) above the parts.
async fn look_above(store: &impl Store, folder: &str, all: &mut Vec<ObjectMeta>) -> Result<()> {
    let mut above = folder;
    for _ in 0..6 {
        if all.iter().any(|meta| meta.key.ends_with("/model.json")) {
            break;
        }
        let Some((parent, _)) = above.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) else { break };
        above = parent;
        all.extend(store.head(&format!("{parent}/model.json")).await?);
    }
    Ok(())
}

/// The `model.json` that describes a drop.
pub(super) async fn model(store: &impl Store, key: Option<&str>) -> Result<Option<Model>> {
    let Some(key) = key else { return Ok(None) };
    let Some(meta) = store.head(key).await? else { return Ok(None) };
    if meta.bytes > MAX_MODEL_BYTES {
        let what = format!("is longer than {} MiB, as no model.json is", MAX_MODEL_BYTES >> 20);
        return Err(Error::new(Kind::Segment, key, what).hint("check the program that wrote it"));
    }
    let Some(object) = store.get(key).await? else { return Ok(None) };
    Model::parse(key, &object.body).map(Some)
}
