//! What is counted of a segment while its plan is made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::contact::RejectCode;

/// What was counted of one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows read.
    pub read: u64,
    /// New to the export.
    pub joiners: u64,
    /// With other mapped fields.
    pub changed: u64,
    /// With another address of a contact that the export has: it is the same person's by the customer id.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub address_changed: u64,
    /// As they were.
    pub unchanged: u64,
    /// Gone from the drop or suppressed, to be taken off.
    pub leavers: u64,
    /// Gone from the drop, but kept because rows could not be read, or the run removes nobody.
    pub leavers_withheld: u64,
    /// Not to be sent, by column or list.
    pub suppressed: u64,
    /// Of the suppressed, those without a required consent.
    #[serde(default)]
    pub no_consent: u64,
    /// Opt-outs of rows that are not sent themselves.
    #[serde(default)]
    pub opt_outs: u64,
    /// Members whose opt-out, suppression or consent cannot be read.
    #[serde(default)]
    pub unreadable_opt_outs: u64,
    /// Newcomers whose suppression or consent cannot be read.
    #[serde(default)]
    pub unreadable_consent: Unreadable,
    /// Of joiners and changed, those that a limited run does not send.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub held_back: u64,
    /// Members before the run.
    pub members: u64,
    /// Rejected rows by reason.
    pub rejects: BTreeMap<RejectCode, u64>,
    /// Of rows that were sent again: what was left out.
    #[serde(default)]
    pub left_out: LeftOut,
}

/// Whether a count is left out of what is stored or printed.
pub fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Rows with a cell that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// How many.
    pub rows: u64,
    pub first_line: u64,
}

impl Unreadable {
    /// Counts a row.
    pub fn count(&mut self, line: u64) {
        self.add(&Self { rows: 1, first_line: line });
    }

    fn add(&mut self, other: &Self) {
        if self.rows == 0 {
            self.first_line = other.first_line;
        }
        self.rows += other.rows;
    }
}

/// Rejected rows that are not sent again; they do not count as read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Their address is still that of another row of their drop.
    pub duplicates: u64,
    /// A newer drop has held the person since.
    pub in_newer_drop: u64,
}

impl LeftOut {
    /// Whether all rows are sent again.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Counts {
    /// Rows without a readable identity: their people may seem to be missing.
    pub fn unreadable_rows(&self) -> u64 {
        let codes = [RejectCode::MalformedRow, RejectCode::MissingEmail, RejectCode::InvalidEmail];
        codes.iter().filter_map(|code| self.rejects.get(code)).sum()
    }

    /// All that a run has something to do for, the rows that it holds back among them.
    pub fn to_do(&self) -> u64 {
        self.joiners + self.changed + self.address_changed + self.leavers + self.opt_outs
    }

    /// All rejected rows.
    pub fn rejected(&self) -> u64 {
        self.rejects.values().sum()
    }

    /// Adds another segment's counts.
    pub fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.joiners += other.joiners;
        self.changed += other.changed;
        self.address_changed += other.address_changed;
        self.unchanged += other.unchanged;
        self.leavers += other.leavers;
        self.leavers_withheld += other.leavers_withheld;
        self.suppressed += other.suppressed;
        self.no_consent += other.no_consent;
        self.opt_outs += other.opt_outs;
        self.unreadable_opt_outs += other.unreadable_opt_outs;
        self.unreadable_consent.add(&other.unreadable_consent);
        self.held_back += other.held_back;
        self.members += other.members;
        self.left_out.duplicates += other.left_out.duplicates;
        self.left_out.in_newer_drop += other.left_out.in_newer_drop;
        for (code, count) in &other.rejects {
            *self.rejects.entry(*code).or_default() += count;
        }
    }
}
