//! What the drops of an export's segments say of people, stored by the runs that applied them.

use crate::config::{Export, Segment};
use crate::error::{Error, Kind, Result};
use crate::plan::stored_objections::{ListMark, StoredObjections, Unknown};
use crate::ports::{PutMode, Store};
use crate::run::{RunRecord, SegmentRecord, keys};
use crate::state::{Digester, MatchId};

/// What the applied drops say of people whose segments take no part in a run; where rows are sent again, those of all
/// segments.
///
/// # Errors
/// Kind `config`, where one is damaged or of another state key, which `full` passes over.
pub(super) async fn applied(
    store: &impl Store,
    export: &Export,
    record: &RunRecord,
    digester: &Digester,
) -> Result<StoredObjections> {
    let takes_part = |segment: &Segment| {
        let of = record.segments.iter().find(|known| known.name == segment.name);
        of.is_some_and(|of| of.drop.is_some()) && !record.request.keep_leavers
    };
    let mut all = StoredObjections::default();
    for segment in export.segments.iter().filter(|segment| !takes_part(segment)) {
        all.extend(read(store, record, &segment.name, digester).await?);
    }
    all.settle();
    Ok(all)
}

/// The customer ids of people who were on a list when the segments' drops were applied last, and what names them there.
///
/// # Errors
/// As [`applied`].
pub(super) async fn listed(
    store: &impl Store,
    export: &Export,
    record: &RunRecord,
    digester: &Digester,
) -> Result<Vec<(MatchId, ListMark)>> {
    let mut all = Vec::new();
    for segment in export.segments.iter().filter(|_| export.match_.id.is_some()) {
        all.extend_from_slice(read(store, record, &segment.name, digester).await?.listed());
    }
    Ok(all)
}

async fn read(store: &impl Store, record: &RunRecord, segment: &str, digester: &Digester) -> Result<StoredObjections> {
    let key = keys::objections(&record.request.export, segment);
    let Some(object) = store.get(&key).await? else { return Ok(StoredObjections::default()) };
    let problem = match StoredObjections::from_bytes(&object.body, &digester.fingerprint()) {
        Ok(objections) => return Ok(objections),
        Err(Unknown::OfAnotherKey) if record.request.full => return Ok(StoredObjections::default()),
        Err(Unknown::OfAnotherKey) => "was written with another state key",
        Err(Unknown::Damaged) => "cannot be read: it is damaged or of another version",
    };
    Err(Error::new(Kind::Config, key, problem).hint(
        "restore it, or remove it and run the newest drop of its segment: until then nobody counts as opted out or \
         suppressed there",
    ))
}

/// Keeps what a segment's drop says with its run, until the run is applied. Rows that are not the whole segment, as far as
/// can be read, add to what was said before.
///
/// # Errors
/// As [`applied`].
pub(super) async fn keep(
    store: &impl Store,
    record: &mut RunRecord,
    number: usize,
    mut objections: StoredObjections,
    is_whole: bool,
    digester: &Digester,
) -> Result<()> {
    let Some(name) = record.segments.get(number).map(|segment| segment.name.clone()) else { return Ok(()) };
    if !is_whole {
        objections.extend(read(store, record, &name, digester).await?);
        objections.settle();
    }
    if !objections.is_empty() {
        let key = keys::objections_found(&record.request.run_id, &name);
        store.put(&key, objections.to_bytes(&digester.fingerprint()).into(), PutMode::Overwrite).await?;
    }
    record.segments.get_mut(number).into_iter().for_each(|segment| segment.objections = Some(objections.len() as u64));
    Ok(())
}

/// Records what a segment's drop says, now that it is applied.
pub(super) async fn write(store: &impl Store, run: &RunRecord, segment: &SegmentRecord) -> Result<()> {
    let Some(said) = segment.objections else { return Ok(()) };
    let key = keys::objections(&run.request.export, &segment.name);
    if said > 0 {
        let found = store.get(&keys::objections_found(&run.request.run_id, &segment.name)).await?;
        return match found {
            Some(found) => store.put(&key, found.body, PutMode::Overwrite).await.map(drop),
            None => Ok(()),
        };
    }
    match store.head(&key).await? {
        Some(_) => store.delete(&key).await,
        None => Ok(()),
    }
}
