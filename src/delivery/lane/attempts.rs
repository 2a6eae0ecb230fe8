//! A call that is made again, and the batch that is split for it.
//!
//! A row can make the server fail for as long as it is in a batch, and so keep all the others. Such a batch is split. But
//! a server that fails for everybody fails for the parts as well, and has more to do with them. So a batch is split only
//! where something was confirmed since it was made: the server works, but not for this batch. Where nothing was, one
//! batch of the lane is cut to find out, into a half, a quarter and so on down to one row: a few requests more in an
//! outage, and else one of the parts is most likely without such a row, and confirmed.

use std::time::Duration;

use jiff::Timestamp;

use super::{At, Lane, Request};
use crate::delivery::backoff;
use crate::delivery::pace::after;

/// After so many answers that said nothing a batch is split: a server that fails now and then has answered by then.
const SPLIT_AFTER: u32 = 4;
/// After this part of the patience a batch is split whatever its answers were: few slow ones fit into it.
const SPLIT_WITHIN: u32 = 3;

/// How often a call was made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attempts {
    /// Its answers so far that said to wait or said nothing; of a half, those of the whole too.
    pub(super) all: u32,
    /// Those of them that said nothing.
    pub(super) unclear: u32,
    /// What the lane had confirmed when it was made.
    pub(super) since: u64,
}

impl Lane {
    /// Makes a call again after a wait.
    pub(super) fn again(&mut self, todo: Request, attempts: Attempts, at: Timestamp) {
        self.troubles = self.troubles.saturating_add(1);
        self.later.push((at, todo, attempts));
    }

    /// Makes a call again whose answer said nothing; a batch in parts, where that may help.
    pub(super) fn unclear(&mut self, todo: Request, attempts: Attempts, now: Timestamp) {
        let mut attempts = Attempts { all: attempts.all + 1, unclear: attempts.unclear + 1, ..attempts };
        // A longer wait leaves no time for another try.
        let mut longest = self.patience / 2;
        let todos = match todo {
            Request::Bulk(rows) => self.parts(rows, attempts, now).into_iter().map(Request::Bulk).collect(),
            todo => vec![todo],
        };
        if todos.len() > 1 {
            // Parts go on backing off, but are sent while there is patience left for their answers; and what is wrong
            // is found out without as many attempts at each of them.
            longest = Duration::try_from(self.ends().duration_since(now)).unwrap_or_default() / 2;
            attempts = Attempts { unclear: attempts.unclear.max(SPLIT_AFTER), since: self.confirmed, ..attempts };
        }
        for todo in todos {
            let wait = backoff::wait(attempts.all, self.random.f64()).min(longest);
            self.again(todo, attempts, after(now, wait));
        }
    }

    fn parts(&mut self, mut rows: Vec<At>, attempts: Attempts, now: Timestamp) -> Vec<Vec<At>> {
        let is_due = attempts.unclear >= SPLIT_AFTER || self.runs_out(now);
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

    /// Whether all that is to be made again has failed for long, or patience runs out: nothing waits for it any more.
    pub(super) fn waits_in_vain(&self, now: Timestamp) -> bool {
        self.runs_out(now) || self.later.iter().all(|(.., attempts)| attempts.unclear >= SPLIT_AFTER)
    }

    fn runs_out(&self, now: Timestamp) -> bool {
        now >= after(self.confirmed_at, self.patience / SPLIT_WITHIN)
    }
}
