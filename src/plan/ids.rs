//! The stable customer ids of rows without a readable address: whose members seem to be gone and are not.

use std::collections::HashSet;

use crate::state::MatchId;

/// The ids of a drop's rows without a readable address.
#[derive(Debug, Default)]
pub(super) struct LostRows {
    ids: HashSet<MatchId>,
    /// A row without a readable id either: it may be anybody's.
    is_anybody: bool,
}

impl LostRows {
    /// Records a row's id, where it is readable.
    pub(super) fn add(&mut self, id: Option<MatchId>) {
        match id {
            Some(id) => drop(self.ids.insert(id)),
            None => self.is_anybody = true,
        }
    }

    /// Whether each of the rows has a readable id.
    pub(super) fn are_known(&self) -> bool {
        !self.is_anybody
    }

    /// Whether one of the rows may be of the member with this id. A member without one may be anybody.
    pub(super) fn may_hold(&self, id: Option<MatchId>) -> bool {
        id.is_none_or(|id| self.ids.contains(&id))
    }
}
