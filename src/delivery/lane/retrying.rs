//! What is sent later: what failed, once more; what comes next, after its wait.

use std::time::Duration;

use jiff::Timestamp;

use super::Lane;
use super::attempts::{Attempts, SPLIT_WITHIN, Split};
use super::dialogue::Handled;
use crate::delivery::backoff;
use crate::delivery::pace::after;
use crate::destination::Request;

impl Lane {
    /// Makes more requests for rows, each after its wait.
    pub(super) fn go_on(&mut self, requests: Vec<Request>, now: Timestamp) {
        for request in requests.into_iter().rev() {
            match request.wait.is_zero() {
                true => self.ready.push_front((request, Attempts::default())),
                false => self.delayed.push((after(now, request.wait), request, Attempts::default())),
            }
        }
    }

    /// Sends a request again at a later time, and nothing else before: above the account's rate the whole lane must be
    /// quiet.
    pub(super) fn pause(&mut self, request: Request, attempts: Attempts, until: Timestamp) -> Handled {
        self.pause_until = self.pause_until.max(until);
        self.retry(request, attempts.rate_limited(), until);
        Handled::RateLimited
    }

    /// Sends a request again at a later time.
    pub(super) fn retry(&mut self, request: Request, attempts: Attempts, at: Timestamp) {
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        self.delayed.push((at, request, attempts));
    }

    /// Sends a request again whose response said nothing; a batch in parts, where that may help.
    pub(super) fn failed(&mut self, request: Request, attempts: Attempts, now: Timestamp) {
        let mut attempts = attempts.failed();
        // A longer wait leaves no time for another attempt.
        let mut longest = self.patience / 2;
        let split = if request.rows.len() > 1 { self.split(attempts, now) } else { Split::Whole };
        self.split_blindly |= split == Split::Cut;
        if split != Split::Whole {
            // Parts go on backing off, but are sent while there is patience left for their responses.
            longest = Duration::try_from(self.patience_ends().duration_since(now)).unwrap_or_default() / 2;
            attempts = attempts.of_part(self.confirmed);
        }
        for rows in split.parts(request.rows) {
            let wait = backoff::wait(attempts.all, self.random.f64()).min(longest).max(self.settle);
            let part = Request { rows, note: request.note.clone(), ..Request::new(request.step, Vec::new()) };
            self.retry(part, attempts, after(now, wait));
        }
    }

    pub(super) fn split(&self, attempts: Attempts, now: Timestamp) -> Split {
        let is_due = attempts.are_many() || self.patience_runs_out(now);
        match (is_due, self.confirmed > attempts.since) {
            (true, true) => Split::Halves,
            (true, false) if !self.split_blindly => Split::Cut,
            _ => Split::Whole,
        }
    }

    /// Whether all that is to be retried has failed for long, or patience runs out: nothing waits for it any more.
    pub(super) fn waits_in_vain(&self, now: Timestamp) -> bool {
        self.patience_runs_out(now) || self.delayed.iter().all(|(.., attempts)| attempts.are_many())
    }

    pub(super) fn patience_runs_out(&self, now: Timestamp) -> bool {
        now >= after(self.confirmed_at, self.patience / SPLIT_WITHIN)
    }
}
