//! What was confirmed in a run, read back from the lanes' results: all at once, or that of a large run in slices of the
//! keys, so that merging takes about the memory that preparing did. Rows that may have been sent and have no verdict are
//! among it: whatever the next drop is, it must put them right.

use std::collections::HashSet;
use std::fs::File;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::value::RawValue;

use super::addresses::Addresses;
use super::change::{Change, ChangeKind, slice_of, slices};
use super::doubted::is_doubted;
use super::lost::Lost;
use super::totals::Totals;
use crate::chunk::{self, Operation, Origin, Row};
use crate::config::Export;
use crate::contact::{Matching, RejectCode};
use crate::destination::{Group, Protocol};
use crate::error::Result;
use crate::ledger::{self, Entry, Results, unreadable};
use crate::plan::RejectLine;
use crate::plan::fingerprint::Fingerprint;
use crate::plan::history::Act;
use crate::plan::lanes::{Chunk, Range};
use crate::ports::{Object, Store};
use crate::report::rejects::Rejects;
use crate::run::opening::{BEGUN_TOGETHER, OpenRecord};
use crate::run::{RunRecord, keys};
use crate::state::{Digester, FIELDS_UNCONFIRMED, FieldsDigest, ProfileKey};

/// How many results are fetched ahead.
const FETCHING: usize = 8;

/// The rejects of a run, in a file for as long as they are put together.
pub(super) type RejectsFile = Rejects<File>;

/// What was confirmed in a run.
pub(super) struct RunResults<'r, S> {
    pub(super) store: &'r S,
    pub(super) run: &'r RunRecord,
    pub(super) opened: &'r OpenRecord,
    /// By which refused rows get their fingerprints; none where the export is no longer in the configuration.
    known: Option<(&'r Export, &'r Digester)>,
    /// Tells rows that the account refused from those that were never sent; none where refusals are not recorded.
    pub(super) protocol: Option<Box<dyn Protocol>>,
    /// When rows were sent last, where some were.
    pub(super) sent_at: Option<jiff::Timestamp>,
    /// The keys of its results.
    stored: HashSet<String>,
    /// What became of contacts whose address was to change.
    pub(super) addresses: Addresses,
    /// Whether some joiners who count as delivered may not be members.
    pub(super) is_doubted: bool,
    /// How many slices there are.
    pub(super) slices: usize,
    /// The guards that stopped the run.
    pub(super) guards: Vec<String>,
}

/// Rows that were refused.
#[derive(Default)]
struct Refused {
    /// As the rejects show them.
    lines: Vec<RejectLine>,
    /// Those that the account itself refused.
    rows: Vec<(ProfileKey, FieldsDigest)>,
}

/// What came of one range.
struct Fetched<'r> {
    chunk: &'r Chunk,
    results: Results,
    /// Rows that may have been sent, and that nobody confirmed.
    unconfirmed: Vec<Row>,
    refused: Refused,
    lost: Lost,
}

impl<'r> Fetched<'r> {
    fn nothing(chunk: &'r Chunk) -> Self {
        Self {
            chunk,
            results: Results::default(),
            unconfirmed: Vec::new(),
            refused: Refused::default(),
            lost: Lost::default(),
        }
    }
}

impl<'r, S: Store> RunResults<'r, S> {
    pub(super) async fn of(
        store: &'r S,
        run: &'r RunRecord,
        opened: &'r OpenRecord,
        known: Option<(&'r Export, &'r Digester)>,
    ) -> Result<Self> {
        let rows: u64 = run.chunks.iter().map(|chunk| u64::from(chunk.rows)).sum();
        let slices = slices(rows.max(run.recorded.unwrap_or_default()));
        let stored = store.list(&keys::of_run(&run.request.run_id, "results/")).await?;
        let sent_at = stored.iter().map(|meta| meta.modified).max();
        let stored: HashSet<String> = stored.into_iter().map(|meta| meta.key).collect();
        let is_doubted = is_doubted(store, run, opened, &stored).await?;
        let addresses = Addresses::of(store, run, opened, &stored).await?;
        Ok(Self {
            addresses,
            store,
            run,
            opened,
            known,
            protocol: None,
            sent_at,
            stored,
            is_doubted,
            slices,
            guards: Vec::new(),
        })
    }

    /// Whether a profile that was delivered may have marks again that were taken off in the same run.
    pub(super) fn may_come_back(&self, key: &ProfileKey) -> bool {
        self.protocol.as_deref().is_some_and(|protocol| protocol.may_come_back(key))
    }

    /// The slice that a key is in; slices are in order of their keys.
    pub(super) fn slice_of(&self, key: &ProfileKey) -> usize {
        slice_of(key, self.slices)
    }

    /// The changes of one slice, in order of the keys; sums all results up where `counting` is given.
    pub(super) async fn slice(
        &self,
        number: usize,
        mut counting: Option<(&mut Totals, &mut RejectsFile)>,
    ) -> Result<Vec<Change>> {
        let rows: u64 = self.run.chunks.iter().map(|chunk| u64::from(chunk.rows)).sum();
        let mut changes = Vec::with_capacity(usize::try_from(rows).unwrap_or_default() / self.slices);
        let is_counting = counting.is_some();
        let fetching = stream::iter(self.results()).map(|assigned| self.fetch(assigned, is_counting));
        let mut fetched = fetching.buffered(FETCHING);
        while let Some(mut fetched) = fetched.try_next().await? {
            if let Some((totals, rejects)) = &mut counting {
                let segment = fetched.chunk.segment;
                totals.add(self.run, fetched.chunk, &fetched.results, self.is_doubted);
                totals.lost.results += fetched.lost.results;
                totals.lost.joiners += fetched.lost.joiners;
                totals.lost.others += fetched.lost.others;
                let refused = std::mem::take(&mut fetched.refused);
                totals.refused_rows.extend(refused.rows.into_iter().map(|(key, fields)| (segment, key, fields)));
                refused.lines.into_iter().try_for_each(|line| rejects.add(line))?;
            }
            self.add_changes(fetched, number, &mut changes);
        }
        self.addresses.add_changes(|key| self.slice_of(key) == number, &mut changes);
        // What is gone comes before what was confirmed since; an id that was looked up counts, whatever place a response
        // had it in.
        changes.sort_unstable_by_key(|change| (change.key, change.what.rank()));
        Ok(changes)
    }

    /// Reads what came of a range.
    async fn fetch(&self, assigned: RangeResults<'r>, is_counting: bool) -> Result<Fetched<'r>> {
        let RangeResults { chunk, key, range, is_begun, is_gone } = assigned;
        let object = if self.stored.contains(&key) { self.store.get(&key).await? } else { None };
        let mut fetched = Fetched::nothing(chunk);
        fetched.lost.results = u64::from(is_gone);
        // Of a range that was not begun only the canary's rows were sent.
        let to = match object {
            // After a power failure it may be damaged: then nothing of the range is known to be confirmed.
            Some(object) => {
                let results = ledger::read(&key, &object.body);
                fetched.lost.results += u64::from(results.is_err());
                fetched.results = results.unwrap_or_else(unreadable);
                range.to
            }
            None if is_begun => range.to,
            None => match &self.opened.canary {
                Some(canary) if canary.chunk == range.chunk => range.to.min(canary.to),
                _ => return Ok(fetched),
            },
        };
        // The row of an opt-out is a reject already, or suppressed.
        if is_counting && !chunk.opt_outs {
            fetched.refused = self.refused(range.chunk, &fetched.results).await?;
        }
        match self.without_verdict(Range { to, ..range }, &fetched.results).await? {
            Some(rows) => fetched.unconfirmed = rows,
            None if chunk.opt_outs => {}
            None => {
                let certain = fetched.results.entries.iter().filter(|(_, entry)| !entry.may_be_sent()).count() as u64;
                let rows = u64::from(to - range.from).saturating_sub(certain);
                let Lost { joiners, others, .. } = &mut fetched.lost;
                *if chunk.operation == Operation::Join { joiners } else { others } += rows;
            }
        }
        Ok(fetched)
    }

    /// Adds what a range changed of the profiles in a slice.
    fn add_changes(&self, fetched: Fetched<'_>, number: usize, changes: &mut Vec<Change>) {
        let Fetched { chunk, results, unconfirmed, .. } = fetched;
        let segment = chunk.segment;
        let act = match chunk.operation {
            _ if chunk.opt_outs => Act::OptOut,
            _ if chunk.address_changes => Act::NewAddress,
            Operation::Join => Act::Join,
            Operation::Update => Act::Change,
            Operation::Leave => Act::Leave,
        };
        let is_here = |key: &ProfileKey| self.slice_of(key) == number;
        for (_, entry) in &results.entries {
            let (key, what) = match entry {
                Entry::Delivered { key, digest, match_id, contact_id, is_anew } if is_here(key) => {
                    let (match_id, contact_id) = (match_id.clone(), (&**contact_id).into());
                    if *is_anew {
                        changes.push(Change { key: *key, segment, act, what: ChangeKind::Anew });
                    }
                    (*key, ChangeKind::Delivered { digest: *digest, match_id, contact_id })
                }
                Entry::Left(key) if is_here(key) => (*key, ChangeKind::Left),
                Entry::Refused { opted_out: Some(key), .. } if is_here(key) => (*key, ChangeKind::OptedOut),
                Entry::Refused { key: Some(key), .. } | Entry::Stays { key: Some(key), .. } if is_here(key) => {
                    (*key, ChangeKind::Refused)
                }
                Entry::Suppressed { key: Some(key), .. } if is_here(key) => (*key, ChangeKind::Suppressed),
                _ => continue,
            };
            let is_doubted = self.is_doubted && chunk.operation == Operation::Join;
            if is_doubted && matches!(what, ChangeKind::Delivered { .. }) {
                changes.push(Change { key, segment, act, what: ChangeKind::Doubted });
            }
            changes.push(Change { key, segment, act, what });
        }
        for (key, contact_id) in results.found.into_iter().filter(|(key, _)| is_here(key)) {
            changes.push(Change { key, segment, act, what: ChangeKind::Found { contact_id } });
        }
        for row in unconfirmed.iter().filter(|row| is_here(&row.key)) {
            // Rows leave only once their contacts have their addresses.
            if chunk.address_changes && !self.addresses.are_done(&row.key) {
                continue;
            }
            let email = row.email().into_owned().into();
            let what = ChangeKind::Unconfirmed { operation: chunk.operation, digest: row.digest, email };
            changes.push(Change { key: row.key, segment, act, what });
        }
    }

    /// The rows of a range that have no verdict, or one that leaves open whether they were sent before; none where they can no longer be read.
    async fn without_verdict(&self, range: Range, results: &Results) -> Result<Option<Vec<Row>>> {
        let judged = || results.entries.iter().filter(|(_, entry)| !entry.may_be_sent()).map(|(number, _)| *number);
        if judged().count() as u64 + u64::from(range.from) >= u64::from(range.to) {
            return Ok(Some(Vec::new()));
        }
        let Some((key, object)) = self.chunk(range.chunk).await? else { return Ok(None) };
        let judged: HashSet<u32> = judged().collect();
        let rows = chunk::read(&key, &object.body, range.from as usize, range.to as usize).map(Some);
        let rows = rows.unwrap_or_else(unreadable);
        let unconfirmed = |rows: Vec<Row>| (range.from..).zip(rows).filter(|(number, _)| !judged.contains(number));
        Ok(rows.map(|rows| unconfirmed(rows).map(|(_, row)| row).collect()))
    }

    /// The rows that the destination refused, as the rejects show them.
    async fn refused(&self, number: usize, results: &Results) -> Result<Refused> {
        let refused = results.entries.iter().filter_map(|(number, entry)| match entry {
            Entry::Refused { reason, .. } => Some((*number, reason)),
            _ => None,
        });
        let (numbers, reasons): (Vec<u32>, Vec<&String>) = refused.unzip();
        let (Some(first), Some(last)) = (numbers.iter().min(), numbers.iter().max()) else {
            return Ok(Refused::default());
        };
        let Some((key, object)) = self.chunk(number).await? else { return Ok(Refused::default()) };
        let rows = match &self.protocol {
            Some(_) => chunk::read(&key, &object.body, *first as usize, *last as usize + 1).unwrap_or_else(unreadable),
            None => Vec::new(),
        };
        let refused: HashSet<u32> = numbers.iter().copied().collect();
        let rows = (*first..).zip(rows).filter(|(row, _)| refused.contains(row)).map(|(_, row)| row);
        let rows = rows.filter(|row| self.is_the_accounts(number, row)).map(|row| (row.key, row.digest)).collect();
        let origins = chunk::origins(&key, &object.body, &numbers).unwrap_or_else(unreadable);
        let lines = origins.into_iter().zip(reasons).filter_map(|(origin, reason)| {
            let Origin { source, line, columns } = origin?;
            let (fingerprint, columns) = self.known_again(source, columns);
            let row = RawValue::from_string(columns).ok()?;
            let (code, reason) = (RejectCode::Refused, reason.clone());
            Some(RejectLine { source, line, code, reason, setting: None, fingerprint, row })
        });
        Ok(Refused { lines: lines.collect(), rows })
    }

    /// Whether it was the account that refused a row: it is known by its fields, and nothing was wrong with it beforehand.
    fn is_the_accounts(&self, chunk: usize, row: &Row) -> bool {
        let chunk = self.run.chunks.get(chunk);
        let group = chunk.and_then(|chunk| {
            let target = self.opened.targets.get(chunk.segment)?.clone();
            Some(Group { operation: chunk.operation, target })
        });
        let beforehand = |protocol: &dyn Protocol, group: &Group| protocol.beforehand(group, row).is_some();
        let is_beforehand =
            self.protocol.as_deref().zip(group).is_some_and(|(protocol, group)| beforehand(protocol, &group));
        row.digest != FIELDS_UNCONFIRMED && !is_beforehand
    }

    /// The fingerprint of a refused row, and its columns. Of a row that was sent again, it stands behind the columns.
    fn known_again(&self, source: usize, columns: &str) -> (String, String) {
        let Some(source) = self.run.sources.get(source) else { return (String::new(), columns.to_owned()) };
        let mut cells: Vec<String> = serde_json::from_str(columns).unwrap_or_default();
        if keys::is_retry(&source.key) {
            let fingerprint = cells.pop().unwrap_or_default();
            return (fingerprint, serde_json::to_string(&cells).unwrap_or_default());
        }
        let matching = |(export, digester)| Some((Matching::new(export, &source.columns).ok()?, digester));
        let fingerprint = self.known.and_then(matching).map(|(matching, digester): (Matching, &Digester)| {
            let read = matching.read_cells(|at| cells.get(at).map(String::as_str).unwrap_or_default());
            let run_id = self.run.request.run_id.clone();
            Fingerprint { run_id, row: digester.row(&read), address: None }.to_string()
        });
        (fingerprint.unwrap_or_default(), columns.to_owned())
    }

    /// The key and the object of one of the run's chunks; none where it has expired.
    async fn chunk(&self, number: usize) -> Result<Option<(String, Object)>> {
        let Some(chunk) = self.run.chunks.get(number) else { return Ok(None) };
        let key = keys::of_run(&self.run.request.run_id, &chunk.name);
        Ok(self.store.get(&key).await?.map(|object| (key, object)))
    }

    /// The ranges that the lanes were given.
    fn results(&self) -> Vec<RangeResults<'r>> {
        let (run, lanes) = (self.run, &self.opened.lanes);
        let key = |lane, number| keys::results(&run.request.run_id, u32::try_from(lane).unwrap_or(u32::MAX), number);
        let is_stored = |lane, number| self.stored.contains(&key(lane, number));
        let of_a_lane = |(lane, ranges): (usize, &Vec<Range>)| {
            // A lane goes through its ranges in order, so those before one with results were begun.
            let last = (0..ranges.len()).rev().find(|number| is_stored(lane, *number));
            let calls = keys::calls(&run.request.run_id, u32::try_from(lane).unwrap_or(u32::MAX));
            let reached = last.or_else(|| self.stored.contains(&calls).then_some(0));
            let ranges = ranges.iter().enumerate().filter_map(move |(number, range)| {
                let chunk = run.chunks.get(range.chunk)?;
                let first = number - number % BEGUN_TOGETHER;
                let is_begun = reached.is_some_and(|reached| first <= reached);
                let is_gone = first == number && last.is_some_and(|last| number <= last) && !is_stored(lane, number);
                Some(RangeResults { chunk, key: key(lane, number), range: range.clone(), is_begun, is_gone })
            });
            ranges.collect::<Vec<_>>()
        };
        lanes.iter().enumerate().flat_map(of_a_lane).collect()
    }
}

/// What became of a range that a lane was given.
struct RangeResults<'r> {
    chunk: &'r Chunk,
    /// The key of its results, whether or not they were ever written.
    key: String,
    range: Range,
    is_begun: bool,
    /// Whether there were results, which are no longer there.
    is_gone: bool,
}
