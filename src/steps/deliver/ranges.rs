//! Fetches the ranges of a lane: their rows, less those that have a verdict already.

use std::collections::HashSet;
use std::ops::Range;

use super::assignment::Assignment;
use crate::chunk::{self, Operation, Row};
use crate::delivery::lane::Span;
use crate::destination::Group;
use crate::error::{Error, Kind, Result};
use crate::ledger::{self, Ledger, Results};
use crate::membership::MembershipTarget;
use crate::ports::{PutMode, PutOutcome, Store};
use crate::run::keys;
use crate::run::opening::BEGUN_TOGETHER;

/// A range that was fetched.
pub(super) struct LoadedRange {
    /// Its place in the lane.
    pub(super) index: usize,
    /// Its rows.
    pub(super) span: Span,
    /// What was confirmed of it before.
    pub(super) results: Results,
    /// Rows that became suppressed since the plan was made.
    pub(super) suppressed: Vec<(u32, Row)>,
    /// The numbers of the rows that an earlier call, or the canary, may have sent.
    pub(super) sent: Range<u32>,
    /// Whether an earlier call had begun the ranges that begin together with it.
    pub(super) is_begun: bool,
}

/// Fetches one range of a lane. `is_begun` says whether an earlier call had begun the one before, where both begin together.
pub(super) async fn load(
    store: &impl Store,
    assignment: &Assignment<'_>,
    index: usize,
    mut is_begun: bool,
) -> Result<LoadedRange> {
    let Assignment { run, opened, number, ranges, suppression, attempts, .. } = assignment;
    let run_id = run.request.run_id.as_str();
    let lost = |what: &str| Error::new(Kind::Bug, run_id, format!("{what} is gone"));
    let range = ranges.get(index).ok_or_else(|| lost("a range"))?;
    let chunk = run.chunks.get(range.chunk).ok_or_else(|| lost("a chunk"))?;
    let key = keys::results(run_id, *number, index);
    let results = match store.get(&key).await? {
        Some(object) => {
            is_begun = true;
            ledger::read(&key, &object.body).unwrap_or_else(ledger::unreadable)
        }
        None => {
            if index.is_multiple_of(BEGUN_TOGETHER) {
                // Says that rows may have been sent from now on, should this run never hear of them again. Where an
                // earlier call's note comes late, it must not undo what was confirmed since.
                let nothing = Ledger::default().checkpoint().into();
                is_begun = store.put(&key, nothing, PutMode::Create).await? == PutOutcome::Conflict;
            }
            Results::default()
        }
    };
    let key = keys::of_run(run_id, &chunk.name);
    let object = store
        .get(&key)
        .await?
        .ok_or_else(|| Error::new(Kind::Unavailable, &key, "is gone").hint(chunk::MAY_BE_SENT))?;
    let rows = chunk::read(&key, &object.body, range.from as usize, range.to as usize)?;
    let judged: HashSet<u32> = results.entries.iter().map(|(number, _)| *number).collect();
    let rows = (range.from..).zip(rows).filter(|(number, _)| !judged.contains(number));
    let is_suppressed = |row: &Row| {
        // A leaver's row has no email, and an opt-out is sent to suppressed people.
        let email = row.email();
        chunk.operation != Operation::Leave && !chunk.opt_outs && suppression.holds_sent(&email)
    };
    let (suppressed, rows) = rows.partition(|(_, row)| is_suppressed(row));
    let ahead = opened.canary.as_ref().filter(|canary| canary.chunk == range.chunk);
    let sent = match ahead {
        _ if is_begun && (opened.sends_again || !attempts.knows_what_was_sent()) => range.from..range.to,
        Some(canary) => canary.from..canary.to,
        None => 0..0,
    };
    // An opt-out is sent alone: it makes nobody a member.
    let target = opened.targets.get(chunk.segment).filter(|_| !chunk.opt_outs);
    let target = target.cloned().unwrap_or(MembershipTarget::None);
    let span = Span { group: Group { operation: chunk.operation, target }, rows };
    Ok(LoadedRange { index, span, results, suppressed, sent, is_begun })
}
