//! How many requests a run made, by kind.

use serde::{Deserialize, Serialize};

/// What a request counts as in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestKind {
    /// Many contacts at once.
    Bulk,
    /// One contact.
    Single,
    /// A list or tag, or its members.
    List,
    /// Account and fields.
    Other,
}

/// How many requests were made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// All.
    pub total: u64,
    /// For many contacts at once.
    pub bulk: u64,
    /// For one contact.
    pub single: u64,
    /// For lists and their members.
    pub list: u64,
    /// Sent once more, after a failure or a rate limit.
    pub retried: u64,
    /// Rate limited.
    pub throttled: u64,
    /// The most requests that left in one second of the clock.
    pub peak_per_second: f64,
}

impl Usage {
    /// Counts one request.
    pub fn count(&mut self, kind: RequestKind) {
        self.total += 1;
        match kind {
            RequestKind::Bulk => self.bulk += 1,
            RequestKind::Single => self.single += 1,
            RequestKind::List => self.list += 1,
            RequestKind::Other => {}
        }
    }

    /// Adds the counts of another part of the run; the peak is not a sum and stays.
    pub fn add(&mut self, other: &Self) {
        self.total += other.total;
        self.bulk += other.bulk;
        self.single += other.single;
        self.list += other.list;
        self.retried += other.retried;
        self.throttled += other.throttled;
    }
}
