//! Rows that are ready to be applied.

use super::change::Change;
use super::merge_request::{Row, Rules};

/// A valid row, ready to be applied.
#[derive(Clone, Debug)]
pub(super) struct ValidRow {
    pub(super) row: Row,
    /// Field numbers with what to do to them.
    pub(super) changes: Vec<(u16, Change)>,
    /// Field numbers to clear first.
    pub(super) cleared: Vec<u16>,
}

/// An asynchronous merge that is to be applied.
#[derive(Debug)]
pub(super) struct QueuedMerge {
    pub(super) rows: Vec<ValidRow>,
    pub(super) rules: Rules,
}
