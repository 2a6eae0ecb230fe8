//! Rows that are sent again: who of them has been in a newer drop since, and what the drops say of them.

use super::held::Held;
use super::select_drops::model;
use super::sources::{decoder, meta_of};
use crate::config::{Export, Segment};
use crate::error::{Kind, Result};
use crate::plan::members::MemberIndex;
use crate::plan::objections::Objections;
use crate::plan::people::{People, RetriedPeople, Wanted};
use crate::plan::retry::AppliedPeople;
use crate::ports::{Reader, Store};
use crate::run::{RunRecord, SourceRecord, keys};
use crate::segment::{Layout, Sink};
use crate::state::Digester;
use crate::steps::documents::read_json;

/// Who of the people in the rejects file has a row in the drop that was applied last. Where that drop is no longer
/// there, the members are taken for them. What the last drop of each segment says of these people goes to `objections`.
pub(super) async fn applied_people(
    store: &impl Store,
    of: Of<'_>,
    digester: &Digester,
    held: &Held,
    members: &MemberIndex,
    objections: &mut Objections,
    sources: &[SourceRecord],
) -> Result<AppliedPeople> {
    let Of { export, segment } = of;
    let mut retried = RetriedPeople::new(export, digester);
    for source in sources {
        read(store, of, source, None, &mut retried).await?;
    }
    let wanted = retried.wanted;
    let mut applied = AppliedPeople::default();
    for other in &export.segments {
        let Some(run_id) = held.applied(&other.name).and_then(|applied| applied.run_id.clone()) else { continue };
        let mut people = People::new(export, digester, &wanted);
        let is_there = in_drop(store, Of { export, segment: other }, &run_id, &mut people).await?;
        if other.name == segment.name {
            applied = of_segment(run_id, is_there.then_some(&people), &wanted, members);
        }
        if is_there {
            objections.add_applied(people.found.into_iter().map(|(key, found)| (key, found.says)), people.ids);
        }
    }
    Ok(applied)
}

fn of_segment(run_id: String, people: Option<&People<'_>>, wanted: &Wanted, members: &MemberIndex) -> AppliedPeople {
    match people {
        Some(people) => {
            let own = people.found.iter().filter(|(_, found)| found.has_own_row);
            let with_own_row = own.map(|(key, _)| *key).collect();
            AppliedPeople { run_id, people: people.found.keys().copied().collect(), with_own_row, are_members: false }
        }
        None => {
            let people = wanted.people.iter().copied().filter(|key| members.is_member_by_half(key));
            let people: std::collections::HashSet<_> = people.collect();
            AppliedPeople { run_id, with_own_row: people.clone(), people, are_members: true }
        }
    }
}

/// A segment, and its export.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) export: &'a Export,
    pub(super) segment: &'a Segment,
}

/// Looks for people in the drop of a run; `false` where the drop has changed or is gone.
async fn in_drop(store: &impl Store, of: Of<'_>, run_id: &str, people: &mut People<'_>) -> Result<bool> {
    let run: Option<RunRecord> = read_json(store, &keys::of_run(run_id, "run.json")).await?;
    let Some(run) = run else { return Ok(false) };
    let Some(number) = run.segments.iter().position(|segment| segment.name == of.segment.name) else {
        return Ok(false);
    };
    let described = run.segments.get(number).and_then(|segment| segment.model.as_deref());
    let model = model(store, described).await?;
    for source in run.sources.iter().filter(|source| source.segment == number) {
        let is_there = store.head(&source.key).await?.is_some_and(|meta| meta.version == source.version);
        let layout = model.as_ref().and_then(|model| model.layout_for(&source.key));
        match if is_there { read(store, of, source, layout.as_ref(), people).await } else { return Ok(false) } {
            // It was read before, by other settings or before it was changed.
            Err(error) if matches!(error.kind, Kind::Segment | Kind::Unavailable) => return Ok(false),
            done => done?,
        }
    }
    Ok(true)
}

async fn read(
    store: &impl Store,
    of: Of<'_>,
    source: &SourceRecord,
    layout: Option<&Layout>,
    people: &mut impl Sink,
) -> Result<()> {
    let mut decoder = decoder(of.export, of.segment, source, layout);
    let mut reader = store.open(&meta_of(source)).await?;
    while let Some(piece) = reader.next().await? {
        decoder.feed(&piece, people)?;
    }
    decoder.finish(people).map(drop)
}
