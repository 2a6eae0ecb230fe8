//! Who a merge confirmed: the people behind the ids of its answer are read, or, where an answer accepts rows without saying
//! that they were merged, those with the rows' addresses.

use std::collections::{HashMap, HashSet};

use super::fields::{EMAIL, TAGS};
use super::marks::has_mark;
use super::request;
use super::response::{Person, Reply, people, people_by_id};
use super::run::{LAG, OrttoProtocol};
use super::steps::{AGAIN, ALONE, MERGE, READ, SEEK};
use super::verdicts::{joins, may_not_join, merged_as, operation, unconfirmed};
use crate::chunk::Operation;
use crate::destination::{Call, Request, Response, RowId, RowOutcome, RowResult, Rows};
use crate::state::half;

/// How often people are read who are not there.
const READS: usize = 3;

/// Reads the people behind the ids of a merge.
pub(super) fn read(request: &Request, done: &[&str], makes: bool) -> Response {
    let note = Note { is_second_merge: request.step != MERGE, makes, reads: 1 }.write(done);
    Response::Partly(Vec::new(), vec![Request { note, ..Request::new(READ, request.rows.clone()) }])
}

/// Looks for the people with the rows' addresses, once they can show.
pub(super) fn seek(request: &Request, rows: Vec<RowId>) -> Response {
    let note = format!("{} 1", request.step);
    Response::Partly(Vec::new(), vec![Request { note, wait: LAG, ..Request::new(SEEK, rows) }])
}

pub(super) fn call(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows) -> Option<Call> {
    if request.step == READ {
        let (_, ids) = Note::read(&request.note)?;
        return Some(request::people(&ids, &[EMAIL]));
    }
    let (group, ..) = rows.row(*request.rows.first()?)?;
    let emails = request.rows.iter().filter_map(|id| rows.row(*id)).map(|(_, row, _)| row.email().to_lowercase());
    let emails: Vec<String> = emails.collect();
    Some(request::people_at_any(&emails, &[EMAIL, protocol.mark_field(group).unwrap_or(TAGS)]))
}

/// What is kept with a reading: whose answer is read back, whether it made people, which time this is, and the ids.
struct Note {
    is_second_merge: bool,
    makes: bool,
    reads: usize,
}

impl Note {
    fn write(&self, ids: &[&str]) -> String {
        format!("{} {} {} {}", u8::from(self.is_second_merge), u8::from(self.makes), self.reads, ids.join(" "))
    }

    fn read(note: &str) -> Option<(Self, Vec<&str>)> {
        let mut words = note.split(' ');
        let (second, makes, reads) = (words.next()?, words.next()?, words.next()?);
        let note = Self { is_second_merge: second == "1", makes: makes == "1", reads: reads.parse().ok()? };
        Some((note, words.collect()))
    }
}

/// The people behind the ids of a merge: they were merged. Who is not among them was not, or does not show yet.
pub(super) fn read_back(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows, reply: Reply) -> Response {
    let people = match reply {
        Reply::Done(body) => people_by_id(&body),
        _ => None,
    };
    let (Some((note, asked)), Some(people)) = (Note::read(&request.note), people) else {
        return unread(protocol, request, rows);
    };
    let merged: HashMap<[u8; 16], &str> = people
        .values()
        .filter(|person| !person.email.is_empty())
        .map(|person| (half(&protocol.known.profile(&person.email)), person.id.as_str()))
        .collect();
    let there: HashSet<&str> = asked.iter().copied().collect();
    let mut outcomes = Vec::new();
    let mut rest = Vec::new();
    for id in &request.rows {
        let Some((_, row, _)) = rows.row(*id) else { continue };
        match merged.get(&half(&row.key)) {
            Some(contact) => outcomes.push((*id, merged_as(protocol, row, contact, &there, note.makes))),
            None => rest.push(*id),
        }
    }
    let unseen: Vec<&str> = asked.into_iter().filter(|id| !people.contains_key(*id)).collect();
    if !unseen.is_empty() && !rest.is_empty() && note.reads < READS {
        let note = Note { reads: note.reads + 1, ..note }.write(&unseen);
        let again = Request { note, wait: LAG, ..Request::new(READ, rest) };
        return Response::Partly(outcomes, vec![again]);
    }
    let step = if note.is_second_merge { AGAIN } else { MERGE };
    if !unseen.is_empty() {
        protocol.are_unclear(&rest);
    }
    outcomes.extend(unconfirmed(protocol, step, &rest, rows));
    Response::Rows(outcomes)
}

/// Who was merged cannot be read: all rows are merged again, in halves, until each answer is of one kind of rows.
fn unread(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows) -> Response {
    let is_first = Note::read(&request.note).is_some_and(|(note, _)| !note.is_second_merge);
    let is_away = |id: &RowId| {
        is_first && rows.row(*id).is_some_and(|(group, row, _)| may_not_join(protocol, group.operation, row))
    };
    let (away, rest): (Vec<RowId>, Vec<RowId>) = request.rows.iter().partition(|id| is_away(id));
    protocol.are_unclear(&request.rows);
    let (first, second) = rest.split_at(rest.len() / 2);
    let halves = [first, second].into_iter().filter(|rows| !rows.is_empty());
    let halves = halves.map(|rows| Request::new(AGAIN, rows.to_vec())).collect();
    Response::Partly(away.into_iter().map(|id| (id, RowOutcome::Done(RowResult::Suppressed))).collect(), halves)
}

/// The people with the addresses of rows that were accepted: those who are there, joiners with their mark, were merged.
pub(super) fn sought(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows, reply: Reply) -> Response {
    let (step, times) = request.note.split_once(' ').unwrap_or_default();
    let step = [AGAIN, ALONE].into_iter().find(|known| *known == step).unwrap_or(MERGE);
    let page = match reply {
        Reply::Done(body) => people(&body),
        _ => None,
    };
    let Some(page) = page else {
        let alone = |id: &RowId| Request { note: request.note.clone(), ..Request::new(SEEK, vec![*id]) };
        return match request.rows.as_slice() {
            ids if step == MERGE && operation(request, rows) == Some(Operation::Update) => {
                Response::Rows(unconfirmed(protocol, step, ids, rows))
            }
            [id] => Response::Rows(vec![(*id, RowOutcome::refused(NOT_SHOWN))]),
            ids => Response::Partly(Vec::new(), ids.iter().map(alone).collect()),
        };
    };
    let there = page.iter().filter(|person| !person.email.is_empty());
    let there: HashMap<[u8; 16], _> =
        there.map(|person| (half(&protocol.known.profile(&person.email)), person)).collect();
    let (mut outcomes, mut rest) = (Vec::new(), Vec::new());
    for id in &request.rows {
        let Some((group, row, _)) = rows.row(*id) else { continue };
        let is_marked = |person: &Person| !joins(step, group.operation) || has_mark(protocol, group, person);
        match there.get(&half(&row.key)).filter(|person| is_marked(person)) {
            Some(person) => outcomes.push((*id, merged_as(protocol, row, &person.id, &HashSet::new(), false))),
            None => rest.push(*id),
        }
    }
    let times: usize = times.parse().unwrap_or(READS);
    match (rest.is_empty(), step) {
        (true, _) => {}
        (false, step) if times < READS => {
            let note = format!("{step} {}", times + 1);
            return Response::Partly(outcomes, vec![Request { note, wait: LAG, ..Request::new(SEEK, rest) }]);
        }
        (false, ALONE) => {
            outcomes.extend(rest.into_iter().map(|id| (id, RowOutcome::refused(NOT_SHOWN))));
        }
        (false, step) => outcomes.extend(unconfirmed(protocol, step, &rest, rows)),
    }
    Response::Rows(outcomes)
}

/// Why a row counts as refused that was accepted.
const NOT_SHOWN: &str = "was accepted, but does not show in the account";
