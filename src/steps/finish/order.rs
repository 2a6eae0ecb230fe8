//! Records which drop of each segment was applied last.

use std::collections::HashSet;

use jiff::Timestamp;

use crate::error::{Error, Kind, Result};
use crate::plan::corrections::NewCorrection;
use crate::ports::{PutMode, Store};
use crate::run::{AppliedDrop, RunRecord, SegmentRecord, keys};
use crate::state::{ProfileKey, unhex};
use crate::steps::documents::{MAY_BE_AHEAD, read_json, read_order, write_json, write_json_if};
use crate::steps::stored_objections;

/// Attempts of a conditional write. Nobody else writes while this run has the lease.
const TRIES: u32 = 3;

/// Records a segment's drop as applied, with how many members the state has of it since, and what it says of people.
pub(super) async fn write_order(
    store: &impl Store,
    run: &RunRecord,
    segment: &SegmentRecord,
    members: u64,
    unconfirmed: Option<u64>,
) -> Result<()> {
    let Some(drop) = segment.drop.clone() else { return Ok(()) };
    stored_objections::write(store, run, segment).await?;
    let key = keys::order(&run.request.export, &segment.name);
    for _ in 0..TRIES {
        let condition = match store.head(&key).await? {
            Some(held) => PutMode::Update(held.version),
            None => PutMode::Create,
        };
        let before = read_order(store, &run.request.export, &segment.name, run.request.full).await?;
        let unconfirmed = unconfirmed.or(before.as_ref().map(|before| before.unconfirmed)).unwrap_or_default();
        let order = AppliedDrop { unconfirmed, ..order(store, run, segment, &drop, members, before).await? };
        if write_json_if(store, &key, &order, condition).await? {
            return Ok(());
        }
    }
    Err(Error::new(Kind::Unavailable, key, "is written by somebody else at the same time")
        .hint("let only this program write it; the next run goes on"))
}

async fn order(
    store: &impl Store,
    run: &RunRecord,
    segment: &SegmentRecord,
    drop: &str,
    members: u64,
    before: Option<AppliedDrop>,
) -> Result<AppliedDrop> {
    let (drop, version) = (drop.to_owned(), segment.version.clone());
    let measure = before.as_ref().map_or(0, |before| before.unreadable_rows);
    if run.request.is_partial() {
        // What is not the whole segment makes no later drop an older one.
        let time = Timestamp::UNIX_EPOCH;
        let none = AppliedDrop { time, drop, version, members, unconfirmed: 0, run_id: None, unreadable_rows: measure };
        return Ok(AppliedDrop { members, ..before.unwrap_or(none) });
    }
    let begun = begun_at(store, run).await?;
    // A drop from far in the future must not keep out every other until then.
    let latest = begun.checked_add(MAY_BE_AHEAD).unwrap_or(begun);
    let time = segment.time.filter(|time| *time <= latest).unwrap_or(begun);
    // While leavers are withheld, the measure stays.
    let is_measured = segment.counts.leavers_withheld == 0;
    let unreadable_rows = if is_measured { segment.counts.unreadable_rows() } else { measure };
    let run_id = Some(run.request.run_id.clone());
    Ok(AppliedDrop { time, drop, version, members, unconfirmed: 0, run_id, unreadable_rows })
}

/// When the run began, and with it a drop that a person named: by the clock of the store, with whose times it is compared.
async fn begun_at(store: &impl Store, run: &RunRecord) -> Result<Timestamp> {
    let begun = store.head(&keys::unfinished(&run.request.export)).await?;
    Ok(begun.map_or(run.started_at, |begun| begun.modified))
}

/// Records the corrections of a segment: those that last, and those of a run whose rows were confirmed.
pub(super) async fn write_corrections(
    store: &impl Store,
    run: &RunRecord,
    segment: &SegmentRecord,
    delivered: &HashSet<ProfileKey>,
) -> Result<()> {
    if segment.drop.is_none() || segment.corrections.is_none() && segment.corrected.is_empty() {
        return Ok(());
    }
    let key = keys::corrections(&run.request.export, &segment.name);
    let mut all = match &segment.corrections {
        Some(lasting) => lasting.clone(),
        None => read_json(store, &key).await?.unwrap_or_default(),
    };
    for NewCorrection { correction, is_sent } in &segment.corrected {
        let is_confirmed = !is_sent || unhex(&correction.profile).is_some_and(|profile| delivered.contains(&profile));
        if is_confirmed {
            all.retain(|known| known.row != correction.row);
            all.push(correction.clone());
        }
    }
    match all.is_empty() {
        true => store.delete(&key).await,
        false => write_json(store, &key, &all).await.map(drop),
    }
}

/// Records how many entries the suppression file had, once a run is applied.
pub(super) async fn write_suppression(store: &impl Store, run: &RunRecord) -> Result<()> {
    if let Some(entries) = run.suppression_entries.filter(|_| !run.request.terms.is_narrow()) {
        write_json(store, &keys::suppression(&run.request.export), &entries).await?;
    }
    Ok(())
}

/// A drop in which nothing was new has been applied all the same.
pub(super) async fn keep_order(store: &impl Store, run: &RunRecord) -> Result<()> {
    for segment in &run.segments {
        write_order(store, run, segment, segment.counts.members, None).await?;
        write_corrections(store, run, segment, &HashSet::new()).await?;
    }
    write_suppression(store, run).await
}
