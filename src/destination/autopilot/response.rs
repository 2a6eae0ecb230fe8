//! What a response of classic Autopilot means. Read leniently: extra keys, other types of error, empty bodies.
//!
//! What is not needed of a response is not kept: its parts stay text until they are asked for.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::request::{Endpoint, can_be_in_a_path};
use crate::destination::{HttpResponse, Judgement, retry_after};
use crate::error::escaped;

/// A list of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    pub id: String,
    /// Its title; several lists may share one.
    pub title: String,
}

/// A custom field that the account declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomField {
    pub name: String,
    /// Its type: `string`, `integer`, `float`, `boolean`, `date`, as the account spells it.
    pub kind: String,
}

/// What a successful request brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The account's id.
    Account(String),
    Lists(Vec<List>),
    /// The id of the list that was made.
    List(String),
    CustomFields(Vec<CustomField>),
    Contact {
        id: String,
        /// Its email, where it has one.
        email: Option<String>,
        /// The ids of the lists it is on, where the response names them.
        lists: Option<Vec<String>>,
    },
    /// A page of contacts, or a contact, as it came.
    Page(Value),
    /// Whether a list has members.
    HasMembers(bool),
    /// Which rows of a bulk call arrived: contact ids by lower-case email; without a map, the ids alone.
    Upserted {
        /// Ids by email, lower case.
        map: Option<HashMap<String, String>>,
        /// Ids as they came.
        ids: Vec<String>,
    },
    /// The id of the contact that was written.
    Written(String),
    /// Done, and nothing more to say.
    Nothing,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Done(Payload),
    /// There is no such contact, list or member (404).
    NotFound,
    /// A list or hook of that name exists (409).
    Conflict,
    /// Refused for what it asks; asking again will not help. The text is Autopilot's, and may hold personal data.
    Refused(String),
    /// The key is not, or no longer, valid (401), or the account may not do this (403).
    Unauthorized,
    /// Too many requests; the wait, where the response names one.
    RateLimited(Option<Duration>),
    /// Nothing that says what happened: 408, 5xx, unreadable. What it was, in a few words.
    Failed(&'static str),
}

impl Reply {
    /// What the reply means for the calls that follow.
    pub(super) fn judgement(self) -> Judgement {
        match self {
            Self::Unauthorized => Judgement::Unauthorized,
            Self::RateLimited(wait) => Judgement::RateLimited(wait),
            Self::Failed(why) => Judgement::Failed(why),
            _ => Judgement::Answered,
        }
    }

    /// Why a row was refused.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Refused(text) if !text.trim().is_empty() => text,
            Self::NotFound => "not found".into(),
            Self::Conflict => "conflict".into(),
            Self::Done(_) => "the answer does not say that it was written".into(),
            _ => "refused without a reason".into(),
        }
    }
}

/// What the response to a request means: its status, its `Retry-After` and its body, however odd they are.
pub fn read(endpoint: &Endpoint, response: &HttpResponse) -> Reply {
    let body = response.body();
    match response.status().as_u16() {
        // Source: AUTOPILOT_API 1.4, DELETE answered 204 in the blueprint of 2015, and clients accept any 2xx.
        // It would be taken for done where nothing else is read of an answer.
        status @ 200..=299 if endpoint.may_answer_nothing() && (holds_an_error(body) || holds_a_message(body)) => {
            Reply::Refused(reason(status, body))
        }
        // Whether the contacts were written is unclear, so the request counts as failed, and its rows as unconfirmed.
        200..=299 if endpoint.writes_contacts() && holds_an_error(body) => {
            Reply::Failed("an answer with an error beside its contacts")
        }
        200..=299 if matches!(endpoint, Endpoint::Member(_)) && says_no(body) => Reply::NotFound,
        200..=299 => success(endpoint, body).map_or(Reply::Failed("an unreadable answer"), Reply::Done),
        401 => Reply::Unauthorized,
        403 if endpoint.is_about_the_account() => Reply::Unauthorized,
        // A gateway's page says nothing of the contact, which "not found" would take for gone.
        404 if is_blank_or_json(body) => Reply::NotFound,
        404 => Reply::Failed("404 with a page that is not Autopilot's"),
        409 => Reply::Conflict,
        429 => Reply::RateLimited(retry_after(response)),
        408 => Reply::Failed("408, the server timed out"),
        500..=599 => Reply::Failed("5xx, the server failed"),
        status @ 400..=499 => Reply::Refused(reason(status, body)),
        _ => Reply::Failed("an unexpected status"),
    }
}

/// Whether an answer says that something went wrong, whatever its status, in either of the two shapes of an error.
/// Source: AUTOPILOT_API 1.7.
fn holds_an_error(body: &[u8]) -> bool {
    object(body).is_some_and(|body| {
        let is_coded = is_said(body.code) && is_said(body.message);
        is_said(body.error) || is_said(body.errors) || is_coded || is_false(body.success)
    })
}

/// The same of an answer that has nothing to say when all is well.
fn holds_a_message(body: &[u8]) -> bool {
    object(body).is_some_and(|body| is_said(body.code) || is_said(body.message))
}

/// Whether an answer to a question is none.
fn says_no(body: &[u8]) -> bool {
    ["null", "false"].map(str::as_bytes).contains(&body.trim_ascii())
}

fn is_said(part: Part<'_>) -> bool {
    part.is_some_and(|part| !["null", "false", "\"\"", "[]", "{}"].contains(&part.get()))
}

fn is_false(part: Part<'_>) -> bool {
    part.is_some_and(|part| part.get() == "false")
}

/// Autopilot's own words for a refusal: `message`, else `error` (a text or an object), else the status.
fn reason(status: u16, body: &[u8]) -> String {
    let body = object(body).unwrap_or_default();
    let inner = || text(object(body.error?.get().as_bytes())?.message);
    let said = text(body.message).or_else(inner).or_else(|| text(body.error)).or_else(|| text(body.code));
    let said = escaped(&said.unwrap_or_default(), REASON_CHARS);
    if said.is_empty() { format!("refused with status {status}") } else { said }
}

/// The most characters of a reason.
const REASON_CHARS: usize = 300;

/// A part of an answer, as its text.
type Part<'a> = Option<&'a RawValue>;

/// Every key that an answer, or a part of one, is read for. What type it has is seen when it is asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Object<'a> {
    #[serde(borrow, rename = "instanceId")]
    instance_id: Part<'a>,
    #[serde(borrow)]
    contact_id: Part<'a>,
    #[serde(borrow, rename = "Email")]
    email: Part<'a>,
    #[serde(borrow)]
    lists: Part<'a>,
    #[serde(borrow)]
    contacts: Part<'a>,
    #[serde(borrow)]
    list_id: Part<'a>,
    #[serde(borrow)]
    title: Part<'a>,
    #[serde(borrow)]
    name: Part<'a>,
    #[serde(borrow, rename = "fieldType")]
    field_type: Part<'a>,
    #[serde(borrow)]
    message: Part<'a>,
    #[serde(borrow)]
    error: Part<'a>,
    #[serde(borrow)]
    errors: Part<'a>,
    #[serde(borrow)]
    code: Part<'a>,
    #[serde(borrow)]
    success: Part<'a>,
}

/// The same of the answer to a bulk call, of which there is much: it is read once.
#[derive(Deserialize)]
struct Upserted<'a> {
    #[serde(borrow)]
    contact_ids: Part<'a>,
    email_contact_map: Option<HashMap<String, String>>,
}

fn object(json: &[u8]) -> Option<Object<'_>> {
    read_object(json)
}

fn read_object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    let json = simdutf8::basic::from_utf8(json).ok()?;
    // An array would be taken for the values of the keys.
    json.trim_start().starts_with('{').then(|| serde_json::from_str(json).ok())?
}

fn text(part: Part<'_>) -> Option<String> {
    serde_json::from_str(part?.get()).ok()
}

/// The parts of an array.
fn parts(array: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(array).ok()
}

/// Empty, or JSON; an HTML page is not Autopilot's answer.
fn is_blank_or_json(body: &[u8]) -> bool {
    body.iter().all(u8::is_ascii_whitespace) || serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

/// The map with its emails in lower case: what case Autopilot writes them in is unknown.
fn in_lower_case(map: HashMap<String, String>) -> HashMap<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase();
    if map.keys().all(|email| email.bytes().all(is_plain)) {
        return map;
    }
    map.into_iter().map(|(email, id)| (email.trim().to_lowercase(), id)).collect()
}

fn success(endpoint: &Endpoint, body: &[u8]) -> Option<Payload> {
    Some(match endpoint {
        _ if endpoint.may_answer_nothing() => is_blank_or_json(body).then_some(Payload::Nothing)?,
        Endpoint::CustomFields => {
            let body = simdutf8::basic::from_utf8(body).ok()?;
            Payload::CustomFields(parts(body)?.into_iter().filter_map(custom_field).collect())
        }
        Endpoint::Account => Payload::Account(text(object(body)?.instance_id)?),
        Endpoint::Lists => Payload::Lists(parts(object(body)?.lists?.get())?.into_iter().filter_map(list).collect()),
        Endpoint::CreateList(_) => Payload::List(list_id(object(body)?.list_id)?),
        Endpoint::Contact(_) => {
            let body = object(body)?;
            let lists = body.lists.and_then(|lists| parts(lists.get()));
            Payload::Contact {
                id: contact_id(body.contact_id)?,
                email: text(body.email),
                lists: lists.map(|lists| lists.into_iter().filter_map(|id| list_id(Some(id))).collect()),
            }
        }
        Endpoint::Page { .. } => Payload::Page(json_with(body, "contacts")?),
        Endpoint::WholeContact(_) => Payload::Page(json_with(body, "contact_id")?),
        Endpoint::Members(_) => Payload::HasMembers(!parts(object(body)?.contacts?.get())?.is_empty()),
        Endpoint::UpsertOne(_) => Payload::Written(contact_id(object(body)?.contact_id)?),
        _ => upserted(read_object(body)?)?,
    })
}

/// A body that has this key.
fn json_with(body: &[u8], key: &str) -> Option<Value> {
    serde_json::from_slice(body).ok().filter(|body: &Value| body.get(key).is_some())
}

fn upserted(body: Upserted<'_>) -> Option<Payload> {
    if let Some(mut map) = body.email_contact_map {
        map.retain(|_, id| is_contact(id));
        return Some(Payload::Upserted { map: Some(in_lower_case(map)), ids: Vec::new() });
    }
    // Read only where there is no map.
    let ids: Vec<String> = serde_json::from_str(body.contact_ids?.get()).ok()?;
    ids.iter().all(|id| is_contact(id)).then_some(Payload::Upserted { map: None, ids })
}

/// The longest contact id that is accepted; Autopilot's have 43 bytes.
const CONTACT_ID_BYTES: usize = 254;

/// Whether a text can name a contact.
fn is_contact(id: &str) -> bool {
    can_be_in_a_path(id) && id.len() <= CONTACT_ID_BYTES
}

fn contact_id(part: Part<'_>) -> Option<String> {
    text(part).filter(|id| is_contact(id))
}

fn list_id(part: Part<'_>) -> Option<String> {
    text(part).filter(|id| can_be_in_a_path(id))
}

fn list(part: &RawValue) -> Option<List> {
    let list = object(part.get().as_bytes())?;
    Some(List { id: list_id(list.list_id)?, title: text(list.title)? })
}

fn custom_field(part: &RawValue) -> Option<CustomField> {
    let field = object(part.get().as_bytes())?;
    Some(CustomField { name: text(field.name)?, kind: text(field.field_type).unwrap_or_default() })
}

#[cfg(test)]
mod tests;
