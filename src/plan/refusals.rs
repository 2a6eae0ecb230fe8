//! Rows that the destination refused, and that are not sent again as they are for a while.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::state::{FieldsDigest, ProfileKey, half, hex, unhex};

/// A refused row, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The key of its profile, in hexadecimal digits.
    pub profile: String,
    /// The digest of the fields that were refused.
    pub fields: String,
    /// When.
    pub at: Timestamp,
}

impl Refusal {
    /// The refusal of a row.
    pub fn new(profile: &ProfileKey, fields: &FieldsDigest, at: Timestamp) -> Self {
        Self { profile: hex(profile), fields: hex(fields), at }
    }

    /// When it no longer counts.
    pub fn ends(&self, lasts: Duration) -> Timestamp {
        self.at.checked_add(lasts).unwrap_or(Timestamp::MAX)
    }
}

/// The refusals of a segment that count while its rows are read.
#[derive(Clone, Debug, Default)]
pub struct Refusals {
    known: HashMap<([u8; 16], FieldsDigest), (Timestamp, Timestamp)>,
    destination: &'static str,
}

impl Refusals {
    /// Those that count at `now`, where a destination's refusals last so long.
    pub fn new(refusals: &[Refusal], destination: &'static str, lasts: Duration, now: Timestamp) -> Self {
        let read = |refusal: &Refusal| {
            let profile: ProfileKey = unhex(&refusal.profile)?;
            let ends = refusal.ends(lasts);
            (ends > now).then_some(((half(&profile), unhex(&refusal.fields)?), (refusal.at, ends)))
        };
        Self { known: refusals.iter().filter_map(read).collect(), destination }
    }

    /// Why a row is not sent, where it is not.
    pub(super) fn reason(&self, profile: &ProfileKey, fields: &FieldsDigest) -> Option<String> {
        let (at, ends) = self.known.get(&(half(profile), *fields))?;
        let (at, ends) = (at.strftime("%F"), ends.strftime("%F"));
        let name = self.destination;
        Some(format!("{name} refused it on {at}; it is sent again once it changes, or by the first run after {ends}"))
    }
}
