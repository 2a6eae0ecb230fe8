//! A contact's new address: `_NewEmail` beside the earlier one. Source: AUTOPILOT_API 1.3.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::Autopilot;
use super::fields::{EMAIL, NEW_EMAIL};
use super::people::{take_off, there};
use super::request::Endpoint;
use super::response::{Payload, Reply, read};
use crate::destination::{Addresses, Attempt, Call, ContactThere, HttpResponse, Looked, Session};
use crate::error::{Error, Kind, Result};
use crate::membership::MembershipTarget;

impl Addresses for Autopilot {
    fn look<'s>(
        &'s self,
        session: &'s mut dyn Session,
        asked: &'s [(&'s str, &'s str)],
    ) -> BoxFuture<'s, Result<Vec<Looked>>> {
        Box::pin(async move {
            let named = asked.iter().flat_map(|(contact, email)| [*contact, *email]);
            let endpoints: Vec<Endpoint> = named.map(|named| Endpoint::Contact(named.to_owned())).collect();
            // What cannot be part of a path names nobody.
            let calls: Vec<Option<Call>> = endpoints.iter().map(Endpoint::call).collect();
            let endpoint = Endpoint::Contact(String::new());
            let judge = |_: usize, response: &HttpResponse| read(&endpoint, response).judgement();
            let mut responses = session.call_all(calls.iter().flatten().cloned().collect(), &judge).await?.into_iter();
            let mut contacts = Vec::new();
            for call in calls {
                let response = call.and_then(|_| responses.next());
                contacts.push(match &response {
                    // An address that it does not take is nobody's.
                    Some(response) if !matches!(read(&endpoint, response), Reply::Refused(_)) => {
                        there(read(&endpoint, response), Some(response), &[])?
                    }
                    _ => None,
                });
            }
            let pairs = contacts.chunks(2).map(|pair| Looked {
                contact: pair.first().cloned().flatten(),
                holders: pair.get(1).cloned().flatten().into_iter().map(|holder| holder.id).collect(),
            });
            Ok(pairs.collect())
        })
    }

    fn change<'s>(
        &'s self,
        session: &'s mut dyn Session,
        contact: &'s ContactThere,
        email: &'s str,
    ) -> BoxFuture<'s, Result<Attempt>> {
        Box::pin(async move {
            let body = json!({ "contact": { EMAIL: contact.email, NEW_EMAIL: email } });
            let endpoint = Endpoint::UpsertOne(body.to_string().into());
            let call =
                endpoint.call().ok_or_else(|| Error::new(Kind::Bug, "Autopilot", "has no path for a contact"))?;
            let judge = |_: usize, response: &HttpResponse| read(&endpoint, response).judgement();
            Ok(match session.call_once(call, &judge).await?.map(|response| read(&endpoint, &response)) {
                Some(Reply::Done(Payload::Written(id))) if id == contact.id => Attempt::Done,
                Some(Reply::Refused(_) | Reply::Conflict | Reply::NotFound) => Attempt::Refused,
                _ => Attempt::Unclear,
            })
        })
    }

    fn take_off<'s>(
        &'s self,
        session: &'s mut dyn Session,
        _setup: &'s Value,
        contact: &'s ContactThere,
        targets: &'s [MembershipTarget],
    ) -> BoxFuture<'s, Result<()>> {
        Box::pin(async move {
            for target in targets {
                take_off(session, contact, target).await?;
            }
            Ok(())
        })
    }
}
