//! Which request is struck by which fault: exact ones by number, shares by a seeded generator.

use std::sync::Arc;

use super::fault::{Fault, FaultKind, When};

/// The emails that upserts refuse and that requests fail for, by a part of them in lower case.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    rows: Vec<String>,
    batches: Vec<String>,
    failing: Vec<String>,
}

impl Refusals {
    /// Whether a row with this email (lower case) is refused for itself.
    pub(super) fn row(&self, email: &str) -> bool {
        self.rows.iter().any(|part| email.contains(part.as_str()))
    }

    /// Whether a batch with this email (lower case) is refused whole.
    pub(super) fn batch(&self, email: &str) -> bool {
        self.batches.iter().any(|part| email.contains(part.as_str()))
    }

    /// Whether a request with this email (lower case) fails.
    pub(super) fn fails(&self, email: &str) -> bool {
        self.failing.iter().any(|part| email.contains(part.as_str()))
    }
}

/// Decides, request by request, what strikes it.
#[derive(Debug)]
pub(super) struct FaultInjector {
    faults: Vec<Fault>,
    refusals: Arc<Refusals>,
    random: fastrand::Rng,
    drawn: u64,
}

impl FaultInjector {
    /// Starts to count at the first request.
    pub(super) fn new(faults: Vec<Fault>, seed: u64) -> Self {
        let mut refusals = Refusals::default();
        for fault in &faults {
            match &fault.trouble {
                FaultKind::RefuseRows(part) => refusals.rows.push(part.clone()),
                FaultKind::RefuseBatch(part) => refusals.batches.push(part.clone()),
                FaultKind::FailRows(part) => refusals.failing.push(part.clone()),
                _ => {}
            }
        }
        Self { faults, refusals: Arc::new(refusals), random: fastrand::Rng::with_seed(seed), drawn: 0 }
    }

    /// The emails refused always.
    pub(super) fn refusals(&self) -> Arc<Refusals> {
        Arc::clone(&self.refusals)
    }

    /// What strikes the next request.
    pub(super) fn next(&mut self) -> Option<FaultKind> {
        self.drawn += 1;
        let mut chance = self.random.f64();
        let exact = self.faults.iter().find(|fault| fault.when == When::Nth(self.drawn));
        let struck = exact.or_else(|| {
            self.faults.iter().find(|fault| match fault.when {
                When::Share(share) => {
                    chance -= share;
                    chance < 0.0
                }
                _ => false,
            })
        });
        struck.map(|fault| fault.trouble.clone())
    }

    /// A seed for what a fault draws by itself.
    pub(super) fn seed(&mut self) -> u64 {
        self.random.u64(..)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn shares_strike_about_as_often_as_they_say_and_the_same_way_each_time() {
        let faults = Fault::parse_list("429:0.1,500:0.2,503@5").unwrap();
        let strikes = |seed| {
            let mut draw = FaultInjector::new(faults.clone(), seed);
            (0..10_000).map(|_| draw.next()).collect::<Vec<_>>()
        };
        let first = strikes(7);
        let share = |status| first.iter().filter(|s| **s == Some(FaultKind::Status(status))).count();
        assert!((800..1200).contains(&share(429)), "{}", share(429));
        assert!((1700..2300).contains(&share(500)), "{}", share(500));
        assert_eq!(first[4], Some(FaultKind::Status(503)));
        assert_eq!(share(503), 1);
        assert_eq!(first, strikes(7));
        assert_ne!(first, strikes(8));
    }
}
