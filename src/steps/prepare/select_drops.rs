//! Which drops a run takes: those it was asked for, else the newest of each segment.

use std::time::Duration;

use crate::steps::documents::read_json;

use crate::config::{Config, Export, Segment};
use crate::error::{Error, Kind, Result};
use crate::ports::{ObjectMeta, Store};
use crate::run::{AppliedDrop, RequestedDrop, RunRequest, SegmentRecord, SourceRecord, Trigger, keys};
use crate::segment::drops::{drops, missing_parts, settled};
use crate::segment::{Drop, DropKind, MAX_MODEL_BYTES, Model, Settling};
use crate::steps::environment::Environment;

/// What the run is to read.
pub(in crate::steps) enum Selection {
    /// These sources, per segment; segments without a drop take no part.
    Drops(Vec<SegmentRecord>, Vec<SourceRecord>),
    /// Not yet complete: ask again in so many seconds.
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
            return Err(Error::new(Kind::BadRequest, &asked.segment, "there is no such segment in this export")
                .hint(format!("name one of: {}", names.join(", "))));
        }
    }
    let (mut records, mut sources, mut superseded) = (Vec::new(), Vec::new(), 0);
    for (number, segment) in export.segments.iter().enumerate() {
        let mut record = SegmentRecord { name: segment.name.clone(), ..SegmentRecord::default() };
        let asked = request.drops.iter().find(|asked| asked.segment == segment.name);
        let found = match (asked, request.drops.is_empty()) {
            (Some(asked), _) => Some(named(env, (config, export, segment), asked).await?),
            (None, true) => newest(env, (config, export, segment)).await?,
            (None, false) => None,
        };
        if let Some((drop, all, is_folder)) = found {
            let model = model(env.store(), drop.model.as_deref()).await?;
            if is_folder && let Some(wait) = unsettled(env, segment, &drop, &all, model.as_ref()) {
                return Ok(wait);
            }
            let missing = model.as_ref().and_then(|model| missing_parts(&drop, model));
            record.missing_parts = missing.map_or(0, |missing| missing.len() as u64);
            let by_name = asked.is_some() && request.trigger == Trigger::Command;
            record.time = (!by_name).then_some(drop.time);
            let order: Option<AppliedDrop> = read_json(env.store(), &keys::order(&export.name, &segment.name)).await?;
            if let (Some(time), Some(order)) = (record.time, order)
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
    let prefixes: Vec<&str> = export.segments.iter().map(|segment| segment.prefix.as_str()).collect();
    let problem = format!("there is no drop under {}", prefixes.join(", "));
    Ok(Selection::NoDrop(
        Error::new(Kind::Segment, &export.name, problem).hint("drop a file there, or name one with --drop PATH"),
    ))
}

fn source(part: ObjectMeta, segment: usize) -> SourceRecord {
    let ObjectMeta { key, bytes, modified, version } = part;
    SourceRecord { key, version, bytes, modified, segment, columns: Vec::new() }
}

type Found = (Drop, Vec<ObjectMeta>, bool);

/// A segment of an export of the configuration.
type Of<'a> = (&'a Config, &'a Export, &'a Segment);

/// What lies under a prefix, less what belongs to another segment, whose prefix is longer.
async fn list<W: Environment>(env: &W, (config, export, segment): Of<'_>, prefix: &str) -> Result<Vec<ObjectMeta>> {
    let mut all = env.store().list(prefix).await?;
    all.retain(|meta| {
        config.route(&meta.key).is_none_or(|(name, other)| name == export.name && other.name == segment.name)
    });
    Ok(all)
}

async fn newest<W: Environment>(env: &W, of: Of<'_>) -> Result<Option<Found>> {
    let (.., segment) = of;
    let mut all = list(env, of, &segment.prefix).await?;
    let is_folder = segment.drop == DropKind::Folder;
    if is_folder {
        look_above(env.store(), segment.prefix.trim_end_matches('/'), &mut all).await?;
    }
    Ok(drops("", &all, segment.drop).pop().map(|drop| (drop, all, is_folder)))
}

/// The drop that was asked for: an object, or a folder of them.
async fn named<W: Environment>(env: &W, of: Of<'_>, asked: &RequestedDrop) -> Result<Found> {
    let (.., segment) = of;
    let key = asked.key.as_str();
    let missing =
        || Error::new(Kind::Segment, key, "holds no file of a segment").hint("name a file or a folder with files");
    let folder = match key.strip_suffix('/') {
        Some(folder) => Some(folder),
        None if segment.drop == DropKind::Folder && !key.starts_with("file:") && !keys::is_retry(key) => {
            key.rsplit_once('/').map(|(folder, _)| folder)
        }
        None => None,
    };
    let Some(folder) = folder else {
        let meta = env.store().head(key).await?.ok_or_else(missing)?;
        let beside = key.rsplit_once('/').map(|(folder, _)| format!("{folder}/model.json"));
        let mut all = vec![meta];
        if let Some(beside) = beside {
            all.extend(env.store().head(&beside).await?);
        }
        let drop = drops("", &all, DropKind::File).pop().ok_or_else(missing)?;
        return Ok((drop, all, false));
    };
    let prefix = format!("{folder}/");
    let mut all = list(env, of, &prefix).await?;
    look_above(env.store(), folder, &mut all).await?;
    let drop = drops("", &all, DropKind::Folder).pop().ok_or_else(missing)?;
    Ok((drop, all, !key.starts_with("file:")))
}

fn unsettled<W: Environment>(
    env: &W,
    segment: &Segment,
    drop: &Drop,
    all: &[ObjectMeta],
    model: Option<&Model>,
) -> Option<Selection> {
    let settle = Duration::from_secs(segment.settle_seconds);
    match settled(drop, all, model, settle, env.clock().now()) {
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
        return Err(Error::new(Kind::Segment, key, what).hint("look at what wrote it"));
    }
    let Some(object) = store.get(key).await? else { return Ok(None) };
    Model::parse(key, &object.body).map(Some)
}
