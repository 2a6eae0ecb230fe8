//! Fetches the ranges of a lane: their rows, less those that have a verdict already.

use std::collections::HashSet;

use super::assignment::Assignment;
use crate::chunk;
use crate::delivery::lane::Span;
use crate::destination::Group;
use crate::error::{Error, Kind, Result};
use crate::ledger::{self, Ledger, Results};
use crate::membership::MembershipTarget;
use crate::ports::{PutMode, Store};
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
}

/// Fetches one range of a lane.
pub(super) async fn load(store: &impl Store, assignment: &Assignment<'_>, index: usize) -> Result<LoadedRange> {
    let Assignment { run, opened, number, ranges, .. } = assignment;
    let run_id = run.request.run_id.as_str();
    let lost = |what: &str| Error::new(Kind::Bug, run_id, format!("{what} is gone"));
    let range = ranges.get(index).ok_or_else(|| lost("a range"))?;
    let chunk = run.chunks.get(range.chunk).ok_or_else(|| lost("a chunk"))?;
    let key = keys::results(run_id, *number, index);
    let results = match store.get(&key).await? {
        Some(object) => ledger::read(&key, &object.body).unwrap_or_else(ledger::unreadable),
        None => {
            if index.is_multiple_of(BEGUN_TOGETHER) {
                // Says that rows may have been sent from now on, should this run never hear of them again. Where an
                // earlier call's note comes late, it must not undo what was confirmed since.
                let nothing = Ledger::default().checkpoint().into();
                store.put(&key, nothing, PutMode::Create).await?;
            }
            Results::default()
        }
    };
    let key = keys::of_run(run_id, &chunk.name);
    let object = store.get(&key).await?.ok_or_else(|| {
        Error::new(Kind::Unavailable, &key, "is gone")
            .hint("run again; rows that were confirmed and recorded are not sent again")
    })?;
    let rows = chunk::read(&key, &object.body, range.from as usize, range.to as usize)?;
    let judged: HashSet<u32> = results.entries.iter().map(|(number, _)| *number).collect();
    let rows = (range.from..).zip(rows).filter(|(number, _)| !judged.contains(number)).collect();
    let target = opened.targets.get(chunk.segment).cloned().unwrap_or(MembershipTarget::None);
    Ok(LoadedRange { index, span: Span { group: Group { operation: chunk.operation, target }, rows }, results })
}
