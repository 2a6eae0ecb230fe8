//! How long to wait before trying again. Pure: attempt and randomness in, wait out.

use std::time::Duration;

/// The first wait, before jitter.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait, before jitter.
const LONGEST: Duration = Duration::from_secs(20);

/// The wait before attempt `attempt + 1` (`attempt` from 1): doubling, capped, and between half and whole of that by
/// `chance` (0 to 1), so that lanes do not come back together.
pub fn wait(attempt: u32, chance: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX).max(1));
    doubled.min(LONGEST).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
}

/// The wait after a rate limit: at least what the response asks for. However short that is, a request that is limited each
/// time backs off.
pub fn rate_limited(asked: Option<Duration>, attempt: u32, chance: f64) -> Duration {
    asked.unwrap_or_default().max(wait(attempt, chance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_stay_below_the_longest() {
        assert_eq!(wait(1, 1.0), FIRST);
        assert_eq!(wait(3, 1.0), FIRST * 4);
        assert_eq!(wait(3, 0.0), FIRST * 2);
        assert_eq!(wait(40, 1.0), LONGEST);
    }

    #[test]
    fn a_rate_limit_waits_as_long_as_it_asks_for_and_backs_off() {
        assert_eq!(rate_limited(Some(LONGEST * 2), 1, 1.0), LONGEST * 2);
        assert_eq!(rate_limited(Some(Duration::ZERO), 3, 1.0), FIRST * 4);
        assert_eq!(rate_limited(None, 3, 1.0), FIRST * 4);
    }
}
