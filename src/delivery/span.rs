//! Rows of one segment and one operation, as a lane is given them and as it holds them.

use crate::chunk::{Operation, Row};
use crate::state::MembershipTarget;

/// Rows of one segment and one operation.
#[derive(Clone, Debug)]
pub struct Span {
    /// What is to be done for them.
    pub operation: Operation,
    /// How members are marked.
    pub marked: MembershipTarget,
    /// The rows, each with its number within the span; rows that were judged before are left out.
    pub rows: Vec<(u32, Row)>,
}

/// A span in a lane.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) operation: Operation,
    pub(super) marked: MembershipTarget,
    /// The number of the first of `rows`; one that was judged is gone from its place.
    first: u32,
    rows: Vec<Option<Row>>,
    pub(super) left: usize,
}

impl Open {
    pub(super) fn new(operation: Operation, marked: MembershipTarget, numbered: Vec<(u32, Row)>) -> Self {
        let (first, left) = (numbered.first().map_or(0, |(number, _)| *number), numbered.len());
        let mut rows = Vec::with_capacity(left);
        for (number, row) in numbered {
            rows.resize_with(number.saturating_sub(first) as usize, || None);
            rows.push(Some(row));
        }
        Self { operation, marked, first, rows, left }
    }

    pub(super) fn place(&mut self, number: u32) -> Option<&mut Option<Row>> {
        self.rows.get_mut(number.checked_sub(self.first)? as usize)
    }

    pub(super) fn row(&self, number: u32) -> Option<&Row> {
        self.rows.get(number.checked_sub(self.first)? as usize)?.as_ref()
    }

    /// Gives the row that is judged out.
    pub(super) fn take(&mut self, number: u32) -> Option<Row> {
        let row = self.place(number)?.take()?;
        self.left -= 1;
        Some(row)
    }
}
