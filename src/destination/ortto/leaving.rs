//! People who leave: the address behind the id that the state has is read, and the mark is taken off by that address.
//!
//! The state holds no address, and an id may have been kept for another row of its batch ([`merging`](super::merging)). So
//! an address counts only if its keyed digest is the leaver's. Where it is another member's, the id that the state has for
//! that one is looked at next, and so on until the leaver is found. Nobody is created by leaving, and nobody loses a mark
//! whose digest is not the leaver's.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use super::fields::{EMAIL, TAGS, is_same_tag};
use super::person::{is_true, untagged, with_field};
use super::request::{self, is_id};
use super::response::{Entry, Person, Reply, entries, people, people_by_id};
use super::run::{CHECK, FIND, LIMITS, LOOK, OPT_OUT, OrttoProtocol, UNMARK, is_opt_out, kind};
use crate::chunk::Row;
use crate::destination::{Call, Group, Request, Response, RowId, RowOutcome, Rows, batches};
use crate::membership::MembershipTarget;
use crate::state::half;

/// How many ids are looked at for one leaver: more than a batch has rows, among which ids may be confused.
const LOOKS: usize = 150;

/// Why a leaver stays.
const NOT_FOUND: &str = "the id of its contact belongs to somebody else, and its own was not found";
const STILL_MARKED: &str = "is still a member after removal";
const NO_ID: &str = "the state has no id of its contact that Ortto could have given";

/// The first requests for leavers. One without an id has its address in the id's place.
pub(super) fn first(rows: &[(RowId, &Row)]) -> Vec<Request> {
    let (by_address, by_id): (Vec<_>, Vec<_>) = rows.iter().partition(|(_, row)| row.contact_id.contains('@'));
    let cut = |step: &'static str, rows: Vec<(RowId, &Row)>| {
        let ids = |batch: Vec<(RowId, &Row)>| batch.into_iter().map(|(id, _)| id).collect();
        let requests = batches(&rows, LIMITS, |_| 400).into_iter();
        requests.map(|batch| Request::new(step, ids(batch))).collect::<Vec<_>>()
    };
    let mut requests = cut(LOOK, by_id);
    requests.extend(cut(UNMARK, by_address));
    requests
}

/// What is known of a leaver on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leaver<'a> {
    /// How often it was asked after, or to leave.
    times: usize,
    /// The id that is looked at, or is its own.
    id: &'a str,
    /// Its address, once it is known.
    pub(super) email: &'a str,
}

impl<'a> Leaver<'a> {
    pub(super) fn of(row: &'a Row, note: &'a str) -> Self {
        let mut parts = note.split('\t');
        let times = parts.next().and_then(|times| times.parse().ok()).unwrap_or_default();
        match (parts.next(), parts.next()) {
            (Some(id), Some(email)) => Self { times, id, email },
            (Some(id), None) => Self { times, id, email: "" },
            _ if row.contact_id.contains('@') => Self { times, id: "", email: &row.contact_id },
            _ => Self { times, id: &row.contact_id, email: "" },
        }
    }

    fn note(&self) -> String {
        match self.email {
            "" => format!("{}\t{}", self.times, self.id),
            email => format!("{}\t{}\t{email}", self.times, self.id),
        }
    }
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
        LOOK | CHECK => {
            let ids: BTreeSet<&str> = leavers().map(|leaver| leaver.id).filter(|id| is_id(id)).collect();
            let ids: Vec<&str> = ids.into_iter().collect();
            let fields = if request.step == LOOK { vec![EMAIL] } else { read_fields(protocol, group).to_vec() };
            (!ids.is_empty()).then(|| request::people(&ids, &fields))
        }
        FIND => Some(request::people_at(leavers().next()?.email, &read_fields(protocol, group))),
        UNMARK => {
            let mark = protocol.mark(group, false);
            let person = |leaver: Leaver<'_>| match (&group.target, &mark) {
                (MembershipTarget::Tag(tag), _) => Some(untagged(leaver.email, tag)),
                (_, Some(mark)) => Some(with_field(leaver.email, mark)),
                _ => None,
            };
            let people: Option<Vec<String>> = leavers().map(person).collect();
            Some(request::merge(kind(UNMARK), &people?.join(","), false))
        }
        _ => None,
    }
}

pub(super) fn response(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows, reply: Reply) -> Response {
    match (request.step, reply) {
        (LOOK, Reply::Done(body)) => match people_by_id(&body) {
            Some(people) => {
                people.values().for_each(|person| learn(protocol, person));
                let outcome = |(id, row, leaver): (RowId, &Row, Leaver<'_>)| {
                    (id, looked_up(protocol, row, &leaver, people.get(leaver.id)))
                };
                Response::Rows(leavers(request, rows).map(outcome).collect())
            }
            None => Response::Failed("an answer that does not say who is there"),
        },
        (CHECK, Reply::Done(body)) => match people_by_id(&body) {
            Some(people) => checked(protocol, request, rows, |leaver| people.get(leaver.id)),
            None => Response::Failed("an answer that does not say who is there"),
        },
        (FIND, Reply::Done(body)) => match people(&body) {
            Some(people) => checked(protocol, request, rows, |leaver| {
                let key = protocol.known.profile(leaver.email);
                people.iter().find(|person| protocol.known.profile(&person.email) == key)
            }),
            None => Response::Failed("an answer that does not say who is there"),
        },
        (UNMARK, reply) => unmarked(request, rows, &reply),
        // One id that is not accepted has the call refused; each is asked for alone.
        (_, Reply::Refused(..) | Reply::Bad(_)) if request.rows.len() > 1 => {
            Response::Partly(Vec::new(), request.rows.iter().map(|id| Request::new(request.step, vec![*id])).collect())
        }
        (_, Reply::Refused(_, reason)) => {
            Response::Rows(request.rows.iter().map(|id| (*id, RowOutcome::Refused(reason.clone()))).collect())
        }
        _ => Response::Failed("an answer of unknown meaning"),
    }
}

/// Takes note of whose an id is, and of what the state has wrong.
fn learn(protocol: &OrttoProtocol, person: &Person) {
    if person.email.is_empty() {
        return;
    }
    let key = protocol.known.profile(&person.email);
    let mut found = protocol.found.lock().unwrap_or_else(PoisonError::into_inner);
    let before = found.people.insert(half(&key), (person.id.clone(), person.email.clone()));
    if before.is_none() && protocol.known.id(&key).is_some_and(|known| known != person.id) {
        found.news.push((key, person.id.clone()));
    }
}

/// What comes next of a leaver, by who has the id that was looked at. Who opts out by an id alone is looked up likewise.
fn looked_up(protocol: &OrttoProtocol, row: &Row, leaver: &Leaver<'_>, person: Option<&Person>) -> RowOutcome {
    {
        let found = protocol.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((id, email)) = found.people.get(&half(&row.key)) {
            let next = if is_opt_out(row) { OPT_OUT } else { UNMARK };
            return RowOutcome::ThenTogether(next, Leaver { times: 0, id, email }.note());
        }
    }
    let stays = |why: &str| RowOutcome::Refused(why.to_owned());
    match person {
        _ if !is_id(leaver.id) => stays(NO_ID),
        // An id that is gone has left; that of another says nothing of the leaver.
        None if is_opt_out(row) => RowOutcome::Suppressed,
        None if leaver.times == 0 => RowOutcome::Left,
        None => stays(NOT_FOUND),
        Some(person) => {
            let owner = protocol.known.profile(&person.email);
            match protocol.known.id(&owner).filter(|next| *next != leaver.id) {
                Some(id) if leaver.times < LOOKS => {
                    let next = Leaver { times: leaver.times + 1, id, email: "" };
                    RowOutcome::ThenTogether(LOOK, next.note())
                }
                _ => stays(NOT_FOUND),
            }
        }
    }
}

/// What a merge that takes the mark off says. A leaver that is not there counts as gone, however the answer says it; an
/// answer that could mean something else is checked.
fn unmarked(request: &Request, rows: &dyn Rows, reply: &Reply) -> Response {
    let entries = match reply {
        Reply::Done(body) => entries(body),
        Reply::Bad(entries) => entries.clone(),
        Reply::Refused(..) if request.rows.len() > 1 => {
            let (first, rest) = request.rows.split_at(request.rows.len() / 2);
            return Response::Partly(Vec::new(), [first, rest].map(|rows| Request::new(UNMARK, rows.to_vec())).into());
        }
        Reply::Refused(_, reason) => vec![Entry::Invalid(reason.clone())],
        _ => return Response::Failed("an answer of unknown meaning"),
    };
    let is_clear = |entry: &Entry| matches!(entry, Entry::Done(_) | Entry::Created(_) | Entry::Skipped);
    if entries.len() == request.rows.len() && entries.iter().all(is_clear) {
        return Response::Rows(request.rows.iter().map(|id| (*id, RowOutcome::Left)).collect());
    }
    let outcome = |(id, _, leaver): (RowId, &Row, Leaver<'_>)| {
        let next = match leaver.id {
            "" => RowOutcome::Then(FIND, leaver.note()),
            _ => RowOutcome::ThenTogether(CHECK, leaver.note()),
        };
        (id, next)
    };
    Response::Rows(leavers(request, rows).map(outcome).collect())
}

/// Whether leavers still have the mark: one that does is asked to leave once more.
fn checked<'p>(
    protocol: &OrttoProtocol,
    request: &Request,
    rows: &dyn Rows,
    person: impl Fn(&Leaver<'_>) -> Option<&'p Person>,
) -> Response {
    let Some((group, ..)) = request.rows.first().and_then(|id| rows.row(*id)) else {
        return Response::Rows(Vec::new());
    };
    let has_mark = |person: &Person| match (&group.target, protocol.mark_field(group)) {
        (_, Some(field)) => is_true(&person.fields, field),
        (MembershipTarget::Tag(name), _) => has_tag(person, name),
        _ => false,
    };
    let outcome = |(id, _, leaver): (RowId, &Row, Leaver<'_>)| {
        let outcome = match person(&leaver) {
            Some(person) if has_mark(person) => match leaver.times {
                0 | 1 => RowOutcome::ThenTogether(UNMARK, Leaver { times: leaver.times + 1, ..leaver }.note()),
                _ => RowOutcome::Refused(STILL_MARKED.to_owned()),
            },
            _ => RowOutcome::Left,
        };
        (id, outcome)
    };
    Response::Rows(leavers(request, rows).map(outcome).collect())
}

/// Whether a person has a tag.
fn has_tag(person: &Person, tag: &str) -> bool {
    let tags = person.fields.get(TAGS).and_then(|tags| tags.as_array()).into_iter().flatten();
    tags.filter_map(|tag| tag.as_str()).any(|name| is_same_tag(name, tag))
}
