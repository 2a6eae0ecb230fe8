//! Counts requests and responses.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::limits::forget;

/// What the sandbox was asked and what it answered since it started. Requests outside `/v1` are not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Requests that arrived, including refused and cut ones.
    pub requests: u64,
    /// Requests by method and path pattern, such as `POST /contacts`.
    pub by_route: BTreeMap<&'static str, u64>,
    /// Responses by status. A truncated response counts, a cut one does not.
    pub statuses: BTreeMap<u16, u64>,
    /// Writing requests that were applied, whether or not their response arrived.
    pub writes: u64,
    /// Most requests that arrived within any one second.
    pub peak_per_second: usize,
    /// Most requests that were in flight at the same time.
    pub peak_in_flight: usize,
    /// Responses of 429, by the rate limit or by a fault.
    pub throttled: u64,
    /// Requests without a response: cut or stalled.
    pub unanswered: u64,
    /// Requests that a fault hit.
    pub faulted: u64,
    /// Bans that began.
    pub bans: u64,
    #[serde(skip)]
    last_second: VecDeque<Instant>,
}

impl Counters {
    /// The requests of one method and path pattern, such as `POST /contacts`.
    pub fn of(&self, route: &str) -> u64 {
        self.by_route.get(route).copied().unwrap_or_default()
    }

    /// The responses with one status.
    pub fn answered(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or_default()
    }

    /// A request arrived.
    pub(super) fn arrive(&mut self, route: &'static str, now: Instant) {
        self.requests += 1;
        *self.by_route.entry(route).or_default() += 1;
        forget(&mut self.last_second, now, Duration::from_secs(1));
        self.last_second.push_back(now);
        self.peak_per_second = self.peak_per_second.max(self.last_second.len());
    }

    /// A response leaves; `None` where there is none.
    pub(super) fn respond(&mut self, status: Option<u16>) {
        match status {
            None => self.unanswered += 1,
            Some(status) => *self.statuses.entry(status).or_default() += 1,
        }
        self.throttled += u64::from(status == Some(429));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_the_most_that_arrived_within_a_second() {
        let mut counters = Counters::default();
        let start = Instant::now();
        for ms in [0, 500, 900, 1400, 1499, 3000] {
            counters.arrive("GET /account", start + Duration::from_millis(ms));
        }
        assert_eq!(counters.peak_per_second, 4);
        assert_eq!(counters.of("GET /account"), 6);
    }
}
