//! What a run changes of profiles, in order of their keys: all at once, or of a large run in slices.

use crate::chunk::Operation;
use crate::plan::history::Act;
use crate::state::{FieldsDigest, MatchId, ProfileKey};

/// Rows whose changes are held all at once, at 112 bytes each; those of more are read in slices.
const AT_ONCE_ROWS: u64 = 50_000;
/// The most slices: each reads all results once. A run of 1,000,000 rows needs 59 MB of its own with six, and 85 MB with three;
/// it takes as long.
const MOST_SLICES: u64 = 6;

/// What the run changed of one profile in one segment.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) key: ProfileKey,
    /// The segment's number in the export.
    pub(super) segment: usize,
    /// What the row was to do.
    pub(super) act: Act,
    pub(super) what: ChangeKind,
}

/// What a row came to.
#[derive(Debug)]
pub(super) enum ChangeKind {
    /// The contact holds these fields and is a member.
    Delivered { digest: FieldsDigest, match_id: Option<Box<MatchId>>, contact_id: Box<str> },
    /// Its contact is that of an earlier address, which this is the new one of.
    TakesOver,
    /// Its contact may be that of an earlier address.
    MayTakeOver,
    /// Its contact goes on under another address.
    GoesOn,
    /// It may, or may not.
    MayGoOn,
    /// Another contact has its new address: it is off the marks.
    Apart,
    /// The same, and it is remembered, as nobody is to be sent under the new address.
    Withdrawn,
    /// The contact that the state knows is gone, so what the state says of it is void.
    Anew,
    /// It is not certain that it is a member, though it was taken for one.
    Doubted,
    /// It is no longer a member.
    Left,
    /// Its row was refused, and its opt-out arrived by itself.
    OptedOut,
    /// Its row was refused.
    Refused,
    /// Its row was kept from being sent since the plan was made, or the destination sends this person nothing.
    Suppressed,
    /// Its contact has this id.
    Found { contact_id: Box<str> },
    /// The row may have been sent. The email is empty for a leaver: it is not known, nor needed.
    Unconfirmed { operation: Operation, digest: FieldsDigest, email: Box<str> },
}

impl ChangeKind {
    /// Its place among the changes of one profile.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::TakesOver | Self::MayTakeOver => 0,
            Self::Anew => 1,
            Self::Doubted | Self::Found { .. } => 3,
            _ => 2,
        }
    }
}

/// How many slices this many rows are read in.
pub(super) fn slices(rows: u64) -> usize {
    rows.div_ceil(AT_ONCE_ROWS).clamp(1, MOST_SLICES) as usize
}

/// The slice that a key, or half of one, is in; slices are in order of their keys.
pub(super) fn slice_of(key: &[u8], slices: usize) -> usize {
    let first = key.first_chunk().copied().unwrap_or_default();
    (usize::from(u16::from_be_bytes(first)) * slices) >> 16
}
