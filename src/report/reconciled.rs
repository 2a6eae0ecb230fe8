//! What an account holds of a segment, beside what the state says.

use serde::{Deserialize, Serialize};

use crate::plan::is_zero;

/// One segment, compared with the account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    /// Its name.
    pub segment: String,
    /// Its members by the state.
    pub members: u64,
    /// Who has its mark in the account.
    pub there: u64,
    /// Members whose contact is there, without the mark.
    pub missing: u64,
    /// Members whose contact is gone.
    pub deleted: u64,
    /// Members whose contact is archived: they stay members, as sending them anew would make another contact.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub archived: u64,
    /// People with the mark who are not in the state.
    pub extra: u64,
    /// Those of them whom this program may have added without an answer, and whom nothing names since.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unnamed: u64,
    /// Whether the others are left alone.
    pub keeps_others: bool,
    /// People of these who opted out in the account.
    pub opted_out: u64,
    /// Of these, people whose mail bounces.
    pub bounced: u64,
    /// People with the mark who have no readable address, and are not compared.
    pub without_address: u64,
}

impl Reconciled {
    /// How many differences there are. People added by others do not count where they are left alone.
    pub fn differences(&self) -> u64 {
        self.missing + self.deleted + if self.keeps_others { self.unnamed } else { self.extra }
    }

    /// The counts with their names. Not every account has archived people.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let archived = (self.archived > 0).then_some(("archived", self.archived));
        let first = [("members", self.members), ("there", self.there), ("missing", self.missing)];
        let last = [
            ("extra", self.extra),
            ("opted out", self.opted_out),
            ("bounced", self.bounced),
            ("without address", self.without_address),
        ];
        first.into_iter().chain([("deleted", self.deleted)]).chain(archived).chain(last).collect()
    }
}
