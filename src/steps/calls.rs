//! Calls of one step of a run: how many there were, and whether two may be at work.
//!
//! An invocation may be repeated while it still works: the workflow does so when it lost sight of a function. Both hold the
//! run's lease. So each call has a number, and who finds a later number than its own stops without another word; the
//! later one lets it, before it sends.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::delivery::pace::{after, between};
use crate::steps::environment::Environment;

/// How often a call looks whether a later one is at work.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long a call waits for a predecessor that never recorded its end: until that one has looked, and its last requests
/// are over.
const PREDECESSOR_GRACE: Duration = LOOK_EVERY.saturating_add(Duration::from_secs(5));
/// But no more than this part of its own time.
const PREDECESSOR_GRACE_PART: u32 = 4;

/// The calls of a step so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Calls {
    /// How many there were.
    #[serde(rename = "calls")]
    pub(super) number: u32,
    /// Consecutive calls that came no further.
    without_progress: u32,
    /// The last that ended in order.
    #[serde(default)]
    ended: u32,
}

impl Calls {
    /// With the next call.
    pub(super) fn next(self) -> Self {
        Self { number: self.number + 1, ..self }
    }

    /// The same, with everything still to be done.
    pub(super) fn afresh(self) -> Self {
        Self { without_progress: 0, ..self }
    }

    /// Whether the call before may still be at work: it never said that it ended.
    pub(super) fn may_be_beside(&self) -> bool {
        self.ended + 1 < self.number
    }

    /// Waits for a call before that may still be at work.
    pub(super) async fn let_predecessor_end<E: Environment>(&self, env: &E, until: Timestamp) {
        if self.may_be_beside() {
            let now = env.clock().now();
            let grace = PREDECESSOR_GRACE.min(between(now, until) / PREDECESSOR_GRACE_PART);
            env.clock().sleep_until(after(now, grace)).await;
        }
    }

    /// Records that the call has ended in order.
    pub(super) fn end(&mut self, has_progress: bool) {
        self.without_progress = if has_progress { 0 } else { self.without_progress + 1 };
        self.ended = self.number;
    }

    /// Whether two calls in a row came no further.
    pub(super) fn are_in_vain(&self) -> bool {
        self.without_progress >= 2
    }
}
