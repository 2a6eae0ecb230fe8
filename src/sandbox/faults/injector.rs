//! Decides which request is hit by which fault: exact ones by number, shares by a seeded generator.

use std::sync::Arc;

use super::{Fault, FaultKind, When};

/// The emails whose rows, batches or requests fail, by a part of them in lower case.
#[derive(Debug, Default)]
struct Refusals {
    rows: Vec<String>,
    batches: Vec<String>,
    failing: Vec<String>,
}

/// What goes wrong with the rows of one request.
#[derive(Clone, Debug, Default)]
pub(in crate::sandbox) struct InjectedFaults {
    refusals: Arc<Refusals>,
    drop_seed: Option<u64>,
}

impl InjectedFaults {
    /// Whether the row with this email is refused.
    pub(in crate::sandbox) fn refuses_row(&self, email: &str) -> bool {
        contains(&self.refusals.rows, email)
    }

    /// Whether a batch with this email is refused as a whole.
    pub(in crate::sandbox) fn refuses_batch(&self, email: &str) -> bool {
        contains(&self.refusals.batches, email)
    }

    /// Whether a request with this email fails.
    pub(in crate::sandbox) fn fails(&self, email: &str) -> bool {
        contains(&self.refusals.failing, email)
    }

    /// Which of `rows` rows are lost: with the fault `drop-rows` at least one, and every other one in five times.
    pub(in crate::sandbox) fn dropped(&self, rows: usize) -> Vec<bool> {
        let Some(seed) = self.drop_seed else { return vec![false; rows] };
        let mut random = fastrand::Rng::with_seed(seed);
        let certain = random.usize(..rows.max(1));
        (0..rows).map(|row| random.u8(..5) == 0 || row == certain).collect()
    }
}

fn contains(parts: &[String], email: &str) -> bool {
    !parts.is_empty() && {
        let email = email.to_lowercase();
        parts.iter().any(|part| email.contains(part.as_str()))
    }
}

/// Decides, request by request, what goes wrong.
#[derive(Debug)]
pub(in crate::sandbox) struct FaultInjector {
    faults: Vec<Fault>,
    refusals: Arc<Refusals>,
    random: fastrand::Rng,
    requests: u64,
}

impl FaultInjector {
    /// Counts requests from the next one on.
    pub(in crate::sandbox) fn new(faults: Vec<Fault>, seed: u64) -> Self {
        let mut refusals = Refusals::default();
        for fault in &faults {
            match &fault.kind {
                FaultKind::RefuseRows(part) => refusals.rows.push(part.clone()),
                FaultKind::RefuseBatch(part) => refusals.batches.push(part.clone()),
                FaultKind::FailRows(part) => refusals.failing.push(part.clone()),
                _ => {}
            }
        }
        Self { faults, refusals: Arc::new(refusals), random: fastrand::Rng::with_seed(seed), requests: 0 }
    }

    /// What hits the next request, and what goes wrong with its rows.
    pub(in crate::sandbox) fn next(&mut self) -> (Option<FaultKind>, InjectedFaults) {
        self.requests += 1;
        let mut chance = self.random.f64();
        let exact = self.faults.iter().find(|fault| fault.when == When::Nth(self.requests));
        let hit = exact.or_else(|| {
            self.faults.iter().find(|fault| match fault.when {
                When::Share(share) => {
                    chance -= share;
                    chance < 0.0
                }
                _ => false,
            })
        });
        let kind = hit.map(|fault| fault.kind.clone());
        let drop_seed = (kind == Some(FaultKind::DropRows)).then(|| self.random.u64(..));
        (kind, InjectedFaults { refusals: Arc::clone(&self.refusals), drop_seed })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn shares_hit_as_often_as_they_say_and_a_seed_repeats_them() {
        let faults = Fault::parse_list("429:0.1,500:0.2,503@5").unwrap();
        let hits = |seed| {
            let mut injector = FaultInjector::new(faults.clone(), seed);
            (0..10_000).map(|_| injector.next().0).collect::<Vec<_>>()
        };
        let first = hits(7);
        let share = |status| first.iter().filter(|hit| **hit == Some(FaultKind::Status(status))).count();
        assert!((800..1200).contains(&share(429)), "{}", share(429));
        assert!((1700..2300).contains(&share(500)), "{}", share(500));
        assert_eq!(first[4], Some(FaultKind::Status(503)));
        assert_eq!(share(503), 1);
        assert_eq!(first, hits(7));
        assert_ne!(first, hits(8));
    }

    #[test]
    fn only_the_hit_request_loses_rows() {
        let mut injector = FaultInjector::new(Fault::parse_list("drop-rows@2").unwrap(), 1);
        let lost = [0, 1].map(|_| injector.next().1.dropped(100).into_iter().filter(|lost| *lost).count());
        assert_eq!(lost[0], 0);
        assert!((1..50).contains(&lost[1]), "{}", lost[1]);
    }
}
