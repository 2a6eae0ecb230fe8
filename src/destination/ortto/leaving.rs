//! People who leave: the address behind the id that the state has is read, and the mark is taken off by that address.
//!
//! The state holds no address, and an id may have been kept for another row of its batch ([`merging`](super::merging)). So
//! an address counts only if its keyed digest is the leaver's. Where it is another member's, the id that the state has for
//! that one is looked at next, and so on until the leaver is found; where that leads nowhere, everybody is read
//! ([`scanning`]). Nobody is created by leaving, and nobody loses a mark whose digest is not the leaver's.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use super::contact::{untagged, with_field};
use super::doubts;
use super::fields::{EMAIL, TAGS};
use super::leaver::{Leaver, OTHER_ADDRESS, UNREAD};
use super::marks::has_mark;
use super::request::{self, is_id};
use super::response::{Entry, Person, Reply, entries, people, people_by_id};
use super::run::{Identity, LAG, OrttoProtocol, is_opt_out};
use super::scanning;
use super::steps::{CHECK, FIND, LOOK, OPT_OUT, SCAN, UNMARK, kind};
use super::unseen::{self, WAITED};
use crate::chunk::Row;
use crate::destination::{Call, Group, Limits, Request, Response, RowId, RowOutcome, RowResult, Rows, batches};
use crate::membership::MembershipTarget;
use crate::state::half;

/// How many ids are looked at for one leaver: more than a batch has rows, among which ids may be confused.
const LOOKS: usize = 150;

/// Why a leaver stays.
const STILL_MARKED: &str = "is still a member after removal";

/// What a leaver begins with. One without an id may have its address in the id's place.
fn first_step(protocol: &OrttoProtocol, row: &Row) -> &'static str {
    match row.contact_id.as_ref() {
        id if is_id(id) => LOOK,
        id if id.contains('@') => unmarking(protocol, row),
        _ => SCAN,
    }
}

/// What comes next of a leaver whose address is known. A merge may bring an archived person back, so somebody else of that
/// address is looked for. Source: ORTTO_API 6.
fn unmarking(protocol: &OrttoProtocol, row: &Row) -> &'static str {
    if protocol.is_archived(row) { FIND } else { UNMARK }
}

/// The request for that, which is of one leaver where it is looked for.
fn unmark(protocol: &OrttoProtocol, row: &Row, leaver: &Leaver<'_>) -> RowOutcome {
    match unmarking(protocol, row) {
        FIND => RowOutcome::Then(FIND, leaver.note()),
        step => RowOutcome::ThenTogether(step, leaver.note()),
    }
}

/// A leaver of whom nothing is known waits for those who are looked for among everybody.
pub(super) fn beforehand(protocol: &OrttoProtocol, group: &Group, row: &Row) -> Option<RowOutcome> {
    let is_marked = matches!(group.target, MembershipTarget::Tag(_) | MembershipTarget::Field(_));
    (is_marked && first_step(protocol, row) == SCAN).then(|| RowOutcome::ThenTogether(SCAN, String::new()))
}

/// The first requests for leavers.
pub(super) fn first(protocol: &OrttoProtocol, rows: &[(RowId, &Row)], limits: Limits) -> Vec<Request> {
    let cut = |wanted: &'static str| {
        let is_wanted = |(_, row): &&(RowId, &Row)| first_step(protocol, row) == wanted;
        let rows: Vec<RowId> = rows.iter().filter(is_wanted).map(|(id, _)| *id).collect();
        let limits = if wanted == FIND { Limits { batch_rows: 1, ..limits } } else { limits };
        batches(&rows, limits, |_| 400).into_iter().map(move |batch| Request::new(wanted, batch))
    };
    [LOOK, UNMARK, FIND].into_iter().flat_map(cut).collect()
}

fn leavers<'r>(request: &'r Request, rows: &'r dyn Rows) -> impl Iterator<Item = (RowId, &'r Row, Leaver<'r>)> {
    request.rows.iter().filter_map(|id| {
        let (_, row, note) = rows.row(*id)?;
        Some((*id, row, Leaver::of(row, note)))
    })
}

/// What is read of a person to see whether it has the mark.
fn read_fields<'a>(protocol: &'a OrttoProtocol, group: &Group) -> [&'a str; 2] {
    [EMAIL, protocol.mark_field(group).unwrap_or(TAGS)]
}

pub(super) fn call(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows) -> Option<Call> {
    let (group, ..) = rows.row(*request.rows.first()?)?;
    let leavers = || leavers(request, rows).map(|(.., leaver)| leaver);
    match request.step {
        SCAN => Some(scanning::call(request)),
        LOOK | CHECK => {
            let ids: BTreeSet<&str> = leavers().map(|leaver| leaver.id).filter(|id| is_id(id)).collect();
            let ids: Vec<&str> = ids.into_iter().collect();
            (!ids.is_empty()).then(|| request::people(&ids, &read_fields(protocol, group)))
        }
        FIND => Some(request::people_at(&leavers().next()?.email, &read_fields(protocol, group))),
        UNMARK => {
            let mark = protocol.mark(group, false);
            let person = |leaver: Leaver<'_>| match (&group.target, &mark) {
                (MembershipTarget::Tag(tag), _) => Some(untagged(&leaver.email, tag)),
                (_, Some(mark)) => Some(with_field(&leaver.email, mark)),
                _ => None,
            };
            let people: Option<Vec<String>> = leavers().map(person).collect();
            Some(request::merge(kind(UNMARK), &people?.join(","), false))
        }
        _ => None,
    }
}

pub(super) fn response(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows, reply: Reply) -> Response {
    let group = request.rows.first().and_then(|id| rows.row(*id)).map(|(group, ..)| group);
    let has_mark = |person: &Person| group.is_some_and(|group| has_mark(protocol, group, person));
    let body = match (request.step, reply) {
        (UNMARK, reply) => return unmarked(protocol, request, rows, &reply),
        (_, Reply::Done(body)) => Some(body),
        _ => None,
    };
    let each = |outcome: &dyn Fn(RowId, &Row, &Leaver<'_>) -> RowOutcome| {
        Response::Rows(leavers(request, rows).map(|(id, row, leaver)| (id, outcome(id, row, &leaver))).collect())
    };
    match request.step {
        SCAN => scanning::response(protocol, request, rows, body.as_ref()),
        LOOK => match body.as_ref().and_then(people_by_id) {
            Some(people) => {
                people.values().for_each(|person| learn(protocol, person));
                let looked_up =
                    |row: &Row, leaver: &Leaver<'_>| looked_up(protocol, row, leaver, people.get(leaver.id), has_mark);
                all_looked_up(protocol, request, rows, looked_up, |id| people.contains_key(id))
            }
            None => each(&|_, _, _| RowOutcome::ThenTogether(SCAN, String::new())),
        },
        CHECK => match body.as_ref().and_then(people_by_id) {
            Some(people) => checked(request, rows, |leaver| people.get(leaver.id).filter(|person| has_mark(person))),
            None => each(&|_, _, leaver| RowOutcome::Then(FIND, leaver.note())),
        },
        _ => match body.as_ref().and_then(people) {
            Some(people) => checked(request, rows, |leaver| {
                let key = protocol.known.profile(&leaver.email);
                people.iter().find(|person| protocol.known.profile(&person.email) == key && has_mark(person))
            }),
            None => each(&|_, _, _| RowOutcome::refused(UNREAD)),
        },
    }
}

/// What a look-up found. Who does not show so soon after rows were sent is looked up once more, all of them together.
fn all_looked_up(
    protocol: &OrttoProtocol,
    request: &Request,
    rows: &dyn Rows,
    looked_up: impl Fn(&Row, &Leaver<'_>) -> RowOutcome,
    is_there: impl Fn(&str) -> bool,
) -> Response {
    let wait = unseen::wait(request);
    let (mut outcomes, mut unseen) = (Vec::new(), Vec::new());
    for (id, row, leaver) in leavers(request, rows) {
        let outcome = looked_up(row, &leaver);
        let is_gone = matches!(outcome, RowOutcome::ThenTogether(SCAN, _)) && !is_there(leaver.id);
        match (is_gone && unseen::may_be_there(protocol, row), wait) {
            (true, Some(_)) => unseen.push(id),
            (true, None) => outcomes.push((id, RowOutcome::ThenTogether(SCAN, WAITED.to_owned()))),
            (false, _) => outcomes.push((id, outcome)),
        }
    }
    match wait.filter(|_| !unseen.is_empty()) {
        Some(wait) => Response::Partly(outcomes, vec![Request { rows: unseen, ..unseen::once_more(request, wait) }]),
        None => Response::Rows(outcomes),
    }
}

/// Records whose an id is, and what the state has wrong.
fn learn(protocol: &OrttoProtocol, person: &Person) {
    if person.email.is_empty() {
        return;
    }
    let key = protocol.known.profile(&person.email);
    let mut found = protocol.found.lock().unwrap_or_else(PoisonError::into_inner);
    let identity = Identity { id: person.id.clone(), email: person.email.clone() };
    let before = found.people.insert(half(&key), identity);
    let is_swapped = protocol.known.id(&key).is_some_and(|known| known != person.id);
    if before.is_none() && is_swapped {
        found.news.push((key, person.id.clone()));
    }
}

/// The next step for a leaver, given who owns the id that was looked up. The same for an opt-out that has an id alone.
fn looked_up(
    protocol: &OrttoProtocol,
    row: &Row,
    leaver: &Leaver<'_>,
    person: Option<&Person>,
    has_mark: impl Fn(&Person) -> bool,
) -> RowOutcome {
    {
        let found = protocol.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Identity { id, email }) = found.people.get(&half(&row.key)) {
            let leaver = Leaver { times: 0, id, email: email.into() };
            return match is_opt_out(row) {
                true => RowOutcome::ThenTogether(OPT_OUT, leaver.note()),
                false => unmark(protocol, row, &leaver),
            };
        }
    }
    let scan = || RowOutcome::ThenTogether(SCAN, String::new());
    match person {
        None if is_opt_out(row) => RowOutcome::Done(RowResult::Suppressed),
        // A run that was interrupted may have created another contact where this one is gone.
        None if leaver.times == 0 && !row.cells.is_empty() => {
            unmark(protocol, row, &Leaver { times: 0, id: "", email: row.email() })
        }
        // An id that is gone may have been somebody else's.
        None => scan(),
        Some(person) => {
            let owner = protocol.known.profile(&person.email);
            match protocol.known.id(&owner) {
                Some(id) if id != leaver.id && leaver.times < LOOKS => {
                    let next = Leaver { times: leaver.times + 1, id, email: "".into() };
                    RowOutcome::ThenTogether(LOOK, next.note())
                }
                Some(_) => scan(),
                None if has_mark(person) => RowOutcome::ThenTogether(SCAN, OTHER_ADDRESS.to_owned()),
                None => scan(),
            }
        }
    }
}

/// What a merge that takes the mark off says. A leaver that is not there counts as gone, however the answer says it; an
/// answer that could mean something else is checked.
fn unmarked(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows, reply: &Reply) -> Response {
    let entries = match reply {
        Reply::Done(body) => entries(body),
        Reply::Bad(entries) => entries.clone(),
        Reply::Refused(status, reason) => match doubts::refused(protocol, request, rows, *status, reason) {
            Some(going_on) => return going_on,
            None => vec![Entry::Invalid(reason.clone())],
        },
        _ => return Response::Failed("an answer of unknown meaning"),
    };
    let is_clear = |entry: &Entry| matches!(entry, Entry::Done(_) | Entry::Created(_) | Entry::Skipped);
    if entries.len() == request.rows.len() && entries.iter().all(is_clear) {
        return Response::Rows(request.rows.iter().map(|id| (*id, RowOutcome::Done(RowResult::Left))).collect());
    }
    // What was taken off may show for a while.
    let later = |step, rows| Request { wait: LAG, ..Request::new(step, rows) };
    let (by_address, by_id): (Vec<_>, Vec<_>) = leavers(request, rows).partition(|(.., leaver)| leaver.id.is_empty());
    let by_id: Vec<RowId> = by_id.into_iter().map(|(id, ..)| id).collect();
    let mut requests: Vec<Request> = by_address.into_iter().map(|(id, ..)| later(FIND, vec![id])).collect();
    if !by_id.is_empty() {
        requests.push(later(CHECK, by_id));
    }
    Response::Partly(Vec::new(), requests)
}

/// Whether leavers still have the mark, as `marked` says: one that does is asked to leave once more.
fn checked<'p>(request: &Request, rows: &dyn Rows, marked: impl Fn(&Leaver<'_>) -> Option<&'p Person>) -> Response {
    let outcome = |(id, _, leaver): (RowId, &Row, Leaver<'_>)| {
        let outcome = match (marked(&leaver), leaver.times) {
            (None, _) => RowOutcome::Done(RowResult::Left),
            (Some(Person { id, email, .. }), times @ (0 | 1)) => {
                let as_held = Leaver { times: times + 1, id, email: email.into() };
                RowOutcome::ThenTogether(UNMARK, as_held.note())
            }
            // Who is archived may still show by its id; by its address it does not.
            (Some(_), _) if request.step == CHECK => RowOutcome::Then(FIND, leaver.note()),
            (Some(_), _) => RowOutcome::refused(STILL_MARKED),
        };
        (id, outcome)
    };
    Response::Rows(leavers(request, rows).map(outcome).collect())
}
