//! One person: looked up, without their marks, deleted.

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::Ortto;
use super::asking::{ask, call_all};
use super::contact::{is_member, is_true, untagged, with_field};
use super::custom_fields::read_fields;
use super::fields::{EMAIL, PERMISSION, TAGS, is_same_tag};
use super::request;
use super::response::{Entry, Person, Reply, entries, people};
use crate::destination::{ContactThere, People, RequestKind, Session};
use crate::error::{Error, Kind, Result};
use crate::membership::MembershipTarget;

impl People for Ortto {
    fn look_up<'s>(
        &'s self,
        session: &'s mut dyn Session,
        email: &'s str,
        targets: &'s [MembershipTarget],
    ) -> BoxFuture<'s, Result<Option<ContactThere>>> {
        Box::pin(async move {
            let marks = marks(session, targets).await?;
            let found = found(session, email, &marks).await?.into_iter().next();
            Ok(found.map(|person| there(&person, &marks)))
        })
    }

    /// By address alone: an id may have been kept for another row of its batch.
    fn take_off<'s>(
        &'s self,
        session: &'s mut dyn Session,
        email: &'s str,
        _contact_id: Option<&'s str>,
        targets: &'s [MembershipTarget],
    ) -> BoxFuture<'s, Result<()>> {
        Box::pin(async move {
            let marks = marks(session, targets).await?;
            for person in found(session, email, &marks).await? {
                let is_marked = there(&person, &marks).marked;
                for (mark, _) in marks.iter().zip(is_marked).filter(|(_, marked)| *marked) {
                    let without = match mark {
                        Mark::Tag(name) => untagged(&person.email, name),
                        Mark::Field(id) => with_field(&person.email, &is_member(id, false)),
                        Mark::None => continue,
                    };
                    let replies = call_all(session, vec![request::merge(RequestKind::Bulk, &without, false)]).await?;
                    let is_off = |entry: &Entry| matches!(entry, Entry::Done(_) | Entry::Skipped);
                    match replies.first() {
                        Some(Reply::Done(body)) if entries(body).iter().all(is_off) => {}
                        _ => return Err(stays("does not take the mark off")),
                    }
                }
            }
            Ok(())
        })
    }

    /// Archived first: only those can be deleted. Source: ORTTO_API 6.
    fn delete<'s>(&'s self, session: &'s mut dyn Session, email: &'s str) -> BoxFuture<'s, Result<bool>> {
        Box::pin(async move {
            let active: Vec<String> = found(session, email, &[]).await?.into_iter().map(|person| person.id).collect();
            let page = ask(session, "who is archived", request::archived_like(email)).await?;
            let mut archived: Vec<String> = its_own(session, email, people(&page).unwrap_or_default());
            if !active.is_empty() {
                confirmed(session, request::archive(&active)).await?;
                archived.extend(active.into_iter().filter(|id| !archived.contains(id)).collect::<Vec<_>>());
            }
            if archived.is_empty() {
                return Ok(false);
            }
            confirmed(session, request::delete(&archived)).await?;
            Ok(true)
        })
    }
}

async fn confirmed(session: &mut dyn Session, call: crate::destination::Call) -> Result<()> {
    match call_all(session, vec![call]).await?.first() {
        Some(Reply::Done(_)) => Ok(()),
        _ => Err(stays("does not delete the person")),
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

/// The people with this address: how case counts in a search is unknown, so it is searched for in both forms.
async fn found(session: &mut dyn Session, email: &str, marks: &[Mark]) -> Result<Vec<Person>> {
    let mut fields = vec![EMAIL, TAGS, PERMISSION];
    fields.extend(marks.iter().filter_map(|mark| match mark {
        Mark::Field(id) => Some(id.as_str()),
        _ => None,
    }));
    let lower = email.to_lowercase();
    let mut all: Vec<Person> = Vec::new();
    for form in [Some(email), Some(lower.as_str()).filter(|lower| *lower != email)].into_iter().flatten() {
        let page = ask(session, "who has an address", request::people_at(form, &fields)).await?;
        let page = people(&page).ok_or_else(|| stays("does not say who is there"))?;
        let own = page.into_iter().filter(|person| session.profile(&person.email) == session.profile(email));
        let own: Vec<Person> = own.collect();
        all.extend(own.into_iter().filter(|person| !all.iter().any(|known| known.id == person.id)).collect::<Vec<_>>());
    }
    Ok(all)
}

fn its_own(session: &dyn Session, email: &str, people: Vec<Person>) -> Vec<String> {
    let own = people.into_iter().filter(|person| session.profile(&person.email) == session.profile(email));
    own.map(|person| person.id).collect()
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

fn stays(problem: &str) -> Error {
    Error::new(Kind::Unavailable, "Ortto", problem).hint("try again")
}
