//! What a response of Ortto means. Read leniently: extra keys, null for nothing, entries of unknown status.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use super::request::is_id;
use crate::destination::{HttpResponse, Judgement, bounded_wait, retry_after};
use crate::error::escaped;

/// What became of a row of a merge, as an entry says it. Nothing in an entry names the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Merged; the person's id.
    Done(String),
    /// Created; the person's id.
    Created(String),
    /// It does not exist, and was not to be created.
    Skipped,
    /// Its address is suppressed.
    Suppressed,
    /// Refused, with this reason.
    Invalid(String),
    /// Anything else.
    Unclear,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// 200 with this JSON.
    Done(Value),
    /// Refused, and nothing was merged for certain: an entry for each bad row.
    Bad(Vec<Entry>),
    /// Refused as a whole, for this reason, which may hold personal data.
    Refused(u16, String),
    /// The account's contacts or storage are used up.
    Full,
    /// The key does not, or no longer, open the account.
    Unauthorized,
    /// Too many requests; the wait, where the response names one.
    RateLimited(Option<Duration>),
    /// Nothing that says what happened.
    Failed(&'static str),
}

impl Reply {
    /// What the reply means for the next call.
    pub(super) fn judgement(&self) -> Judgement {
        match self {
            Self::Unauthorized | Self::Refused(404, _) => Judgement::Unauthorized,
            Self::RateLimited(wait) => Judgement::RateLimited(*wait),
            Self::Failed(why) => Judgement::Failed(why),
            _ => Judgement::Answered,
        }
    }
}

/// How long a ban lasts, and a second. Source: ORTTO_API 3.
pub(super) const BAN: Duration = Duration::from_secs(16);

/// What a response means. Source: ORTTO_API 3 for the statuses.
pub fn read(response: &HttpResponse) -> Reply {
    let json: Option<Value> = serde_json::from_slice(response.body()).ok();
    match response.status().as_u16() {
        200..=299 => json.map_or(Reply::Failed("an unreadable answer"), Reply::Done),
        401 => Reply::Unauthorized,
        403 => Reply::Failed("403, the address is banned for a while, or the account is closed"),
        429 => Reply::RateLimited(try_in(json.as_ref()).or_else(|| retry_after(response))),
        507 => Reply::Full,
        408 => Reply::Failed("408, the server timed out"),
        409 | 423 => Reply::Failed("a conflict with other requests"),
        status @ 400..=499 => refusal(status, json),
        500..=599 => Reply::Failed("5xx, the server failed"),
        _ => Reply::Failed("an unexpected status"),
    }
}

fn try_in(body: Option<&Value>) -> Option<Duration> {
    bounded_wait(body?.get("error")?.get("try-in-seconds")?.as_f64()?)
}

/// The most characters of a reason.
const REASON_CHARS: usize = 300;

fn refusal(status: u16, body: Option<Value>) -> Reply {
    let Some(body) = body else { return Reply::Refused(status, format!("refused with status {status}")) };
    if let Some(details) = body.get("details").and_then(Value::as_array).filter(|details| !details.is_empty()) {
        return Reply::Bad(details.iter().map(entry).collect());
    }
    let error = body.get("error");
    let text = error.and_then(|error| error.as_str().or_else(|| error.get("message")?.as_str()));
    Reply::Refused(status, reason(text).unwrap_or_else(|| format!("refused with status {status}")))
}

fn reason(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty()).map(|text| escaped(text, REASON_CHARS))
}

fn entry(entry: &Value) -> Entry {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    match (text("status"), text("person_id").filter(|id| is_id(id))) {
        (Some("merged"), Some(id)) => Entry::Done(id.to_owned()),
        (Some("created"), Some(id)) => Entry::Created(id.to_owned()),
        (Some("skipped"), _) => Entry::Skipped,
        (Some("suppressed"), _) => Entry::Suppressed,
        (Some("invalid"), _) => {
            Entry::Invalid(reason(text("error")).unwrap_or_else(|| "refused without a reason".to_owned()))
        }
        _ => Entry::Unclear,
    }
}

/// The entries of a merge; none where the reply has no list of them.
pub fn entries(body: &Value) -> Vec<Entry> {
    body.get("people").and_then(Value::as_array).into_iter().flatten().map(entry).collect()
}

/// A person as it is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Person {
    /// Its id.
    pub id: String,
    /// Its address; empty where it has none.
    pub email: String,
    /// Everything that was asked for.
    pub fields: Value,
}

fn person(contact: &Value) -> Option<Person> {
    let fields = contact.get("fields").cloned().unwrap_or_default();
    let email = fields.get(super::fields::EMAIL).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Person { id: contact.get("id")?.as_str().filter(|id| is_id(id))?.to_owned(), email, fields })
}

/// The people of a reply by their ids: `get-by-ids` keys them so. `None` where it does not say who is there.
pub fn people_by_id(body: &Value) -> Option<HashMap<String, Person>> {
    match body.get("contacts")? {
        Value::Null => Some(HashMap::new()),
        Value::Object(contacts) => {
            let named = contacts.iter().filter_map(|(id, contact)| Some((id.clone(), person_of(id, contact)?)));
            Some(named.collect())
        }
        _ => None,
    }
}

fn person_of(id: &str, contact: &Value) -> Option<Person> {
    match contact.get("id") {
        Some(_) => person(contact),
        None => {
            let mut contact = contact.clone();
            contact.as_object_mut()?.insert("id".to_owned(), id.into());
            person(&contact)
        }
    }
}

/// The people of a page. `None` where it does not say who is there.
pub fn people(body: &Value) -> Option<Vec<Person>> {
    match body.get("contacts")? {
        Value::Null => Some(Vec::new()),
        Value::Array(contacts) => Some(contacts.iter().filter_map(person).collect()),
        _ => None,
    }
}
