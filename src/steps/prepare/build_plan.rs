//! Draws the plan: streams every source of a run through the decoder into chunks and rejects.

use std::task::Poll;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt, TryStreamExt};

use super::contents::{Contents, empty_drop};
use crate::config::{Encoding, Export, FileKind, Format, Membership, Segment};
use crate::contact::{Matching, SuppressionList};
use crate::error::{Error, Kind, Result};
use crate::plan::lanes::Chunk;
use crate::plan::members::{MemberIndex, Profiles};
use crate::plan::planner::PlanOutput;
use crate::plan::{Planner, guards};
use crate::ports::{Environment, Event, ObjectMeta, PutMode, PutOutcome, Reader, Store};
use crate::run::{AppliedDrop, RunRecord, SourceRecord, keys};
use crate::segment::{Decoder, Layout};
use crate::state::{self, Digester, Header, Member, MembershipTarget};
use crate::steps::documents::read_json;
use crate::steps::unconfirmed::UnconfirmedEmails;

/// Rows between two signs of life.
const SIGN_OF_LIFE_ROWS: u64 = 20_000;

/// Whether what is drawn is also stored, or only counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PlanMode {
    Persist,
    DryRun,
}

/// Draws the plan of `record` into it: counts, chunks, rejects.
pub(super) async fn build_plan<W: Environment>(
    env: &W,
    export: &Export,
    digester: &Digester,
    record: &mut RunRecord,
    keep: PlanMode,
) -> Result<guards::GuardInput> {
    let suppression = suppression(env.store(), export).await?;
    let taken = record.segments.iter().filter(|segment| segment.drop.is_some()).count();
    let mut profiles = Profiles::of(taken);
    record.chunks.clear();
    record.reject_parts = 0;
    for (number, segment) in export.segments.iter().enumerate() {
        if record.segments.get(number).is_some_and(|record| record.drop.is_some()) {
            plan_segment(env, (number, export, segment), (digester, &suppression), &mut profiles, record, keep).await?;
        }
    }
    record.profiles = profiles.count();
    let counts = record.counts();
    let taken = record.segments.iter().filter(|segment| segment.drop.is_some());
    Ok(guards::GuardInput {
        profiles: record.profiles,
        read: counts.read,
        rejected: counts.rejected(),
        is_retry: record.request.keep_leavers,
        segments: taken.map(|s| (s.name.clone(), s.counts.read, s.counts.members, s.counts.leavers)).collect(),
    })
}

async fn suppression(store: &impl Store, export: &Export) -> Result<SuppressionList> {
    let Some(key) = &export.suppression_file else { return Ok(SuppressionList::default()) };
    let object = store.get(key).await?.ok_or_else(|| {
        Error::new(Kind::Config, "prepare", key, "the suppression file is not in the store")
            .hint("put it there, or take suppression_file out of the export")
    })?;
    let text = String::from_utf8_lossy(&object.body);
    let (list, faulty) = SuppressionList::parse(&text);
    match faulty.first() {
        None => Ok(list),
        Some(line) => {
            let what = format!("{} lines are neither an email nor a SHA-256, the first is line {line}", faulty.len());
            Err(Error::new(Kind::Config, "prepare", key, what).hint("correct them; until then nothing is sent"))
        }
    }
}

async fn plan_segment<W: Environment>(
    env: &W,
    (number, export, segment): (usize, &Export, &Segment),
    (digester, suppression): (&Digester, &SuppressionList),
    profiles: &mut Profiles,
    record: &mut RunRecord,
    keep: PlanMode,
) -> Result<()> {
    let store = env.store();
    let members = held(store, export, segment, record.request.full).await?;
    let mut known = MemberIndex::default();
    if let Some(meta) = &members {
        let header = each_member(store, meta, |member| {
            known.member(&member);
            Ok(())
        })
        .await?;
        belongs(&header, segment, digester, &meta.key)?;
        if let Some(segment) = record.segments.get_mut(number) {
            segment.state = Some(header);
        }
    }
    let model_key = record.segments.get(number).and_then(|segment| segment.model.clone());
    let model = super::select_drops::model(store, model_key.as_deref()).await?;
    let mut drawing = Planner::new(export, segment, digester, suppression, profiles, known);
    let mut shown = 0;
    let mut writing = Writing::default();
    let mut contents = Contents::default();
    for index in 0..record.sources.len() {
        let Some(source) = record.sources.get(index).filter(|source| source.segment == number).cloned() else {
            continue;
        };
        let layout = model.as_ref().and_then(|model| model.layout_for(&source.key));
        drawing.source(index);
        let mut decoder = decoder(export, segment, &source, layout.as_ref());
        let mut reader = store.open(&meta_of(&source)).await?;
        while let Some(piece) = reader.next().await? {
            decoder.feed(&piece, &mut drawing)?;
            store_written(store, &mut writing, record, number, drawing.written(), keep).await?;
            if drawing.counts().read >= shown + SIGN_OF_LIFE_ROWS {
                shown = drawing.counts().read;
                env.watcher().saw(Event::Reads(shown));
            }
        }
        contents.add(decoder.finish(&mut drawing)?, drawing.columns());
        if let Some(source) = record.sources.get_mut(index) {
            source.columns = drawing.columns().to_vec();
        }
    }
    if contents.is_empty && segment.format.as_ref().and_then(|format| format.kind) != Some(FileKind::Ndjson) {
        return Err(empty_drop(record.segments.get(number)));
    }
    if contents.has_objects {
        drawing.check_keys(&contents.columns)?;
    }
    let not_whole = record.segments.get(number).is_some_and(|segment| segment.missing_parts > 0);
    drawing.rows_done(record.request.full || record.request.keep_leavers || not_whole);
    if let Some(meta) = members.filter(|_| drawing.counts().leavers > 0) {
        let unconfirmed = UnconfirmedEmails::of(store, &export.name, &segment.name).await?;
        let mut reader = store.open(&meta).await?;
        let mut decoder = state::Decoder::new(&meta.key);
        while let Some(piece) = reader.next().await? {
            decoder.feed(&piece, |member| {
                drawing.leaver(&unconfirmed.name(member));
                Ok(())
            })?;
            store_written(store, &mut writing, record, number, drawing.written(), keep).await?;
        }
        // The last members come only with the end.
        decoder.finish(|member| {
            drawing.leaver(&unconfirmed.name(member));
            Ok(())
        })?;
    }
    let (counts, written) = drawing.finish();
    store_written(store, &mut writing, record, number, written, keep).await?;
    while writing.try_next().await?.is_some() {}
    if let Some(segment) = record.segments.get_mut(number) {
        segment.counts = counts;
    }
    Ok(())
}

fn decoder(export: &Export, segment: &Segment, source: &SourceRecord, layout: Option<&Layout>) -> Decoder {
    let format = match &segment.format {
        _ if keys::is_retry(&source.key) => retried(),
        Some(format) => format.clone(),
        None => Format::default(),
    };
    Decoder::new(&source.key, &format, layout, &Matching::wanted(export))
}

/// The form of the rows that `retry` sends again: that of rejects.csv.
fn retried() -> Format {
    Format { kind: Some(FileKind::Csv), delimiter: Some(','), header: Some(true), encoding: Some(Encoding::UTF_8) }
}

fn meta_of(source: &SourceRecord) -> ObjectMeta {
    let SourceRecord { key, version, bytes, modified, .. } = source.clone();
    ObjectMeta { key, version, bytes, modified }
}

/// The state object to compare with, where there is one.
async fn held(store: &impl Store, export: &Export, segment: &Segment, full: bool) -> Result<Option<ObjectMeta>> {
    if full {
        return Ok(None);
    }
    let key = keys::members(&export.name, &segment.name);
    let meta = store.head(&key).await?;
    let order: Option<AppliedDrop> = read_json(store, &keys::order(&export.name, &segment.name)).await?;
    match (meta, order) {
        (None, Some(AppliedDrop { members: 1.., .. })) => Err(Error::new(Kind::Config, "prepare", key, "is missing")
            .hint("restore it, or send every row once as if there were no state with --full")),
        (meta, _) => Ok(meta),
    }
}

/// Streams the members of a state object.
async fn each_member(
    store: &impl Store,
    meta: &ObjectMeta,
    mut on: impl FnMut(Member) -> Result<()>,
) -> Result<Header> {
    let mut decoder = state::Decoder::new(&meta.key);
    let mut reader = store.open(meta).await?;
    while let Some(piece) = reader.next().await? {
        decoder.feed(&piece, &mut on)?;
    }
    decoder.finish(on)
}

/// Whether a state object is of this key and this membership.
fn belongs(header: &Header, segment: &Segment, digester: &Digester, key: &str) -> Result<()> {
    let of_another = |what: String| {
        let error = Error::new(Kind::Config, "prepare", key, what);
        Err(error.hint("undo that change, or send every row once with --full, which removes nobody"))
    };
    if header.key_fingerprint != digester.fingerprint() {
        return of_another("the state was written with another state key".into());
    }
    match (&header.marked, &segment.membership) {
        (MembershipTarget::List { title, .. }, Membership::List(now)) if title == now => Ok(()),
        (MembershipTarget::Field(name), Membership::Field(now)) if name == now => Ok(()),
        (MembershipTarget::None, Membership::None) => Ok(()),
        (MembershipTarget::List { title, .. }, Membership::List(now)) => {
            of_another(format!("the state is of the list \"{title}\", the configuration names \"{now}\""))
        }
        _ => of_another("the state is of another kind of membership".into()),
    }
}

/// How many objects are written at once, while rows are being read.
const WRITING: usize = 4;

type Writing<'s> = FuturesUnordered<BoxFuture<'s, Result<PutOutcome>>>;

/// Begins to store what was drawn; what was begun before goes on meanwhile.
async fn store_written<'s>(
    store: &'s impl Store,
    writing: &mut Writing<'s>,
    record: &mut RunRecord,
    segment: usize,
    written: Vec<PlanOutput>,
    keep: PlanMode,
) -> Result<()> {
    for written in written {
        let (name, text) = match written {
            PlanOutput::Chunk(operation, rows, text) => {
                let name = format!("chunks/{:06}.tsv", record.chunks.len());
                record.chunks.push(Chunk { name: name.clone(), segment, operation, rows });
                (name, text)
            }
            PlanOutput::Rejects(text) => {
                record.reject_parts += 1;
                (format!("rejects/{:06}.ndjson", record.reject_parts - 1), text)
            }
        };
        if keep == PlanMode::Persist {
            let key = keys::of_run(&record.request.run_id, &name);
            writing.push(Box::pin(async move { store.put(&key, Bytes::from(text), PutMode::Overwrite).await }));
            while writing.len() >= WRITING {
                writing.try_next().await?;
            }
        }
    }
    // A write that is not looked at does not go on.
    while let Poll::Ready(Some(written)) = futures_util::poll!(writing.next()) {
        written?;
    }
    Ok(())
}
