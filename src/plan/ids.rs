//! The stable customer ids of rows without a readable address: whose members seem to be gone and are not.

use std::collections::{HashMap, HashSet};

use super::stored_objections::ListMark;
use crate::state::MatchId;

/// Customer ids of people who are on a list, by whichever address: as long as a drop has the id, it is sent under none.
#[derive(Debug, Default)]
pub struct ListedIds(HashMap<MatchId, Vec<ListMark>>);

impl ListedIds {
    /// Adds an id, and what names it on a list.
    pub fn add(&mut self, id: MatchId, mark: ListMark) {
        self.0.entry(id).or_default().push(mark);
    }

    /// What names an id on a list; nothing where it is on none.
    pub(super) fn of(&self, id: Option<&MatchId>) -> &[ListMark] {
        id.and_then(|id| self.0.get(id)).map_or(&[], Vec::as_slice)
    }
}

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
