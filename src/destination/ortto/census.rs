//! Who carries a tag, or has a field: pages of people, found by a filter. The filter on tags is a guess of others, so what
//! it finds is looked at, and where it is refused all people are paged. Source: ORTTO_API 5, 7.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::asking::{TAGS as ITS_TAGS, ask, call_all, done, text};
use super::custom_fields::read_fields;
use super::fields::{BOUNCED, EMAIL, PERMISSION, TAG_IDS, TAGS, is_same_tag};
use super::paging::{Following, following};
use super::request;
use super::response::{Person, Reply, people, people_by_id};
use crate::destination::{Census, Page, PersonThere, Session};
use crate::error::{Error, Kind, Result};
use crate::membership::MembershipTarget;

const PEOPLE: &str = "who its people are";

/// How Ortto tells who is a member.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrttoCensus;

impl Census for OrttoCensus {
    /// In one request.
    fn people_at_once(&self) -> usize {
        100
    }

    /// Of a batch whose answers came in another order it is somebody else's. Source: ORTTO_API 2.2.
    fn proves_ids(&self) -> bool {
        false
    }

    fn page<'s>(
        &'s self,
        session: &'s mut dyn Session,
        target: &'s MembershipTarget,
        from: Option<&'s Value>,
    ) -> BoxFuture<'s, Result<Page>> {
        Box::pin(page(session, target, from))
    }

    fn people<'s>(
        &'s self,
        session: &'s mut dyn Session,
        target: &'s MembershipTarget,
        ids: &'s [String],
    ) -> BoxFuture<'s, Result<Vec<Option<PersonThere>>>> {
        Box::pin(whereabouts(session, target, ids))
    }
}

/// Where the next page begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    /// By what the members are found; none where all people are paged.
    filter: Option<Value>,
    /// What shows the mark.
    field: String,
    offset: u64,
    cursor: Option<String>,
}

impl Place {
    /// The first page, and how many have the mark where the account counts them.
    async fn first(session: &mut dyn Session, target: &MembershipTarget) -> Result<(Self, Option<u64>)> {
        let place = |filter, field: &str| Self { filter, field: field.to_owned(), offset: 0, cursor: None };
        match target {
            MembershipTarget::Tag(name) => {
                let tags = ask(session, ITS_TAGS, request::tags()).await?;
                let tags = || tags.as_array().into_iter().flatten().filter(|tag| text(tag, "type").is_none());
                let named = |is: &dyn Fn(&str) -> bool| {
                    tags().find(|tag| tag.get("name").and_then(Value::as_str).is_some_and(is)).cloned()
                };
                let tag = named(&|known| known == name).or_else(|| named(&|known| is_same_tag(known, name)));
                let number = |key| tag.as_ref().and_then(|tag| tag.get(key)).and_then(Value::as_u64);
                let filter = number("id").map(|id| json!({ "$id_set_is": { "field_id": TAG_IDS, "value": [id] } }));
                Ok((place(filter, TAGS), Some(number("count").unwrap_or_default())))
            }
            MembershipTarget::Field(name) => {
                let fields = ask(session, "its custom fields", request::custom_fields()).await?;
                let fields = read_fields(&fields);
                let field = fields.iter().find(|field| field.name == *name);
                let field = field.or_else(|| fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)));
                let missing = || {
                    Error::new(Kind::Config, format!("custom field \"{name}\""), "was not found in the account")
                        .hint("send every row once with --full")
                };
                let id = &field.ok_or_else(missing)?.id;
                let filter = json!({ "$bol::is": { "field_id": id, "value": true } });
                Ok((place(Some(filter), id), None))
            }
            MembershipTarget::List { .. } | MembershipTarget::None => Ok((place(None, TAGS), None)),
        }
    }

    fn fields(&self) -> [&str; 4] {
        [EMAIL, PERMISSION, BOUNCED, &self.field]
    }

    fn person(&self, person: Person, target: &MembershipTarget) -> PersonThere {
        let mark = person.fields.get(&self.field);
        let is_member = match target {
            MembershipTarget::Tag(name) => {
                // Who has no tags lacks the key, whatever the filter found. Source: ORTTO_API 5.
                let tags = mark.and_then(Value::as_array).into_iter().flatten();
                tags.filter_map(Value::as_str).any(|tag| is_same_tag(tag, name))
            }
            MembershipTarget::Field(_) => mark == Some(&Value::Bool(true)),
            MembershipTarget::List { .. } | MembershipTarget::None => false,
        };
        let flag = |id| person.fields.get(id).and_then(Value::as_bool);
        PersonThere {
            is_member,
            is_opted_out: flag(PERMISSION) == Some(false),
            has_bounced: flag(BOUNCED) == Some(true),
            email: person.email.trim().to_owned(),
            id: person.id,
        }
    }
}

async fn page(session: &mut dyn Session, target: &MembershipTarget, from: Option<&Value>) -> Result<Page> {
    let (mut place, count) = match from {
        Some(from) => (read(from)?, None),
        None => Place::first(session, target).await?,
    };
    if count == Some(0) && place.filter.is_none() {
        return Ok(Page { pages: Some(1), ..Page::default() });
    }
    let body = loop {
        let call = request::page(place.filter.as_ref(), &place.fields(), place.offset, place.cursor.as_deref());
        let reply = call_all(session, vec![call]).await?.pop().unwrap_or(Reply::Failed("no answer"));
        let is_tag = place.filter.is_some() && place.offset == 0 && matches!(target, MembershipTarget::Tag(_));
        match reply {
            Reply::Bad(_) | Reply::Refused(..) if is_tag => place.filter = None,
            Reply::Done(body) if is_tag && count > Some(0) && people(&body).is_some_and(|all| all.is_empty()) => {
                place.filter = None;
            }
            reply => break done(reply, PEOPLE)?,
        }
    };
    let unreadable = || Error::new(Kind::Unavailable, "Ortto", "does not tell who its people are").hint("try again");
    let found = people(&body).ok_or_else(unreadable)?;
    let total = body.get("meta").and_then(|meta| meta.get("total_matches")).and_then(Value::as_u64);
    let following = following(&body, place.offset, found.len());
    let members = found.into_iter().map(|person| place.person(person, target)).collect();
    let next = match following {
        Following::At(offset, cursor) => Some(Place { offset, cursor, ..place }),
        Following::Last | Following::Nowhere => None,
    };
    Ok(Page {
        people: members,
        next: next.map(|next| serde_json::to_value(next).unwrap_or_default()),
        pages: total.map(|total| total.div_ceil(request::PAGE as u64).max(1)),
    })
}

fn read(from: &Value) -> Result<Place> {
    Place::deserialize(from).map_err(|cause| Error::new(Kind::Bug, "Ortto", "a page is unknown").with_source(cause))
}

async fn whereabouts(
    session: &mut dyn Session,
    target: &MembershipTarget,
    ids: &[String],
) -> Result<Vec<Option<PersonThere>>> {
    let (place, _) = Place::first(session, target).await?;
    // One by one they are not of the filter.
    let place = Place { filter: None, ..place };
    let asked: Vec<&str> = ids.iter().map(String::as_str).filter(|id| request::is_id(id)).collect();
    if asked.is_empty() {
        return Ok(vec![None; ids.len()]);
    }
    let body = ask(session, PEOPLE, request::people(&asked, &place.fields())).await?;
    let unreadable = || Error::new(Kind::Unavailable, "Ortto", "does not tell who its people are").hint("try again");
    let mut found = people_by_id(&body).ok_or_else(unreadable)?;
    keep_active(session, &place, &mut found).await?;
    Ok(ids.iter().map(|id| Some(place.person(found.remove(id)?, target))).collect())
}

/// Leaves out archived people, who may be found by their ids and by nothing else.
async fn keep_active(session: &mut dyn Session, place: &Place, found: &mut HashMap<String, Person>) -> Result<()> {
    let (ids, emails): (Vec<String>, Vec<String>) = found
        .values()
        .map(|person| (person.id.clone(), person.email.clone()))
        .filter(|(_, email)| !email.is_empty())
        .unzip();
    let calls = emails.iter().map(|email| request::people_at(email, &place.fields())).collect();
    for (id, reply) in ids.iter().zip(call_all(session, calls).await?) {
        if !people(&done(reply, PEOPLE)?).unwrap_or_default().iter().any(|person| person.id == *id) {
            found.remove(id);
        }
    }
    Ok(())
}
