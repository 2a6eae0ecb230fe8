//! The rate limit, and the ban of clients that send bad requests.

use std::collections::VecDeque;
use std::str::FromStr;
use std::time::Duration;

use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// What a client sees while it is banned. No recording shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BanSign {
    /// This status with the usual error body.
    Status(u16),
    /// The connection closes without a response.
    Cut,
}

impl FromStr for BanSign {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(status @ 400..=599) => Ok(Self::Status(status)),
            _ if text == "cut" => Ok(Self::Cut),
            _ => Err("must be a status from 400 to 599, or cut".to_owned()),
        }
    }
}

/// Bans the client after a number of bad requests within a time, for that time.
///
/// Bad credentials are counted apart from other bad requests. Rate-limited requests are not bad ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BanRule {
    /// The bad request that starts the ban.
    pub requests: usize,
    /// Within this time, and for this time.
    pub window: Duration,
    /// What a banned client sees.
    pub sign: BanSign,
}

/// The requests let through within the last second.
#[derive(Debug, Default)]
pub(super) struct RateWindow(VecDeque<Instant>);

impl RateWindow {
    /// Whether the rate has room for a request now. An admitted request takes up room for a second.
    ///
    /// A fractional rate is kept as whole requests in a longer or shorter window.
    pub(super) fn admit(&mut self, rate: Option<f64>, now: Instant) -> bool {
        let Some(rate) = rate.filter(|rate| *rate > 0.0) else {
            return true;
        };
        let most = rate.floor().max(1.0);
        forget(&mut self.0, now, SECOND.mul_f64((most / rate).min(1e6)));
        if self.0.len() as f64 >= most {
            return false;
        }
        self.0.push_back(now);
        true
    }
}

/// The bad requests of the one client, and until when it is banned.
#[derive(Debug, Default)]
pub(super) struct Bans {
    bad: VecDeque<Instant>,
    bad_keys: VecDeque<Instant>,
    until: Option<Instant>,
}

impl Bans {
    pub(super) fn is_banned(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Counts a response; whether it starts a ban.
    pub(super) fn count(&mut self, rule: &BanRule, status: u16, now: Instant) -> bool {
        let bad = match status {
            401 | 403 => &mut self.bad_keys,
            429 => return false,
            400..=499 => &mut self.bad,
            _ => return false,
        };
        forget(bad, now, rule.window);
        bad.push_back(now);
        if bad.len() < rule.requests {
            return false;
        }
        bad.clear();
        self.until = Some(now + rule.window);
        true
    }
}

/// Drops the times that are older than the window.
pub(super) fn forget(times: &mut VecDeque<Instant>, now: Instant, window: Duration) {
    while times.front().is_some_and(|time| now.saturating_duration_since(*time) >= window) {
        times.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_window_slides_and_refused_requests_take_no_room() {
        let (mut window, start) = (RateWindow::default(), Instant::now());
        let admitted = [0, 300, 600, 900, 999, 1000, 1200, 1300].map(|at| window.admit(Some(2.0), start + ms(at)));
        assert_eq!(admitted, [true, true, false, false, false, true, false, true]);
        assert!((0..100).all(|_| window.admit(None, start + ms(2000))));
    }

    #[test]
    fn half_a_request_a_second_is_one_in_two_seconds() {
        let (mut window, start) = (RateWindow::default(), Instant::now());
        let admitted = [0, 1000, 1999, 2000].map(|at| window.admit(Some(0.5), start + ms(at)));
        assert_eq!(admitted, [true, false, false, true]);
    }

    #[test]
    fn bad_requests_within_the_window_start_a_ban_that_ends() {
        let rule = BanRule { requests: 3, window: ms(1000), sign: BanSign::Cut };
        let (mut bans, start) = (Bans::default(), Instant::now());
        let started = [(0, 400), (10, 429), (20, 200), (30, 404), (40, 401), (50, 500), (1001, 400), (1010, 400)]
            .map(|(at, status)| bans.count(&rule, status, start + ms(at)));
        assert_eq!(started, [false, false, false, false, false, false, false, true]);
        assert!(bans.is_banned(start + ms(2009)) && !bans.is_banned(start + ms(2010)));
    }
}
