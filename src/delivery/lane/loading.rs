//! What rows need that a lane is given.

use std::collections::HashSet;

use super::Span;
use crate::chunk::Row;
use crate::destination::{Protocol, Request, RowId, RowOutcome, RowResult};

/// What rows need.
pub(super) struct Loaded {
    /// Their first requests.
    pub(super) requests: Vec<Request>,
    /// What became of rows that need none.
    pub(super) outcomes: Vec<(RowId, RowOutcome)>,
}

/// Asks the protocol what the rows of a span need.
pub(super) fn loaded(protocol: &dyn Protocol, number: u32, span: &Span) -> Loaded {
    let known = |(id, row): &(RowId, &Row)| Some((*id, protocol.beforehand(&span.group, row)?));
    let mut rows: Vec<(RowId, &Row)> =
        span.rows.iter().map(|(row, body)| (RowId { span: number, number: *row }, body)).collect();
    let mut outcomes: Vec<(RowId, RowOutcome)> = rows.iter().filter_map(known).collect();
    if !outcomes.is_empty() {
        let known: HashSet<RowId> = outcomes.iter().map(|(id, _)| *id).collect();
        rows.retain(|(id, _)| !known.contains(id));
    }
    let requests = protocol.requests(&span.group, &rows);
    let asked: usize = requests.iter().map(|request| request.rows.len()).sum();
    if asked < rows.len() {
        // Rows without a request have nothing to be taken off.
        let asked: HashSet<RowId> = requests.iter().flat_map(|request| request.rows.iter().copied()).collect();
        rows.retain(|(id, _)| !asked.contains(id));
        outcomes.extend(rows.into_iter().map(|(id, _)| (id, RowOutcome::Done(RowResult::Left))));
    }
    Loaded { requests, outcomes }
}
