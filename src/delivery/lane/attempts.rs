//! A request that is retried, and the batch that is split for it.
//!
//! A row can make the server fail for as long as it is in a batch, and so hold back all the others. Such a batch is split.
//! But a server that fails for everybody fails for the parts as well, and has more to do with them. So a batch is split
//! only where something was confirmed since it was made: the server works, but not for this batch. Where nothing was, one
//! batch of the lane is cut to find out, into a half, a quarter and so on down to one row: a few more requests in an
//! outage, and else one of the parts is most likely without such a row, and is confirmed.

use crate::destination::RowId;

/// After this many responses without an answer a batch is split: a server that fails now and then has answered by then.
const SPLIT_AFTER: u32 = 4;
/// After this part of the patience a batch is split whatever its responses were: few slow ones fit into it.
pub(super) const SPLIT_WITHIN: u32 = 3;

/// How often a request was made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attempts {
    /// Its responses so far that said to wait or said nothing; of a half, those of the whole too.
    pub(super) all: u32,
    /// Those of them that said nothing.
    pub(super) failed: u32,
    /// What the lane had confirmed when it was made.
    pub(super) since: u64,
}

impl Attempts {
    /// After one more response that said to wait.
    pub(super) fn rate_limited(self) -> Self {
        Self { all: self.all + 1, ..self }
    }

    /// After one more response that said nothing.
    pub(super) fn failed(self) -> Self {
        Self { all: self.all + 1, failed: self.failed + 1, ..self }
    }

    /// For a part of a batch that was split when `confirmed` responses were confirmed: what is wrong is found out without as
    /// many attempts at each part.
    pub(super) fn of_part(self, confirmed: u64) -> Self {
        Self { failed: self.failed.max(SPLIT_AFTER), since: confirmed, ..self }
    }

    /// Whether a request has failed for long.
    pub(super) fn are_many(self) -> bool {
        self.failed >= SPLIT_AFTER
    }
}

/// Whether a batch is split now, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Split {
    /// Not at all.
    Whole,
    Halves,
    /// Into a half, a quarter and so on.
    Cut,
}

impl Split {
    /// The parts of a batch.
    pub(super) fn parts(self, mut rows: Vec<RowId>) -> Vec<Vec<RowId>> {
        let mut parts = Vec::new();
        if self != Self::Whole && rows.len() > 1 {
            parts.push(rows.split_off(rows.len() / 2));
        }
        while self == Self::Cut && rows.len() > 1 {
            parts.push(rows.split_off(rows.len() / 2));
        }
        parts.push(rows);
        parts
    }
}
