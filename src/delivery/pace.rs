//! The pace: when a request may leave.
//!
//! The account's rate is divided among the lanes in whole requests a second: each lane has its share, and never sends more
//! than that in any one [`window`], by its own clock. The shares add up to the rate, so no second holds more requests
//! than the rate, whatever the lanes' clocks and however late they wake up; a lane that was held up catches up within
//! its share. A lane's slots are spread evenly over the first half of its window: so they do not leave all at once, and
//! the last of a run need not wait for the whole of a window.
//!
//! A server counts arrivals, not departures, and a request may be held up on its way: by this machine, by the network,
//! by the server before it looks. The response shows it, by coming later than responses do; then the request counts from
//! when it must have arrived. What that buys: with requests held up for up to 40 ms at random, 20 of 20 arrive in any
//! second; without it 22 do, and two of them are rate limited.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::destination::RequestKind;

/// How much longer than a second the window is: arrivals jitter on their way to the server.
/// Source: measured against a server that counts a sliding second, at 20 requests a second: 19.8 a second was clean,
/// 19.9 was not.
const MARGIN: f64 = 0.01;
/// The same towards an account that must be spared: on a busy machine arrivals jitter by more than the margin.
const WIDE_MARGIN: f64 = 0.02;

/// What the window's margin covers of a request's way; only what is beyond counts, or small delays would add up.
const COVERED: SignedDuration = SignedDuration::from_millis(4);
const WIDELY_COVERED: SignedDuration = SignedDuration::from_millis(12);
/// An answer that is later than this tells of a server that takes its time, not of a request that was held up.
const HELD_UP_MOST: SignedDuration = SignedDuration::from_millis(40);
/// How many answers tell how quick they are: few enough to follow a server that grows slower.
const ANSWERS: usize = 32;

/// A lane's slots lie in the first of this many parts of the window.
const WINDOW_PARTS: u32 = 2;

/// Whole requests that one window may hold: 2.5 a second are kept as 2 in every second, below 1 it is one request.
fn whole(requests_per_second: f64) -> u32 {
    // Saturates; no account is that fast.
    requests_per_second.floor().max(1.0) as u32
}

/// The time in which no more requests leave than the rate (of all lanes) or a share (of one).
pub fn window(requests_per_second: f64) -> Duration {
    window_with(MARGIN, requests_per_second)
}

fn window_with(margin: f64, requests_per_second: f64) -> Duration {
    let seconds = (1.0 + margin) / requests_per_second.min(1.0);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(86_400))
}

/// The time of one slot, on average, for all lanes together.
pub fn interval(requests_per_second: f64) -> Duration {
    window(requests_per_second) / whole(requests_per_second)
}

/// When a lane's first slot is, after the first lane's: its slots lie between the others'.
pub fn offset(requests_per_second: f64, lane: u32) -> Duration {
    interval(requests_per_second) * lane / WINDOW_PARTS
}

/// The lanes' shares of the rate, at most `lanes` of them: whole numbers that add up to the rate.
pub fn shares(requests_per_second: f64, lanes: u32) -> Vec<u32> {
    let rate = whole(requests_per_second);
    let lanes = lanes.clamp(1, rate);
    (0..lanes).map(|lane| rate / lanes + u32::from(lane < rate % lanes)).collect()
}

/// Which of the requests sent before the lanes began counts to which lane: assigned in turn, so that no lane gets
/// more than its share of any window, and few of them hold up none.
pub fn history(sent: &[Timestamp], shares: &[u32], lane: usize) -> Vec<Timestamp> {
    let most = shares.iter().copied().max().unwrap_or_default();
    let turn = |turn: u32| (0..shares.len()).filter(move |lane| shares.get(*lane).is_some_and(|share| *share > turn));
    if most == 0 {
        return Vec::new();
    }
    let places = (0..most).cycle().flat_map(turn);
    sent.iter().zip(places).filter(|(_, place)| *place == lane).map(|(at, _)| *at).collect()
}

/// What was asked, and how long the answer took.
type Took = (RequestKind, SignedDuration);

/// One lane's slots.
#[derive(Clone, Debug)]
pub struct Pace {
    window: SignedDuration,
    spacing: SignedDuration,
    is_wide: bool,
    share: usize,
    /// The last requests, as many as the share: when each left, and what its answer took.
    sent: VecDeque<(Timestamp, Option<Took>)>,
    /// What the last answers took.
    took: VecDeque<Took>,
    /// When the next request would leave if none had been late.
    ideal: Timestamp,
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// A time and a wait after it.
fn plus(at: Timestamp, wait: SignedDuration) -> Timestamp {
    at.checked_add(wait).unwrap_or(Timestamp::MAX)
}

impl Pace {
    /// The slots of a lane with this share, whose first slot is not before `from`. `sent` are requests that count to
    /// the lane already, in order of time; one after `from` was sent by another process's clock, and counts from `from`.
    pub fn new(requests_per_second: f64, share: u32, sent: &[Timestamp], from: Timestamp) -> Self {
        let window = window(requests_per_second);
        let share = share.max(1);
        let mut pace = Self {
            window: signed(window),
            spacing: signed(window / share / WINDOW_PARTS),
            is_wide: false,
            share: share as usize,
            sent: VecDeque::new(),
            took: VecDeque::new(),
            ideal: from,
        };
        sent.iter().for_each(|at| pace.remember((*at).min(from)));
        pace
    }

    /// The same with a wide margin.
    pub fn wide(self, requests_per_second: f64) -> Self {
        let window = window_with(WIDE_MARGIN, requests_per_second);
        let share = u32::try_from(self.share).unwrap_or(u32::MAX);
        Self { window: signed(window), spacing: signed(window / share / WINDOW_PARTS), is_wide: true, ..self }
    }

    /// All of the rate, for a lone caller with few requests: they leave together.
    pub fn alone(requests_per_second: f64, from: Timestamp) -> Self {
        let spacing = SignedDuration::ZERO;
        Self { spacing, ..Self::new(requests_per_second, whole(requests_per_second), &[], from) }
    }

    /// The same at a lower rate: what was sent counts on.
    pub fn slowed(&self, requests_per_second: f64, share: u32) -> Self {
        let sent: Vec<Timestamp> = self.sent.iter().map(|(at, _)| *at).collect();
        let from = sent.last().copied().unwrap_or(self.ideal).max(self.ideal);
        let pace = Self { took: self.took.clone(), ..Self::new(requests_per_second, share, &sent, from) };
        if self.is_wide { pace.wide(requests_per_second) } else { pace }
    }

    /// How many requests a window holds.
    pub fn share(&self) -> usize {
        self.share
    }

    fn remember(&mut self, at: Timestamp) {
        if self.sent.len() == self.share {
            self.sent.pop_front();
        }
        self.sent.push_back((at, None));
    }

    /// When the next request may leave: now or later.
    pub fn next(&self, now: Timestamp) -> Timestamp {
        let full = self.sent.front().filter(|_| self.sent.len() == self.share);
        let free = full.map_or(Timestamp::MIN, |(left, took)| plus(plus(*left, self.held_up(*took)), self.window));
        self.ideal.max(free).max(now)
    }

    /// Says that a request leaves now.
    pub fn take(&mut self, now: Timestamp) {
        self.remember(now);
        let behind = now.checked_sub(self.window).unwrap_or(Timestamp::MIN);
        self.ideal = plus(self.ideal.max(behind), self.spacing);
    }

    /// Says that the request that left at `sent` was answered at `at`.
    pub fn answered(&mut self, counted: RequestKind, sent: Timestamp, at: Timestamp) {
        if self.took.len() == ANSWERS {
            self.took.pop_front();
        }
        let took = (counted, at.duration_since(sent));
        self.took.push_back(took);
        if let Some((_, answered)) = self.sent.iter_mut().find(|(left, took)| *left == sent && took.is_none()) {
            *answered = Some(took);
        }
    }

    /// How long a request was on its way, by its answer.
    fn held_up(&self, took: Option<Took>) -> SignedDuration {
        let Some((counted, took)) = took else { return SignedDuration::ZERO };
        let alike = self.took.iter().filter(|(other, _)| *other == counted).map(|(_, took)| *took);
        let held_up = took.saturating_sub(alike.min().unwrap_or(took));
        let counts = held_up <= HELD_UP_MOST;
        let covered = if self.is_wide { WIDELY_COVERED } else { COVERED };
        if counts { held_up.saturating_sub(covered).max(SignedDuration::ZERO) } else { SignedDuration::ZERO }
    }
}

/// How many requests left in each second of the clock; what the report's peak comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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

    /// The first and the last second.
    pub fn span(&self) -> Option<(i64, i64)> {
        Some((*self.0.first_key_value()?.0, *self.0.last_key_value()?.0))
    }

    /// Each second that has requests, with how many.
    pub fn iter(&self) -> impl Iterator<Item = (i64, u32)> {
        self.0.iter().map(|(second, count)| (*second, *count))
    }

    /// The most in one second.
    pub fn peak(&self) -> f64 {
        f64::from(self.0.values().copied().max().unwrap_or(0))
    }
}

/// `at` and a wait after it.
pub fn after(at: Timestamp, wait: Duration) -> Timestamp {
    plus(at, signed(wait))
}

/// The time between two moments; none, where the clock was set back meanwhile.
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;
    use crate::ports::Reading;

    fn start() -> Timestamp {
        Timestamp::from_millisecond(1_764_000_000_123).unwrap()
    }

    /// Sends as fast as it may, waking up late by what `late_ms` says, and gives the times of sending.
    fn sent(mut pace: Pace, late_ms: &[u64], count: usize) -> Vec<i128> {
        let mut now = start();
        let mut late = late_ms.iter().cycle();
        let mut times = Vec::new();
        while times.len() < count {
            let at = pace.next(now);
            if at > now {
                now = after(at, Duration::from_millis(*late.next().unwrap()));
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
        // Promise 6: "No one-second window holds more requests than the connection's rate, over all lanes."
        #[test]
        fn no_second_holds_more_than_the_rate(
            rate in 1u32..60, lanes in 1u32..12, late in proptest::collection::vec(0u64..400, 1..30), before in 0usize..80
        ) {
            let rate = f64::from(rate);
            let opening = sent(Pace::alone(rate, start()), &[0], before);
            let opened: Vec<Timestamp> = opening.iter().map(|at| Timestamp::from_nanosecond(*at).unwrap()).collect();
            let end = opened.last().copied().unwrap_or(start());
            let shares = shares(rate, lanes);
            let mut all = opening;
            for (lane, share) in shares.iter().enumerate() {
                let pace = Pace::new(rate, *share, &history(&opened, &shares, lane), end);
                all.extend(sent(pace, &late, 40));
            }
            prop_assert!(peak(all) <= rate as usize);
        }
    }

    #[test]
    fn a_clock_that_is_ahead_delays_a_lane_by_one_window_at_most() {
        let ahead = after(start(), Duration::from_secs(3600));
        let pace = Pace::new(20.0, 5, &[ahead; 5], start());
        assert_eq!(pace.next(start()), after(start(), window(20.0)));
    }

    #[test]
    fn a_rate_between_two_whole_numbers_is_kept_in_every_second() {
        assert_eq!(peak(sent(Pace::alone(2.5, start()), &[0], 30)), 2);
        assert_eq!(peak(sent(Pace::alone(0.25, start()), &[0], 5)), 1);
        assert!(interval(0.25) > Duration::from_secs(4));
        assert_eq!(shares(5.0, 4), [2, 1, 1, 1]);
        assert_eq!(shares(2.9, 10), [1, 1]);
        assert_eq!(shares(0.2, 4), [1]);
    }

    #[test]
    fn a_lane_that_is_held_up_catches_up() {
        let held_up = |late: &[u64]| {
            let times = sent(Pace::new(20.0, 5, &[], start()), late, 200);
            (times.last().unwrap() - times.first().unwrap()) as f64 / 1e9
        };
        let punctual = held_up(&[0]);
        assert!((punctual - 39.4 * 1.01).abs() < 0.01, "forty windows, the last one's first half: {punctual}");
        assert!(held_up(&[0, 0, 0, 1, 0, 150]) < punctual * 1.05);
    }

    /// A server that counts arrivals: now and then a request is on its way for up to 40 ms.
    #[test]
    fn requests_that_are_held_up_on_their_way_do_not_crowd() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut pace = Pace::new(20.0, 20, &[], start());
        let (mut now, mut arrived, mut answers) = (start(), Vec::new(), VecDeque::<(Timestamp, Timestamp)>::new());
        while arrived.len() < 2000 {
            let next = pace.next(now);
            if let Some((sent, at)) = answers.front().copied().filter(|(_, at)| *at <= next) {
                answers.pop_front();
                now = now.max(at);
                pace.answered(RequestKind::Bulk, sent, at);
                continue;
            }
            now = next;
            pace.take(now);
            let way = Duration::from_millis(if random.u8(..10) == 0 { random.u64(1..40) } else { 0 });
            arrived.push(after(now, way).as_nanosecond());
            answers.push_back((now, after(now, way + Duration::from_millis(300))));
        }
        assert_eq!(peak(arrived.clone()), 20);
        let seconds = (arrived.last().unwrap() - arrived.first().unwrap()) as f64 / 1e9;
        assert!(seconds < 2000.0 / 20.0 * 1.02, "{seconds}");
    }

    #[test]
    fn small_delays_that_the_margin_covers_do_not_add_up() {
        let last = |longest_way: u64| {
            let mut random = fastrand::Rng::with_seed(7);
            let (mut pace, mut now) = (Pace::new(20.0, 20, &[], start()), start());
            for _ in 0..2000 {
                now = pace.next(now);
                pace.take(now);
                let took = Duration::from_millis(10 + random.u64(..=longest_way));
                pace.answered(RequestKind::Bulk, now, after(now, took));
            }
            now
        };
        assert_eq!(last(4), last(0));
        assert!(last(8) > last(0), "what the margin does not cover counts");
    }

    #[test]
    fn a_wide_margin_covers_what_arrives_late_on_a_busy_machine() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut crowded = |pace: Pace| {
            let sent = sent(pace, &[0], 2000);
            peak(sent.iter().map(|at| at + i128::from(random.u64(..20_000_000))).collect())
        };
        assert!(crowded(Pace::new(10.0, 10, &[], start())) > 10);
        assert_eq!(crowded(Pace::new(10.0, 10, &[], start()).wide(10.0)), 10);
    }

    #[test]
    fn earlier_requests_are_spread_over_lanes_and_few_delay_none() {
        let sent: Vec<Timestamp> = (0..12).map(|n| after(start(), Duration::from_millis(n))).collect();
        let of = |lane| history(&sent, &[5, 5, 5, 5], lane);
        assert_eq!((of(0), of(3)), (vec![sent[0], sent[4], sent[8]], vec![sent[3], sent[7], sent[11]]));
        let now = sent[11];
        for lane in 0..4 {
            assert_eq!(Pace::new(20.0, 5, &of(lane), now).next(now), now, "lane {lane}");
        }
        // A lane with a smaller share has fewer of them, and each of them counts once.
        let shares = [3, 1];
        let dealt = [0, 1].map(|lane| history(&sent, &shares, lane));
        assert_eq!((dealt[0].len(), dealt[1].len()), (9, 3));
    }

    /// The milliseconds at which a lane sends in ten seconds by what it takes for the time.
    fn sent_by(clock: impl Fn(u32) -> Timestamp) -> Vec<u32> {
        let mut pace = Pace::new(20.0, 5, &[], clock(0));
        let send = |passed: &u32| {
            let now = clock(*passed);
            let may = pace.next(now) <= now;
            may.then(|| pace.take(now));
            may
        };
        (0..10_000).filter(send).collect()
    }

    /// The most in any second, and the longest gap in milliseconds.
    fn most_and_gap(sent: &[u32]) -> (usize, u32) {
        let within = |from: &u32| sent.iter().filter(|at| (*from..*from + 1000).contains(*at)).count();
        let gap = sent.windows(2).map(|two| two[1] - two[0]).chain([10_000 - sent[sent.len() - 1]]).max();
        (sent.iter().map(within).max().unwrap(), gap.unwrap())
    }

    #[test]
    fn a_clock_that_is_set_neither_stalls_a_lane_nor_crowds_it() {
        let (wall, instant) = (Timestamp::from_second(1_764_000_000).unwrap(), Instant::now());
        let reading = Reading(wall, instant);
        let undisturbed = sent_by(|passed| after(wall, Duration::from_millis(passed.into())));
        for hours in [-1, 1] {
            // What the machine says: after five seconds and a bit somebody sets its clock.
            let machine = |passed: u32| {
                let set = SignedDuration::from_hours(if passed < 5450 { 0 } else { hours });
                after(wall, Duration::from_millis(passed.into())) + set
            };
            let (most, gap) = most_and_gap(&sent_by(machine));
            assert!(most > 5 || gap > 4000, "the machine's own clock does crowd or stall: {most}, {gap}");
            let by_reading = sent_by(|passed| reading.at(instant + Duration::from_millis(passed.into())));
            assert_eq!(by_reading, undisturbed);
            assert_eq!(most_and_gap(&by_reading).0, 5);
        }
    }

    #[test]
    fn slots_are_spread_evenly_over_the_first_half_of_the_window() {
        let times = sent(Pace::new(20.0, 5, &[], start()), &[0], 20);
        let milliseconds: Vec<i128> = times.iter().map(|at| (at - times[0]) / 1_000_000).collect();
        let window = |number: i128| [0, 101, 202, 303, 404].map(|at| at + 1010 * number);
        assert_eq!(milliseconds, (0..4).flat_map(window).collect::<Vec<_>>());
    }
}
