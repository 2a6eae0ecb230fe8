//! The clock: what time it is, and waiting for a time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// The wall clock, and sleeping by it. Under tokio's paused time the clock moves with it.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock as this process first read it, counted on from then. Setting the machine's clock
    /// therefore does not affect a run. Otherwise, setting it back would delay the next slot by as much, and setting it
    /// forward would send the rate twice in a second. A run on a machine that is put to sleep may be late by its sleep.
    System,
    /// A clock that stood at the given time at the given instant: tests.
    Counted(Timestamp, tokio::time::Instant),
}

impl Clock {
    /// A clock that starts at `at` and moves with tokio's time.
    pub fn counted(at: Timestamp) -> Self {
        Self::Counted(at, tokio::time::Instant::now())
    }

    /// Reads the machine's clock once more, for all of this process. A function does so as each of its calls begins:
    /// between calls it is frozen, and what counts the time may stand still with it. Not within a run.
    pub fn read_again() {
        *READING.lock().unwrap_or_else(PoisonError::into_inner) = Some(Reading::now());
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let mut reading = READING.lock().unwrap_or_else(PoisonError::into_inner);
                reading.get_or_insert_with(Reading::now).at(Instant::now())
            }
            Self::Counted(at, since) => counted(*at, since.elapsed()),
        }
    }

    /// What the clock said when it was read: two that were read at different times may be minutes apart.
    pub fn read_at(&self) -> Timestamp {
        match self {
            Self::System => {
                let mut reading = READING.lock().unwrap_or_else(PoisonError::into_inner);
                reading.get_or_insert_with(Reading::now).0
            }
            Self::Counted(at, _) => *at,
        }
    }

    /// What the machine's clock says: also of the time that the machine slept, but it may be set.
    pub fn wall(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Counted(..) => self.now(),
        }
    }

    /// Waits until `at`; returns at once where that has passed.
    pub async fn sleep_until(&self, at: Timestamp) {
        if let Ok(wait) = Duration::try_from(at.duration_since(self.now())) {
            tokio::time::sleep(wait).await;
        }
    }
}

/// What the machine's clock said when it was last read.
static READING: Mutex<Option<Reading>> = Mutex::new(None);

/// The wall clock's time at an instant of the clock that only counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading(pub(crate) Timestamp, pub(crate) Instant);

impl Reading {
    fn now() -> Self {
        Self(Timestamp::now(), Instant::now())
    }

    pub(crate) fn at(self, now: Instant) -> Timestamp {
        counted(self.0, now.duration_since(self.1))
    }
}

fn counted(from: Timestamp, passed: Duration) -> Timestamp {
    let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::ZERO);
    from.checked_add(passed).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_clock_counts_on_whatever_the_machine_says() {
        let times: Vec<Timestamp> = (0..100).map(|_| Clock::System.now()).collect();
        assert!(times.is_sorted());
        let apart = Timestamp::now().duration_since(times[0]).abs();
        assert!(apart < SignedDuration::from_secs(30), "{apart}");
        // It counts on from what was read, whatever the machine says since.
        let ahead = Reading(Timestamp::now() + SignedDuration::from_secs(5), Instant::now());
        let before = READING.lock().unwrap().replace(ahead);
        let (now, wall) = (Clock::System.now(), Clock::System.wall());
        *READING.lock().unwrap() = before;
        assert!(now.duration_since(wall) > SignedDuration::from_secs(4), "{now}, {wall}");
    }
}
