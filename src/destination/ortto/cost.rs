//! How many requests rows cost.

use std::ops::RangeInclusive;

use crate::chunk::{FieldOrigin, FieldSpec, Operation};
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

/// What every run asks before its rows: fields, tags, a page of suppressed people and one of archived people.
const OPENING: u64 = 4;

/// Requests beside those for rows, from the fewest to the most: the opening, fields that are made and then listed again, the
/// count of the tags at the end.
pub(super) fn beside(fields: &[FieldSpec], memberships: &[Membership], makes_fields: bool) -> RangeInclusive<u64> {
    let custom = fields.iter().filter(|field| field.origin == FieldOrigin::Custom).count();
    let marks = memberships.iter().filter(|membership| matches!(membership, Membership::Field(_))).count();
    let missing = if makes_fields { (custom + marks) as u64 } else { 0 };
    let listing = u64::from(missing > 0);
    let counting = u64::from(memberships.iter().any(|membership| matches!(membership, Membership::Tag(_))));
    OPENING + counting..=OPENING + counting + missing + listing
}
