//! How many requests rows cost.

use super::protocol::LIMITS;
use super::spot_check::{BATCHES, FIRST};
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

/// Some of a lane's first joiners, then one after ever more batches.
pub(super) fn read_backs(membership: &Membership, joiners: u64) -> u64 {
    if !matches!(membership, Membership::List(_)) {
        return 0;
    }
    let mut answers = joiners.div_ceil(LIMITS.batch_rows as u64).saturating_sub(1);
    let mut gap = u64::from(BATCHES);
    let mut requests = joiners.min(FIRST as u64);
    while answers >= gap {
        answers -= gap;
        (gap, requests) = (gap * 2, requests + 1);
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joiners_are_read_back_ever_more_rarely() {
        let list = Membership::List("List".into());
        let read_backs = |joiners| read_backs(&list, joiners);
        assert_eq!([0, 1, 2, 100, 800, 900, 2500, 100_000].map(read_backs), [0, 1, 2, 2, 2, 3, 4, 8]);
    }
}
