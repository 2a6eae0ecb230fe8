//! Opt-outs of people whose rows are not sent: the permission is taken from whoever is there, and nobody is created.
//!
//! As nothing in an entry names its row, an answer counts only where it says the same of all rows; else they are asked for
//! by halves, and at last alone. Who is not there, or is suppressed, is asked for again by the next run: once such a
//! person can be sent email, the opt-out must not be forgotten.

use std::collections::HashSet;

use super::merging::{delivered, halves, id};
use super::request;
use super::response::{Entry, Reply, entries};
use super::run::{LIMITS, OPT_OUT, OrttoProtocol, kind};
use crate::chunk::Row;
use crate::destination::{Call, Request, Response, RowId, RowOutcome, Rows, batches};
use crate::state::OPT_OUT_ALONE;

/// Whether a row is sent for its opt-out alone.
pub(super) fn is_opt_out(row: &Row) -> bool {
    row.digest == OPT_OUT_ALONE
}

/// The first requests for opt-outs.
pub(super) fn first(rows: &[(RowId, &Row)]) -> Vec<Request> {
    let ids = |batch: Vec<(RowId, &Row)>| batch.into_iter().map(|(id, _)| id).collect();
    let batches = batches(rows, LIMITS, |(_, row)| row.cells.len() + 200).into_iter();
    batches.map(|batch| Request::new(OPT_OUT, ids(batch))).collect()
}

pub(super) fn call(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows) -> Option<Call> {
    let mut people = String::new();
    for (n, (_, row, _)) in request.rows.iter().filter_map(|id| rows.row(*id)).enumerate() {
        people.push_str(if n > 0 { "," } else { "" });
        protocol.writer.write(row, None, None, &mut people);
    }
    Some(request::merge(kind(OPT_OUT), &people, false))
}

/// What a merge says of its opt-outs.
pub(super) fn response(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows, reply: Reply) -> Response {
    let ids = &request.rows;
    let all = |outcome: RowOutcome| Response::Rows(ids.iter().map(|id| (*id, outcome.clone())).collect());
    let entries = match reply {
        Reply::Done(body) => entries(&body),
        Reply::Bad(entries) => entries,
        Reply::Refused(_, reason) if ids.len() == 1 => return all(RowOutcome::Refused(reason)),
        Reply::Refused(..) => return halves(request),
        _ => return Response::Failed("an answer of unknown meaning"),
    };
    let done: Vec<&str> = entries.iter().filter_map(id).collect();
    let distinct = done.iter().collect::<HashSet<_>>().len();
    if (done.len(), entries.len(), distinct) == (ids.len(), ids.len(), ids.len()) {
        return Response::Rows(delivered(protocol, ids, rows, &done, false));
    }
    let is_not_sent = |entry: &Entry| matches!(entry, Entry::Skipped | Entry::Suppressed);
    // Who is not there may have no entry.
    let one_for_each = entries.len() == ids.len() || ids.len() == 1;
    match entries.as_slice() {
        entries if one_for_each && entries.iter().all(is_not_sent) => all(RowOutcome::Suppressed),
        _ if ids.len() > 1 => halves(request),
        [Entry::Invalid(reason)] => all(RowOutcome::Refused(reason.clone())),
        _ => Response::Failed("an answer of unknown meaning"),
    }
}
