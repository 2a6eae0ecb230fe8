//! A request that is retried, and the batch that is split for it.
//!
//! A row can make the server fail for as long as it is in a batch, and so hold back all the others. Such a batch is split.
//! But a server that fails for everybody fails for the parts as well, and has more to do with them. So a batch is split
//! only where something was confirmed since it was made: the server works, but not for this batch. Where nothing was, one
//! batch of the lane is cut to find out, into a half, a quarter and so on down to one row: a few more requests in an
//! outage, and else one of the parts is most likely without such a row, and is confirmed.

use std::time::Duration;

use jiff::Timestamp;

use super::Lane;
use crate::delivery::backoff;
use crate::delivery::pace::after;
use crate::destination::{Request, RowId};

/// After so many responses that said nothing a batch is split: a server that fails now and then has answered by then.
const SPLIT_AFTER: u32 = 4;
/// After this part of the patience a batch is split whatever its responses were: few slow ones fit into it.
const SPLIT_WITHIN: u32 = 3;

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

impl Lane {
    /// Sends a request again at a later time.
    pub(super) fn retry(&mut self, request: Request, attempts: Attempts, at: Timestamp) {
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        self.delayed.push((at, request, attempts));
    }

    /// Sends a request again whose response said nothing; a batch in parts, where that may help.
    pub(super) fn failed(&mut self, request: Request, attempts: Attempts, now: Timestamp) {
        let mut attempts = Attempts { all: attempts.all + 1, failed: attempts.failed + 1, ..attempts };
        // A longer wait leaves no time for another attempt.
        let mut longest = self.patience / 2;
        let parts = self.parts(request.rows, attempts, now);
        if parts.len() > 1 {
            // Parts go on backing off, but are sent while there is patience left for their responses; and what is wrong
            // is found out without as many attempts at each of them.
            longest = Duration::try_from(self.patience_ends().duration_since(now)).unwrap_or_default() / 2;
            attempts = Attempts { failed: attempts.failed.max(SPLIT_AFTER), since: self.confirmed, ..attempts };
        }
        for rows in parts {
            let wait = backoff::wait(attempts.all, self.random.f64()).min(longest);
            self.retry(Request { step: request.step, rows }, attempts, after(now, wait));
        }
    }

    fn parts(&mut self, mut rows: Vec<RowId>, attempts: Attempts, now: Timestamp) -> Vec<Vec<RowId>> {
        let is_due = attempts.failed >= SPLIT_AFTER || self.runs_out(now);
        let works = self.confirmed > attempts.since;
        let mut parts = Vec::new();
        if is_due && (works || !self.split_blindly) && rows.len() > 1 {
            parts.push(rows.split_off(rows.len() / 2));
            while !works && rows.len() > 1 {
                parts.push(rows.split_off(rows.len() / 2));
            }
            self.split_blindly |= !works;
        }
        parts.push(rows);
        parts
    }

    /// Whether all that is to be retried has failed for long, or patience runs out: nothing waits for it any more.
    pub(super) fn waits_in_vain(&self, now: Timestamp) -> bool {
        self.runs_out(now) || self.delayed.iter().all(|(.., attempts)| attempts.failed >= SPLIT_AFTER)
    }

    fn runs_out(&self, now: Timestamp) -> bool {
        now >= after(self.confirmed_at, self.patience / SPLIT_WITHIN)
    }
}
