//! What a run's page shows over time: its requests, and the members after the last runs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::delivery::pace::Seconds;

/// Points of a chart at most: as many as a phone can show.
const POINTS: usize = 90;

/// Requests over the time of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// The requests a second that the run might make.
    pub rate: f64,
    /// How many seconds each count is of.
    pub seconds: u32,
    /// Requests, from the second of the first on.
    pub requests: Vec<u64>,
}

impl Traffic {
    /// The requests of these seconds; none where there were none.
    pub fn of(seconds: &Seconds, rate: f64) -> Option<Self> {
        let (first, last) = seconds.span()?;
        let span = usize::try_from(last.saturating_sub(first)).ok()?.saturating_add(1);
        let width = u32::try_from(span.div_ceil(POINTS)).ok()?;
        let mut requests = vec![0; span.div_ceil(width as usize)];
        for (second, count) in seconds.iter() {
            let at = usize::try_from(second.saturating_sub(first)).unwrap_or_default() / width as usize;
            if let Some(sum) = requests.get_mut(at) {
                *sum += u64::from(count);
            }
        }
        Some(Self { rate, seconds: width, requests })
    }
}

/// How many members there were after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// When the run began.
    pub at: Timestamp,
    /// The members of all its segments together.
    pub members: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_has_as_many_points_as_a_phone_can_show() {
        let mut seconds = Seconds::default();
        assert_eq!(Traffic::of(&seconds, 5.0), None);
        for second in 0..3600 {
            seconds.count(Timestamp::from_second(1_700_000_000 + second).unwrap());
        }
        let traffic = Traffic::of(&seconds, 5.0).unwrap();
        assert_eq!((traffic.seconds, traffic.requests.len()), (40, POINTS));
        assert!(traffic.requests.iter().all(|requests| *requests == 40));
    }
}
