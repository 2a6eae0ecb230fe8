//! What is known of a leaver on its way, as it is noted with its row.

use std::borrow::Cow;

use crate::chunk::Row;

/// Why a leaver stays.
pub(super) const NOT_FOUND: &str = "the id of its contact belongs to somebody else, and its own was not found";

/// Why a leaver stays whom nobody can look for.
pub(super) const UNREAD: &str = "the account does not list all of its people, so whether it has left is unknown";

/// What is noted with a leaver whose id leads to a member whom the state does not know: under another address, it may be
/// the leaver itself.
pub(super) const OTHER_ADDRESS: &str = "other address";

/// What is known of a leaver on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leaver<'a> {
    /// How often it was asked after, or to leave.
    pub(super) times: usize,
    /// The id that is looked at, or is its own.
    pub(super) id: &'a str,
    /// Its address, once it is known: as the account holds it, else as it was sent.
    pub(super) email: Cow<'a, str>,
}

impl<'a> Leaver<'a> {
    pub(super) fn of(row: &'a Row, note: &'a str) -> Self {
        let mut parts = note.split('\t');
        let times = parts.next().and_then(|times| times.parse().ok()).unwrap_or_default();
        match (parts.next(), parts.next()) {
            (Some(id), Some(email)) => Self { times, id, email: email.into() },
            (Some(id), None) => Self { times, id, email: "".into() },
            // Addresses are sent in lower case.
            _ if row.contact_id.contains('@') => Self { times, id: "", email: row.contact_id.to_lowercase().into() },
            _ => Self { times, id: &row.contact_id, email: "".into() },
        }
    }

    pub(super) fn note(&self) -> String {
        match self.email.as_ref() {
            "" => format!("{}\t{}", self.times, self.id),
            email => format!("{}\t{}\t{email}", self.times, self.id),
        }
    }
}
