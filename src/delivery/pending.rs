//! Rows of one segment and one operation, as a lane is given them and as it holds them.

use std::collections::BTreeMap;

use crate::chunk::Row;
use crate::destination::{Group, RowId, Rows};

/// Rows of one segment and one operation.
#[derive(Clone, Debug)]
pub struct Span {
    /// What they have in common.
    pub group: Group,
    /// The rows, each with its number within the span; rows that have a verdict already are left out.
    pub rows: Vec<(u32, Row)>,
}

/// The spans of a lane whose rows wait for a verdict.
#[derive(Debug, Default)]
pub(super) struct Pending(BTreeMap<u32, Held>);

#[derive(Debug)]
struct Held {
    group: Group,
    /// The number of the first of `rows`; one that has its verdict is gone from its place.
    first: u32,
    rows: Vec<Option<HeldRow>>,
    left: usize,
}

#[derive(Debug)]
struct HeldRow {
    row: Row,
    note: String,
    /// A request that carried it may have been applied without a word on it.
    may_be_sent: bool,
    /// A request with it left, whatever became of that.
    was_sent: bool,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn insert(&mut self, span: u32, Span { group, rows: numbered }: Span) {
        let (first, left) = (numbered.first().map_or(0, |(number, _)| *number), numbered.len());
        let mut rows = Vec::with_capacity(left);
        for (number, row) in numbered {
            rows.resize_with(number.saturating_sub(first) as usize, || None);
            rows.push(Some(HeldRow { row, note: String::new(), may_be_sent: false, was_sent: false }));
        }
        if left > 0 {
            self.0.insert(span, Held { group, first, rows, left });
        }
    }

    /// Keeps a note with a row.
    pub(super) fn note(&mut self, RowId { span, number }: RowId, note: String) {
        if let Some(Some(held)) = self.0.get_mut(&span).and_then(|held| held.place(number)) {
            held.note = note;
        }
    }

    /// Notes that a request with a row leaves.
    pub(super) fn sent(&mut self, RowId { span, number }: RowId) {
        if let Some(Some(held)) = self.0.get_mut(&span).and_then(|held| held.place(number)) {
            held.was_sent = true;
        }
    }

    /// Whether a row is without a verdict that has, or may have, been sent.
    pub(super) fn holds_sent(&self) -> bool {
        self.0.values().flat_map(|held| held.rows.iter().flatten()).any(|row| row.was_sent || row.may_be_sent)
    }

    /// Notes that a row may have been sent: it has no answer, or none that is clear.
    pub(super) fn may_be_sent(&mut self, RowId { span, number }: RowId) {
        if let Some(Some(held)) = self.0.get_mut(&span).and_then(|held| held.place(number)) {
            held.may_be_sent = true;
        }
    }

    /// Gives a row out that has its verdict, and whether it may have been sent before.
    pub(super) fn take(&mut self, RowId { span, number }: RowId) -> Option<(Row, bool)> {
        let held = self.0.get_mut(&span)?;
        let HeldRow { row, may_be_sent, .. } = held.place(number)?.take()?;
        held.left -= 1;
        if held.left == 0 {
            self.0.remove(&span);
        }
        Some((row, may_be_sent))
    }
}

impl Held {
    fn place(&mut self, number: u32) -> Option<&mut Option<HeldRow>> {
        self.rows.get_mut(number.checked_sub(self.first)? as usize)
    }
}

impl Rows for Pending {
    fn row(&self, RowId { span, number }: RowId) -> Option<(&Group, &Row, &str)> {
        let held = self.0.get(&span)?;
        let HeldRow { row, note, .. } = held.rows.get(number.checked_sub(held.first)? as usize)?.as_ref()?;
        Some((&held.group, row, note))
    }
}
