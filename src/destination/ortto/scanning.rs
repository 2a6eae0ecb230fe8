//! Leavers whose own ids the state does not have: everybody in the account is read, page by page, until they are found.
//! Who is not there has left, unless a member is there who may be the same under another address. Where the last rows were
//! sent so lately that reads may not show all of them, everybody is read once more before ([`unseen`]). The same where the account
//! lost people between two pages: somebody may have moved to the place of one that was read.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use super::leaver::{Leaver, NOT_FOUND, OTHER_ADDRESS, UNREAD};
use super::paging::{Following, following};
use super::request;
use super::response::{Person, people};
use super::run::{OrttoProtocol, is_opt_out};
use super::steps::{OPT_OUT, SCAN, UNMARK};
use super::unseen::{self, ALL, PageAt, WAITED};
use crate::destination::{Call, Request, Response, RowId, RowOutcome, RowResult, Rows};
use crate::state::half;

/// A leaver, or an opt-out, who is not on the pages so far.
struct Missing {
    id: RowId,
    is_opt_out: bool,
    may_be_another: bool,
    /// Whether it may be there, and was not waited for.
    is_due: bool,
}

pub(super) fn call(request: &Request) -> Call {
    let PageAt { offset, cursor, .. } = PageAt::of(&request.note);
    request::everybody(offset, cursor)
}

/// What a page says of the leavers that are looked for; where it was not given, nobody can be said to be gone.
pub(super) fn response(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows, body: Option<&Value>) -> Response {
    let Some((body, page)) = body.and_then(|body| Some((body, people(body)?))) else {
        // Going through the pages again would end here again.
        let unread = |id| (id, RowOutcome::refused(UNREAD));
        return Response::Rows(request.rows.iter().copied().map(unread).collect());
    };
    let there = page.iter().filter(|person| !person.email.is_empty());
    let there: HashMap<[u8; 16], &Person> =
        there.map(|person| (half(&protocol.known.profile(&person.email)), person)).collect();
    let at = PageAt::of(&request.note).with_total(body);
    let (mut outcomes, mut rest) = (Vec::new(), Vec::new());
    for id in &request.rows {
        let Some((_, row, noted)) = rows.row(*id) else { continue };
        match there.get(&half(&row.key)) {
            Some(Person { id: own, email, .. }) => {
                let note = Leaver { times: 0, id: own, email: email.into() }.note();
                let next = if is_opt_out(row) { OPT_OUT } else { UNMARK };
                outcomes.push((*id, RowOutcome::ThenTogether(next, note)));
            }
            None => rest.push(Missing {
                id: *id,
                is_opt_out: is_opt_out(row),
                may_be_another: noted == OTHER_ADDRESS,
                is_due: !at.is_second && noted != WAITED && unseen::may_be_there(protocol, row),
            }),
        }
    }
    if rest.is_empty() {
        return Response::Rows(outcomes);
    }
    match following(body, at.offset.parse().unwrap_or_default(), page.len()) {
        Following::At(next, cursor) => {
            let (offset, cursor) = (next.to_string(), cursor.unwrap_or_default());
            let note = PageAt { offset: &offset, cursor: &cursor, ..at }.note();
            let rest = rest.into_iter().map(|missing| missing.id).collect();
            Response::Partly(outcomes, vec![Request { note, ..Request::new(SCAN, rest) }])
        }
        // Pages that lead nowhere do not say who is not there.
        Following::Nowhere => {
            let refused = |missing: Missing| (missing.id, RowOutcome::refused(NOT_FOUND));
            outcomes.extend(rest.into_iter().map(refused));
            Response::Rows(outcomes)
        }
        Following::Last if at.is_shrunk && at.is_second => {
            outcomes.extend(rest.into_iter().map(|missing| (missing.id, RowOutcome::refused(UNREAD))));
            Response::Rows(outcomes)
        }
        Following::Last if at.is_shrunk => {
            let rest = rest.into_iter().map(|missing| missing.id).collect();
            let again = PageAt::from_the_start(request, Duration::ZERO);
            Response::Partly(outcomes, vec![Request { rows: rest, ..again }])
        }
        Following::Last => {
            let (due, gone): (Vec<_>, Vec<_>) = rest.into_iter().partition(|missing| missing.is_due);
            outcomes.extend(gone.into_iter().map(|missing| (missing.id, not_there(&missing))));
            if due.is_empty() {
                return Response::Rows(outcomes);
            }
            let due = due.into_iter().map(|missing| missing.id).collect();
            Response::Partly(outcomes, vec![Request { rows: due, ..PageAt::from_the_start(request, ALL) }])
        }
    }
}

/// What is known of one who is on no page.
fn not_there(missing: &Missing) -> RowOutcome {
    match (missing.is_opt_out, missing.may_be_another) {
        (true, _) => RowOutcome::Done(RowResult::Suppressed),
        (false, true) => RowOutcome::refused(NOT_FOUND),
        (false, false) => RowOutcome::Done(RowResult::Left),
    }
}
