//! Joiners and changed people: merged, and judged row by row.
//!
//! Nothing in an entry of a response names its row, nor does its place for certain (ORTTO_API 2.2). Where every entry says
//! that a row was merged, and there are as many as rows, each row was. Otherwise the people behind the ids of the merged
//! entries are read: those among them were merged. The rest are sent once more by themselves, so that a batch of
//! bad rows alone gets their reasons; what still is unclear goes alone.

use std::collections::BTreeSet;

use super::confirming;
use super::doubts;
use super::entry::{NO_REASON, are_distinct, reasons};
use super::request;
use super::response::{Entry, Reply, entries};
use super::run::{LAG, OrttoProtocol};
use super::steps::{AGAIN, ALONE, MERGE, kind};
use super::verdicts::{delivered, halves, joins, makes_some, operation, unconfirmed};
use crate::chunk::{Operation, Row};
use crate::destination::{Call, Request, Response, RowOutcome, RowResult, Rows};
use crate::membership::MembershipTarget;

pub(super) fn call(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows) -> Option<Call> {
    let (group, ..) = rows.row(*request.rows.first()?)?;
    let joins = joins(request.step, group.operation);
    let mark = protocol.mark(group, true);
    let tag = match &group.target {
        MembershipTarget::Tag(name) if joins => Some(name.as_str()),
        _ => None,
    };
    let held: Vec<&Row> = request.rows.iter().filter_map(|id| rows.row(*id)).map(|(_, row, _)| row).collect();
    let mut people = String::with_capacity(held.iter().map(|row| row.cells.len() * 2 + 200).sum());
    for (n, row) in held.into_iter().enumerate() {
        people.push_str(if n > 0 { "," } else { "" });
        protocol.writer.write(row, mark.as_deref(), tag, &mut people);
    }
    Some(request::merge(kind(request.step), &people, joins))
}

/// What a merge says of its rows.
pub(super) fn merged(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows, reply: Reply) -> Response {
    let ids = &request.rows;
    let (entries, is_refused) = match reply {
        Reply::Done(body) => (entries(&body), false),
        Reply::Bad(entries) => (entries, true),
        Reply::Refused(status, reason) => {
            let blamed = || Response::Rows(ids.iter().map(|id| (*id, RowOutcome::refused(reason.clone()))).collect());
            return doubts::refused(protocol, request, rows, status, &reason).unwrap_or_else(blamed);
        }
        _ => return Response::Failed("an answer that does not fit its rows"),
    };
    if ids.len() == 1 {
        return one(protocol, request, rows, &entries, is_refused);
    }
    let is_for_each = entries.len() == ids.len();
    let may_be_gone = request.step == MERGE && operation(request, rows) == Some(Operation::Update);
    let is_named = |entry: &Entry| entry.is_merged() && (!may_be_gone || entry.id().is_some());
    if is_for_each && entries.iter().all(is_named) && are_distinct(&entries) {
        return Response::Rows(delivered(protocol, ids, rows, &entries, makes_some(request, rows, &entries)));
    }
    if is_for_each && entries.iter().all(|entry| entry.is_merged() || *entry == Entry::Queued) {
        protocol.are_unclear(ids);
        return confirming::seek(request, ids.clone());
    }
    let done: Vec<&str> = entries.iter().filter_map(Entry::id).collect();
    if !done.is_empty() {
        return confirming::read(request, &done, makes_some(request, rows, &entries));
    }
    // Nothing names those who were merged.
    if entries.iter().any(Entry::is_merged) {
        protocol.are_unclear(ids);
        return halves(request);
    }
    let is_bad = |entry: &Entry| matches!(entry, Entry::Invalid(_) | Entry::Suppressed);
    match is_refused || request.step == AGAIN && entries.iter().all(is_bad) {
        true if is_for_each => bad(protocol, request, rows, &entries),
        // Some rows are bad, and nothing says which, nor whether the others were merged.
        true if is_refused => halves(request),
        _ => Response::Rows(unconfirmed(protocol, request.step, ids, rows)),
    }
}

/// What an answer says of its only row, which may have several entries: one for each of its faults. In the end it says
/// something, however odd it is: a row that nothing is known of would be sent by every run again.
fn one(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows, entries: &[Entry], is_refused: bool) -> Response {
    let ids = &request.rows;
    let outcome = |outcome: RowOutcome| Response::Rows(ids.iter().map(|id| (*id, outcome.clone())).collect());
    let all = |is: fn(&Entry) -> bool| !entries.is_empty() && entries.iter().all(is);
    // A row that is gone may be called invalid as well, or merged, without an id.
    let may_be_gone = request.step == MERGE && operation(request, rows) == Some(Operation::Update);
    if all(Entry::is_merged) && (!may_be_gone || all(|entry| entry.id().is_some())) {
        let first = entries.get(..1).unwrap_or_default();
        return Response::Rows(delivered(protocol, ids, rows, first, makes_some(request, rows, entries)));
    }
    if all(|entry| *entry == Entry::Suppressed) {
        return outcome(RowOutcome::Done(RowResult::Suppressed));
    }
    if all(|entry| entry.is_merged() || *entry == Entry::Queued) {
        protocol.are_unclear(ids);
        return confirming::seek(request, ids.clone());
    }
    match reasons(entries) {
        Some(reasons) if !may_be_gone => outcome(RowOutcome::refused(reasons)),
        _ if is_refused && !may_be_gone => outcome(RowOutcome::refused(NO_REASON)),
        _ if request.step != ALONE => Response::Rows(unconfirmed(protocol, request.step, ids, rows)),
        // It may have been a mishap.
        _ if request.note.is_empty() => {
            let again = Request { note: REPEATED.to_owned(), wait: LAG, ..Request::new(ALONE, ids.clone()) };
            Response::Partly(Vec::new(), vec![again])
        }
        _ => outcome(RowOutcome::refused(match entries.first() {
            Some(Entry::Unclear(said)) => said.clone(),
            Some(Entry::Skipped) => "was skipped".to_owned(),
            _ => "was left out of the answer".to_owned(),
        })),
    }
}

/// What is noted with a request that was made once already, and brought nothing.
const REPEATED: &str = "repeated";

/// As many details as rows: every row is bad. The reasons are in the order of the rows or in another one: where they
/// differ, each row has all. Of few rows, one may have several details; they are sent alone.
fn bad(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows, entries: &[Entry]) -> Response {
    let ids = &request.rows;
    let outcome = |outcome: RowOutcome| Response::Rows(ids.iter().map(|id| (*id, outcome.clone())).collect());
    if entries.iter().all(|entry| *entry == Entry::Suppressed) {
        return outcome(RowOutcome::Done(RowResult::Suppressed));
    }
    // A row that is gone may be called invalid as well.
    if operation(request, rows) == Some(Operation::Update) && request.step == MERGE {
        return Response::Rows(unconfirmed(protocol, request.step, ids, rows));
    }
    if ids.len() <= FEW {
        return outcome(RowOutcome::Then(ALONE, String::new()));
    }
    if entries.contains(&Entry::Suppressed) {
        return halves(request);
    }
    let reasons: BTreeSet<&str> = entries.iter().filter_map(Entry::reason).collect();
    match reasons.len() {
        0 => outcome(RowOutcome::refused(NO_REASON)),
        1..=MOST_REASONS => {
            let reasons: Vec<&str> = reasons.into_iter().collect();
            outcome(RowOutcome::refused(reasons.join("; or: ")))
        }
        // Each has the one at its place, which is a hint.
        _ => {
            let probably = |entry: &Entry| format!("probably: {}", entry.reason().unwrap_or(NO_REASON));
            let each = ids.iter().zip(entries).map(|(id, entry)| (*id, RowOutcome::refused(probably(entry))));
            Response::Rows(each.collect())
        }
    }
}

/// Batches up to this size are retried row by row, rather than judged by the number of details.
const FEW: usize = 3;

/// The most reasons that are reported together.
const MOST_REASONS: usize = 3;
