//! How many requests a lane may have on their way to an account that bears less than its rate promises.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::lane::Handled;
use super::pace::after;
use crate::destination::Limits;

/// What a lane may send besides its pace.
#[derive(Debug)]
pub struct Allowance {
    /// Requests in flight, at most, ever and now.
    most: usize,
    now: usize,
    /// Responses since the last change that said what happened.
    clean: usize,
    refusals: Option<Refusals>,
}

/// Refused requests, and how many of them there may be.
#[derive(Debug)]
struct Refusals {
    most: usize,
    within: Duration,
    at: VecDeque<Timestamp>,
    /// Refused one after the other, and how many of them are too many.
    in_a_row: usize,
    too_many: usize,
}

/// The number of pauses in a row because of refusals after which the lane stops. Source: ORTTO_API 2.4.
const PAUSES: usize = 3;

impl Allowance {
    /// For one of `lanes` lanes.
    pub fn new(limits: Limits, lanes: usize) -> Self {
        let lanes = lanes.max(1);
        let most = limits.in_flight.div_ceil(lanes);
        let share = |all: usize| (all / lanes).max(1);
        Self {
            most,
            now: limits.caution.map_or(most, |caution| share(caution.in_flight_first)),
            clean: 0,
            refusals: limits.caution.map(|caution| Refusals {
                most: share(caution.refusals),
                within: caution.within,
                at: VecDeque::new(),
                in_a_row: 0,
                too_many: (PAUSES * share(caution.refusals)).max(caution.refusals),
            }),
        }
    }

    /// When a request may leave while `in_flight` are on their way; `None` if a response must come first. Each that is on
    /// its way may be refused.
    pub fn next(&mut self, in_flight: usize, now: Timestamp) -> Option<Timestamp> {
        if in_flight >= self.now {
            return None;
        }
        let Some(Refusals { most, within, at, .. }) = &mut self.refusals else { return Some(now) };
        while at.front().is_some_and(|first| after(*first, *within) <= now) {
            at.pop_front();
        }
        if at.len() + in_flight < *most {
            return Some(now);
        }
        at.front().filter(|_| in_flight == 0).map(|first| after(*first, *within))
    }

    /// How many requests were refused one after the other, where the lane is to stop for it.
    pub fn too_many_refusals(&self) -> Option<usize> {
        self.refusals.as_ref().filter(|refusals| refusals.in_a_row >= refusals.too_many).map(|all| all.in_a_row)
    }

    /// Records a response: how the lane handled it, and whether the request was refused.
    pub fn note(&mut self, handled: Handled, is_refusal: bool, now: Timestamp) {
        let Some(refusals) = &mut self.refusals else { return };
        if is_refusal {
            refusals.at.push_back(now);
            refusals.in_a_row += 1;
        } else if handled == Handled::Settled {
            refusals.in_a_row = 0;
        }
        match handled {
            Handled::Settled if is_refusal => {}
            Handled::Settled => {
                self.clean += 1;
                if self.clean >= self.now && self.now < self.most {
                    (self.now, self.clean) = (self.now + 1, 0);
                }
            }
            Handled::RateLimited | Handled::Failed | Handled::Unauthorized => {
                (self.now, self.clean) = ((self.now / 2).max(1), 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::Caution;

    fn limits() -> Limits {
        let within = Duration::from_secs(15);
        let caution = Caution { in_flight_first: 2, lanes: 4, settle: Duration::ZERO, refusals: 6, within };
        Limits { batch_rows: 1, batch_bytes: 1, in_flight: 8, caution: Some(caution) }
    }

    #[test]
    fn more_leave_while_all_goes_well_and_half_after_a_failure() {
        let (mut allowance, now) = (Allowance::new(limits(), 1), Timestamp::UNIX_EPOCH);
        assert_eq!((allowance.next(1, now), allowance.next(2, now)), (Some(now), None));
        for _ in 0..200 {
            allowance.note(Handled::Settled, false, now);
        }
        assert_eq!((allowance.next(5, now), allowance.next(6, now)), (Some(now), None), "each might be refused");
        allowance.note(Handled::Failed, false, now);
        assert_eq!((allowance.next(3, now), allowance.next(4, now)), (Some(now), None));
        for _ in 0..9 {
            allowance.note(Handled::RateLimited, false, now);
        }
        assert_eq!((allowance.next(0, now), allowance.next(1, now)), (Some(now), None));
    }

    #[test]
    fn refusals_and_what_may_become_one_stay_below_the_most() {
        let (mut allowance, now) = (Allowance::new(limits(), 1), Timestamp::UNIX_EPOCH);
        for n in 0..5 {
            allowance.note(Handled::Settled, true, after(now, Duration::from_secs(n)));
        }
        let at = after(now, Duration::from_secs(5));
        assert_eq!((allowance.next(0, at), allowance.next(1, at)), (Some(at), None));
        allowance.note(Handled::Settled, true, at);
        assert_eq!(allowance.next(0, at), Some(after(now, Duration::from_secs(15))));
    }

    #[test]
    fn a_third_pause_in_a_row_is_one_too_many() {
        for (lanes, most) in [(1, 18), (4, 6)] {
            let (mut allowance, now) = (Allowance::new(limits(), lanes), Timestamp::UNIX_EPOCH);
            for _ in 1..most {
                allowance.note(Handled::Settled, true, now);
            }
            assert_eq!(allowance.too_many_refusals(), None);
            allowance.note(Handled::Settled, false, now);
            for _ in 1..most {
                allowance.note(Handled::Failed, true, now);
            }
            assert_eq!(allowance.too_many_refusals(), None, "something was accepted in between");
            allowance.note(Handled::Settled, true, now);
            assert_eq!(allowance.too_many_refusals(), Some(most));
        }
    }

    #[test]
    fn refusals_do_not_raise_what_may_be_in_flight() {
        let (mut allowance, now) = (Allowance::new(limits(), 1), Timestamp::UNIX_EPOCH);
        for n in 0..9 {
            allowance.note(Handled::Settled, true, after(now, Duration::from_secs(60 * n)));
        }
        let later = after(now, Duration::from_secs(900));
        assert_eq!((allowance.next(1, later), allowance.next(2, later)), (Some(later), None));
    }
}
