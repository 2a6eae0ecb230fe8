//! Leavers whose own ids the state does not have: everybody in the account is read, page by page, until they are found.
//! Who is not there has left, unless a member is there who may be the same under another address.

use std::collections::HashMap;

use serde_json::Value;

use super::leaver::{Leaver, NOT_FOUND, OTHER_ADDRESS, UNREAD};
use super::paging::{Following, following};
use super::request;
use super::response::{Person, people};
use super::run::{OrttoProtocol, is_opt_out};
use super::steps::{OPT_OUT, SCAN, UNMARK};
use crate::destination::{Call, Request, Response, RowOutcome, Rows};
use crate::state::half;

pub(super) fn call(request: &Request) -> Call {
    let (offset, cursor) = request.note.split_once(' ').unwrap_or_default();
    request::everybody(offset, cursor)
}

/// What a page says of the leavers that are looked for; where it was not given, nobody can be said to be gone.
pub(super) fn response(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows, body: Option<&Value>) -> Response {
    let Some((body, page)) = body.and_then(|body| Some((body, people(body)?))) else {
        // Going through the pages again would end here again.
        let unread = |id| (id, RowOutcome::Refused(UNREAD.to_owned()));
        return Response::Rows(request.rows.iter().copied().map(unread).collect());
    };
    let there = page.iter().filter(|person| !person.email.is_empty());
    let there: HashMap<[u8; 16], &Person> =
        there.map(|person| (half(&protocol.known.profile(&person.email)), person)).collect();
    let (mut outcomes, mut rest) = (Vec::new(), Vec::new());
    for id in &request.rows {
        let Some((_, row, noted)) = rows.row(*id) else { continue };
        match there.get(&half(&row.key)) {
            Some(Person { id: own, email, .. }) => {
                let note = Leaver { times: 0, id: own, email: email.into() }.note();
                let next = if is_opt_out(row) { OPT_OUT } else { UNMARK };
                outcomes.push((*id, RowOutcome::ThenTogether(next, note)));
            }
            None => rest.push((*id, is_opt_out(row), noted == OTHER_ADDRESS)),
        }
    }
    let (offset, _) = request.note.split_once(' ').unwrap_or_default();
    match (rest.is_empty(), following(body, offset.parse().unwrap_or_default(), page.len())) {
        (false, Following::At(next, cursor)) => {
            let note = format!("{next} {}", cursor.unwrap_or_default());
            let rest = rest.into_iter().map(|(id, ..)| id).collect();
            return Response::Partly(outcomes, vec![Request { note, ..Request::new(SCAN, rest) }]);
        }
        // Pages that lead nowhere do not say who is not there.
        (false, Following::Nowhere) => {
            outcomes.extend(rest.into_iter().map(|(id, ..)| (id, RowOutcome::Refused(NOT_FOUND.to_owned()))))
        }
        _ => outcomes.extend(rest.into_iter().map(|(id, opts_out, may_be_another)| {
            let outcome = match (opts_out, may_be_another) {
                (true, _) => RowOutcome::Suppressed,
                (false, true) => RowOutcome::Refused(NOT_FOUND.to_owned()),
                (false, false) => RowOutcome::Left,
            };
            (id, outcome)
        })),
    }
    Response::Rows(outcomes)
}
