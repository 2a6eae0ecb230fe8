//! Whether the account stopped putting joiners on their list during a run.

use std::collections::HashSet;

use crate::chunk::Operation;
use crate::error::Result;
use crate::plan::lanes::Range;
use crate::ports::Store;
use crate::run::opening::OpenRecord;
use crate::run::{RunRecord, keys};
use crate::steps::documents::read_if_whole;

/// Whether joiners may not be on their list who count as delivered: a spot check failed, and before that somebody was trusted
/// without one. A lane whose checks all held trusted some.
pub(super) async fn is_doubted(
    store: &impl Store,
    run: &RunRecord,
    opened: &OpenRecord,
    stored: &HashSet<String>,
) -> Result<bool> {
    let (mut has_failed, mut some_trusted) = (false, false);
    for (lane, ranges) in (0..).zip(&opened.lanes) {
        let key = keys::doubted(&run.request.run_id, lane);
        let is_joining =
            |range: &Range| run.chunks.get(range.chunk).is_some_and(|chunk| chunk.operation == Operation::Join);
        if stored.contains(&key) {
            has_failed = true;
            some_trusted |= read_if_whole::<bool>(store, &key).await?.unwrap_or(true);
        } else {
            some_trusted |= ranges.iter().any(is_joining);
        }
    }
    Ok(has_failed && some_trusted)
}
