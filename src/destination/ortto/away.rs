//! Who must not be sent: the people an account suppresses, and those who are archived. What cannot be read is an error: it
//! does not say that there is nobody.

use std::collections::HashSet;

use serde_json::Value;

use super::asking::{ask, text};
use super::fields::{EMAIL, PERMISSION};
use super::paging::{Following, following};
use super::request::{self, PAGE};
use super::setup::People;
use crate::destination::Session;
use crate::error::{Error, Kind, Result};

pub(super) const SUPPRESSED: &str = "the people it suppresses";
pub(super) const ARCHIVED: &str = "who is archived";

/// The most pages of people that are read; more than any account has.
const PAGES: usize = 10_000;

/// Who must not be sent.
#[derive(Debug, Default)]
pub(super) struct SuppressedPeople {
    /// People suppressed by Ortto, and people archived after opting out.
    pub(super) withheld: People,
    /// Who is archived.
    pub(super) archived: People,
}

impl SuppressedPeople {
    /// Reads the people the account suppresses, from the first page on, until one is short or brings nobody new. How the
    /// pages of this list end is unknown. Source: ORTTO_API 6.
    pub(super) async fn read_suppressed(&mut self, session: &mut dyn Session, mut page: Value) -> Result<()> {
        let (mut seen, mut offset) = (HashSet::new(), 0);
        for _ in 0..PAGES {
            let entries = suppressed(&page).ok_or_else(|| unread(SUPPRESSED))?;
            let before = seen.len();
            for entry in entries {
                let email = address(entry).ok_or_else(|| unread(SUPPRESSED))?;
                let key = session.profile(email);
                if seen.insert(key) {
                    self.withheld.add(&key);
                }
            }
            offset += entries.len();
            let has_more = page.get("has_more").and_then(Value::as_bool) == Some(true);
            if seen.len() == before || entries.len() < PAGE && !has_more {
                return Ok(());
            }
            page = ask(session, SUPPRESSED, request::suppressed(offset)).await?;
        }
        Err(unread(SUPPRESSED))
    }

    /// Reads who is archived, from the first page on.
    pub(super) async fn read_archived(&mut self, session: &mut dyn Session, mut page: Value) -> Result<()> {
        let (mut seen, mut offset) = (HashSet::new(), 0);
        for _ in 0..PAGES {
            let contacts = match page.get("contacts") {
                Some(Value::Null) => &[],
                Some(Value::Array(contacts)) => contacts.as_slice(),
                _ => return Err(unread(ARCHIVED)),
            };
            let before = seen.len();
            for contact in contacts {
                seen.insert(contact.to_string());
                let Some(fields) = contact.get("fields") else { continue };
                let Some(email) = text(fields, EMAIL) else { continue };
                let key = session.profile(&email);
                self.archived.add(&key);
                // Sent again, this person would be another one, who is subscribed. Source: ORTTO_API 6.
                if fields.get(PERMISSION) == Some(&Value::Bool(false)) {
                    self.withheld.add(&key);
                }
            }
            match following(&page, offset, contacts.len()) {
                Following::At(next, cursor) if seen.len() > before => {
                    offset = next;
                    page = ask(session, ARCHIVED, request::archived(next, cursor.as_deref())).await?;
                }
                _ => return Ok(()),
            }
        }
        Err(unread(ARCHIVED))
    }
}

fn unread(what: &str) -> Error {
    Error::new(Kind::Unavailable, "Ortto", format!("does not say {what}"))
        .hint("nothing is sent before that is known; check base_url, and try again")
}

/// Keys under which the list may be, besides its own.
const LISTS: [&str; 8] =
    ["emails", "suppressed", "suppressions", "suppression_list", "contacts", "people", "data", "items"];

/// The entries of a page of the suppression list; none where there is no list.
fn suppressed(page: &Value) -> Option<&[Value]> {
    if let Value::Array(entries) = page {
        return Some(entries);
    }
    let fields = page.as_object()?;
    let named = LISTS.iter().find_map(|name| fields.get(*name));
    match named.or_else(|| fields.values().find(|value| value.is_array()))? {
        Value::Null => Some(&[]),
        Value::Array(entries) => Some(entries),
        _ => None,
    }
}

/// The address of an entry: the entry itself, or what it says of it. Source: ORTTO_API 6.
fn address(entry: &Value) -> Option<&str> {
    match entry {
        Value::String(email) => Some(email),
        Value::Object(fields) => {
            let named = [fields.get("email"), fields.get(EMAIL)].into_iter().flatten().find_map(Value::as_str);
            let inner = || fields.get("fields").and_then(|fields| fields.get(EMAIL)).and_then(Value::as_str);
            let any = || fields.values().filter_map(Value::as_str).find(|text| text.contains('@'));
            named.or_else(inner).or_else(any)
        }
        _ => None,
    }
}
