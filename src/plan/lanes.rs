//! Deals the rows to lanes, so that every lane makes the same number of requests: a span is a range of a chunk's rows.

use serde::{Deserialize, Serialize};

use crate::chunk::Operation;
use crate::config::Membership;
use crate::delivery::call::BATCH_ROWS;
use crate::delivery::lane::ListStrategy;

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

/// How many requests rows cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    /// Requests for each batch of rows.
    batch: u64,
    /// Requests for each row.
    row: u64,
}

fn cost(operation: Operation, membership: &Membership, way: ListStrategy) -> Cost {
    let (batch, row) = match (operation, membership, way) {
        (Operation::Leave, Membership::List(_), _) => (0, 1),
        (Operation::Leave, Membership::Field(_), _) => (1, 1),
        (Operation::Join, Membership::List(_), ListStrategy::Single) => (0, 1),
        (Operation::Join, Membership::List(_), ListStrategy::BulkThenList) => (1, 1),
        (Operation::Leave, Membership::None, _) => (0, 0),
        _ => (1, 0),
    };
    Cost { batch, row }
}

impl Cost {
    fn of(self, rows: u32) -> u64 {
        self.batch * u64::from(rows).div_ceil(BATCH_ROWS as u64) + self.row * u64::from(rows)
    }

    /// How many rows `requests` pay for: whole batches where a batch is what costs.
    fn rows_for(self, requests: u64) -> u64 {
        match self {
            Cost { batch: 0, row: 0 } => u64::MAX,
            Cost { batch: 0, row } => requests / row,
            Cost { batch, row: 0 } => requests / batch * BATCH_ROWS as u64,
            Cost { batch, row } => requests * BATCH_ROWS as u64 / (batch + row * BATCH_ROWS as u64),
        }
    }
}

/// How many requests it takes to send these chunks.
pub fn requests(chunks: &[Chunk], memberships: &[Membership], way: ListStrategy) -> u64 {
    let of = |chunk: &Chunk| memberships.get(chunk.segment).map_or(0, |m| cost(chunk.operation, m, way).of(chunk.rows));
    chunks.iter().map(of).sum()
}

/// Requests that are worth a lane of their own: fewer lanes cut fewer batches.
const LANE_REQUESTS: u64 = 25;

/// How many lanes are worth their while.
pub fn lanes_for(chunks: &[Chunk], memberships: &[Membership], way: ListStrategy, lanes: u32) -> u32 {
    let worth = requests(chunks, memberships, way).div_ceil(LANE_REQUESTS).max(1);
    lanes.min(u32::try_from(worth).unwrap_or(u32::MAX))
}

/// Deals the chunks to the lanes, in order, each as many requests as its share of the rate.
pub fn deal(chunks: &[Chunk], memberships: &[Membership], way: ListStrategy, shares: &[u32]) -> Vec<Vec<Range>> {
    let total = requests(chunks, memberships, way);
    let rate: u64 = shares.iter().map(|share| u64::from(*share)).sum();
    let mut dealt: Vec<Vec<Range>> = Vec::new();
    let mut lane = Vec::new();
    let mut spent = 0;
    // What the lanes up to this one may spend together.
    let budget = |lane: usize| {
        let before: u64 = shares.iter().take(lane + 1).map(|share| u64::from(*share)).sum();
        (total * before).div_ceil(rate.max(1))
    };
    for (number, chunk) in chunks.iter().enumerate() {
        let Some(membership) = memberships.get(chunk.segment) else { continue };
        let cost = cost(chunk.operation, membership, way);
        let mut from = 0;
        while from < chunk.rows {
            let room = budget(dealt.len()).saturating_sub(spent);
            let last = dealt.len() + 1 >= shares.len();
            let fits = if last { u64::MAX } else { cost.rows_for(room) };
            let take = u32::try_from(fits).unwrap_or(u32::MAX).min(chunk.rows - from);
            if take == 0 {
                dealt.push(std::mem::take(&mut lane));
                continue;
            }
            lane.push(Range { chunk: number, from, to: from + take });
            spent += cost.of(take);
            from += take;
        }
    }
    // A lane keeps its place, also where it has nothing to do: its place is its share.
    dealt.push(lane);
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunk(segment: usize, operation: Operation, rows: u32) -> Chunk {
        Chunk { name: String::new(), segment, operation, rows }
    }

    fn memberships() -> Vec<Membership> {
        vec![Membership::List("a".into()), Membership::Field("b".into()), Membership::None]
    }

    proptest! {
        #[test]
        fn every_row_is_dealt_once_and_lanes_cost_alike(
            parts in proptest::collection::vec((0usize..3, 0u8..3, 1u32..1001), 0..12), lanes in 1u32..11, way in 0u8..3
        ) {
            let operation = |n| [Operation::Join, Operation::Update, Operation::Leave][usize::from(n)];
            let chunks: Vec<_> = parts.iter().map(|(s, e, r)| chunk(*s, operation(*e), *r)).collect();
            let way = [ListStrategy::Bulk, ListStrategy::Single, ListStrategy::BulkThenList][usize::from(way)];
            let shares = vec![3; lanes as usize];
            let dealt = deal(&chunks, &memberships(), way, &shares);
            prop_assert!(dealt.len() <= lanes as usize);
            let mut rows: Vec<_> = dealt.iter().flatten().flat_map(|r| (r.from..r.to).map(|n| (r.chunk, n))).collect();
            rows.sort_unstable();
            let all: Vec<_> = chunks.iter().enumerate().flat_map(|(c, chunk)| (0..chunk.rows).map(move |n| (c, n))).collect();
            prop_assert_eq!(rows, all);
            let spent: Vec<u64> = dealt.iter().map(|lane| lane.iter().map(|r| {
                let c = &chunks[r.chunk];
                cost(c.operation, &memberships()[c.segment], way).of(r.to - r.from)
            }).sum()).collect();
            let fair = requests(&chunks, &memberships(), way) / u64::from(lanes) + 1;
            // A batch that was cut costs one more: at the end of each chunk, and between lanes.
            prop_assert!(spent.iter().all(|s| *s <= fair + 2 + chunks.len() as u64 + u64::from(lanes)), "{:?} of {}", spent, fair);
        }
    }

    #[test]
    fn batches_are_not_cut_for_fairness() {
        let chunks: Vec<_> = (0..99).map(|_| chunk(1, Operation::Join, 1000)).collect();
        let dealt = deal(&chunks, &memberships(), ListStrategy::Bulk, &[5, 5, 5, 5]);
        let batches: Vec<u32> = dealt.iter().map(|l| l.iter().map(|r| (r.to - r.from).div_ceil(100)).sum()).collect();
        assert_eq!(batches, [248, 247, 248, 247]);
    }

    #[test]
    fn lanes_are_dealt_as_much_as_their_share() {
        let chunks: Vec<_> = (0..100).map(|_| chunk(1, Operation::Join, 1000)).collect();
        let dealt = deal(&chunks, &memberships(), ListStrategy::Bulk, &[2, 1, 1, 1]);
        let batches: Vec<u32> = dealt.iter().map(|l| l.iter().map(|r| (r.to - r.from).div_ceil(100)).sum()).collect();
        assert_eq!(batches, [400, 200, 200, 200]);
    }

    #[test]
    fn a_few_rows_take_one_lane() {
        assert_eq!(lanes_for(&[chunk(1, Operation::Update, 30)], &memberships(), ListStrategy::Bulk, 4), 1);
        assert_eq!(lanes_for(&[chunk(0, Operation::Leave, 500)], &memberships(), ListStrategy::Bulk, 4), 4);
        assert_eq!(lanes_for(&[], &memberships(), ListStrategy::Bulk, 4), 1);
    }
}
