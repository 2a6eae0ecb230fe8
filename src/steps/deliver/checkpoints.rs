//! A lane's ledgers, one for each of its ranges: what was judged since the last checkpoint, and when the next is due.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range as Numbers;
use std::time::Duration;

use jiff::Timestamp;

use super::refusals::Refused;
use crate::chunk::{Operation, Row};
use crate::delivery::lane::Verdict;
use crate::delivery::pace::after;
use crate::error::Result;
use crate::ledger::{Entry, Ledger, Results, Sent};
use crate::plan::lanes::Range;
use crate::ports::{PutMode, Store};
use crate::run::keys;
use crate::state::ProfileKey;
use crate::steps::documents::{read_if_whole, write_json};

/// How many rows of ranges that are through may wait to be saved, and how long any row may.
const CHECKPOINT_ROWS: u32 = 2000;
const CHECKPOINT_AFTER: Duration = Duration::from_secs(1);
/// Refused rows of which the other lanes do not know yet, at most: their guard counts them too.
const REPORT_REFUSED: u64 = 100;

/// Which ledgers are to be saved.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// All that have something new.
    All,
    /// Those of ranges that are through.
    Through,
}

/// Whether all rows of a range are judged: nothing more comes to its ledger.
fn is_through(ranges: &[Range], range: usize, ledger: &Ledger) -> bool {
    ranges.get(range).is_none_or(|range| ledger.judged >= range.to - range.from)
}

/// Which lane of how many.
#[derive(Clone, Copy)]
pub(super) struct LaneId {
    pub(super) number: u32,
    pub(super) lanes: u32,
}

/// The ledgers of one lane of a run.
pub(super) struct Checkpoints<'w, S> {
    store: &'w S,
    run_id: &'w str,
    lane: LaneId,
    ranges: &'w [Range],
    ledgers: BTreeMap<usize, Ledger>,
    unsaved_since: Option<Timestamp>,
    refused: u64,
    /// Refused rows that the other lanes know of.
    reported_refused: u64,
    /// Refused rows of the other lanes, as far as they have reported.
    others_refused: u64,
}

impl<'w, S: Store> Checkpoints<'w, S> {
    pub(super) fn new(store: &'w S, run_id: &'w str, lane: LaneId, ranges: &'w [Range]) -> Self {
        let ledgers = BTreeMap::new();
        Self {
            store,
            run_id,
            lane,
            ranges,
            ledgers,
            unsaved_since: None,
            refused: 0,
            reported_refused: 0,
            others_refused: 0,
        }
    }

    /// What was sent of a range, to be counted.
    pub(super) fn sent(&mut self, range: usize) -> &mut Sent {
        &mut self.ledgers.entry(range).or_default().sent
    }

    /// Goes on with the results of a range that was worked on before.
    pub(super) fn resume(&mut self, range: usize, results: &Results) {
        let refused = results.entries.iter().filter(|(_, entry)| matches!(entry, Entry::Refused { .. }));
        self.refused += refused.count() as u64;
        let ledger = Ledger::resume(results);
        if !is_through(self.ranges, range, &ledger) {
            self.ledgers.insert(range, ledger);
        }
    }

    /// Enters rows that became suppressed since the plan was made; those with the numbers of `sent` may have been sent.
    pub(super) fn suppress(&mut self, range: usize, rows: &[(u32, Row)], sent: &Numbers<u32>, now: Timestamp) {
        if rows.is_empty() {
            return;
        }
        self.unsaved_since.get_or_insert(now);
        let ledger = self.ledgers.entry(range).or_default();
        rows.iter().for_each(|(number, row)| ledger.suppress(*number, &row.key, sent.contains(number)));
    }

    /// Enters a verdict.
    pub(super) fn enter(&mut self, range: usize, operation: Operation, verdict: &Verdict, now: Timestamp) {
        self.unsaved_since.get_or_insert(now);
        self.refused += u64::from(verdict.outcome.is_refused() && operation != Operation::Leave);
        self.ledgers.entry(range).or_default().enter(operation, verdict);
    }

    /// Enters the contact's id of a profile, which the state has wrong.
    pub(super) fn found(&mut self, range: usize, key: &ProfileKey, contact_id: &str, now: Timestamp) {
        self.unsaved_since.get_or_insert(now);
        self.ledgers.entry(range).or_default().found(key, contact_id);
    }

    /// How many rows were refused in this lane, and in all as far as is known.
    pub(super) fn refused(&self) -> Refused {
        Refused { here: self.refused, everywhere: self.refused + self.others_refused }
    }

    /// When what waits to be saved must be, at the latest.
    pub(super) fn latest(&self) -> Option<Timestamp> {
        self.unsaved_since.map(|since| after(since, CHECKPOINT_AFTER))
    }

    /// What is due to be saved.
    pub(super) fn due(&self, now: Timestamp) -> Option<Due> {
        let waited = self.latest().is_some_and(|latest| now >= latest);
        if waited || self.refused - self.reported_refused >= REPORT_REFUSED {
            return Some(Due::All);
        }
        let through = self.ledgers.iter().filter(|(range, ledger)| is_through(self.ranges, **range, ledger));
        (through.map(|(_, ledger)| ledger.unsaved).sum::<u32>() >= CHECKPOINT_ROWS).then_some(Due::Through)
    }

    /// Saves every ledger that is due and has something new; what is judged meanwhile waits for the next time.
    /// Where rows were refused, it tells the other lanes, and gives how many theirs are: the guard counts them all.
    pub(super) fn save(&mut self, due: Due) -> impl Future<Output = Result<Option<u64>>> + Send + use<'w, S> {
        let tell = (self.refused != self.reported_refused).then_some(self.refused);
        self.reported_refused = self.refused;
        let (store, run_id, ranges) = (self.store, self.run_id, self.ranges);
        let LaneId { number: lane, lanes } = self.lane;
        let mut objects = Vec::new();
        for (range, ledger) in self.ledgers.iter_mut().filter(|(_, ledger)| ledger.unsaved > 0) {
            if due == Due::All || is_through(ranges, *range, ledger) {
                objects.push((keys::results(run_id, lane, *range), ledger.checkpoint()));
            }
        }
        if self.ledgers.values().all(|ledger| ledger.unsaved == 0) {
            self.unsaved_since = None;
        }
        async move {
            for (key, body) in objects {
                store.put(&key, body.into(), PutMode::Overwrite).await?;
            }
            let Some(refused) = tell.filter(|_| lanes > 1) else { return Ok(None) };
            write_json(store, &keys::refused(run_id, lane), &refused).await?;
            let mut others = 0;
            for other in (0..lanes).filter(|other| *other != lane) {
                others += read_if_whole::<u64>(store, &keys::refused(run_id, other)).await?.unwrap_or_default();
            }
            Ok(Some(others))
        }
    }

    /// Takes what a saving gave, and forgets the ledgers of ranges that are through and saved.
    pub(super) fn saved(&mut self, others_refused: Option<u64>) {
        self.others_refused = others_refused.unwrap_or(self.others_refused);
        let ranges = self.ranges;
        self.ledgers.retain(|range, ledger| ledger.unsaved > 0 || !is_through(ranges, *range, ledger));
    }

    /// Saves everything at the end of a call: counts of requests too.
    pub(super) async fn save_all(&mut self) -> Result<()> {
        self.ledgers.values_mut().for_each(|ledger| ledger.unsaved += 1);
        self.save(Due::All).await.map(|_| ())
    }
}
