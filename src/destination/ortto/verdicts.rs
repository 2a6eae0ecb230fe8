//! What was merged, and what is to be sent again.

use std::collections::{BTreeSet, HashSet};

use super::response::Entry;
use super::run::OrttoProtocol;
use super::steps::{AGAIN, ALONE, MERGE};
use crate::chunk::{Operation, Row};
use crate::destination::{Request, Response, RowId, RowOutcome, RowResult, Rows};

/// Whether a step makes joiners of its rows: changed rows that a merge did not find are gone, and join again.
pub(super) fn joins(step: &str, operation: Operation) -> bool {
    operation == Operation::Join || step != MERGE
}

/// What the rows of a request are there for.
pub(super) fn operation(request: &Request, rows: &dyn Rows) -> Option<Operation> {
    request.rows.first().and_then(|id| rows.row(*id)).map(|(group, ..)| group.operation)
}

/// A response whose rows came to something else.
pub(super) fn each_outcome(response: Response, other: impl Fn(RowId, RowOutcome) -> RowOutcome) -> Response {
    let all = |rows: Vec<(RowId, RowOutcome)>| rows.into_iter().map(|(id, outcome)| (id, other(id, outcome))).collect();
    match response {
        Response::Rows(rows) => Response::Rows(all(rows)),
        Response::Partly(rows, requests) => Response::Partly(all(rows), requests),
        response => response,
    }
}

/// The same request in two.
pub(super) fn halves(request: &Request) -> Response {
    let (first, rest) = request.rows.split_at(request.rows.len() / 2);
    Response::Partly(Vec::new(), [first, rest].map(|rows| Request::new(request.step, rows.to_vec())).into())
}

/// Whether a merge made some of its people: it says so, or an earlier one did not find them.
pub(super) fn makes_some(request: &Request, rows: &dyn Rows, entries: &[Entry]) -> bool {
    let was_gone = operation(request, rows) == Some(Operation::Update) && request.step != MERGE;
    was_gone || entries.iter().any(|entry| matches!(entry, Entry::Created(_)))
}

/// What a merge confirmed of a row. A person who was made in the place of the one that the state knows is another.
pub(super) fn merged_as(
    protocol: &OrttoProtocol,
    row: &Row,
    id: &str,
    there: &HashSet<&str>,
    makes: bool,
) -> RowOutcome {
    let is_gone = makes && protocol.known.id(&row.key).is_some_and(|known| !there.contains(known));
    let id = id.to_owned();
    RowOutcome::Done(if is_gone { RowResult::DeliveredAnew(id) } else { RowResult::Delivered(id) })
}

/// All rows were merged. An id that the state has already stays with its profile; the others go by their place, which is
/// a hint. A row without an id is delivered all the same.
pub(super) fn delivered(
    protocol: &OrttoProtocol,
    ids: &[RowId],
    rows: &dyn Rows,
    entries: &[Entry],
    makes: bool,
) -> Vec<(RowId, RowOutcome)> {
    let done: Vec<Option<&str>> = entries.iter().map(Entry::id).collect();
    let there: HashSet<&str> = done.iter().flatten().copied().collect();
    let own = |id: &RowId| {
        let (_, row, _) = rows.row(*id)?;
        protocol.known.id(&row.key).filter(|id| there.contains(id))
    };
    let owned: Vec<Option<&str>> = ids.iter().map(own).collect();
    let taken: HashSet<&str> = owned.iter().flatten().copied().collect();
    let free = |n: usize| done.get(n).copied().flatten().filter(|id| !taken.contains(id));
    let mut rest = done.iter().flatten().copied().filter(|id| !taken.contains(id)).collect::<BTreeSet<_>>();
    // First those whose own place is free, then the rest.
    let mut given: Vec<Option<&str>> = owned.clone();
    for (n, place) in given.iter_mut().enumerate().filter(|(_, place)| place.is_none()) {
        *place = free(n).filter(|id| rest.remove(id));
    }
    for place in given.iter_mut().filter(|place| place.is_none()) {
        *place = rest.pop_first();
    }
    let outcome = |(id, contact): (&RowId, Option<&str>)| {
        let (_, row, _) = rows.row(*id)?;
        Some((*id, merged_as(protocol, row, contact.unwrap_or_default(), &there, makes)))
    };
    ids.iter().zip(given).filter_map(outcome).collect()
}

/// Who changed and is archived does not join again.
pub(super) fn may_not_join(protocol: &OrttoProtocol, operation: Operation, row: &Row) -> bool {
    operation == Operation::Update && protocol.is_archived(row)
}

/// Rows that a merge, or what was read after it, does not confirm.
pub(super) fn unconfirmed(
    protocol: &OrttoProtocol,
    step: &'static str,
    ids: &[RowId],
    rows: &dyn Rows,
) -> Vec<(RowId, RowOutcome)> {
    let outcome = |id: &RowId| {
        let (group, row, _) = rows.row(*id)?;
        let outcome = match (step, group.operation) {
            (MERGE, operation) if may_not_join(protocol, operation, row) => RowOutcome::Done(RowResult::Suppressed),
            (MERGE, _) => RowOutcome::ThenTogether(AGAIN, String::new()),
            _ => RowOutcome::Then(ALONE, String::new()),
        };
        Some((*id, outcome))
    };
    ids.iter().filter_map(outcome).collect()
}
