//! One contact: looked up, taken off its lists and fields, deleted.

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::Autopilot;
use super::contact::leaver;
use super::fields::EMAIL;
use super::request::{Endpoint, Membership};
use super::response::{Payload, Reply, read};
use crate::destination::{ContactThere, HttpResponse, People, PersonSought, Session};
use crate::error::{Error, Kind, Result};
use crate::membership::MembershipTarget;

impl People for Autopilot {
    fn look_up<'s>(
        &'s self,
        session: &'s mut dyn Session,
        sought: PersonSought<'s>,
        targets: &'s [MembershipTarget],
    ) -> BoxFuture<'s, Result<Vec<ContactThere>>> {
        Box::pin(async move {
            let mut all: Vec<ContactThere> = look_up(session, sought.email, targets).await?.into_iter().collect();
            let others = others(session, sought, &all, targets).await?;
            all.extend(others.into_iter().filter(|there| is_own(session, there, sought)));
            Ok(all)
        })
    }

    /// A contact of the state is the person's, also where the account has another address for it.
    fn take_off<'s>(
        &'s self,
        session: &'s mut dyn Session,
        sought: PersonSought<'s>,
        targets: &'s [MembershipTarget],
    ) -> BoxFuture<'s, Result<Vec<String>>> {
        Box::pin(async move {
            let mut all: Vec<ContactThere> = look_up(session, sought.email, targets).await?.into_iter().collect();
            all.extend(others(session, sought, &all, targets).await?);
            for contact in &all {
                for (target, _) in targets.iter().zip(&contact.marked).filter(|(_, marked)| **marked) {
                    take_off(session, contact, target).await?;
                }
            }
            Ok(all.into_iter().map(|there| there.id).collect())
        })
    }

    fn delete<'s>(
        &'s self,
        session: &'s mut dyn Session,
        sought: PersonSought<'s>,
    ) -> BoxFuture<'s, Result<Vec<String>>> {
        Box::pin(async move {
            let mut all: Vec<ContactThere> = look_up(session, sought.email, &[]).await?.into_iter().collect();
            if all.iter().any(|there| !is_own(session, there, sought)) {
                return Err(stays("answers with another contact than the one that was asked for"));
            }
            let others = others(session, sought, &all, &[]).await?;
            all.extend(others.into_iter().filter(|there| is_own(session, there, sought)));
            for there in &all {
                let (reply, _) = ask(session, &Endpoint::DeleteContact(there.id.clone())).await?;
                if !matches!(reply, Reply::Done(_) | Reply::NotFound) {
                    return Err(stays("does not delete the contact"));
                }
            }
            Ok(all.into_iter().map(|there| there.id).collect())
        })
    }
}

/// The contacts of the state that the address did not lead to.
async fn others(
    session: &mut dyn Session,
    sought: PersonSought<'_>,
    known: &[ContactThere],
    targets: &[MembershipTarget],
) -> Result<Vec<ContactThere>> {
    let mut all: Vec<ContactThere> = Vec::new();
    for id in sought.ids.iter().filter(|id| !known.iter().any(|there| there.id == **id)) {
        let there = look_up(session, id, targets).await?;
        all.extend(there.filter(|there| !known.iter().chain(&all).any(|known| known.id == there.id)));
    }
    Ok(all)
}

fn is_own(session: &dyn Session, there: &ContactThere, sought: PersonSought<'_>) -> bool {
    session.profile(&there.email) == session.profile(sought.email)
}

async fn ask(session: &mut dyn Session, endpoint: &Endpoint) -> Result<(Reply, Option<HttpResponse>)> {
    let call =
        endpoint.call().ok_or_else(|| Error::new(Kind::Bug, "Autopilot", "an address cannot be part of a path"))?;
    let judge = |_: usize, response: &_| read(endpoint, response).judgement();
    let response = session.call_all(vec![call], &judge).await?.pop();
    let reply = response.as_ref().map_or(Reply::Failed("no answer"), |response| read(endpoint, response));
    Ok((reply, response))
}

/// The contact with this address or id.
async fn look_up(session: &mut dyn Session, named: &str, targets: &[MembershipTarget]) -> Result<Option<ContactThere>> {
    let (reply, response) = ask(session, &Endpoint::Contact(named.to_owned())).await?;
    there(reply, response.as_ref(), targets)
}

/// What an answer says of a contact.
pub(super) fn there(
    reply: Reply,
    response: Option<&HttpResponse>,
    targets: &[MembershipTarget],
) -> Result<Option<ContactThere>> {
    let (id, lists) = match reply {
        Reply::NotFound => return Ok(None),
        Reply::Done(Payload::Contact { id, lists, .. }) => (id, lists.unwrap_or_default()),
        _ => return Err(stays("does not tell of a contact")),
    };
    let body = response.and_then(|response| serde_json::from_slice::<Value>(response.body()).ok()).unwrap_or_default();
    let is_marked = |target: &MembershipTarget| match target {
        MembershipTarget::List { id, .. } => lists.contains(id),
        MembershipTarget::Field(name) => is_true(&body, name),
        MembershipTarget::Tag(_) | MembershipTarget::None => false,
    };
    Ok(Some(ContactThere {
        marked: targets.iter().map(is_marked).collect(),
        email: body.get(EMAIL).and_then(Value::as_str).unwrap_or_default().to_owned(),
        opted_out: body.get("unsubscribed").and_then(Value::as_bool),
        id,
    }))
}

fn is_true(contact: &Value, field: &str) -> bool {
    let all = contact.get("custom_fields").and_then(Value::as_array).into_iter().flatten();
    let is_it = |held: &&Value| held.get("kind").and_then(Value::as_str) == Some(field);
    all.filter(is_it).any(|held| held.get("value") == Some(&Value::Bool(true)))
}

pub(super) async fn take_off(
    session: &mut dyn Session,
    contact: &ContactThere,
    target: &MembershipTarget,
) -> Result<()> {
    let endpoint = match target {
        MembershipTarget::List { id, .. } => {
            Endpoint::RemoveMember(Membership { list: id.clone(), contact: contact.id.clone() })
        }
        MembershipTarget::Field(field) if !contact.email.is_empty() => {
            Endpoint::UpsertOne(format!(r#"{{"contact":{}}}"#, leaver(&contact.email, field)).into())
        }
        _ => return Ok(()),
    };
    match ask(session, &endpoint).await?.0 {
        Reply::Done(_) | Reply::NotFound => Ok(()),
        _ => Err(stays("does not take the contact off")),
    }
}

fn stays(problem: &str) -> Error {
    Error::new(Kind::Unavailable, "Autopilot", problem).hint("try again")
}
