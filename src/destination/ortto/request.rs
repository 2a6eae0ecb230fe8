//! Ortto's endpoints. Source: ORTTO_API 1.

use bytes::Bytes;
use serde_json::{Value, json};

use super::fields::EMAIL;
use crate::destination::{Call, Region, RequestKind};

/// The header that carries the key.
pub(super) const KEY_HEADER: &str = "x-api-key";

/// The largest response to a call for people or fields.
const LARGE: usize = 8 << 20;
/// The largest response to a merge.
const MERGED: usize = 1 << 20;

/// The address of a region. Source: ORTTO_API 1.
pub(super) const fn base_url(region: Region) -> &'static str {
    match region {
        Region::Default => "https://api.ap3api.com/v1",
        Region::Au => "https://api.au.ap3api.com/v1",
        Region::Eu => "https://api.eu.ap3api.com/v1",
    }
}

fn call(kind: RequestKind, path: &str, body: Bytes, max_response_bytes: usize) -> Call {
    Call { kind, method: http::Method::POST, path: path.to_owned(), body, max_response_bytes }
}

fn read(path: &str, body: &Value) -> Call {
    call(RequestKind::Other, path, body.to_string().into(), LARGE)
}

/// All custom fields; also the check of the key.
pub(super) fn custom_fields() -> Call {
    read("/person/custom-field/get", &json!({}))
}

/// Makes a custom field. Tracked changes would be billed.
pub(super) fn make_field(name: &str, display_type: &str) -> Call {
    read("/person/custom-field/create", &json!({ "name": name, "type": display_type, "track_changes": false }))
}

pub(super) fn tags() -> Call {
    Call { kind: RequestKind::List, ..read("/tags/get", &json!({})) }
}

/// The most entries of a page.
pub(super) const PAGE: usize = 500;

/// A page of the suppression list.
pub(super) fn suppressed(offset: usize) -> Call {
    read("/suppression-list/email/get", &json!({ "limit": PAGE, "offset": offset }))
}

/// A page of archived people: each one's address, and whether it may be sent email.
pub(super) fn archived(offset: u64, cursor: Option<&str>) -> Call {
    let mut body =
        json!({ "type": "archived", "limit": PAGE, "offset": offset, "fields": [EMAIL, super::fields::PERMISSION] });
    if let (Some(cursor), Some(object)) = (cursor, body.as_object_mut()) {
        object.insert("cursor_id".to_owned(), cursor.into());
    }
    read("/person/get", &body)
}

/// Archived people in whom these words are found. A filter cannot be asked for with them. Source: ORTTO_API 6.
pub(super) fn archived_like(words: &str) -> Call {
    read("/person/get", &json!({ "type": "archived", "limit": PAGE, "offset": 0, "fields": [EMAIL], "q": words }))
}

/// Archives the people with these ids, and nobody else.
pub(super) fn archive(ids: &[String]) -> Call {
    Call { method: http::Method::PUT, ..read("/person/archive", &json!({ "inclusion_ids": ids })) }
}

/// Deletes the archived people with these ids, and nobody else. Only `erase` does (promise 11).
pub(super) fn delete(ids: &[String]) -> Call {
    Call { method: http::Method::DELETE, ..read("/person/delete", &json!({ "inclusion_ids": ids })) }
}

/// A page of everybody: each one's address.
pub(super) fn everybody(offset: &str, cursor: &str) -> Call {
    let offset: u64 = offset.parse().unwrap_or_default();
    let mut body = json!({ "limit": PAGE, "offset": offset, "fields": [EMAIL] });
    if let (false, Some(object)) = (cursor.is_empty(), body.as_object_mut()) {
        object.insert("cursor_id".to_owned(), cursor.into());
    }
    Call { kind: RequestKind::List, ..read("/person/get", &body) }
}

/// The people behind ids.
pub(super) fn people(ids: &[&str], fields: &[&str]) -> Call {
    let body = json!({ "contact_ids": ids, "fields": fields });
    Call { kind: RequestKind::List, ..read("/person/get-by-ids", &body) }
}

/// The people with an address.
pub(super) fn people_at(email: &str, fields: &[&str]) -> Call {
    let filter = json!({ "$str::is": { "field_id": EMAIL, "value": email } });
    let body = json!({ "limit": 50, "offset": 0, "fields": fields, "filter": filter });
    Call { kind: RequestKind::Single, ..read("/person/get", &body) }
}

/// The people with any of these addresses, of which there are at most as many as a batch has rows. Source: ORTTO_API 7 for
/// `$or`.
pub(super) fn people_at_any(emails: &[String], fields: &[&str]) -> Call {
    if let [email] = emails {
        return people_at(email, fields);
    }
    let is = |email: &String| json!({ "$str::is": { "field_id": EMAIL, "value": email } });
    let filter = json!({ "$or": emails.iter().map(is).collect::<Vec<_>>() });
    page(Some(&filter), fields, 0, None)
}

/// A page of people, all or those of a filter.
pub(super) fn page(filter: Option<&Value>, fields: &[&str], offset: u64, cursor: Option<&str>) -> Call {
    let mut body = json!({ "limit": PAGE, "offset": offset, "fields": fields });
    let more = [("filter", filter.cloned()), ("cursor_id", cursor.map(Value::from))];
    if let Some(object) = body.as_object_mut() {
        object.extend(more.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    }
    Call { kind: RequestKind::List, ..read("/person/get", &body) }
}

/// A merge of people, written one behind the other; `creates` says whether people who are not there are made.
pub(super) fn merge(kind: RequestKind, people: &str, creates: bool) -> Call {
    let body = format!(
        r#"{{"people":[{people}],"async":false,"merge_by":["{EMAIL}"],"merge_strategy":2,"find_strategy":0,"skip_non_existing":{},"suppression_list_field_id":"{EMAIL}"}}"#,
        !creates
    );
    call(kind, "/person/merge", body.into(), MERGED)
}

/// The field by which a person is found by its id; it stands alone. Source: ORTTO_API 2.1.
pub(super) const PERSON_ID: &str = "str::person_id";

/// A merge into the person whose id it holds, and nobody else.
pub(super) fn merge_by_id(person: &str) -> Call {
    let body = format!(
        r#"{{"people":[{person}],"async":false,"merge_by":["{PERSON_ID}"],"merge_strategy":2,"find_strategy":0,"skip_non_existing":true}}"#
    );
    call(RequestKind::Single, "/person/merge", body.into(), MERGED)
}

/// Whether a text has the form of a person's id: anything else would have a call refused as a whole.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
