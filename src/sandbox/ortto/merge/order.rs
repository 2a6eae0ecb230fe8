//! In which order rows are applied, and in which their entries are listed.

use crate::sandbox::options::EntryOrder;

/// Rows are cut into slices of this many, which keep their place.
///
/// Source: `docs/ORTTO_API.md` 2.2.
const SLICE: usize = 19;
/// Within a slice, ids rise in this many interleaved runs.
const WORKERS: usize = 4;

/// Positions of rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// As ids are given out.
    pub(super) applied: Vec<usize>,
    /// As the response lists them.
    pub(super) listed: Vec<usize>,
}

impl Order {
    /// Either way the ids of a response rise in four interleaved runs a slice, as recorded.
    pub(super) fn new(rows: usize, order: EntryOrder, random: &mut fastrand::Rng) -> Self {
        let plain: Vec<usize> = (0..rows).collect();
        let mixed: Vec<usize> = plain.chunks(SLICE).flat_map(|slice| interleaved(slice, random)).collect();
        match order {
            EntryOrder::Rows => Self { applied: mixed, listed: plain },
            EntryOrder::Completion => Self { applied: plain, listed: mixed },
            EntryOrder::Shuffled => {
                let mut listed = plain.clone();
                random.shuffle(&mut listed);
                Self { applied: plain, listed }
            }
        }
    }
}

/// Four workers, each with every fourth row of the slice, in the order in which they happen to be done.
fn interleaved(slice: &[usize], random: &mut fastrand::Rng) -> Vec<usize> {
    let mut workers: Vec<_> = (0..WORKERS).map(|worker| slice.iter().skip(worker).step_by(WORKERS)).collect();
    let mut done = Vec::with_capacity(slice.len());
    while done.len() < slice.len() {
        if let Some(row) = workers.get_mut(random.usize(..WORKERS)).and_then(Iterator::next) {
            done.push(*row);
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_keep_their_place_and_are_mixed_within() {
        let mut random = fastrand::Rng::with_seed(1);
        let order = Order::new(54, EntryOrder::Rows, &mut random);
        assert!(order.listed.is_sorted());
        assert!(!order.applied.is_sorted());
        let mut slices = order.applied.chunks(SLICE).map(<[usize]>::to_vec);
        assert!(slices.all(|mut slice| {
            slice.sort_unstable();
            slice.first().is_some_and(|first| first % SLICE == 0)
        }));
    }

    #[test]
    fn the_order_of_completion_lists_what_is_applied_in_order() {
        let mut random = fastrand::Rng::with_seed(1);
        let order = Order::new(10, EntryOrder::Completion, &mut random);
        assert!(order.applied.is_sorted() && !order.listed.is_sorted());
    }
}
