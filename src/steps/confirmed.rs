//! What was confirmed of a segment, read back from the lanes' results: in slices of the keys, so that a segment of any
//! size is merged in the same memory.

use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::error::{Error, Result};
use crate::ledger::{self, Entry, Sent};
use crate::ports::Store;
use crate::report::rejects::Rejects;
use crate::run::{RunRecord, keys};
use crate::state::{Member, ProfileKey};

use super::open::OpenRecord;

/// Rows whose confirmations are held at once, at 72 bytes each.
const SLICE_ROWS: u64 = 200_000;

/// How many results are fetched ahead.
const FETCHING: usize = 8;

/// What was confirmed of one segment.
pub(super) struct Confirmed<'r, S> {
    pub(super) store: &'r S,
    pub(super) run: &'r RunRecord,
    pub(super) opened: &'r OpenRecord,
    /// The segment's number in the export.
    pub(super) number: usize,
    /// How many slices there are.
    pub(super) slices: usize,
}

/// The confirmations whose keys are in one slice.
#[derive(Default)]
pub(super) struct Slice {
    pub(super) delivered: Vec<Member>,
    pub(super) left: Vec<ProfileKey>,
}

/// Sums over a run.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) delivered: u64,
    pub(super) refused: u64,
    pub(super) sent: Sent,
}

impl<'r, S: Store> Confirmed<'r, S> {
    pub(super) fn of(store: &'r S, run: &'r RunRecord, opened: &'r OpenRecord, number: usize) -> Self {
        let chunks = run.chunks.iter().filter(|chunk| chunk.segment == number);
        let rows: u64 = chunks.map(|chunk| u64::from(chunk.rows)).sum();
        let slices = usize::try_from(rows.div_ceil(SLICE_ROWS)).unwrap_or(1).clamp(1, 1 << 16);
        Self { store, run, opened, number, slices }
    }

    /// About how many members the segment has after the run.
    pub(super) fn members(&self) -> usize {
        let counts = self.run.segments.get(self.number).map(|segment| &segment.counts);
        counts.and_then(|counts| usize::try_from(counts.members + counts.joiners).ok()).unwrap_or_default()
    }

    /// The slice that a key is in; slices are in order of their keys.
    pub(super) fn slice_of(&self, key: &ProfileKey) -> usize {
        let [first, second, ..] = *key;
        (usize::from(u16::from_be_bytes([first, second])) * self.slices) >> 16
    }

    /// Reads one slice; sums all of the segment's results up where `told` says so.
    pub(super) async fn slice(&self, number: usize, mut told: Option<(&mut Tally, &mut Rejects)>) -> Result<Slice> {
        let mut slice = Slice::default();
        let fetching = stream::iter(self.results()).map(|key| async move {
            let object = self.store.get(&key).await?;
            Ok::<_, Error>((key, object))
        });
        let mut fetched = fetching.buffered(FETCHING);
        while let Some((key, object)) = fetched.try_next().await? {
            let Some(object) = object else { continue };
            let results = ledger::read(&key, &object.body)?;
            if let Some((tally, rejects)) = &mut told {
                tally.add(&results, rejects)?;
            }
            for (_, entry) in results.entries {
                match entry {
                    Entry::Delivered(member) if self.slice_of(&member.key) == number => slice.delivered.push(member),
                    Entry::Left(key) if self.slice_of(&key) == number => slice.left.push(key),
                    _ => {}
                }
            }
        }
        Ok(slice)
    }

    /// The keys of the segment's results, whether or not they were ever written.
    fn results(&self) -> Vec<String> {
        let run = self.run;
        let ranges = self.opened.lanes.iter().enumerate().flat_map(|(lane, ranges)| {
            ranges.iter().enumerate().map(move |(number, range)| (lane, number, range.chunk))
        });
        let mine = ranges.filter(|(.., chunk)| run.chunks.get(*chunk).is_some_and(|c| c.segment == self.number));
        let key = |lane, number| keys::results(&run.request.run_id, u32::try_from(lane).unwrap_or(u32::MAX), number);
        mine.map(|(lane, number, _)| key(lane, number)).collect()
    }
}

impl Tally {
    fn add(&mut self, results: &ledger::Results, rejects: &mut Rejects) -> Result<()> {
        self.sent.add(&results.sent);
        for (_, entry) in &results.entries {
            match entry {
                Entry::Delivered(_) => self.delivered += 1,
                Entry::Refused(line) => {
                    self.refused += 1;
                    rejects.line(line.get())?;
                }
                Entry::Left(_) | Entry::Stays => {}
            }
        }
        Ok(())
    }
}
