//! The guards that stopped a run, or were passed over.

use crate::config::Export;
use crate::error::Kind;
use crate::plan::guards::{MAX_REJECT_SHARE, too_many_rejected};
use crate::report::Failed;
use crate::run::RunRecord;

/// The guards that stopped a run: before anything was sent, or the one that watches what is refused.
pub(super) fn stopped_by(run: &RunRecord, error: Option<&Failed>) -> Vec<String> {
    let is_guard = error.is_some_and(|error| error.kind == Kind::Guard);
    match run.stopped_by.is_empty() && is_guard {
        true => vec![MAX_REJECT_SHARE.to_owned()],
        false => run.stopped_by.clone(),
    }
}

/// Records the guard of rejects as passed over, where the destination's refusals alone would have stopped the run.
pub(super) fn note_passed_guard(run: &mut RunRecord, export: Option<&Export>, refused: u64) {
    let counts = run.counts();
    let holds = |names: &[String]| names.iter().any(|name| name == MAX_REJECT_SHARE);
    let is_news = holds(&run.request.pass_guards) && !holds(&run.guards_passed_over);
    let rejected = counts.rejected() + refused;
    if is_news && export.is_some_and(|export| too_many_rejected(&export.guards, rejected, counts.read)) {
        run.guards_passed_over.push(MAX_REJECT_SHARE.into());
    }
}
