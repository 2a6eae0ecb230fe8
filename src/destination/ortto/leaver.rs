//! What is known of a leaver on its way, as it is noted with its row.

use crate::chunk::Row;

/// Why a leaver stays.
pub(super) const NOT_FOUND: &str = "the id of its contact belongs to somebody else, and its own was not found";

/// What is known of a leaver on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leaver<'a> {
    /// How often it was asked after, or to leave.
    pub(super) times: usize,
    /// The id that is looked at, or is its own.
    pub(super) id: &'a str,
    /// Its address, once it is known.
    pub(super) email: &'a str,
}

impl<'a> Leaver<'a> {
    pub(super) fn of(row: &'a Row, note: &'a str) -> Self {
        let mut parts = note.split('\t');
        let times = parts.next().and_then(|times| times.parse().ok()).unwrap_or_default();
        match (parts.next(), parts.next()) {
            (Some(id), Some(email)) => Self { times, id, email },
            (Some(id), None) => Self { times, id, email: "" },
            _ if row.contact_id.contains('@') => Self { times, id: "", email: &row.contact_id },
            _ => Self { times, id: &row.contact_id, email: "" },
        }
    }

    pub(super) fn note(&self) -> String {
        match self.email {
            "" => format!("{}\t{}", self.times, self.id),
            email => format!("{}\t{}\t{email}", self.times, self.id),
        }
    }
}
