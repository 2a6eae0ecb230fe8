//! Rejected rows that somebody has corrected: as long as the drops still hold the row, what was sent in its place stays.

use std::collections::HashMap;

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
}

impl Correction {
    /// The correction of a row by this profile.
    pub fn new(row: &RowDigest, profile: &ProfileKey, opted_out: bool) -> Self {
        Self { row: hex(row), profile: hex(profile), opted_out }
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
pub struct Corrections(HashMap<RowDigest, Corrected>);

impl Corrections {
    /// Those that hold before the run: nobody of them may be suppressed by an address that only the state's keys know.
    pub fn new(corrections: &[Correction], is_suppressed: impl Fn(&ProfileKey) -> bool) -> Self {
        let read = |Correction { row, profile, opted_out }: &Correction| {
            Some((unhex(row)?, Corrected { profile: unhex(profile)?, opted_out: *opted_out, is_seen: false }))
        };
        let known = corrections.iter().filter_map(read);
        Self(known.filter(|(_, corrected)| !is_suppressed(&corrected.profile)).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn of(&self, row: &RowDigest) -> Option<Corrected> {
        self.0.get(row).copied()
    }

    pub(super) fn see(&mut self, row: &RowDigest) {
        if let Some(corrected) = self.0.get_mut(row) {
            corrected.is_seen = true;
        }
    }

    /// Those whose row was read again: a correction ends with the first drop without its row.
    pub fn lasting(&self) -> Vec<Correction> {
        let seen = self.0.iter().filter(|(_, corrected)| corrected.is_seen);
        let mut lasting: Vec<Correction> =
            seen.map(|(row, corrected)| Correction::new(row, &corrected.profile, corrected.opted_out)).collect();
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
