//! Who is on a list, or has a field: pages of contacts. A field cannot be asked for, so all contacts are paged.

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::account::{call, call_all};
use super::request::Endpoint;
use super::response::{Payload, Reply};
use crate::destination::{Census, Page, PersonThere, Session};
use crate::error::{Error, Kind, Result};
use crate::membership::MembershipTarget;

/// Contacts on a page. Source: AUTOPILOT_API 1.6.
const PAGE: u64 = 100;

/// How classic Autopilot tells who is a member.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClassicCensus;

impl Census for ClassicCensus {
    /// A request each.
    fn people_at_once(&self) -> usize {
        20
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
        Box::pin(people(session, target, ids))
    }
}

async fn page(session: &mut dyn Session, target: &MembershipTarget, from: Option<&Value>) -> Result<Page> {
    let list = match target {
        MembershipTarget::List { id, .. } => Some(id.clone()),
        _ => None,
    };
    let bookmark = from.and_then(Value::as_str).map(str::to_owned);
    let body = match call(session, Endpoint::Page { list, bookmark: bookmark.clone() }).await? {
        Reply::Done(Payload::Page(body)) => body,
        Reply::NotFound if bookmark.is_none() => {
            return Err(Error::new(Kind::Config, "Autopilot", "the list was not found in the account")
                .hint("send every row once with --full, which makes it"));
        }
        _ => {
            return Err(Error::new(Kind::Unavailable, "Autopilot", "the contact at which a page ended is gone")
                .hint("try again"));
        }
    };
    let contacts = body.get("contacts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let people = contacts.iter().filter_map(|contact| person(contact, target)).map(|person| match target {
        // The answer is about the list.
        MembershipTarget::List { .. } => PersonThere { is_member: true, ..person },
        _ => person,
    });
    let next = body.get("bookmark").filter(|next| next.as_str().is_some_and(|next| !next.is_empty()));
    if next.is_some() && next == from {
        return Err(Error::new(Kind::Unavailable, "Autopilot", "keeps returning the same page").hint("try again"));
    }
    Ok(Page {
        people: people.collect(),
        next: next.cloned(),
        pages: body.get("total_contacts").and_then(Value::as_u64).map(|total| total.div_ceil(PAGE).max(1)),
    })
}

async fn people(
    session: &mut dyn Session,
    target: &MembershipTarget,
    ids: &[String],
) -> Result<Vec<Option<PersonThere>>> {
    let endpoints: Vec<Endpoint> = ids.iter().map(|id| Endpoint::WholeContact(id.clone())).collect();
    let replies = call_all(session, &endpoints).await?;
    let found = |reply| match reply {
        Reply::Done(Payload::Page(contact)) => Ok(person(&contact, target)),
        Reply::NotFound => Ok(None),
        _ => Err(Error::new(Kind::Unavailable, "Autopilot", "does not tell of a contact whether it is there")
            .hint("try again")),
    };
    replies.into_iter().map(found).collect()
}

/// Source: AUTOPILOT_API 1.3 and 1.5. `mail_hardbounced` names the mails that came back; a client's schema has it.
fn person(contact: &Value, target: &MembershipTarget) -> Option<PersonThere> {
    let text = |key: &str| contact.get(key).and_then(Value::as_str);
    let list = |key: &str| contact.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_member = match target {
        MembershipTarget::List { id, .. } => list("lists").iter().any(|on| on.as_str() == Some(id)),
        MembershipTarget::Field(name) => list("custom_fields").iter().any(|field| {
            field.get("kind").and_then(Value::as_str) == Some(name) && field.get("value") == Some(&Value::Bool(true))
        }),
        MembershipTarget::Tag(_) | MembershipTarget::None => false,
    };
    let bounces = contact.get("mail_hardbounced");
    let has_bounced = bounces.is_some_and(|bounces| {
        bounces.as_array().is_some_and(|all| !all.is_empty()) || bounces.as_object().is_some_and(|all| !all.is_empty())
    });
    Some(PersonThere {
        id: text("contact_id")?.to_owned(),
        email: text("Email").unwrap_or_default().trim().to_owned(),
        is_member,
        is_opted_out: contact.get("unsubscribed") == Some(&Value::Bool(true)),
        has_bounced,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_contact_says_whether_it_is_a_member_and_may_be_mailed() {
        let contact = json!({
            "contact_id": "person_1", "Email": " Ann@example.org", "lists": ["l 1"], "unsubscribed": true,
            "custom_fields": [{ "kind": "Reader", "value": true }, { "kind": "Writer", "value": false }],
            "mail_hardbounced": [{ "id": "m", "timestamp": "2026-01-01T00:00:00Z" }],
        });
        let list = |id: &str| MembershipTarget::List { title: "L".into(), id: id.into() };
        let field = |name: &str| MembershipTarget::Field(name.into());
        for (target, is_member) in
            [(list("l 1"), true), (list("l 2"), false), (field("Reader"), true), (field("Writer"), false)]
        {
            let found = person(&contact, &target).unwrap();
            assert_eq!((found.is_member, found.is_opted_out, found.has_bounced), (is_member, true, true));
            assert_eq!((found.id.as_str(), found.email.as_str()), ("person_1", "Ann@example.org"));
        }
        let bare = person(&json!({ "contact_id": "p", "mail_hardbounced": [] }), &list("l 1")).unwrap();
        assert_eq!(bare, PersonThere { id: "p".into(), ..PersonThere::default() });
    }
}
