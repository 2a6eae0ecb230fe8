//! Builds the plan: streams every source of a run through the decoder into chunks and rejects.

use super::addresses;
use super::held::{Held, Pass};
use super::listed::listed_ids;
use super::planned_history::PlannedHistory;
use super::reading::read_rows;
use super::rehearsal::Rehearsal;
use super::retried::{Of, applied_people};
use super::storing::{PlanMode, Storing};
use crate::chunk::seal_address_changes;
use crate::config::{Config, Export, Segment};
use crate::contact::{Matching, RejectCode};
use crate::error::Result;
use crate::plan::address_changes::AddressChanges;
use crate::plan::corrections::{Corrections, NewCorrection};
use crate::plan::erased::Erased;
use crate::plan::history::Withheld;
use crate::plan::ids::ListedIds;
use crate::plan::members::MemberIndex;
use crate::plan::objections::Objections;
use crate::plan::planner::{Finished, PlanInput};
use crate::plan::{Counts, LeftOut, Planner, guards};
use crate::ports::{Event, PutMode, Store};
use crate::run::{RunRecord, SegmentRecord, keys};
use crate::state::{Digester, unhex};
use crate::steps::carryover::UnconfirmedEmails;
use crate::steps::documents::known_members;
use crate::steps::environment::Environment;
use crate::steps::erased::erased;
use crate::steps::stored_objections;
use crate::steps::suppression::{Suppression, entries_before, suppression};

/// What the plans of all segments of a run share.
struct Shared<'a> {
    export: &'a Export,
    digester: &'a Digester,
    suppression: Suppression,
    listed_ids: ListedIds,
    erased: Erased,
    held: Held,
    mode: PlanMode<'a>,
}

/// Builds the plan of `record` into it: counts, chunks, rejects.
pub(super) async fn build_plan<W: Environment>(
    env: &W,
    config: &Config,
    export: &Export,
    digester: &Digester,
    record: &mut RunRecord,
    mode: PlanMode<'_>,
) -> Result<guards::GuardInput> {
    let api = config.connections.get(&export.connection).map(|connection| connection.api).unwrap_or_default();
    let held = Held::of(env.store(), export, env.destination(api), record, env.clock().now()).await?;
    let listed = stored_objections::listed(env.store(), export, record, digester).await?;
    let has_marks = held.has_corrections() || !listed.is_empty();
    let suppression = suppression(env.store(), config, export, digester, has_marks).await?;
    let listed_ids = listed_ids(env.store(), listed, &suppression, export, digester).await?;
    record.suppression_entries = export.suppression_file.as_ref().map(|_| suppression.list.len() as u64);
    let entries_before = entries_before(env.store(), export).await?;
    let erased = erased(env.store()).await?;
    let shared = Shared { export, digester, suppression, listed_ids, erased, held, mode };
    record.fields = export.match_.specs();
    let numbers = record.newest_first();
    let notes: Vec<usize> = record.segments.iter().map(|segment| segment.notes.len()).collect();
    let is_shared = numbers.len() > 1 || export.match_.id.is_some();
    let asks_for_consent = Matching::asks_for_consent(export);
    let mut objections = Objections::new(is_shared && asks_for_consent);
    if asks_for_consent {
        objections.set_applied(stored_objections::applied(env.store(), export, record, digester).await?);
    }
    let mut changes = AddressChanges::new(addresses::may_change(env.destination(api), export, record));
    let members = loop {
        let mut members = MemberIndex::default();
        shared.mode.keep(Rehearsal::begin)?;
        shared.mode.record(PlannedHistory::begin)?;
        record.chunks.clear();
        record.reject_parts = 0;
        record.segments.iter_mut().zip(&notes).for_each(|(segment, notes)| segment.notes.truncate(*notes));
        changes.begin_pass();
        for (at, number) in numbers.iter().enumerate() {
            let Some(segment) = export.segments.get(*number) else { continue };
            objections.begin_segment(*number, at > 0);
            changes.begin_segment(*number);
            let pass = Pass { members: &mut members, objections: &mut objections, changes: &mut changes };
            plan_segment(env, &shared, *number, segment, pass, record).await?;
        }
        // A row may say no for one before it, or bring the new address of a contact, which was planned otherwise.
        let is_news = objections.end_pass() | changes.end_pass();
        let Shared { held, suppression, .. } = &shared;
        let store = env.store();
        if !is_news
            && !addresses::decided(store, held, &members, &objections, suppression, &mut changes, record).await?
        {
            break members;
        }
    };
    if let Some(segment) = numbers.first().and_then(|number| record.segments.get_mut(*number)) {
        segment.notes.extend(addresses::notes(&changes));
    }
    let changed = changes.planned();
    record.address_changes = changed.len() as u64;
    if mode.is_stored() && !changed.is_empty() {
        let key = keys::address_changes(&record.request.run_id);
        env.store().put(&key, seal_address_changes(&changed).into(), PutMode::Overwrite).await?;
    }
    for segment in &mut record.segments {
        let notes = notes_of_retry(&segment.name, &segment.counts, &segment.corrected);
        if shared.mode.is_stored() {
            notes.iter().for_each(|note| env.observer().notify(Event::Warns(note)));
        }
        segment.notes.extend(notes);
    }
    // Who has a new address counts once.
    record.profiles = members.profiles().saturating_sub(record.address_changes);
    if record.request.full {
        // The state was not read, and the members of the segments that this run leaves out stay in the export.
        let known = known_members(env.store(), export).await?;
        let is_left_out = |segment: &&SegmentRecord| segment.drop.is_none();
        let names: Vec<_> = record.segments.iter().filter(is_left_out).map(|segment| segment.name.as_str()).collect();
        let left_out = export.segments.iter().zip(known).filter(|(segment, _)| names.contains(&segment.name.as_str()));
        record.profiles += left_out.map(|(_, members)| members).sum::<u64>();
    }
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
        refused: counts.rejects.get(&RejectCode::Refused).copied().unwrap_or_default(),
        unreadable_opt_outs: counts.unreadable_opt_outs,
        suppression: entries_before
            .zip(record.suppression_entries)
            .map(|(before, now)| guards::SuppressionEntries { before, now }),
        is_retry: record.request.keep_leavers,
        segments: taken.map(guard_counts).collect(),
    })
}

fn guard_counts(segment: &SegmentRecord) -> guards::SegmentCounts {
    let Counts { read, members, leavers, .. } = segment.counts;
    guards::SegmentCounts { name: segment.name.clone(), read, members, leavers }
}

async fn plan_segment<W: Environment>(
    env: &W,
    shared: &Shared<'_>,
    number: usize,
    segment: &Segment,
    mut pass: Pass<'_>,
    record: &mut RunRecord,
) -> Result<()> {
    let store = env.store();
    let Shared { export, digester, suppression, listed_ids, erased, held, mode } = shared;
    held.mark(store, digester, number, segment, &mut pass, record).await?;
    let Pass { members, objections, changes } = pass;
    let applied = match record.request.keep_leavers {
        true => {
            let sources = record.sources.iter().filter(|source| source.segment == number).cloned().collect::<Vec<_>>();
            let of = Of { export, segment };
            Some(applied_people(store, of, digester, held, members, objections, &sources).await?)
        }
        false => None,
    };
    let refusals = held.refusals(&segment.name);
    let run_id = record.request.run_id.clone();
    let known = PlanInput {
        run_id: &run_id,
        export,
        digester,
        suppression: &suppression.list,
        listed_ids,
        erased,
        refusals: &refusals,
    };
    let corrections = held.corrections(&segment.name);
    let last = Corrections::new(corrections, &suppression.listed);
    let mut planner = Planner::new(known, members, objections, changes, last);
    applied.into_iter().for_each(|applied| planner.retries(applied));
    let terms = &record.request.terms;
    if terms.is_narrow() {
        // What the segments before have planned.
        let planned: u64 = record.chunks.iter().map(|chunk| u64::from(chunk.rows)).sum();
        let room = terms.limit.map_or(u64::MAX, |limit| limit.saturating_sub(planned));
        planner.sends_at_most(room, terms.only.as_deref().and_then(unhex));
    }
    let mut storing = Storing::new(store, number, *mode);
    let contents = read_rows(env, export, number, segment, &mut planner, &mut storing, record).await?;
    contents.check(segment, record.segments.get(number))?;
    mode.keep(|rehearsal| {
        rehearsal.add_columns(&contents.columns.names);
        Ok(())
    })?;
    if contents.has_objects {
        planner.check_keys(&contents.columns)?;
    }
    let not_whole = record.segments.get(number).is_some_and(|segment| segment.missing_parts > 0);
    let allowed = held.unreadable_allowed(export, &segment.name);
    let is_passed = record.request.pass_guards.iter().any(|name| name == guards::UNREADABLE_ROWS);
    if is_passed && planner.counts().unreadable_rows() > allowed {
        record.passes_unreadable_rows = true;
    }
    let allowed = if is_passed { u64::MAX } else { allowed };
    let withhold = match &record.request {
        request if request.full => Some(Withheld::Full),
        request if request.is_partial() => Some(Withheld::Partial),
        _ => not_whole.then_some(Withheld::MissingParts),
    };
    planner.rows_done(withhold, allowed);
    if planner.needs_members()
        && let Some(mut profiles) = held.profiles(store).await?
    {
        let emails = UnconfirmedEmails::of(store, &export.name).await?;
        while let Some(profile) = profiles.next().await? {
            planner.leaver(&profile, emails.name(&profile).or_else(|| held.unnamed()));
            let written = planner.written();
            if !written.is_empty() {
                storing.store(record, written).await?;
            }
        }
    }
    let unnamed = planner.unnamed();
    let Finished { counts, written, corrections: read, made, stored_objections: said } = planner.finish();
    storing.store(record, written).await?;
    storing.end().await?;
    note_unreadable(record, number, &counts, allowed);
    note_unnamed(record, number, unnamed);
    let unreadable_rows = counts.unreadable_rows();
    if let Some(segment) = record.segments.get_mut(number) {
        segment.counts = counts;
        segment.corrections = (!record.request.is_partial() && !corrections.is_empty()).then(|| read.lasting());
        segment.corrected = made;
    }
    if mode.is_stored() {
        let is_whole = !record.request.is_partial() && !not_whole && unreadable_rows <= allowed;
        stored_objections::keep(store, record, number, said, is_whole, digester).await?;
    }
    Ok(())
}

/// What is to be said of rows that were sent again.
fn notes_of_retry(segment: &str, counts: &Counts, made: &[NewCorrection]) -> Vec<String> {
    let LeftOut { duplicates, in_newer_drop } = counts.left_out;
    let notes = [
        (duplicates, "rows are left out: their address is still that of another row"),
        (in_newer_drop, "rows are left out: a newer drop has held these people since"),
        (
            made.len() as u64,
            "corrected rows last: what is sent stays as long as the drops hold the rows that were rejected",
        ),
    ];
    notes.iter().filter(|(count, _)| *count > 0).map(|(count, text)| format!("{segment}: {count} {text}")).collect()
}

/// Says of people who are to leave that nothing names them.
fn note_unnamed(record: &mut RunRecord, number: usize, people: u64) {
    let export = &record.request.export;
    let Some(segment) = record.segments.get_mut(number).filter(|_| people > 0) else { return };
    segment.notes.push(format!(
        "{}: {people} people may still be members who are to leave: they were sent without an answer, and their addresses have \
         expired; autopilot-export reconcile {export} names them, and with --repair the next run takes them off",
        segment.name
    ));
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
