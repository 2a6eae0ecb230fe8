//! Assigns rows to lanes, so that every lane makes the same number of requests: a span is a range of a chunk's rows.

use serde::{Deserialize, Serialize};

use crate::chunk::Operation;
use crate::destination::{Assumption, Cost, Destination};
use crate::membership::Membership;

/// Rows of one segment and one operation, stored under one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Where it lies, below the run's folder.
    pub name: String,
    /// Which segment of the export.
    pub segment: usize,
    /// What is to be done.
    pub operation: Operation,
    /// How many rows.
    pub rows: u32,
    /// Whether they are sent for their opt-outs alone, and no row of a drop waits for them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opt_outs: bool,
    /// Whether they bring new addresses of contacts, which change before any of them is sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub address_changes: bool,
}

/// A range of a chunk's rows, for one lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Which chunk of the run.
    pub chunk: usize,
    /// The first row.
    pub from: u32,
    /// The row after the last.
    pub to: u32,
}

/// What rows of a run cost.
#[derive(Clone, Copy)]
pub struct Costs<'a> {
    /// Where they are sent.
    pub destination: &'a dyn Destination,
    /// The export's memberships, in the order of its segments.
    pub memberships: &'a [Membership],
    /// What is assumed of the account.
    pub assumption: Assumption<'a>,
}

impl Costs<'_> {
    fn of(&self, chunk: &Chunk) -> Option<Priced> {
        let membership = self.memberships.get(chunk.segment)?;
        let batch_rows = self.destination.limits().batch_rows as u64;
        let mut cost = self.destination.cost(chunk.operation, membership, self.assumption);
        cost.per_row += if chunk.address_changes { ADDRESS_REQUESTS } else { 0 };
        Some(Priced { cost, batch_rows })
    }
}

/// A cost, and how many rows a batch has.
#[derive(Clone, Copy)]
struct Priced {
    cost: Cost,
    batch_rows: u64,
}

impl Priced {
    fn requests(self, rows: u32) -> u64 {
        self.cost.per_batch * u64::from(rows).div_ceil(self.batch_rows) + self.cost.per_row * u64::from(rows)
    }

    /// How many rows `requests` pay for: whole batches where a batch is what costs.
    fn rows_for(self, requests: u64) -> u64 {
        match self.cost {
            Cost { per_batch: 0, per_row: 0 } => u64::MAX,
            Cost { per_batch: 0, per_row } => requests / per_row,
            Cost { per_batch, per_row: 0 } => requests / per_batch * self.batch_rows,
            Cost { per_batch, per_row } => requests * self.batch_rows / (per_batch + per_row * self.batch_rows),
        }
    }
}

/// How many requests it takes to send these chunks.
pub fn requests(chunks: &[Chunk], costs: Costs<'_>) -> u64 {
    chunks.iter().filter_map(|chunk| Some(costs.of(chunk)?.requests(chunk.rows))).sum()
}

/// Requests that an address takes before its row is sent: who has the id, who has the new address, and the change.
const ADDRESS_REQUESTS: u64 = 3;

/// Requests that are worth a lane of their own: fewer lanes cut fewer batches.
const LANE_REQUESTS: u64 = 25;

/// How many lanes are worth their while.
pub fn lanes_for(chunks: &[Chunk], costs: Costs<'_>, lanes: u32) -> u32 {
    let worth = requests(chunks, costs).div_ceil(LANE_REQUESTS).max(1);
    lanes.min(u32::try_from(worth).unwrap_or(u32::MAX))
}

/// Assigns the chunks to the lanes, in order, each as many requests as its share of the rate. All rows that bring new addresses
/// go to the first lane, which changes them before it sends anything.
pub fn assign_lanes(chunks: &[Chunk], costs: Costs<'_>, shares: &[u32]) -> Vec<Vec<Range>> {
    let total = requests(chunks, costs);
    let rate: u64 = shares.iter().map(|share| u64::from(*share)).sum();
    let mut assigned: Vec<Vec<Range>> = Vec::new();
    let mut lane = Vec::new();
    let mut spent = 0;
    // What the lanes up to this one may spend together.
    let budget = |lane: usize| {
        let before: u64 = shares.iter().take(lane + 1).map(|share| u64::from(*share)).sum();
        (total * before).div_ceil(rate.max(1))
    };
    let (first, others): (Vec<_>, Vec<_>) = chunks.iter().enumerate().partition(|(_, chunk)| chunk.address_changes);
    for (number, chunk) in first {
        lane.push(Range { chunk: number, from: 0, to: chunk.rows });
        spent += costs.of(chunk).map_or(0, |cost| cost.requests(chunk.rows));
    }
    for (number, chunk) in others {
        let Some(cost) = costs.of(chunk) else { continue };
        let mut from = 0;
        while from < chunk.rows {
            let room = budget(assigned.len()).saturating_sub(spent);
            let last = assigned.len() + 1 >= shares.len();
            let fits = if last { u64::MAX } else { cost.rows_for(room) };
            let take = u32::try_from(fits).unwrap_or(u32::MAX).min(chunk.rows - from);
            if take == 0 {
                assigned.push(std::mem::take(&mut lane));
                continue;
            }
            lane.push(Range { chunk: number, from, to: from + take });
            spent += cost.requests(take);
            from += take;
        }
    }
    // A lane keeps its place, also where it has nothing to do: its place is its share.
    assigned.push(lane);
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunk(segment: usize, operation: Operation, rows: u32) -> Chunk {
        Chunk { name: String::new(), segment, operation, rows, opt_outs: false, address_changes: false }
    }

    fn memberships() -> Vec<Membership> {
        vec![Membership::List("a".into()), Membership::Field("b".into()), Membership::None]
    }

    fn costs<'a>(memberships: &'a [Membership], assumption: Assumption<'a>) -> Costs<'a> {
        Costs { destination: crate::destination::of(Default::default()), memberships, assumption }
    }

    proptest! {
        #[test]
        fn every_row_is_assigned_once_and_lanes_cost_alike(
            parts in proptest::collection::vec((0usize..3, 0u8..3, 1u32..1001), 0..12), lanes in 1u32..11, is_dearest: bool
        ) {
            let operation = |n| [Operation::Join, Operation::Update, Operation::Leave][usize::from(n)];
            let chunks: Vec<_> = parts.iter().map(|(s, e, r)| chunk(*s, operation(*e), *r)).collect();
            let memberships = memberships();
            let costs = costs(&memberships, if is_dearest { Assumption::Dearest } else { Assumption::Cheapest });
            let shares = vec![3; lanes as usize];
            let assigned = assign_lanes(&chunks, costs, &shares);
            prop_assert!(assigned.len() <= lanes as usize);
            let mut rows: Vec<_> = assigned.iter().flatten().flat_map(|r| (r.from..r.to).map(|n| (r.chunk, n))).collect();
            rows.sort_unstable();
            let all: Vec<_> = chunks.iter().enumerate().flat_map(|(c, chunk)| (0..chunk.rows).map(move |n| (c, n))).collect();
            prop_assert_eq!(rows, all);
            let spent: Vec<u64> = assigned.iter().map(|lane| lane.iter().map(|r| {
                costs.of(&chunks[r.chunk]).unwrap().requests(r.to - r.from)
            }).sum()).collect();
            let fair = requests(&chunks, costs) / u64::from(lanes) + 1;
            // A batch that was cut costs one more: at the end of each chunk, and between lanes.
            prop_assert!(spent.iter().all(|s| *s <= fair + 2 + chunks.len() as u64 + u64::from(lanes)), "{:?} of {}", spent, fair);
        }
    }

    #[test]
    fn batches_are_not_cut_for_fairness() {
        let chunks: Vec<_> = (0..99).map(|_| chunk(1, Operation::Join, 1000)).collect();
        let assigned = assign_lanes(&chunks, costs(&memberships(), Assumption::Cheapest), &[5, 5, 5, 5]);
        let batches: Vec<u32> =
            assigned.iter().map(|l| l.iter().map(|r| (r.to - r.from).div_ceil(100)).sum()).collect();
        assert_eq!(batches, [248, 247, 248, 247]);
    }

    #[test]
    fn lanes_get_as_much_as_their_share() {
        let chunks: Vec<_> = (0..100).map(|_| chunk(1, Operation::Join, 1000)).collect();
        let assigned = assign_lanes(&chunks, costs(&memberships(), Assumption::Cheapest), &[2, 1, 1, 1]);
        let batches: Vec<u32> =
            assigned.iter().map(|l| l.iter().map(|r| (r.to - r.from).div_ceil(100)).sum()).collect();
        assert_eq!(batches, [400, 200, 200, 200]);
    }

    #[test]
    fn rows_with_new_addresses_go_to_the_first_lane() {
        let changed = Chunk { address_changes: true, ..chunk(0, Operation::Join, 900) };
        let chunks = [chunk(0, Operation::Join, 1000), changed, chunk(0, Operation::Leave, 1000)];
        let memberships = memberships();
        let costs = costs(&memberships, Assumption::Dearest);
        let assigned = assign_lanes(&chunks, costs, &[5, 5, 5]);
        let lanes = |chunk| assigned.iter().filter(move |lane| lane.iter().any(|range| range.chunk == chunk)).count();
        assert_eq!((assigned.len(), lanes(1)), (3, 1));
        assert_eq!(assigned[0][0], Range { chunk: 1, from: 0, to: 900 });
        let rows = |chunk| {
            assigned.iter().flatten().filter(move |range| range.chunk == chunk).map(|range| range.to - range.from)
        };
        assert_eq!([0, 1, 2].map(|chunk| rows(chunk).sum::<u32>()), [1000, 900, 1000]);
    }

    #[test]
    fn a_few_rows_take_one_lane() {
        assert_eq!(lanes_for(&[chunk(1, Operation::Update, 30)], costs(&memberships(), Assumption::Cheapest), 4), 1);
        assert_eq!(lanes_for(&[chunk(0, Operation::Leave, 500)], costs(&memberships(), Assumption::Cheapest), 4), 4);
        assert_eq!(lanes_for(&[], costs(&memberships(), Assumption::Cheapest), 4), 1);
    }
}
