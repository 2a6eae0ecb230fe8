//! A person's new address: a merge that finds the person by its id. Source: ORTTO_API 2.1.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::Ortto;
use super::asking::ask;
use super::fields::{EMAIL, PERMISSION};
use super::paging::{Following, following};
use super::people::{unclear, unmarked};
use super::request::{self, PERSON_ID, is_id};
use super::response::{Person, Reply, entries, people, people_by_id, read};
use super::run::LAG;
use super::setup::Setup;
use crate::destination::{Addresses, Attempt, ContactThere, HttpResponse, Judgement, Looked, Session};
use crate::error::Result;
use crate::membership::MembershipTarget;
use crate::state::ProfileKey;

/// How often a new address is looked for that does not show yet.
const READS: usize = 3;
/// Why it is looked for again.
const NOT_YET: &str = "a new address does not show yet";

impl Addresses for Ortto {
    fn look<'s>(
        &'s self,
        session: &'s mut dyn Session,
        asked: &'s [(&'s str, &'s str)],
    ) -> BoxFuture<'s, Result<Vec<Looked>>> {
        Box::pin(async move {
            let ids: Vec<&str> = asked.iter().map(|(id, _)| *id).filter(|id| is_id(id)).collect();
            let by_id = match ids.as_slice() {
                [] => Default::default(),
                ids => {
                    let page = ask(session, "who has an id", request::people(ids, &[EMAIL, PERMISSION])).await?;
                    people_by_id(&page).ok_or_else(|| unclear("does not say who has an id"))?
                }
            };
            // How case counts in a search is unknown.
            let mut emails: Vec<String> =
                asked.iter().flat_map(|(_, email)| [(*email).to_owned(), email.to_lowercase()]).collect();
            emails.sort_unstable();
            emails.dedup();
            let page = ask(session, "who has an address", request::people_at_any(&emails, &[EMAIL])).await?;
            let there = people(&page).ok_or_else(|| unclear("does not say who has an address"))?;
            let looked = |(id, email): &(&str, &str)| {
                let own = there.iter().filter(|person| session.profile(&person.email) == session.profile(email));
                Looked { contact: by_id.get(*id).map(contact), holders: own.map(|person| person.id.clone()).collect() }
            };
            Ok(asked.iter().map(looked).collect())
        })
    }

    /// An id of a batch whose answers came in another order is another person's. Source: ORTTO_API 2.2.
    fn seek<'s>(
        &'s self,
        session: &'s mut dyn Session,
        profiles: &'s HashSet<ProfileKey>,
    ) -> BoxFuture<'s, Result<Option<HashMap<ProfileKey, ContactThere>>>> {
        Box::pin(async move {
            let mut found = HashMap::new();
            let (mut offset, mut cursor) = (0, None);
            loop {
                let call = request::page(None, &[EMAIL, PERMISSION], offset, cursor.as_deref());
                let page = ask(session, "who its people are", call).await?;
                let people = people(&page).ok_or_else(|| unclear("does not say who its people are"))?;
                for person in people.iter().filter(|person| !person.email.is_empty()) {
                    let profile = session.profile(&person.email);
                    if profiles.contains(&profile) {
                        found.insert(profile, contact(person));
                    }
                }
                match following(&page, offset, people.len()) {
                    Following::At(next, id) if found.len() < profiles.len() => (offset, cursor) = (next, id),
                    _ => return Ok(Some(found)),
                }
            }
        })
    }

    /// That the person was merged does not say that the address was taken: it is read back.
    fn change<'s>(
        &'s self,
        session: &'s mut dyn Session,
        contact: &'s ContactThere,
        email: &'s str,
    ) -> BoxFuture<'s, Result<Attempt>> {
        Box::pin(async move {
            let person = json!({ "fields": { PERSON_ID: contact.id, EMAIL: email } });
            let judge = |_: usize, response: &HttpResponse| read(response).judgement();
            let response = session.call_once(request::merge_by_id(&person.to_string()), &judge).await?;
            match response.as_ref().map(read) {
                Some(Reply::Done(body)) if entries(&body).iter().all(|entry| !entry.is_merged()) => {
                    return Ok(Attempt::Refused);
                }
                Some(Reply::Done(_)) => {}
                Some(_) => return Ok(Attempt::Refused),
                None => return Ok(Attempt::Unclear),
            }
            let times = AtomicUsize::new(1);
            let shows = |person: &Person| person.email.to_lowercase() == email.to_lowercase();
            let judge = |_: usize, response: &HttpResponse| match read(response) {
                Reply::Done(body)
                    if !people_by_id(&body).is_some_and(|people| people.values().any(shows))
                        && times.fetch_add(1, Ordering::Relaxed) < READS =>
                {
                    Judgement::Paused(LAG, NOT_YET)
                }
                reply => reply.judgement(),
            };
            let call = request::people(&[contact.id.as_str()], &[EMAIL]);
            let response = session.call_all(vec![call], &judge).await?.pop();
            let Some(Reply::Done(body)) = response.as_ref().map(read) else { return Ok(Attempt::Unclear) };
            let held = people_by_id(&body).and_then(|mut people| people.remove(&contact.id));
            let has_it = held.is_some_and(|person| session.profile(&person.email) == session.profile(email));
            Ok(if has_it { Attempt::Done } else { Attempt::Refused })
        })
    }

    fn take_off<'s>(
        &'s self,
        session: &'s mut dyn Session,
        setup: &'s Value,
        contact: &'s ContactThere,
        targets: &'s [MembershipTarget],
    ) -> BoxFuture<'s, Result<()>> {
        Box::pin(async move {
            let fields = Setup::read(setup)?.ortto_fields;
            for target in targets {
                let without = match target {
                    MembershipTarget::Tag(name) => {
                        json!({ "fields": { PERSON_ID: contact.id }, "unset_tags": [name] })
                    }
                    MembershipTarget::Field(name) => {
                        let Some(field) = fields.get(name) else { continue };
                        json!({ "fields": { PERSON_ID: contact.id, field.id.as_str(): false } })
                    }
                    MembershipTarget::List { .. } | MembershipTarget::None => continue,
                };
                unmarked(session, request::merge_by_id(&without.to_string())).await?;
            }
            Ok(())
        })
    }

    fn withheld(&self, setup: &Value) -> Result<HashSet<[u8; 16]>> {
        Ok(Setup::read(setup)?.withheld.keys())
    }
}

fn contact(person: &Person) -> ContactThere {
    ContactThere {
        id: person.id.clone(),
        email: person.email.clone(),
        marked: Vec::new(),
        opted_out: person.fields.get(PERMISSION).and_then(Value::as_bool).map(|may| !may),
    }
}
