//! Counts requests and answers, and keeps the rate.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;

const SECOND: Duration = Duration::from_secs(1);

/// What the sandbox was asked and what it answered, since it started. Requests outside `/v1` are not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Requests that arrived, the refused and the cut ones among them.
    pub requests: u64,
    /// Requests by method and path pattern, such as `POST /contacts`.
    pub by_route: BTreeMap<&'static str, u64>,
    /// Answers by status. A truncated answer counts, a cut one does not.
    pub statuses: BTreeMap<u16, u64>,
    /// POST and DELETE requests that were applied, whether or not their answer arrived.
    pub writes: u64,
    /// Most requests that arrived within any one second.
    pub peak_per_second: usize,
    /// Answers of 429, by the rate or by a fault.
    pub throttled: u64,
    /// Requests that got no answer: cut or stalled.
    pub unanswered: u64,
    /// Requests that a fault struck.
    pub struck: u64,
}

impl Counters {
    /// The requests of one method and path pattern, such as `POST /contacts`.
    pub fn of(&self, route: &str) -> u64 {
        self.by_route.get(route).copied().unwrap_or_default()
    }

    /// The answers with one status.
    pub fn answered(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or_default()
    }
}

/// Counters, and the arrivals of the last second.
#[derive(Debug, Default)]
pub(super) struct Meter {
    pub(super) counters: Counters,
    arrived: VecDeque<Instant>,
    admitted: VecDeque<Instant>,
}

impl Meter {
    /// A request came in.
    pub(super) fn arrive(&mut self, route: &'static str, now: Instant) {
        self.counters.requests += 1;
        *self.counters.by_route.entry(route).or_default() += 1;
        forget(&mut self.arrived, now, SECOND);
        self.arrived.push_back(now);
        self.counters.peak_per_second = self.counters.peak_per_second.max(self.arrived.len());
    }

    /// Whether the rate has room for a request now; one that is let through takes up room for a second.
    ///
    /// A rate that is no whole number is kept as so many whole requests in a longer or shorter window.
    pub(super) fn admit(&mut self, rate: Option<f64>, now: Instant) -> bool {
        let Some(rate) = rate.filter(|rate| *rate > 0.0) else {
            return true;
        };
        let most = rate.floor().max(1.0);
        forget(&mut self.admitted, now, SECOND.mul_f64((most / rate).min(1e6)));
        if self.admitted.len() as f64 >= most {
            return false;
        }
        self.admitted.push_back(now);
        true
    }

    /// An answer leaves; 0 is none.
    pub(super) fn answer(&mut self, status: u16) {
        match status {
            0 => self.counters.unanswered += 1,
            status => *self.counters.statuses.entry(status).or_default() += 1,
        }
        if status == 429 {
            self.counters.throttled += 1;
        }
    }
}

fn forget(times: &mut VecDeque<Instant>, now: Instant, window: Duration) {
    while times.front().is_some_and(|time| now.saturating_duration_since(*time) >= window) {
        times.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides_and_refused_requests_take_no_room() {
        let mut meter = Meter::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let admitted: Vec<bool> =
            [0, 300, 600, 900, 999, 1000, 1200, 1300].map(|ms| meter.admit(Some(2.0), at(ms))).to_vec();
        assert_eq!(admitted, [true, true, false, false, false, true, false, true]);
        assert!((0..100).all(|_| meter.admit(None, at(2000))));
    }

    #[test]
    fn half_a_request_a_second_is_one_in_two_seconds() {
        let mut meter = Meter::default();
        let start = Instant::now();
        let admitted = [0, 1000, 1999, 2000].map(|ms| meter.admit(Some(0.5), start + Duration::from_millis(ms)));
        assert_eq!(admitted, [true, false, false, true]);
    }

    #[test]
    fn the_peak_is_the_most_that_arrived_within_a_second() {
        let mut meter = Meter::default();
        let start = Instant::now();
        for ms in [0, 500, 900, 1400, 1499, 3000] {
            meter.arrive("GET /account", start + Duration::from_millis(ms));
        }
        assert_eq!(meter.counters.peak_per_second, 4);
        assert_eq!(meter.counters.of("GET /account"), 6);
    }
}
