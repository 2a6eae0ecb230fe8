//! What was confirmed of a segment, read back from the lanes' results: all at once, or that of a large segment in slices
//! of the keys, so that merging it takes about the memory that preparing it did. Rows that may have been sent and have no
//! verdict are told as well: whatever the next drop is, it must put them right.

use std::collections::{BTreeMap, HashSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::value::RawValue;
use tempfile::NamedTempFile;

use crate::chunk::{self, Operation, Origin, Row};
use crate::contact::RejectCode;
use crate::error::{Error, Result};
use crate::ledger::{self, Entry, Results, Sent};
use crate::plan::lanes::{Chunk, Range};
use crate::plan::planner::RejectLine;
use crate::ports::{Object, Store};
use crate::report::rejects::Rejects;
use crate::run::{RunRecord, keys};
use crate::state::{ContactId, FIELDS_UNCONFIRMED, FieldsDigest, Member, ProfileKey, UNCONFIRMED};

use crate::ledger::unreadable;
use crate::run::opening::{BEGUN_TOGETHER, OpenRecord};

/// Rows whose confirmations are held all at once, at 72 bytes each; those of more are read so many times, a part each.
/// In thirds they are 24 bytes a row, where prepare takes 17 to 45.
const AT_ONCE_ROWS: u64 = 200_000;
const SLICES: usize = 3;

/// How many results are fetched ahead.
const FETCHING: usize = 8;

/// The rejects of a run, in a file for as long as they are put together.
pub(super) type RejectsFile = Rejects<NamedTempFile>;

/// What was confirmed of one segment.
pub(super) struct SegmentResults<'r, S> {
    pub(super) store: &'r S,
    pub(super) run: &'r RunRecord,
    pub(super) opened: &'r OpenRecord,
    /// The segment's number in the export.
    pub(super) number: usize,
    /// The keys of its results.
    held: HashSet<String>,
    /// How many slices there are.
    pub(super) slices: usize,
}

/// The confirmations whose keys are in one slice.
#[derive(Default)]
pub(super) struct KeySlice {
    /// Members as they are now, by range; the contact of an unconfirmed one is unknown.
    pub(super) members: Vec<Vec<Member>>,
    pub(super) left: Vec<ProfileKey>,
    /// The emails of unconfirmed joiners.
    pub(super) emails: BTreeMap<ProfileKey, String>,
}

/// Sums over a run.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) delivered: u64,
    pub(super) refused: u64,
    /// Leavers that have left, or could not.
    pub(super) left: u64,
    pub(super) sent: Sent,
}

impl<'r, S: Store> SegmentResults<'r, S> {
    pub(super) async fn of(store: &'r S, run: &'r RunRecord, opened: &'r OpenRecord, number: usize) -> Result<Self> {
        let chunks = run.chunks.iter().filter(|chunk| chunk.segment == number);
        let rows: u64 = chunks.map(|chunk| u64::from(chunk.rows)).sum();
        let slices = if rows > AT_ONCE_ROWS { SLICES } else { 1 };
        let held = store.list(&keys::of_run(&run.request.run_id, "results/")).await?;
        let held = held.into_iter().map(|meta| meta.key).collect();
        Ok(Self { store, run, opened, number, held, slices })
    }

    /// The slice that a key is in; slices are in order of their keys.
    pub(super) fn slice_of(&self, key: &ProfileKey) -> usize {
        let [first, second, ..] = *key;
        (usize::from(u16::from_be_bytes([first, second])) * self.slices) >> 16
    }

    /// Reads one slice; sums all of the segment's results up where `told` says so.
    pub(super) async fn slice(
        &self,
        number: usize,
        mut told: Option<(&mut Totals, &mut RejectsFile)>,
    ) -> Result<KeySlice> {
        let mut slice = KeySlice::default();
        let telling = told.is_some();
        let fetching = stream::iter(self.results()).map(|(key, range, begun)| async move {
            let object = if self.held.contains(&key) { self.store.get(&key).await? } else { None };
            // Of a range that was not begun only the canary's rows were sent.
            let (results, to) = match object {
                // After a power failure it may be damaged: then nothing of the range is known to be confirmed.
                Some(object) => (ledger::read(&key, &object.body).unwrap_or_else(unreadable), range.to),
                None if begun => (Results::default(), range.to),
                None if self.opened.canary.as_ref().is_some_and(|canary| canary.chunk == range.chunk) => {
                    let ahead = self.opened.canary.as_ref().map_or(0, |canary| canary.to);
                    (Results::default(), range.to.min(ahead))
                }
                None => return Ok((Results::default(), Vec::new(), Vec::new())),
            };
            let refused = if telling { self.refused(range.chunk, &results).await? } else { Vec::new() };
            let unconfirmed = self.without_verdict(Range { to, ..range }, &results).await?;
            Ok::<_, Error>((results, unconfirmed, refused))
        });
        let mut fetched = fetching.buffered(FETCHING);
        while let Some((results, unconfirmed, refused)) = fetched.try_next().await? {
            if let Some((totals, rejects)) = &mut told {
                totals.add(&results);
                refused.into_iter().try_for_each(|line| rejects.add(line))?;
            }
            let mut members = Vec::with_capacity((results.entries.len() + unconfirmed.len()) / self.slices);
            for (_, entry) in results.entries {
                match entry {
                    Entry::Delivered(member) if self.slice_of(&member.key) == number => members.push(member),
                    Entry::Left(key) if self.slice_of(&key) == number => slice.left.push(key),
                    _ => {}
                }
            }
            for (digest, row) in unconfirmed.into_iter().filter(|(_, row)| self.slice_of(&row.key) == number) {
                members.push(Member { key: row.key, digest, contact_id: ContactId::unknown() });
                // A leaver's is not known, nor needed.
                let email = row.email();
                if !email.is_empty() {
                    slice.emails.insert(row.key, email.into_owned());
                }
            }
            // Of a part as many again may have been made room for.
            members.shrink_to_fit();
            slice.members.push(members);
        }
        Ok(slice)
    }

    /// The rows of a range that have no verdict, and what they make of a member's digest.
    async fn without_verdict(&self, range: Range, results: &Results) -> Result<Vec<(FieldsDigest, Row)>> {
        if results.entries.len() as u64 + u64::from(range.from) >= u64::from(range.to) {
            return Ok(Vec::new());
        }
        let Some((chunk, key, object)) = self.chunk(range.chunk).await? else { return Ok(Vec::new()) };
        let judged: HashSet<u32> = results.entries.iter().map(|(number, _)| *number).collect();
        let digest = if chunk.operation == Operation::Update { FIELDS_UNCONFIRMED } else { UNCONFIRMED };
        let rows = chunk::read(&key, &object.body, range.from as usize, range.to as usize).unwrap_or_else(unreadable);
        let unconfirmed = (range.from..).zip(rows).filter(|(number, _)| !judged.contains(number));
        Ok(unconfirmed.map(|(_, row)| (digest, row)).collect())
    }

    /// The rows that Autopilot refused, as they are told in the rejects.
    async fn refused(&self, chunk: usize, results: &Results) -> Result<Vec<RejectLine>> {
        let refused = results.entries.iter().filter_map(|(number, entry)| match entry {
            Entry::Refused(reason) => Some((*number, reason)),
            _ => None,
        });
        let (numbers, reasons): (Vec<u32>, Vec<&String>) = refused.unzip();
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let Some((_, key, object)) = self.chunk(chunk).await? else { return Ok(Vec::new()) };
        let told =
            chunk::origins(&key, &object.body, &numbers)?.into_iter().zip(reasons).filter_map(|(origin, reason)| {
                let Origin { source, line, columns } = origin?;
                let row = RawValue::from_string(columns.to_owned()).ok()?;
                Some(RejectLine { source, line, code: RejectCode::Refused, reason: reason.clone(), row })
            });
        Ok(told.collect())
    }

    /// A chunk of the run, its key and its object; none where it has expired.
    async fn chunk(&self, number: usize) -> Result<Option<(&'r Chunk, String, Object)>> {
        let Some(chunk) = self.run.chunks.get(number) else { return Ok(None) };
        let key = keys::of_run(&self.run.request.run_id, &chunk.name);
        Ok(self.store.get(&key).await?.map(|object| (chunk, key, object)))
    }

    /// The keys of the segment's results, whether or not they were ever written, the ranges that they are of, and whether
    /// those were begun.
    fn results(&self) -> Vec<(String, Range, bool)> {
        let run = self.run;
        let ranges = self
            .opened
            .lanes
            .iter()
            .enumerate()
            .flat_map(|(lane, ranges)| ranges.iter().enumerate().map(move |(number, range)| (lane, number, range)));
        let mine = ranges.filter(|(.., range)| run.chunks.get(range.chunk).is_some_and(|c| c.segment == self.number));
        let key = |lane, number| keys::results(&run.request.run_id, u32::try_from(lane).unwrap_or(u32::MAX), number);
        let begun = |lane, number| self.held.contains(&key(lane, number - number % BEGUN_TOGETHER));
        mine.map(|(lane, number, range)| (key(lane, number), range.clone(), begun(lane, number))).collect()
    }
}

impl Totals {
    fn add(&mut self, results: &ledger::Results) {
        self.sent.add(&results.sent);
        for (_, entry) in &results.entries {
            match entry {
                Entry::Delivered(_) => self.delivered += 1,
                Entry::Refused(_) => self.refused += 1,
                Entry::Left(_) | Entry::Stays => self.left += 1,
            }
        }
    }
}
