//! Contacts as the API shows them, one by one and page by page.
//!
//! Custom fields come back in another form than they are written, and dates in three forms.
//! Source: `docs/AUTOPILOT_API.md` 1.5; which date has which form is this sandbox's choice.

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde_json::{Map, Value, json};

use super::columns::FieldType;
use super::id;
use super::store::{Contact, Store};

/// Contacts on a page.
///
/// Source: `docs/AUTOPILOT_API.md` 1.5.
pub(super) const PAGE: usize = 100;

/// A contact as `GET /contact/{contact}` returns it.
pub(super) fn contact(store: &Store, contact: &Contact) -> Value {
    let mut shown = Map::new();
    let mut custom = Vec::new();
    for (column, value) in &contact.values {
        let Some(column) = store.columns.get(*column) else {
            continue;
        };
        match column.custom {
            None => {
                shown.insert(column.name.to_string(), value.clone());
            }
            Some(kind) => custom.push(json!({
                "kind": &*column.name,
                "value": if kind == FieldType::Date { epoch_ms(value) } else { value.clone() },
                "fieldType": kind.name(),
            })),
        }
    }
    let named: Vec<&str> =
        ["FirstName", "LastName"].iter().filter_map(|name| shown.get(*name).and_then(Value::as_str)).collect();
    shown.insert("Name".to_owned(), named.join(" ").into());
    if let Some(email) = &contact.email {
        shown.insert("Email".to_owned(), (&**email).into());
    }
    let lists: Vec<&str> =
        contact.lists.iter().filter_map(|list| store.list(*list)).map(|list| list.id.as_str()).collect();
    shown.insert("lists".to_owned(), lists.into());
    shown.insert("unsubscribed".to_owned(), contact.unsubscribed.into());
    shown.insert("contact_id".to_owned(), id::contact(contact.id).into());
    shown.insert("created_at".to_owned(), iso(contact.created_ms));
    shown.insert("updated_at".to_owned(), rfc_1123(contact.updated_ms));
    shown.insert("api_originated".to_owned(), true.into());
    shown.insert("type".to_owned(), "contact".into());
    if !custom.is_empty() {
        shown.insert("custom_fields".to_owned(), custom.into());
    }
    Value::Object(shown)
}

/// A page of all contacts; `None` for an unknown bookmark.
pub(super) fn page(store: &Store, bookmark: Option<&str>) -> Option<Value> {
    let first = after(store, bookmark)?;
    Some(page_of(store, store.count(), store.contacts_from(first).map(|(_, contact)| contact)))
}

/// A page of a list's contacts.
pub(super) fn list_page(store: &Store, list: u32, bookmark: Option<&str>) -> Option<Value> {
    let first = after(store, bookmark)?;
    let members = &store.list(list)?.members;
    Some(page_of(store, members.len(), members.range(first..).filter_map(|number| store.contact(*number))))
}

fn after(store: &Store, bookmark: Option<&str>) -> Option<u32> {
    match bookmark {
        None => Some(0),
        Some(bookmark) => Some(store.bookmarked(bookmark)?.saturating_add(1)),
    }
}

/// The bookmark is the last contact shown. The last page has none, even if it is full.
fn page_of<'a>(store: &Store, total: usize, mut contacts: impl Iterator<Item = &'a Contact>) -> Value {
    let page: Vec<&Contact> = contacts.by_ref().take(PAGE).collect();
    let shown: Vec<Value> = page.iter().map(|held| contact(store, held)).collect();
    let mut answer = json!({ "contacts": shown, "total_contacts": total });
    if let (Some(last), Some(_), Some(answer)) = (page.last(), contacts.next(), answer.as_object_mut()) {
        answer.insert("bookmark".to_owned(), id::contact(last.id).into());
    }
    answer
}

fn iso(ms: i64) -> Value {
    Timestamp::from_millisecond(ms).map_or(Value::Null, |at| format!("{at:.3}").into())
}

fn rfc_1123(ms: i64) -> Value {
    let text =
        Timestamp::from_millisecond(ms).and_then(|at| rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at));
    text.map_or(Value::Null, Value::from)
}

/// A date as sent -> milliseconds since 1970; anything but a date with an offset comes back as sent.
fn epoch_ms(value: &Value) -> Value {
    let at = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    at.map_or_else(|| value.clone(), |at| at.as_millisecond().into())
}
