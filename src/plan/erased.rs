//! People who were erased: no run sends them again.

use std::collections::HashSet;

use crate::state::{ProfileKey, hex, unhex};

/// Their profiles' keys, under every state key of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erased(HashSet<ProfileKey>);

impl Erased {
    /// Reads the lines of the object that holds them.
    pub fn read(text: &str) -> Self {
        Self(text.lines().filter_map(|line| unhex(line.trim())).collect())
    }

    /// The lines to store.
    pub fn write(&self) -> String {
        let mut lines: Vec<String> = self.0.iter().map(|key| hex(key) + "\n").collect();
        lines.sort_unstable();
        lines.concat()
    }

    /// Adds a person. Gives whether that is new.
    pub fn add(&mut self, key: ProfileKey) -> bool {
        self.0.insert(key)
    }

    /// Whether a person was erased.
    pub fn contains(&self, key: &ProfileKey) -> bool {
        self.0.contains(key)
    }
}
