//! People who were erased: no run sends them again.

use std::collections::HashSet;

use crate::state::{MatchId, ProfileKey, hex, unhex};

/// Their profiles' keys, and the digests of their customer ids, under every state key of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    people: HashSet<ProfileKey>,
    ids: HashSet<MatchId>,
}

impl Erased {
    /// Reads the lines of the object that holds them.
    pub fn read(text: &str) -> Self {
        let lines = || text.lines().map(str::trim);
        Self { people: lines().filter_map(unhex).collect(), ids: lines().filter_map(unhex).collect() }
    }

    /// The lines to store.
    pub fn write(&self) -> String {
        let (people, ids) = (self.people.iter().map(|key| hex(key)), self.ids.iter().map(|id| hex(id)));
        let mut lines: Vec<String> = people.chain(ids).map(|line| line + "\n").collect();
        lines.sort_unstable();
        lines.concat()
    }

    /// Adds a person. Gives whether that is new.
    pub fn add(&mut self, key: ProfileKey) -> bool {
        self.people.insert(key)
    }

    /// Adds a person's customer id. Gives whether that is new.
    pub fn add_id(&mut self, id: MatchId) -> bool {
        self.ids.insert(id)
    }

    /// Whether the person with this customer id was erased.
    pub fn contains_id(&self, id: &MatchId) -> bool {
        self.ids.contains(id)
    }

    /// Whether a person was erased.
    pub fn contains(&self, key: &ProfileKey) -> bool {
        self.people.contains(key)
    }
}
