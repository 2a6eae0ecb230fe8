//! Builds the plan: streams every source of a run through the decoder into chunks and rejects.

use std::task::Poll;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt, TryStreamExt};

use super::contents::{Contents, empty_drop};
use super::held::Held;
use crate::chunk;
use crate::config::{Encoding, Export, FileKind, Format, Segment};
use crate::contact::{Matching, SuppressionList};
use crate::error::{Error, Kind, Result};
use crate::plan::lanes::Chunk;
use crate::plan::members::MemberIndex;
use crate::plan::planner::PlanOutput;
use crate::plan::{Counts, Planner, guards};
use crate::ports::{Event, ObjectMeta, PutMode, PutOutcome, Reader, Store};
use crate::run::{RunRecord, SegmentRecord, SourceRecord, keys};
use crate::segment::{Decoder, Layout};
use crate::state::Digester;
use crate::steps::carryover::UnconfirmedEmails;
use crate::steps::environment::Environment;

/// Rows between two signs of life.
const SIGN_OF_LIFE_ROWS: u64 = 20_000;

/// Whether the plan is also stored, or only counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PlanMode {
    Persist,
    DryRun,
}

/// What the plans of all segments of a run share.
struct Shared<'a> {
    export: &'a Export,
    digester: &'a Digester,
    suppression: SuppressionList,
    held: Held,
    mode: PlanMode,
}

/// Builds the plan of `record` into it: counts, chunks, rejects.
pub(super) async fn build_plan<W: Environment>(
    env: &W,
    export: &Export,
    digester: &Digester,
    record: &mut RunRecord,
    mode: PlanMode,
) -> Result<guards::GuardInput> {
    let suppression = suppression(env.store(), export).await?;
    let held = Held::of(env.store(), export, record).await?;
    let shared = Shared { export, digester, suppression, held, mode };
    let mut members = MemberIndex::default();
    record.fields = export.match_.specs();
    record.chunks.clear();
    record.reject_parts = 0;
    for number in newest_first(&record.segments) {
        if let Some(segment) = export.segments.get(number) {
            plan_segment(env, &shared, (number, segment), &mut members, record).await?;
        }
    }
    record.profiles = members.profiles();
    if let Some(warning) = guards::warning(&export.name, &export.guards, record.profiles)
        && let Some(segment) = record.segments.iter_mut().find(|segment| segment.drop.is_some())
        && !segment.notes.contains(&warning)
    {
        env.observer().notify(Event::Warns(&warning));
        segment.notes.push(warning);
    }
    let counts = record.counts();
    let taken = record.segments.iter().filter(|segment| segment.drop.is_some());
    Ok(guards::GuardInput {
        profiles: record.profiles,
        read: counts.read,
        rejected: counts.rejected(),
        unreadable_opt_outs: counts.unreadable_opt_outs,
        is_retry: record.request.keep_leavers,
        segments: taken.map(|s| (s.name.clone(), s.counts.read, s.counts.members, s.counts.leavers)).collect(),
    })
}

/// The segments that take part, the one with the newest drop first: of a profile that is in several, its fields are
/// sent. A drop that a person named counts as the newest.
fn newest_first(segments: &[SegmentRecord]) -> Vec<usize> {
    let taken = segments.iter().enumerate().filter(|(_, segment)| segment.drop.is_some());
    let mut numbers: Vec<usize> = taken.map(|(number, _)| number).collect();
    let age = |number: &usize| segments.get(*number).and_then(|segment| segment.time).map(std::cmp::Reverse);
    numbers.sort_by_key(age);
    numbers
}

async fn suppression(store: &impl Store, export: &Export) -> Result<SuppressionList> {
    let Some(key) = &export.suppression_file else { return Ok(SuppressionList::default()) };
    let object = store.get(key).await?.ok_or_else(|| {
        Error::new(Kind::Config, key, "the suppression file is not in the store")
            .hint("put it there, or take suppression_file out of the export")
    })?;
    let text = String::from_utf8_lossy(&object.body);
    let (list, faulty) = SuppressionList::parse(&text);
    match faulty.first() {
        None => Ok(list),
        Some(line) => {
            let what = format!("{} lines are neither an email nor a SHA-256, the first is line {line}", faulty.len());
            Err(Error::new(Kind::Config, key, what).hint("correct them; until then nothing is sent"))
        }
    }
}

async fn plan_segment<W: Environment>(
    env: &W,
    shared: &Shared<'_>,
    (number, segment): (usize, &Segment),
    members: &mut MemberIndex,
    record: &mut RunRecord,
) -> Result<()> {
    let store = env.store();
    let Shared { export, digester, suppression, held, mode } = shared;
    held.mark(store, digester, (number, segment), members, record).await?;
    let model_key = record.segments.get(number).and_then(|segment| segment.model.clone());
    let model = super::select_drops::model(store, model_key.as_deref()).await?;
    let mut planner = Planner::new(export, digester, suppression, members);
    let mut shown = 0;
    let mut writing = Writing::default();
    let mut contents = Contents::default();
    for index in 0..record.sources.len() {
        let Some(source) = record.sources.get(index).filter(|source| source.segment == number).cloned() else {
            continue;
        };
        let layout = model.as_ref().and_then(|model| model.layout_for(&source.key));
        planner.source(index);
        let mut decoder = decoder(export, segment, &source, layout.as_ref());
        let mut reader = store.open(&meta_of(&source)).await?;
        while let Some(piece) = reader.next().await? {
            decoder.feed(&piece, &mut planner)?;
            store_written(store, &mut writing, record, number, planner.written(), *mode).await?;
            if planner.counts().read >= shown + SIGN_OF_LIFE_ROWS {
                shown = planner.counts().read;
                env.observer().notify(Event::Reads(shown));
            }
        }
        contents.add(decoder.finish(&mut planner)?, planner.columns());
        if let Some(source) = record.sources.get_mut(index) {
            source.columns = planner.columns().to_vec();
        }
    }
    if contents.is_empty && segment.format.as_ref().and_then(|format| format.kind) != Some(FileKind::Ndjson) {
        return Err(empty_drop(record.segments.get(number)));
    }
    if contents.has_objects {
        planner.check_keys(&contents.columns)?;
    }
    let not_whole = record.segments.get(number).is_some_and(|segment| segment.missing_parts > 0);
    let allowed = held.unreadable_allowed(export, &segment.name, &record.request);
    planner.rows_done(record.request.full || record.request.keep_leavers || not_whole, allowed);
    note_unreadable(record, number, planner.counts(), allowed);
    if planner.counts().leavers > 0
        && let Some(mut profiles) = held.profiles(store).await?
    {
        let emails = UnconfirmedEmails::of(store, &export.name).await?;
        while let Some(profile) = profiles.next().await? {
            planner.leaver(&profile.key, emails.name(&profile));
            let written = planner.written();
            if !written.is_empty() {
                store_written(store, &mut writing, record, number, written, *mode).await?;
            }
        }
    }
    let (counts, written) = planner.finish();
    store_written(store, &mut writing, record, number, written, *mode).await?;
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

/// Says why leavers are withheld, where unreadable rows are the reason.
fn note_unreadable(record: &mut RunRecord, number: usize, counts: &Counts, allowed: u64) {
    let unreadable = counts.unreadable_rows();
    let Some(segment) = record.segments.get_mut(number).filter(|_| unreadable > allowed) else { return };
    if counts.leavers_withheld > 0 {
        segment.notes.push(format!(
            "{}: {unreadable} rows have no readable address, so {} leavers are withheld; correct the rows, or pass over it \
             once with --pass-guard {}",
            segment.name,
            counts.leavers_withheld,
            guards::UNREADABLE_ROWS
        ));
    }
}

fn meta_of(source: &SourceRecord) -> ObjectMeta {
    let SourceRecord { key, version, bytes, modified, .. } = source.clone();
    ObjectMeta { key, version, bytes, modified }
}

/// How many objects are written at once, while rows are being read.
const WRITING: usize = 4;

type Writing<'s> = FuturesUnordered<BoxFuture<'s, Result<PutOutcome>>>;

/// Begins to store what came out of the planner; what was begun before goes on meanwhile.
async fn store_written<'s>(
    store: &'s impl Store,
    writing: &mut Writing<'s>,
    record: &mut RunRecord,
    segment: usize,
    written: Vec<PlanOutput>,
    mode: PlanMode,
) -> Result<()> {
    for written in written {
        let (name, body) = match written {
            PlanOutput::Chunk(operation, rows, text) => {
                let name = format!("chunks/{:06}.tsv", record.chunks.len());
                record.chunks.push(Chunk { name: name.clone(), segment, operation, rows });
                (name, chunk::seal(&text))
            }
            PlanOutput::Rejects(text) => {
                record.reject_parts += 1;
                (format!("rejects/{:06}.ndjson", record.reject_parts - 1), text.into_bytes())
            }
        };
        if mode == PlanMode::Persist {
            let key = keys::of_run(&record.request.run_id, &name);
            writing.push(Box::pin(async move { store.put(&key, Bytes::from(body), PutMode::Overwrite).await }));
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
