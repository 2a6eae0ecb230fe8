//! The pace: slots counted on the clock, dealt to lanes, so that lanes keep the account's rate without talking.
//!
//! Slot n begins at n intervals after the epoch and belongs to lane n mod lanes. A request leaves at the start of its
//! slot, or at most `LATENESS` later; a slot that was missed by more is left empty. A second therefore never holds
//! more requests than the rate: rate + 1 of them span `rate` intervals, `1 + MARGIN` seconds, less the lateness of the
//! first, which is smaller than the margin.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How much longer than the rate asks the interval is: arrivals jitter on their way.
/// Source: measured against a server that counts a sliding second, at 20 requests a second: 19.8 a second was clean,
/// 19.9 was not; 19.65 leaves room for a busy machine.
const MARGIN: f64 = 0.018;
/// How late into its slot a request may still leave; less than the margin of a second's worth of slots.
const LATENESS: Duration = Duration::from_millis(9);

/// The time from one slot to the next, for all lanes together. A rate of 2.5 is kept as 2 in every second, since no
/// window may hold more; a rate below 1 is one request in 1 / rate seconds.
pub fn interval(requests_per_second: f64) -> Duration {
    let whole = if requests_per_second >= 1.0 { requests_per_second.floor() } else { requests_per_second };
    Duration::try_from_secs_f64((1.0 + MARGIN) / whole).unwrap_or(Duration::from_secs(3600))
}

/// One lane's slots.
#[derive(Clone, Debug)]
pub struct Pace {
    interval_ns: i128,
    lanes: i128,
    lane: i128,
    /// The first slot that may still be used.
    from: i128,
}

impl Pace {
    /// The slots of `lane` (from 0) of `lanes`, for a lane that begins at `now`. The first one is at least an interval
    /// away, so that whoever spoke before this lane, at whatever rate, is out of its way.
    pub fn new(requests_per_second: f64, lanes: u32, lane: u32, now: Timestamp) -> Self {
        let interval_ns = i128::try_from(interval(requests_per_second).as_nanos()).unwrap_or(i128::MAX).max(1);
        let first = now.as_nanosecond().div_euclid(interval_ns) + 2;
        Self { interval_ns, lanes: i128::from(lanes.max(1)), lane: i128::from(lane), from: first }
    }

    fn slot(&self, now: Timestamp) -> i128 {
        let late = i128::try_from(LATENESS.as_nanos()).unwrap_or(0);
        let earliest = (now.as_nanosecond() - late).div_euclid(self.interval_ns) + 1;
        let from = self.from.max(earliest);
        from + (self.lane - from).rem_euclid(self.lanes)
    }

    /// When the next request may leave: now or later.
    pub fn next(&self, now: Timestamp) -> Timestamp {
        let at = self.slot(now).saturating_mul(self.interval_ns);
        Timestamp::from_nanosecond(at).unwrap_or(Timestamp::MAX).max(now)
    }

    /// Says that a request leaves now, in the slot that [`Pace::next`] named.
    pub fn take(&mut self, now: Timestamp) {
        self.from = self.slot(now) + 1;
    }
}

/// How many requests left in each second of the clock; what the report's peak comes from.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Seconds(std::collections::BTreeMap<i64, u32>);

impl Seconds {
    /// Counts a request that leaves at `now`.
    pub fn count(&mut self, now: Timestamp) {
        *self.0.entry(now.as_second()).or_default() += 1;
    }

    /// Adds another lane's counts.
    pub fn add(&mut self, other: &Self) {
        for (second, count) in &other.0 {
            *self.0.entry(*second).or_default() += count;
        }
    }

    /// The most in one second.
    pub fn peak(&self) -> f64 {
        f64::from(self.0.values().copied().max().unwrap_or(0))
    }
}

/// `at` and a wait after it.
pub fn after(at: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    at.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sends as fast as it may, waking up late by what `late_ms` says, and gives the times of sending.
    fn sent(rate: f64, lanes: u32, lane: u32, late_ms: &[u64], count: usize) -> Vec<i128> {
        let mut now = Timestamp::from_millisecond(1_764_000_000_123).unwrap();
        let mut pace = Pace::new(rate, lanes, lane, now);
        let mut late = late_ms.iter().cycle();
        let mut times = Vec::new();
        while times.len() < count {
            let at = pace.next(now);
            if at > now {
                now = after(at, Duration::from_millis(*late.next().unwrap()));
                if pace.next(now) > now {
                    continue;
                }
            }
            pace.take(now);
            times.push(now.as_nanosecond());
        }
        times
    }

    /// The most in any half-open second.
    fn peak(mut times: Vec<i128>) -> usize {
        times.sort_unstable();
        let within = |from: i128| times.iter().filter(|t| (from..from + 1_000_000_000).contains(*t)).count();
        times.iter().map(|t| within(*t)).max().unwrap()
    }

    proptest! {
        // Promise 6: "No one-second window holds more requests sent than the connection's rate, over all lanes."
        #[test]
        fn no_second_holds_more_than_the_rate(
            rate in 1u32..60, lanes in 1u32..12, mut late in proptest::collection::vec(0u64..40, 1..30)
        ) {
            // A machine that is late every single time would never send.
            late.push(0);
            let all = (0..lanes).flat_map(|lane| sent(f64::from(rate), lanes, lane, &late, 40)).collect();
            prop_assert!(peak(all) <= rate as usize);
        }
    }

    #[test]
    fn a_rate_between_two_whole_numbers_is_kept_in_every_second() {
        assert_eq!(peak(sent(2.5, 1, 0, &[0], 30)), 2);
        assert_eq!(peak(sent(0.25, 1, 0, &[0], 5)), 1);
        assert!(interval(0.25) > Duration::from_secs(4));
    }

    #[test]
    fn punctual_lanes_use_every_slot() {
        let mut all: Vec<_> = (0..4).flat_map(|lane| sent(20.0, 4, lane, &[0, 1, 2], 50)).collect();
        all.sort_unstable();
        let span = (all.last().unwrap() - all.first().unwrap()) as f64 / 1e9;
        assert!((span - 199.0 * 1.018 / 20.0).abs() < 0.02, "{span}");
    }
}
