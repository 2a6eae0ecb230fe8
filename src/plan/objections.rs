//! What the rows of a person object to, where the row that counts does not say it itself.
//!
//! A row that says no is honoured in any row of an address, in any order. The row that counts may be in a chunk by then:
//! the rows are read once more, with what is known now.

use std::collections::HashMap;

use crate::state::{ProfileKey, half};

/// What the rows of one person object to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Objection {
    /// A row is not to be sent.
    pub suppressed: bool,
    /// A row opts out.
    pub opted_out: bool,
    /// A row of a member has an opt-out or consent that cannot be read.
    pub unreadable: bool,
    /// A rejected row is in the drop in whose place the person was sent.
    pub corrected: bool,
}

impl Objection {
    /// What either objects to.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            suppressed: self.suppressed || other.suppressed,
            opted_out: self.opted_out || other.opted_out,
            unreadable: self.unreadable || other.unreadable,
            corrected: self.corrected || other.corrected,
        }
    }
}

/// What is known of the people of one drop before their rows are read.
#[derive(Clone, Debug, Default)]
pub struct Objections {
    known: HashMap<[u8; 16], Objection>,
    found: HashMap<[u8; 16], Objection>,
}

impl Objections {
    /// What is known of this person.
    pub fn of(&self, key: &ProfileKey) -> Objection {
        if self.known.is_empty() {
            Objection::default()
        } else {
            self.known.get(&half(key)).copied().unwrap_or_default()
        }
    }

    /// Takes note of what a row objects to after the row that counts.
    pub fn add(&mut self, key: &ProfileKey, objection: Objection) {
        let known = self.of(key);
        if known.and(objection) != known {
            let found = self.found.entry(half(key)).or_insert(known);
            *found = found.and(objection);
        }
    }

    /// Whether the rows must be read once more, after which what was found is known.
    pub fn turn(&mut self) -> bool {
        let is_news = !self.found.is_empty();
        self.known.extend(self.found.drain());
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objection_is_news_once() {
        let mut objections = Objections::default();
        let opted_out = Objection { opted_out: true, ..Objection::default() };
        let suppressed = Objection { suppressed: true, ..Objection::default() };
        objections.add(&[1; 32], opted_out);
        objections.add(&[1; 32], suppressed);
        assert_eq!(objections.of(&[1; 32]), Objection::default(), "not before the rows are read once more");
        assert!(objections.turn());
        assert_eq!(objections.of(&[1; 32]), opted_out.and(suppressed));
        objections.add(&[1; 32], opted_out);
        assert!(!objections.turn());
    }
}
