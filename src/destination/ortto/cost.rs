//! How many requests rows cost.

use crate::chunk::Operation;
use crate::destination::Cost;
use crate::membership::Membership;

/// A merge for each batch; of leavers, one that finds their addresses as well.
pub(super) fn cost(operation: Operation, membership: &Membership) -> Cost {
    let per_batch = match (operation, membership) {
        (Operation::Leave, Membership::None | Membership::List(_)) => 0,
        (Operation::Leave, _) => 2,
        _ => 1,
    };
    Cost { per_batch, per_row: 0 }
}
