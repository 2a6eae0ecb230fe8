//! Requests for rows that are refused as a whole, without a word on any row. A row may be at fault, or a limit, or this
//! program: blaming rows for the latter would hold them back for days. So a request waits as long as a ban lasts and is
//! sent once more; then it is cut in halves, once. Where both are refused alike and nothing else was accepted meanwhile, the
//! rows are not to blame, and the run ends. Where one is accepted, the other is cut on, until the row is alone.
//! Source: ORTTO_API 2.4.

use std::sync::PoisonError;

use super::response::BAN;
use super::run::{LAG, OrttoProtocol};
use super::steps::{AGAIN, ALONE};
use crate::destination::{Request, Response, Rows};
use crate::error::Kind;

/// What a request has been through, by its note.
enum Trial {
    First,
    /// It was refused and has waited; so much was accepted before.
    Waited(u64),
    /// It is half of a request, with the number of the cut; so much was accepted before.
    Half(u64, u64),
}

impl Trial {
    fn of(request: &Request) -> Self {
        let mut words = request.note.split(' ');
        let what = words.next().unwrap_or_default();
        let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
        match what {
            "" => Self::First,
            "half" => Self::Half(number(), number()),
            _ => Self::Waited(number()),
        }
    }
}

/// What comes of a request that was refused as a whole; nothing where its only row is to blame.
pub(super) fn refused(
    protocol: &OrttoProtocol,
    request: &Request,
    rows: &dyn Rows,
    status: u16,
    reason: &str,
) -> Option<Response> {
    let mut trials = protocol.trials.lock().unwrap_or_else(PoisonError::into_inner);
    let accepted = trials.accepted;
    let is_alone = request.rows.len() == 1;
    let waiting = |since: u64| {
        let note = format!("waited {since}");
        Request { note, wait: BAN, ..Request::new(request.step, request.rows.clone()) }
    };
    match Trial::of(request) {
        // Repeating does not help. Source: ORTTO_API 3.
        _ if status == 501 => Some(ends(request, rows, status, reason)),
        Trial::First => {
            // Rows that are sent once more were with others before.
            let since = if matches!(request.step, AGAIN | ALONE) { 0 } else { accepted };
            Some(Response::Doubted(vec![waiting(since)]))
        }
        Trial::Waited(since) if is_alone => (accepted <= since).then(|| ends(request, rows, status, reason)),
        Trial::Waited(since) => Some(Response::Doubted(trials.halves(request, since))),
        Trial::Half(cut, since) => {
            let is_unclear = accepted <= since;
            if is_unclear && trials.refused.insert(cut, reason.to_owned()).is_some_and(|other| other == reason) {
                return Some(ends(request, rows, status, reason));
            }
            if is_alone {
                return Some(Response::Doubted(vec![waiting(since)]));
            }
            let mut halves = trials.halves(request, since);
            // What is said of the other half may end the run.
            halves.iter_mut().filter(|_| is_unclear).for_each(|half| half.wait = LAG);
            Some(Response::Doubted(halves))
        }
    }
}

/// The same reading once more, after a ban's time: what a banned client sees is unknown, and may be a refusal. Nothing where it
/// was refused before. Source: ORTTO_API 3.
pub(super) fn read_again(protocol: &OrttoProtocol, request: &Request) -> Option<Response> {
    let mut trials = protocol.trials.lock().unwrap_or_else(PoisonError::into_inner);
    trials.reads_again(request).then(|| {
        let (note, rows) = (request.note.clone(), request.rows.clone());
        Response::Doubted(vec![Request { note, wait: BAN, ..Request::new(request.step, rows) }])
    })
}

/// The end of a run whose requests are refused, whatever they hold.
fn ends(request: &Request, rows: &dyn Rows, status: u16, reason: &str) -> Response {
    let said = match names_somebody(request, rows, reason) {
        true => "in words that may name a person".to_owned(),
        false => format!("\"{reason}\""),
    };
    Response::Ends {
        kind: Kind::Access,
        problem: format!("refuses requests whatever rows they hold, with status {status}: {said}").into(),
        hint: "see whether a limit of the account is reached, and ask Ortto's support what this answer means; no row is blamed, \
         and the next run sends what is pending",
    }
}

/// Whether a text may be about a person: it has an address, or something of the rows.
fn names_somebody(request: &Request, rows: &dyn Rows, text: &str) -> bool {
    let text = text.to_lowercase();
    let is_in = |value: &str| {
        let value = value.trim_matches('"').to_lowercase();
        value.chars().count() > 2 && !matches!(value.as_str(), "null" | "true" | "false") && text.contains(&value)
    };
    text.contains('@') || request.rows.iter().filter_map(|id| rows.row(*id)).any(|(_, row, _)| row.values().any(is_in))
}
