//! Whether a first line that no setting vouches for holds names for certain, so that a message may show it.

use super::values::{looks_like_address, may_be_a_value};

/// Whether `first` tells names: none of its fields may be a value, and a row below it has an address where it has none.
pub(super) fn tells_names(first: &[String], mut below: impl Iterator<Item = Vec<String>>) -> bool {
    let is_below = |row: &Vec<String>| row.len() == first.len() && row.iter().any(|cell| looks_like_address(cell));
    !first.iter().any(|field| may_be_a_value(field)) && below.any(|row| is_below(&row))
}
