//! One person: looked up, without their marks, deleted.

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::Ortto;
use super::asking::{ask, call_all};
use super::contact::{is_member, is_true, untagged, with_field};
use super::custom_fields::read_fields;
use super::fields::{EMAIL, PERMISSION, TAGS, is_same_tag};
use super::request;
use super::response::{Entry, Person, Reply, entries, people, people_by_id};
use crate::destination::{Call, ContactThere, People, PersonSought, RequestKind, Session};
use crate::error::{Error, Kind, Result};
use crate::membership::MembershipTarget;

impl People for Ortto {
    fn look_up<'s>(
        &'s self,
        session: &'s mut dyn Session,
        sought: PersonSought<'s>,
        targets: &'s [MembershipTarget],
    ) -> BoxFuture<'s, Result<Vec<ContactThere>>> {
        Box::pin(async move {
            let marks = marks(session, targets).await?;
            let found = found(session, sought, &marks).await?;
            Ok(found.active.iter().map(|person| there(person, &marks)).collect())
        })
    }

    /// By the address as the account spells it, and nobody with another one: an id may have been kept for another row of
    /// its batch.
    fn take_off<'s>(
        &'s self,
        session: &'s mut dyn Session,
        sought: PersonSought<'s>,
        targets: &'s [MembershipTarget],
    ) -> BoxFuture<'s, Result<Vec<String>>> {
        Box::pin(async move {
            let marks = marks(session, targets).await?;
            let mut off = Vec::new();
            for person in found(session, sought, &marks).await?.active {
                let is_marked = there(&person, &marks).marked;
                let mut is_there = true;
                for (mark, _) in marks.iter().zip(is_marked).filter(|(_, marked)| *marked) {
                    is_there &= unmark(session, &person, mark).await?;
                }
                off.extend(is_there.then_some(person.id));
            }
            Ok(off)
        })
    }

    /// Archived first: only those can be deleted. Source: ORTTO_API 6.
    fn delete<'s>(
        &'s self,
        session: &'s mut dyn Session,
        sought: PersonSought<'s>,
    ) -> BoxFuture<'s, Result<Vec<String>>> {
        Box::pin(async move {
            let found = found(session, sought, &[]).await?;
            let active: Vec<String> = found.active.into_iter().map(|person| person.id).collect();
            let page = ask(session, "who is archived", request::archived_like(sought.email)).await?;
            let archived =
                people(&page).unwrap_or_default().into_iter().filter(|person| is_own(session, person, sought));
            let mut all = Vec::new();
            add(&mut all, archived.collect::<Vec<_>>().into_iter().chain(found.inactive).map(|person| person.id));
            if !active.is_empty() {
                confirmed(session, request::archive(&active)).await?;
                add(&mut all, active);
            }
            if !all.is_empty() {
                confirmed(session, request::delete(&all)).await?;
            }
            Ok(all)
        })
    }
}

fn add(all: &mut Vec<String>, ids: impl IntoIterator<Item = String>) {
    for id in ids {
        if !all.contains(&id) {
            all.push(id);
        }
    }
}

/// Takes a mark off a person. Gives whether the account still had them.
async fn unmark(session: &mut dyn Session, person: &Person, mark: &Mark) -> Result<bool> {
    let without = match mark {
        Mark::Tag(name) => untagged(&person.email, name),
        Mark::Field(id) => with_field(&person.email, &is_member(id, false)),
        Mark::None => return Ok(true),
    };
    unmarked(session, request::merge(RequestKind::Bulk, &without, false)).await
}

/// Makes a call that takes a mark off. Gives whether the account still had the person.
pub(super) async fn unmarked(session: &mut dyn Session, call: Call) -> Result<bool> {
    let entries = match call_all(session, vec![call]).await?.first() {
        Some(Reply::Done(body)) => entries(body),
        _ => return Err(unclear("does not take the mark off")),
    };
    match entries.iter().all(|entry| matches!(entry, Entry::Done(_) | Entry::Skipped)) {
        true => Ok(!entries.contains(&Entry::Skipped)),
        false => Err(unclear("does not take the mark off")),
    }
}

async fn confirmed(session: &mut dyn Session, call: Call) -> Result<()> {
    match call_all(session, vec![call]).await?.first() {
        Some(Reply::Done(_)) => Ok(()),
        _ => Err(unclear("does not delete the person")),
    }
}

/// What marks members, as a person is asked for it.
enum Mark {
    Tag(String),
    /// By its id.
    Field(String),
    None,
}

async fn marks(session: &mut dyn Session, targets: &[MembershipTarget]) -> Result<Vec<Mark>> {
    let mut fields = Vec::new();
    if targets.iter().any(|target| matches!(target, MembershipTarget::Field(_))) {
        fields = read_fields(&ask(session, "its custom fields", request::custom_fields()).await?);
    }
    let mark = |target: &MembershipTarget| match target {
        MembershipTarget::Tag(name) => Mark::Tag(name.clone()),
        MembershipTarget::Field(name) => {
            let field = fields.iter().find(|field| field.name == *name);
            field.map_or(Mark::None, |field| Mark::Field(field.id.clone()))
        }
        MembershipTarget::List { .. } | MembershipTarget::None => Mark::None,
    };
    Ok(targets.iter().map(mark).collect())
}

/// The people with an address.
#[derive(Default)]
struct Found {
    active: Vec<Person>,
    /// Those whom only an id leads to: they are archived. Source: ORTTO_API 6.
    inactive: Vec<Person>,
}

/// The people with this address. How case counts in a search is unknown, so it is searched for in both forms, and the
/// contacts of the state are asked for by their ids: those with this address in any spelling are the person's.
async fn found(session: &mut dyn Session, sought: PersonSought<'_>, marks: &[Mark]) -> Result<Found> {
    let mut fields = vec![EMAIL, TAGS, PERMISSION];
    fields.extend(marks.iter().filter_map(|mark| match mark {
        Mark::Field(id) => Some(id.as_str()),
        _ => None,
    }));
    let lower = sought.email.to_lowercase();
    let mut all = Found::default();
    for form in [Some(sought.email), Some(lower.as_str()).filter(|lower| *lower != sought.email)].into_iter().flatten()
    {
        for person in at(session, form, &fields).await? {
            if is_own(session, &person, sought) && !all.active.iter().any(|known| known.id == person.id) {
                all.active.push(person);
            }
        }
    }
    let is_new = |id: &&str| request::is_id(id) && !all.active.iter().any(|person| person.id == **id);
    let ids: Vec<&str> = sought.ids.iter().map(String::as_str).filter(is_new).collect();
    if ids.is_empty() {
        return Ok(all);
    }
    let page = ask(session, "who has an id", request::people(&ids, &fields)).await?;
    let by_id = people_by_id(&page).ok_or_else(|| unclear("does not say who has an id"))?;
    for person in by_id.into_values().filter(|person| !person.email.is_empty()) {
        if !is_own(session, &person, sought) {
            continue;
        }
        let is_active = at(session, &person.email, &[EMAIL]).await?.iter().any(|there| there.id == person.id);
        if is_active { all.active.push(person) } else { all.inactive.push(person) }
    }
    Ok(all)
}

async fn at(session: &mut dyn Session, email: &str, fields: &[&str]) -> Result<Vec<Person>> {
    let page = ask(session, "who has an address", request::people_at(email, fields)).await?;
    people(&page).ok_or_else(|| unclear("does not say who is there"))
}

fn is_own(session: &dyn Session, person: &Person, sought: PersonSought<'_>) -> bool {
    session.profile(&person.email) == session.profile(sought.email)
}

fn there(person: &Person, marks: &[Mark]) -> ContactThere {
    let tags = person.fields.get(TAGS).and_then(Value::as_array).into_iter().flatten();
    let tags: Vec<&str> = tags.filter_map(Value::as_str).collect();
    let is_marked = |mark: &Mark| match mark {
        Mark::Tag(name) => tags.iter().any(|tag| is_same_tag(tag, name)),
        Mark::Field(id) => is_true(&person.fields, id),
        Mark::None => false,
    };
    ContactThere {
        id: person.id.clone(),
        email: person.email.clone(),
        marked: marks.iter().map(is_marked).collect(),
        opted_out: person.fields.get(PERMISSION).and_then(Value::as_bool).map(|may| !may),
    }
}

/// What the account does not do, or does not say.
pub(super) fn unclear(problem: &str) -> Error {
    Error::new(Kind::Unavailable, "Ortto", problem).hint("try again")
}
