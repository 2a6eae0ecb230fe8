//! Records which drop of each segment was applied last.

use jiff::Timestamp;

use crate::error::{Error, Kind, Result};
use crate::ports::{PutMode, Store};
use crate::run::{AppliedDrop, RunRecord, SegmentRecord, keys};
use crate::steps::documents::{MAY_BE_AHEAD, read_order, write_json_if};

/// Attempts of a conditional write. Nobody else writes while this run has the lease.
const TRIES: u32 = 3;

/// Records a segment's drop as applied, after which the state has so many members of it.
pub(super) async fn write_order(
    store: &impl Store,
    run: &RunRecord,
    segment: &SegmentRecord,
    members: u64,
) -> Result<()> {
    let Some(drop) = segment.drop.clone() else { return Ok(()) };
    let key = keys::order(&run.request.export, &segment.name);
    for _ in 0..TRIES {
        let condition = match store.head(&key).await? {
            Some(held) => PutMode::Update(held.version),
            None => PutMode::Create,
        };
        let before = read_order(store, &run.request.export, &segment.name, run.request.full).await?;
        let order = order(store, run, segment, (&drop, members), before).await?;
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
    (drop, members): (&str, u64),
    before: Option<AppliedDrop>,
) -> Result<AppliedDrop> {
    let (drop, version) = (drop.to_owned(), segment.version.clone());
    let measure = before.as_ref().map_or(0, |before| before.unreadable_rows);
    if run.request.keep_leavers {
        // What is not the whole segment makes no later drop an older one.
        let time = Timestamp::UNIX_EPOCH;
        let none = AppliedDrop { time, drop, version, members, unreadable_rows: measure };
        return Ok(AppliedDrop { members, ..before.unwrap_or(none) });
    }
    let begun = begun_at(store, run).await?;
    // A drop from far in the future must not keep out every other until then.
    let latest = begun.checked_add(MAY_BE_AHEAD).unwrap_or(begun);
    let time = segment.time.filter(|time| *time <= latest).unwrap_or(begun);
    // While leavers are withheld, the measure stays.
    let is_measured = segment.counts.leavers_withheld == 0;
    let unreadable_rows = if is_measured { segment.counts.unreadable_rows() } else { measure };
    Ok(AppliedDrop { time, drop, version, members, unreadable_rows })
}

/// When the run began, and with it a drop that a person named: by the clock of the store, with whose times it is compared.
async fn begun_at(store: &impl Store, run: &RunRecord) -> Result<Timestamp> {
    let begun = store.head(&keys::unfinished(&run.request.export)).await?;
    Ok(begun.map_or(run.started_at, |begun| begun.modified))
}

/// A drop in which nothing was new has been applied all the same.
pub(super) async fn keep_order(store: &impl Store, run: &RunRecord) -> Result<()> {
    for segment in &run.segments {
        write_order(store, run, segment, segment.counts.members).await?;
    }
    Ok(())
}
