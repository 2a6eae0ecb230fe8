//! Opt-outs of people whose rows are not sent: the permission is taken from those who exist, and nobody is created.
//!
//! As nothing in an entry names its row, an answer counts only where it says the same of all rows; else they are asked for
//! by halves, and at last alone. Who is not there, or is suppressed, is asked for again by the next run: once such a
//! person can be sent email, the opt-out must not be forgotten.

use super::contact::with_field;
use super::doubts;
use super::entry::{are_distinct, reasons};
use super::fields::PERMISSION;
use super::leaver::Leaver;
use super::request;
use super::response::{Entry, Reply, entries};
use super::run::OrttoProtocol;
use super::steps::{LOOK, OPT_OUT, OPT_OUT_OF_REFUSED, kind};
use super::verdicts::{delivered, each_outcome, halves};
use crate::chunk::Row;
use crate::destination::{Call, Limits, Request, Response, RowId, RowOutcome, RowResult, Rows, batches};

/// Whether neither an id nor an address of the person is known.
pub(super) fn is_unknown(row: &Row) -> bool {
    row.cells.is_empty() && !row.contact_id.contains('@') && !request::is_id(&row.contact_id)
}

/// The first requests for opt-outs. The address of a person known only by an id is looked up.
pub(super) fn first(rows: &[(RowId, &Row)], limits: Limits) -> Vec<Request> {
    let is_by_id = |row: &Row| row.cells.is_empty() && !row.contact_id.contains('@');
    let (by_id, by_address): (Vec<_>, Vec<_>) = rows.iter().partition(|(_, row)| is_by_id(row));
    let cut = |step: &'static str, rows: Vec<(RowId, &Row)>| {
        let ids = |batch: Vec<(RowId, &Row)>| batch.into_iter().map(|(id, _)| id).collect();
        let batches = batches(&rows, limits, |(_, row)| row.cells.len() + 400).into_iter();
        batches.map(|batch| Request::new(step, ids(batch))).collect::<Vec<_>>()
    };
    let mut requests = cut(LOOK, by_id);
    requests.extend(cut(OPT_OUT, by_address));
    requests
}

pub(super) fn call(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows) -> Option<Call> {
    let mut people = String::new();
    for (n, (_, row, note)) in request.rows.iter().filter_map(|id| rows.row(*id)).enumerate() {
        people.push_str(if n > 0 { "," } else { "" });
        let alone = |email: &str| with_field(email, &format!("\"{PERMISSION}\":false"));
        match row.cells.is_empty() {
            true => people.push_str(&alone(&Leaver::of(row, note).email)),
            // What was refused of the row is not sent again.
            false if request.step == OPT_OUT_OF_REFUSED => people.push_str(&alone(&row.email().to_lowercase())),
            false => protocol.writer.write(row, None, None, &mut people),
        }
    }
    Some(request::merge(kind(request.step), &people, false))
}

/// The same for rows that were refused: they stay so, for the reason that is noted.
pub(super) fn of_refused(rows: &dyn Rows, response: Response) -> Response {
    each_outcome(response, |id, outcome| {
        let reason = rows.row(id).map(|(.., note)| note.to_owned()).unwrap_or_default();
        match outcome {
            RowOutcome::Done(RowResult::Delivered(_) | RowResult::DeliveredAnew(_)) => {
                RowOutcome::Done(RowResult::OptedOut(reason))
            }
            RowOutcome::Done(RowResult::Suppressed | RowResult::Refused(_)) => RowOutcome::refused(reason),
            outcome => outcome,
        }
    })
}

/// What a merge says of its opt-outs.
pub(super) fn response(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows, reply: Reply) -> Response {
    let ids = &request.rows;
    let all = |outcome: RowOutcome| Response::Rows(ids.iter().map(|id| (*id, outcome.clone())).collect());
    let entries = match reply {
        Reply::Done(body) => entries(&body),
        Reply::Bad(entries) => entries,
        Reply::Refused(status, reason) => {
            let going_on = doubts::refused(protocol, request, rows, status, &reason);
            return going_on.unwrap_or_else(|| all(RowOutcome::refused(reason)));
        }
        _ => return Response::Failed("an answer of unknown meaning"),
    };
    let is_for_each = entries.len() == ids.len();
    if is_for_each && entries.iter().all(Entry::is_merged) && are_distinct(&entries) {
        return Response::Rows(delivered(protocol, ids, rows, &entries, false));
    }
    let is_not_sent = |entry: &Entry| matches!(entry, Entry::Skipped | Entry::Suppressed);
    // Who is not there may have no entry.
    if (is_for_each || ids.len() == 1) && entries.iter().all(is_not_sent) {
        return all(RowOutcome::Done(RowResult::Suppressed));
    }
    if ids.len() > 1 {
        return halves(request);
    }
    match reasons(&entries) {
        Some(reasons) => all(RowOutcome::refused(reasons)),
        None if entries.iter().all(Entry::is_merged) => {
            let first = entries.get(..1).unwrap_or_default();
            Response::Rows(delivered(protocol, ids, rows, first, false))
        }
        // What it says is unknown: it is asked for again.
        None => all(RowOutcome::Done(RowResult::Suppressed)),
    }
}
