//! Rows that are sent again: who of them has been in a newer drop since.

use std::collections::HashSet;

use super::held::Held;
use super::select_drops::model;
use super::sources::{decoder, meta_of};
use crate::config::{Export, Segment};
use crate::error::{Kind, Result};
use crate::plan::members::MemberIndex;
use crate::plan::people::People;
use crate::plan::retry::AppliedPeople;
use crate::ports::{Reader, Store};
use crate::run::{RunRecord, SourceRecord, keys};
use crate::segment::Layout;
use crate::state::Digester;
use crate::steps::documents::read_json;

/// Who of the people in the rejects file has a row in the drop that was applied last. Where that drop is no longer
/// there, the members are taken for them.
pub(super) async fn applied_people(
    store: &impl Store,
    (export, segment): (&Export, &Segment),
    digester: &Digester,
    held: &Held,
    members: &MemberIndex,
    sources: &[SourceRecord],
) -> Result<AppliedPeople> {
    let Some(run_id) = held.applied(&segment.name).and_then(|applied| applied.run_id.clone()) else {
        return Ok(AppliedPeople::default());
    };
    let of = Of { export, segment, digester };
    let mut retried = People::new(export, digester, None);
    for source in sources {
        read(store, of, source, None, &mut retried).await?;
    }
    let wanted = retried.found;
    let people = match in_drop(store, of, &run_id, &wanted).await? {
        Some(people) => people,
        None => wanted.into_iter().filter(|key| members.is_member_by_half(key)).collect(),
    };
    Ok(AppliedPeople { run_id, people })
}

#[derive(Clone, Copy)]
struct Of<'a> {
    export: &'a Export,
    segment: &'a Segment,
    digester: &'a Digester,
}

/// Who of these people has a row in the drop of a run; none where the drop has changed or is gone.
async fn in_drop(
    store: &impl Store,
    of: Of<'_>,
    run_id: &str,
    wanted: &HashSet<[u8; 16]>,
) -> Result<Option<HashSet<[u8; 16]>>> {
    let run: Option<RunRecord> = read_json(store, &keys::of_run(run_id, "run.json")).await?;
    let Some(run) = run else { return Ok(None) };
    let Some(number) = run.segments.iter().position(|segment| segment.name == of.segment.name) else { return Ok(None) };
    let described = run.segments.get(number).and_then(|segment| segment.model.as_deref());
    let model = model(store, described).await?;
    let mut people = People::new(of.export, of.digester, Some(wanted));
    for source in run.sources.iter().filter(|source| source.segment == number) {
        let is_there = store.head(&source.key).await?.is_some_and(|meta| meta.version == source.version);
        let layout = model.as_ref().and_then(|model| model.layout_for(&source.key));
        let read = async { read(store, of, source, layout.as_ref(), &mut people).await };
        match if is_there { read.await } else { return Ok(None) } {
            // It was read before, by other settings or before it was changed.
            Err(error) if matches!(error.kind, Kind::Segment | Kind::Unavailable) => return Ok(None),
            done => done?,
        }
    }
    Ok(Some(people.found))
}

async fn read(
    store: &impl Store,
    of: Of<'_>,
    source: &SourceRecord,
    layout: Option<&Layout>,
    people: &mut People<'_>,
) -> Result<()> {
    let mut decoder = decoder(of.export, of.segment, source, layout);
    let mut reader = store.open(&meta_of(source)).await?;
    while let Some(piece) = reader.next().await? {
        decoder.feed(&piece, people)?;
    }
    decoder.finish(people).map(drop)
}
