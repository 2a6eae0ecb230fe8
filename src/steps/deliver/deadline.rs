//! How much of its time a deliver call has left, and what it may still do.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::delivery::pace::{after, between};

/// Left of the time limit for the last checkpoint and the answer: this, or the time of this many of the slowest checkpoints
/// so far. One may be under way, the last one and the count of attempts follow, and each may be slower than those before.
const RESERVE: Duration = Duration::from_millis(1500);
const RESERVE_CHECKPOINTS: u32 = 4;

/// What a deliver call may still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeLeft {
    /// Send requests.
    Sending,
    /// Wait for the responses to what was sent.
    Draining,
    /// Save, and end.
    Expired,
}

/// The time limit of a deliver call, and what is known of how long things take.
#[derive(Debug)]
pub(super) struct Deadline {
    until: Option<Timestamp>,
    slowest_response: Duration,
    slowest_save: Duration,
}

impl Deadline {
    pub(super) fn new(until: Option<Timestamp>) -> Self {
        Self { until, slowest_response: Duration::from_millis(500), slowest_save: Duration::ZERO }
    }

    /// A response took this long.
    pub(super) fn responded(&mut self, sent: Timestamp, at: Timestamp) {
        self.slowest_response = self.slowest_response.max(between(sent, at));
    }

    /// A checkpoint took this long.
    pub(super) fn saved(&mut self, began: Timestamp, at: Timestamp) {
        self.slowest_save = self.slowest_save.max(between(began, at));
    }

    /// When no response can be waited for any longer.
    pub(super) fn expires(&self) -> Timestamp {
        let Some(until) = self.until else { return Timestamp::MAX };
        let reserve = RESERVE.max(self.slowest_save * RESERVE_CHECKPOINTS);
        until.checked_sub(SignedDuration::try_from(reserve).unwrap_or_default()).unwrap_or(until)
    }

    /// What may still be done: requests are sent while their responses can still come.
    pub(super) fn time_left(&self, now: Timestamp) -> TimeLeft {
        let expires = self.expires();
        if now >= expires {
            TimeLeft::Expired
        } else if after(now, self.slowest_response) >= expires {
            TimeLeft::Draining
        } else {
            TimeLeft::Sending
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sending_ends_before_the_answers_do_and_both_before_the_limit() {
        let at = |seconds: i64| Timestamp::from_second(1_764_000_000 + seconds).unwrap();
        let mut deadline = Deadline::new(Some(at(60)));
        assert_eq!(deadline.time_left(at(57)), TimeLeft::Sending);
        deadline.responded(at(0), at(10));
        assert_eq!(deadline.time_left(at(47)), TimeLeft::Sending);
        assert_eq!(deadline.time_left(at(49)), TimeLeft::Draining);
        deadline.saved(at(0), at(5));
        assert_eq!(deadline.time_left(at(29)), TimeLeft::Sending, "four checkpoints of 5 s, and 10 s for a response");
        assert_eq!(deadline.time_left(at(31)), TimeLeft::Draining);
        assert_eq!(deadline.time_left(at(40)), TimeLeft::Expired);
        assert_eq!(Deadline::new(None).time_left(at(1_000_000)), TimeLeft::Sending);
    }
}
