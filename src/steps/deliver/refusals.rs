//! The guard that watches refusals as they come: the account may refuse what the plan let pass.

use super::assignment::Assignment;
use crate::delivery::caution::Allowance;
use crate::error::{Error, Kind, Result};
use crate::plan::guards::{MAX_REJECT_SHARE, too_many_rejected};

/// How many rows were refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    /// In this lane.
    pub(super) here: u64,
    /// In all lanes, as far as is known.
    pub(super) everywhere: u64,
}

/// Ends the run where refusals and rejects together pass the guard.
pub(super) fn watch(assignment: &Assignment<'_>, refused: Refused, destination: &str) -> Result<()> {
    let Assignment { export, run, .. } = assignment;
    let (guards, asked) = (&export.guards, &run.request);
    let counts = run.counts();
    let (rejected, read) = (counts.rejected() + refused.everywhere, counts.read);
    // Of rows that were rejected before, many may be refused again.
    let passed = asked.keep_leavers || asked.pass_guards.iter().any(|name| name == MAX_REJECT_SHARE);
    if refused.here == 0 || passed || !too_many_rejected(guards, rejected, read) {
        return Ok(());
    }
    let problem = format!(
        "{rejected} of {read} rows are rejected, {} of them by {destination}; max_reject_share allows {:.1} %",
        refused.everywhere,
        guards.max_reject_share * 100.0
    );
    Err(Error::new(Kind::Guard, &export.name, problem)
        .hint(format!("see the rejects; pass over it once with --pass-guard {MAX_REJECT_SHARE}")))
}

/// Ends the run where the account refuses one request after the other.
pub(super) fn check_refusals(allowance: &Allowance, destination: &str) -> Result<()> {
    let Some(requests) = allowance.too_many_refusals() else { return Ok(()) };
    let problem = format!("refused {requests} requests one after the other");
    Err(Error::new(Kind::Access, destination, problem).hint(
        "see the rejects for the reasons; going on would have the address banned, and the next run sends what is pending",
    ))
}
