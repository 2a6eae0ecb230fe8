//! Every request that is made to classic Autopilot, as HTTP.

use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

use crate::destination::{Call, RequestKind};

/// Where classic Autopilot lives. Source: AUTOPILOT_API 1.1, its API description and every client since 2017.
pub(super) const BASE_URL: &str = "https://api2.autopilothq.com/v1";
/// The header that carries the key. Source: AUTOPILOT_API 1.1, recorded exchanges and every client.
pub(super) const KEY_HEADER: &str = "autopilotapikey";

/// Contact ids may be emails, list ids may hold spaces and slashes: all but unreserved characters are encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The largest response that holds an id or nothing, with room for keys that nobody has described.
const ID_BYTES: usize = 256 * 1024;
/// The largest response that is one contact: with all its fields, lists, and what was mailed to it.
const CONTACT_BYTES: usize = 1024 * 1024;
/// The largest response to a bulk call. A hundred emails, each with its id twice, are less than a tenth of it; what is
/// left holds the batch itself, should the server ever send it back.
/// Source: AUTOPILOT_API 1.4, a response names internal keys that were to be removed, `proposedContacts` among them.
const BULK_BYTES: usize = 1024 * 1024;
/// The largest response with all lists or all fields of an account. Neither is paged; that of a big account is far
/// smaller.
const ACCOUNT_BYTES: usize = 16 * 1024 * 1024;

/// One request to Autopilot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Who the key belongs to.
    Account,
    Lists,
    /// Makes a list with this title.
    CreateList(String),
    /// All custom fields that the account declares.
    CustomFields,
    /// One contact, by id or email.
    Contact(String),
    /// One contact with everything that it holds.
    WholeContact(String),
    /// The first contacts on the list with this id.
    Members(String),
    /// A page of the contacts of a list, or of all.
    Page {
        /// The list's id.
        list: Option<String>,
        /// Where the page before ended; none for the first.
        bookmark: Option<String>,
    },
    /// Whether a contact is on a list.
    Member(Membership),
    /// Creates or updates many contacts; the request's JSON.
    UpsertMany(Bytes),
    /// Creates or updates one contact; the request's JSON.
    UpsertOne(Bytes),
    /// Opts a contact out, by id or email.
    Unsubscribe(String),
    /// Deletes a contact, by id. Only `erase` does (promise 11).
    DeleteContact(String),
    /// Puts a contact on a list.
    AddMember(Membership),
    /// Takes a contact off a list.
    RemoveMember(Membership),
}

/// A contact and a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The list's id.
    pub list: String,
    /// The contact's id or email.
    pub contact: String,
}

impl Endpoint {
    /// What a request counts as.
    pub fn kind(&self) -> RequestKind {
        match self {
            Self::UpsertMany(_) => RequestKind::Bulk,
            Self::UpsertOne(_)
            | Self::Contact(_)
            | Self::WholeContact(_)
            | Self::Unsubscribe(_)
            | Self::DeleteContact(_) => RequestKind::Single,
            Self::Lists
            | Self::CreateList(_)
            | Self::Members(_)
            | Self::Page { .. }
            | Self::Member(_)
            | Self::AddMember(_)
            | Self::RemoveMember(_) => RequestKind::List,
            Self::Account | Self::CustomFields => RequestKind::Other,
        }
    }

    /// Whether it is about a contact that is there, and its answer need not say anything.
    pub(super) fn may_answer_nothing(&self) -> bool {
        matches!(
            self,
            Self::Member(_)
                | Self::AddMember(_)
                | Self::RemoveMember(_)
                | Self::Unsubscribe(_)
                | Self::DeleteContact(_)
        )
    }

    /// Whether it writes contacts, so that an answer that is unclear leaves them in doubt.
    pub(super) fn writes_contacts(&self) -> bool {
        matches!(self, Self::UpsertOne(_) | Self::UpsertMany(_))
    }

    /// Whether a 403 is about the account (and ends the run), not about one row.
    pub(super) fn is_about_the_account(&self) -> bool {
        matches!(
            self,
            Self::Account
                | Self::Lists
                | Self::CreateList(_)
                | Self::CustomFields
                | Self::Page { .. }
                | Self::UpsertMany(_)
        )
    }

    /// The request as HTTP; `None` where an id in it would lead elsewhere.
    pub fn call(&self) -> Option<Call> {
        let (method, path) = self.route()?;
        Some(Call {
            kind: self.kind(),
            method,
            path,
            body: self.body(),
            max_response_bytes: match self {
                Self::Lists | Self::CustomFields => ACCOUNT_BYTES,
                Self::UpsertMany(_) => BULK_BYTES,
                // A hundred contacts.
                Self::Members(_) | Self::Page { .. } => ACCOUNT_BYTES,
                Self::Contact(_) | Self::WholeContact(_) => CONTACT_BYTES,
                _ => ID_BYTES,
            },
        })
    }

    fn route(&self) -> Option<(Method, String)> {
        Some(match self {
            Self::Account => (Method::GET, "/account".into()),
            Self::Lists => (Method::GET, "/lists".into()),
            Self::CreateList(_) => (Method::POST, "/list".into()),
            Self::CustomFields => (Method::GET, "/contacts/custom_fields".into()),
            Self::Contact(contact) | Self::WholeContact(contact) => {
                (Method::GET, format!("/contact/{}", segment(contact)?))
            }
            Self::Members(list) => (Method::GET, format!("/list/{}/contacts", segment(list)?)),
            Self::Page { list, bookmark } => (Method::GET, page(list.as_deref(), bookmark.as_deref())?),
            Self::UpsertMany(_) => (Method::POST, "/contacts".into()),
            Self::UpsertOne(_) => (Method::POST, "/contact".into()),
            Self::Unsubscribe(contact) => (Method::POST, format!("/contact/{}/unsubscribe", segment(contact)?)),
            Self::DeleteContact(contact) => (Method::DELETE, format!("/contact/{}", segment(contact)?)),
            Self::Member(member) => (Method::GET, member.path()?),
            Self::AddMember(member) => (Method::POST, member.path()?),
            Self::RemoveMember(member) => (Method::DELETE, member.path()?),
        })
    }

    fn body(&self) -> Bytes {
        match self {
            Self::UpsertMany(body) | Self::UpsertOne(body) => body.clone(),
            Self::CreateList(title) => serde_json::json!({ "name": title }).to_string().into(),
            _ => Bytes::new(),
        }
    }
}

impl Membership {
    fn path(&self) -> Option<String> {
        Some(format!("/list/{}/contact/{}", segment(&self.list)?, segment(&self.contact)?))
    }
}

/// The path of a page of contacts.
fn page(list: Option<&str>, bookmark: Option<&str>) -> Option<String> {
    let mut path = match list {
        Some(list) => format!("/list/{}/contacts", segment(list)?),
        None => "/contacts".to_owned(),
    };
    if let Some(bookmark) = bookmark {
        path.push_str(&format!("/{}", segment(bookmark)?));
    }
    Some(path)
}

/// Whether a text can be a part of a path. A URL's parser takes dots for the way up, encoded or not: what is meant to
/// take a contact off the list `..` would delete the contact.
pub(super) fn can_be_in_a_path(id: &str) -> bool {
    !matches!(id, "" | "." | "..")
}

/// An id, encoded.
fn segment(id: &str) -> Option<PercentEncode<'_>> {
    can_be_in_a_path(id).then(|| utf8_percent_encode(id, ENCODED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_encoded_in_paths() {
        let member = Membership { list: "a b/../c?d#e%".into(), contact: "ann+x@example.com\r\nx: y".into() };
        let path = Endpoint::Member(member).call().unwrap().path;
        assert_eq!(path, "/list/a%20b%2F..%2Fc%3Fd%23e%25/contact/ann%2Bx%40example.com%0D%0Ax%3A%20y");
    }

    // Promise 11: leaving a segment never deletes a contact.
    #[test]
    fn an_id_that_leads_elsewhere_makes_no_request() {
        for (list, contact) in [("..", "p"), (".", "p"), ("", "p"), ("l", ".."), ("l", "."), ("l", "")] {
            let member = Membership { list: list.into(), contact: contact.into() };
            for endpoint in [Endpoint::Member, Endpoint::AddMember, Endpoint::RemoveMember] {
                assert_eq!(endpoint(member.clone()).call(), None, "{list} {contact}");
            }
        }
        assert_eq!(Endpoint::Contact("..".into()).call(), None);
        assert_eq!(Endpoint::DeleteContact("..".into()).call(), None);
    }
}
