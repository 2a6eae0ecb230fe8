//! Sums over a run.

use std::collections::{BTreeMap, HashSet};

use super::lost::Lost;
use crate::chunk::Operation;
use crate::ledger::{Entry, Results, Sent};
use crate::plan::lanes::Chunk;
use crate::run::RunRecord;
use crate::state::{FieldsDigest, ProfileKey};

/// Sums over a run.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) delivered: u64,
    pub(super) delivered_by_segment: BTreeMap<usize, u64>,
    pub(super) refused: u64,
    /// The segment, the profile and the fields of rows that the destination refused, where that is recorded.
    pub(super) refused_rows: Vec<(usize, ProfileKey, FieldsDigest)>,
    /// Whose rows were refused before the run, and who of them was delivered in it.
    pub(super) refused_before: HashSet<ProfileKey>,
    pub(super) accepted: HashSet<ProfileKey>,
    /// Rows that became suppressed since the plan was made.
    pub(super) suppressed: u64,
    /// Those of them that may have been sent before.
    pub(super) suppressed_late: u64,
    /// Joiners whose answers are not to be believed.
    pub(super) doubted: u64,
    /// Whose rows were delivered, where the run sends rows again.
    pub(super) delivered_again: HashSet<ProfileKey>,
    /// Leavers that have left, or could not.
    pub(super) left: u64,
    /// Leavers that could not: the destination refused.
    pub(super) stayed: u64,
    /// Opt-outs that were sent apart from their rows.
    pub(super) opt_outs: u64,
    /// Opt-outs of rows that the destination refused.
    pub(super) opt_outs_of_refused: u64,
    /// Opt-outs that were sent apart and refused.
    pub(super) opt_outs_refused: u64,
    /// Opt-outs that were sent apart, of people whom the destination suppresses.
    pub(super) opt_outs_suppressed: u64,
    pub(super) sent: Sent,
    pub(super) lost: Lost,
}

impl Totals {
    /// Adds a range. Joiners who are `doubted` are not confirmed, so they count as pending.
    pub(super) fn add(&mut self, run: &RunRecord, chunk: &Chunk, results: &Results, is_doubted: bool) {
        self.sent.add(&results.sent);
        for (_, entry) in &results.entries {
            match entry {
                Entry::Delivered { .. } if chunk.opt_outs => self.opt_outs += 1,
                Entry::Refused { .. } if chunk.opt_outs => self.opt_outs_refused += 1,
                Entry::Suppressed { .. } if chunk.opt_outs => self.opt_outs_suppressed += 1,
                Entry::Delivered { .. } if is_doubted && chunk.operation == Operation::Join => self.doubted += 1,
                Entry::Delivered { key, .. } => {
                    self.delivered += 1;
                    if self.refused_before.contains(key) {
                        self.accepted.insert(*key);
                    }
                    if run.request.keep_leavers {
                        self.delivered_again.insert(*key);
                    }
                    *self.delivered_by_segment.entry(chunk.segment).or_default() += 1;
                }
                Entry::Refused { opted_out, .. } => {
                    self.refused += 1;
                    self.opt_outs_of_refused += u64::from(opted_out.is_some());
                }
                Entry::Left(_) => self.left += 1,
                Entry::Stays { .. } => (self.left, self.stayed) = (self.left + 1, self.stayed + 1),
                Entry::Suppressed { is_late, .. } => {
                    self.suppressed += 1;
                    self.suppressed_late += u64::from(*is_late);
                }
            }
        }
    }
}
