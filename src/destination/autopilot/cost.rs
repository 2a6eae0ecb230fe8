//! How many requests rows cost.

use super::strategy::{ListStrategy, Setup};
use crate::chunk::Operation;
use crate::destination::{Assumption, Cost};
use crate::membership::Membership;

pub(super) fn cost(operation: Operation, membership: &Membership, assumption: Assumption<'_>) -> Cost {
    let strategy = match assumption {
        Assumption::Cheapest => ListStrategy::Bulk,
        Assumption::Dearest => ListStrategy::BulkThenList,
        Assumption::Opened(setup) => Setup::learned(Some(setup)).list_strategy,
    };
    let (per_batch, per_row) = match (operation, membership, strategy) {
        (Operation::Leave, Membership::List(_), _) => (0, 1),
        (Operation::Leave, Membership::Field(_), _) => (1, 1),
        (Operation::Leave, Membership::None, _) => (0, 0),
        (Operation::Join, Membership::List(_), ListStrategy::Single) => (0, 1),
        (Operation::Join, Membership::List(_), ListStrategy::BulkThenList) => (1, 1),
        _ => (1, 0),
    };
    Cost { per_batch, per_row }
}
