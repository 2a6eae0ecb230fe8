//! Joiners and changed people: merged, and judged row by row.
//!
//! Nothing in an entry of a response names its row, nor does its place for certain (ORTTO_API 2.2). Where every entry says
//! that a row was merged, and there are as many as rows, each row was. Otherwise the people behind the ids of the merged
//! entries are read: those among them were merged. The rest are sent once more by themselves, so that a batch of
//! bad rows alone gets their reasons; what still is unclear goes alone.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::fields::EMAIL;
use super::request;
use super::response::{Entry, Reply, entries, people_by_id};
use super::run::{LAG, OrttoProtocol};
use super::steps::{AGAIN, ALONE, MERGE, READ, kind};
use crate::chunk::{Operation, Row};
use crate::destination::{Call, Request, Response, RowId, RowOutcome, Rows};
use crate::membership::MembershipTarget;
use crate::state::half;

/// How often people are read who are not there.
const READS: usize = 3;

/// Whether a step makes joiners of its rows: changed rows that a merge did not find are gone, and join again.
fn joins(step: &str, operation: Operation) -> bool {
    operation == Operation::Join || step != MERGE
}

pub(super) fn call(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows) -> Option<Call> {
    if request.step == READ {
        let (_, ids) = Note::read(&request.note)?;
        return Some(request::people(&ids, &[EMAIL]));
    }
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

/// What a merge says of its rows.
pub(super) fn merged(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows, reply: Reply) -> Response {
    let ids = &request.rows;
    match reply {
        Reply::Done(body) => {
            let entries = entries(&body);
            let done: Vec<&str> = entries.iter().filter_map(id).collect();
            let distinct = done.iter().collect::<HashSet<_>>().len();
            if (done.len(), entries.len(), distinct) == (ids.len(), ids.len(), ids.len()) {
                return Response::Rows(delivered(protocol, ids, rows, &done, makes_some(request, rows, &entries)));
            }
            match (entries.as_slice(), ids.as_slice()) {
                ([only], [_]) => one(protocol, request, rows, only),
                ([], [_]) if request.step == ALONE => Response::Failed("an answer without the row"),
                _ if done.is_empty() => Response::Rows(unconfirmed(protocol, request.step, ids, rows)),
                _ => {
                    let makes = makes_some(request, rows, &entries);
                    let note = Note { is_second_merge: request.step != MERGE, makes, reads: 1 }.write(&done);
                    Response::Partly(Vec::new(), vec![Request { note, ..Request::new(READ, ids.clone()) }])
                }
            }
        }
        Reply::Bad(entries) if entries.len() == ids.len() => bad(protocol, request, rows, &entries),
        Reply::Refused(_, reason) if ids.len() == 1 => {
            Response::Rows(ids.iter().map(|id| (*id, RowOutcome::Refused(reason.clone()))).collect())
        }
        // Some rows are bad, and nothing says which, nor whether the others were merged.
        Reply::Bad(_) | Reply::Refused(..) if ids.len() > 1 => halves(request),
        _ => Response::Failed("an answer that does not fit its rows"),
    }
}

pub(super) fn id(entry: &Entry) -> Option<&str> {
    match entry {
        Entry::Done(id) | Entry::Created(id) => Some(id),
        _ => None,
    }
}

pub(super) fn halves(request: &Request) -> Response {
    let (first, rest) = request.rows.split_at(request.rows.len() / 2);
    Response::Partly(Vec::new(), [first, rest].map(|rows| Request::new(request.step, rows.to_vec())).into())
}

/// Whether a merge made some of its people: it says so, or an earlier one did not find them.
fn makes_some(request: &Request, rows: &dyn Rows, entries: &[Entry]) -> bool {
    let operation = request.rows.first().and_then(|id| rows.row(*id)).map(|(group, ..)| group.operation);
    let was_gone = operation == Some(Operation::Update) && request.step != MERGE;
    was_gone || entries.iter().any(|entry| matches!(entry, Entry::Created(_)))
}

/// What a merge confirmed of a row. A person who was made in the place of the one that the state knows is another.
fn merged_as(protocol: &OrttoProtocol, row: &Row, id: &str, there: &HashSet<&str>, makes: bool) -> RowOutcome {
    let is_gone = makes && protocol.known.id(&row.key).is_some_and(|known| !there.contains(known));
    if is_gone { RowOutcome::DeliveredAnew(id.to_owned()) } else { RowOutcome::Delivered(id.to_owned()) }
}

/// All rows were merged. An id that the state has already stays with its profile; the others go by their place, which is
/// a hint.
pub(super) fn delivered(
    protocol: &OrttoProtocol,
    ids: &[RowId],
    rows: &dyn Rows,
    done: &[&str],
    makes: bool,
) -> Vec<(RowId, RowOutcome)> {
    let there: HashSet<&str> = done.iter().copied().collect();
    let own = |id: &RowId| {
        let (_, row, _) = rows.row(*id)?;
        protocol.known.id(&row.key).filter(|id| there.contains(id))
    };
    let owned: Vec<Option<&str>> = ids.iter().map(own).collect();
    let taken: HashSet<&str> = owned.iter().flatten().copied().collect();
    let free = |n: usize| done.get(n).copied().filter(|id| !taken.contains(id));
    let mut rest = done.iter().copied().filter(|id| !taken.contains(id)).collect::<BTreeSet<_>>();
    // First those whose own place is free, then the rest.
    let mut given: Vec<Option<&str>> = owned.clone();
    for (n, place) in given.iter_mut().enumerate().filter(|(_, place)| place.is_none()) {
        *place = free(n).filter(|id| rest.remove(id));
    }
    for place in given.iter_mut().filter(|place| place.is_none()) {
        *place = rest.pop_first();
    }
    let outcome = |(id, contact): (&RowId, Option<&str>)| {
        let (_, row, _) = rows.row(*id)?;
        Some((*id, merged_as(protocol, row, contact.unwrap_or_default(), &there, makes)))
    };
    ids.iter().zip(given).filter_map(outcome).collect()
}

/// What the only entry says of the only row.
fn one(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows, entry: &Entry) -> Response {
    let outcomes = match entry {
        Entry::Suppressed => request.rows.iter().map(|id| (*id, RowOutcome::Suppressed)).collect(),
        Entry::Invalid(_) | Entry::Skipped if request.step == MERGE => {
            unconfirmed(protocol, request.step, &request.rows, rows)
        }
        Entry::Invalid(reason) => request.rows.iter().map(|id| (*id, RowOutcome::Refused(reason.clone()))).collect(),
        Entry::Skipped | Entry::Unclear | Entry::Done(_) | Entry::Created(_) => {
            return Response::Failed("an answer of unknown meaning");
        }
    };
    Response::Rows(outcomes)
}

/// Every row is bad. The reasons are in the order of the rows or in another one: where they differ, each row has all.
fn bad(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows, entries: &[Entry]) -> Response {
    let ids = &request.rows;
    let suppressed = entries.iter().filter(|entry| **entry == Entry::Suppressed).count();
    let changed =
        ids.first().and_then(|id| rows.row(*id)).is_some_and(|(group, ..)| group.operation == Operation::Update);
    let outcome = |outcome: RowOutcome| Response::Rows(ids.iter().map(|id| (*id, outcome.clone())).collect());
    if suppressed == ids.len() {
        return outcome(RowOutcome::Suppressed);
    }
    // A row that is gone may be called invalid as well.
    if changed && request.step == MERGE {
        return Response::Rows(unconfirmed(protocol, request.step, ids, rows));
    }
    if suppressed > 0 {
        return outcome(RowOutcome::Then(ALONE, String::new()));
    }
    let reasons: BTreeSet<&str> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Invalid(reason) => Some(reason.as_str()),
            _ => None,
        })
        .collect();
    match reasons.len() {
        0 => Response::Failed("an answer of unknown meaning"),
        1..=MOST_REASONS => {
            let reasons: Vec<&str> = reasons.into_iter().collect();
            outcome(RowOutcome::Refused(reasons.join("; or: ")))
        }
        _ => outcome(RowOutcome::Then(ALONE, String::new())),
    }
}

/// The most reasons that are reported together.
const MOST_REASONS: usize = 3;

/// Rows that a merge, or what was read after it, does not confirm. Who changed and is archived does not join again.
fn unconfirmed(
    protocol: &OrttoProtocol,
    step: &'static str,
    ids: &[RowId],
    rows: &dyn Rows,
) -> Vec<(RowId, RowOutcome)> {
    let outcome = |id: &RowId| {
        let (group, row, _) = rows.row(*id)?;
        let outcome = match (step, group.operation) {
            (MERGE, Operation::Update) if protocol.is_archived(row) => RowOutcome::Suppressed,
            (MERGE, _) => RowOutcome::ThenTogether(AGAIN, String::new()),
            _ => RowOutcome::Then(ALONE, String::new()),
        };
        Some((*id, outcome))
    };
    ids.iter().filter_map(outcome).collect()
}

/// The people behind the ids of a merge: they were merged. Who is not among them was not, or does not show yet.
pub(super) fn read_back(protocol: &OrttoProtocol, request: &Request, rows: &dyn Rows, reply: Reply) -> Response {
    let (Some((note, asked)), Reply::Done(body)) = (Note::read(&request.note), reply) else {
        return Response::Failed("an answer that does not say who is there");
    };
    let Some(people) = people_by_id(&body) else { return Response::Failed("an answer that does not say who is there") };
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
    outcomes.extend(unconfirmed(protocol, step, &rest, rows));
    Response::Rows(outcomes)
}
