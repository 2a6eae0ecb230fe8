//! Whether the account still has the custom fields that a run fills. Where one is deleted in mid-run, every row that fills it is
//! refused; none of them is to blame. So where a refusal names one of these fields, they are listed before it counts.

use std::sync::PoisonError;

use serde_json::Value;

use super::custom_fields::read_fields;
use super::request;
use super::response::{Entry, Reply, entries};
use super::run::OrttoProtocol;
use super::steps::{AGAIN, ALONE, FIELDS, MERGE, OPT_OUT, OPT_OUT_OF_REFUSED, UNMARK};
use crate::destination::{Call, Request, Response, Rows};
use crate::error::Kind;

/// The requests that write.
const WRITING: [&str; 6] = [MERGE, AGAIN, ALONE, OPT_OUT, OPT_OUT_OF_REFUSED, UNMARK];

/// Asks for the fields first, where a refusal names one of the run's. Where they were there, it is not asked again before
/// another merge was accepted.
pub(super) fn first(protocol: &OrttoProtocol, request: &Request, reply: &Reply) -> Option<Response> {
    if !WRITING.contains(&request.step) || !names_a_field(protocol, reply) {
        return None;
    }
    let accepted = protocol.trials.lock().unwrap_or_else(PoisonError::into_inner).accepted;
    let mut check = protocol.field_check.lock().unwrap_or_else(PoisonError::into_inner);
    if check.there_at == Some(accepted) {
        return None;
    }
    check.waiting.push((request.clone(), reply.clone()));
    let note = format!("{}\n{}", request.step, request.note);
    Some(Response::Partly(Vec::new(), vec![Request { note, ..Request::new(FIELDS, request.rows.clone()) }]))
}

fn names_a_field(protocol: &OrttoProtocol, reply: &Reply) -> bool {
    let is_named = |reason: &str| protocol.setup.ortto_fields.values().any(|field| reason.contains(&field.id));
    let any = |entries: &[Entry]| entries.iter().filter_map(Entry::reason).any(is_named);
    match reply {
        Reply::Done(body) => any(&entries(body)),
        Reply::Bad(entries) => any(entries),
        Reply::Refused(_, reason) => is_named(reason),
        _ => false,
    }
}

pub(super) fn call() -> Call {
    request::custom_fields()
}

/// What the list of fields says of the refusal that waits. A list that cannot be read says nothing.
pub(super) fn response(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows, reply: &Reply) -> Response {
    if let Reply::Done(body) = reply
        && let Some(name) = missing(protocol, body)
    {
        return Response::Ends {
            kind: Kind::Config,
            problem: format!("no longer has the custom field \"{name}\"").into(),
            hint: "make it in Ortto again, or correct the configuration; no row is blamed, and the next run sends what is pending",
        };
    }
    let accepted = protocol.trials.lock().unwrap_or_else(PoisonError::into_inner).accepted;
    let (step, note) = request.note.split_once('\n').unwrap_or_default();
    let step = WRITING.into_iter().find(|known| *known == step).unwrap_or(MERGE);
    let before = Request { note: note.to_owned(), ..Request::new(step, request.rows.clone()) };
    let waiting = {
        let mut check = protocol.field_check.lock().unwrap_or_else(PoisonError::into_inner);
        check.there_at = Some(accepted);
        let at = check.waiting.iter().position(|(waiting, _)| waiting.rows == before.rows && waiting.step == step);
        at.map(|at| check.waiting.swap_remove(at))
    };
    match waiting {
        Some((before, reply)) => protocol.judged(&before, rows, reply),
        // The list was asked for by parts.
        None => Response::Partly(Vec::new(), vec![before]),
    }
}

/// The run's name of a field that is not listed.
fn missing<'p>(protocol: &'p OrttoProtocol, body: &Value) -> Option<&'p str> {
    body.get("fields").filter(|fields| fields.is_null() || fields.is_array())?;
    let there = read_fields(body);
    let is_there = |id: &str| there.iter().any(|field| field.id == id);
    let gone = protocol.setup.ortto_fields.iter().find(|(_, field)| !is_there(&field.id));
    gone.map(|(name, _)| name.as_str())
}
