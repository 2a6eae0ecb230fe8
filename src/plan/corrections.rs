//! Rejected rows that somebody has corrected: as long as the drops still hold the row, what was sent in its place stays.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::fingerprint::RowDigest;
use crate::state::{ProfileKey, hex, unhex};

/// One corrected row, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// The digest of the row that was rejected, in hexadecimal digits.
    pub row: String,
    /// The key of the profile that was sent in its place.
    pub profile: String,
    /// Whether it was sent with an opt-out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opted_out: bool,
    /// Keyed digests of what may stand for its address in a suppression file.
    #[serde(default)]
    pub listed: Vec<String>,
}

impl Correction {
    /// The correction of a row by this profile, of whose address these are the keyed digests.
    pub fn new(row: &RowDigest, profile: &ProfileKey, opted_out: bool, listed: &[[u8; 16]]) -> Self {
        let listed = listed.iter().map(|digest| hex(digest)).collect();
        Self { row: hex(row), profile: hex(profile), opted_out, listed }
    }
}

/// What stands in the place of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Corrected {
    pub(super) profile: ProfileKey,
    pub(super) opted_out: bool,
    is_seen: bool,
}

/// The corrections of a segment while its rows are read.
#[derive(Debug, Default)]
pub struct Corrections {
    known: HashMap<RowDigest, Corrected>,
    stored: Vec<Correction>,
}

impl Corrections {
    /// Those that hold before the run: nobody of them may be on the suppression file, which has these keyed digests.
    pub fn new(corrections: &[Correction], listed: &HashSet<[u8; 16]>) -> Self {
        let is_listed = |correction: &&Correction| {
            correction.listed.iter().filter_map(|digest| unhex(digest)).any(|digest| listed.contains(&digest))
        };
        let stored: Vec<Correction> = corrections.iter().filter(|correction| !is_listed(correction)).cloned().collect();
        let read = |Correction { row, profile, opted_out, .. }: &Correction| {
            Some((unhex(row)?, Corrected { profile: unhex(profile)?, opted_out: *opted_out, is_seen: false }))
        };
        Self { known: stored.iter().filter_map(read).collect(), stored }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub(super) fn of(&self, row: &RowDigest) -> Option<Corrected> {
        self.known.get(row).copied()
    }

    pub(super) fn see(&mut self, row: &RowDigest) {
        if let Some(corrected) = self.known.get_mut(row) {
            corrected.is_seen = true;
        }
    }

    /// Those whose row was read again: a correction ends with the first drop without its row.
    pub fn lasting(&self) -> Vec<Correction> {
        let is_seen = |correction: &&Correction| {
            unhex(&correction.row).and_then(|row| self.of(&row)).is_some_and(|corrected| corrected.is_seen)
        };
        let mut lasting: Vec<Correction> = self.stored.iter().filter(is_seen).cloned().collect();
        lasting.sort_by(|one, other| one.row.cmp(&other.row));
        lasting
    }
}

/// A correction that a run makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewCorrection {
    /// What it is.
    pub correction: Correction,
    /// Whether it holds only once the row is confirmed.
    pub is_sent: bool,
}
