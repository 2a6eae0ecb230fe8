//! A span at work: its rows that are not judged yet.

use crate::delivery::row::{Errand, Row};
use crate::state::Marked;

#[derive(Debug)]
pub(super) struct Open {
    pub(super) errand: Errand,
    pub(super) marked: Marked,
    /// The number of the first of `rows`; one that was judged is gone from its place.
    first: u32,
    rows: Vec<Option<Row>>,
    pub(super) left: usize,
}

impl Open {
    pub(super) fn new(errand: Errand, marked: Marked, numbered: Vec<(u32, Row)>) -> Self {
        let (first, left) = (numbered.first().map_or(0, |(number, _)| *number), numbered.len());
        let mut rows = Vec::with_capacity(left);
        for (number, row) in numbered {
            rows.resize_with(number.saturating_sub(first) as usize, || None);
            rows.push(Some(row));
        }
        Self { errand, marked, first, rows, left }
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
