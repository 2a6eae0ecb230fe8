//! Who looks on while a run goes.

use std::time::Duration;

/// Who wants to see how a run goes: a bar, plain lines, nobody.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn notify(&self, event: Event<'_>);
}

/// What a run lets be seen as it goes. Counts and names only.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The run waits, this long, for this reason.
    Waits(Duration, &'a str),
    /// A drop is being read: rows so far.
    Reads(u64),
    /// The plan is made: rows (leavers too) that are to be sent.
    Planned(u64),
    /// A request left.
    Request,
    /// A request must be sent again.
    Retries {
        /// Whether the account said that there were too many.
        rate_limited: bool,
    },
    /// This many rows were settled, by an earlier attempt at the run or now.
    Settled(u64),
    /// A warning for people.
    Warns(&'a str),
}
