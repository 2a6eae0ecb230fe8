//! What a response of Ortto means. Read leniently: extra keys, null for nothing, entries of unknown status.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

pub use super::entry::{Entry, entries};
use super::entry::{error_of, refusals};
use super::request::is_id;
use crate::destination::{HttpResponse, Judgement, bounded_wait, retry_after};

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
    /// The address is banned for a while, or the account is closed.
    Forbidden,
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
            Self::Forbidden => Judgement::Paused(BAN, FORBIDDEN),
            Self::Failed(why) => Judgement::Failed(why),
            _ => Judgement::Answered,
        }
    }
}

/// How long a ban lasts, and a second. Source: ORTTO_API 3.
pub(super) const BAN: Duration = Duration::from_secs(16);

/// What 403 means.
pub(super) const FORBIDDEN: &str = "403, the address is banned for a while, or the account is closed";

/// What a response means. Source: ORTTO_API 3 for the statuses.
pub fn read(response: &HttpResponse) -> Reply {
    let json: Option<Value> = serde_json::from_slice(response.body()).ok();
    match response.status().as_u16() {
        200..=299 => json.map_or(Reply::Failed("an unreadable answer"), Reply::Done),
        401 => Reply::Unauthorized,
        403 => Reply::Forbidden,
        429 => Reply::RateLimited(try_in(response, json.as_ref()).or_else(|| retry_after(response))),
        507 => Reply::Full,
        408 => Reply::Failed("408, the server timed out"),
        409 | 423 => Reply::Failed("a conflict with other requests"),
        status @ (400..=499 | 501) => refusal(status, json),
        500..=599 => Reply::Failed("5xx, the server failed"),
        _ => Reply::Failed("an unexpected status"),
    }
}

/// The wait that a 429 names: in its error, beside it, or in a header, as a number or a text. Source: ORTTO_API 3.
fn try_in(response: &HttpResponse, body: Option<&Value>) -> Option<Duration> {
    let seconds = |value: &Value| value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    let named = |body: &Value| {
        let inner = body.get("error").and_then(|error| error.get(TRY_IN));
        inner.or_else(|| body.get(TRY_IN)).and_then(seconds)
    };
    let header = || response.headers().get(TRY_IN)?.to_str().ok()?.trim().parse().ok();
    bounded_wait(body.and_then(named).or_else(header)?)
}

const TRY_IN: &str = "try-in-seconds";

fn refusal(status: u16, body: Option<Value>) -> Reply {
    let without_reason = || format!("refused with status {status}");
    let Some(body) = body else { return Reply::Refused(status, without_reason()) };
    match refusals(&body) {
        entries if entries.is_empty() => Reply::Refused(status, error_of(&body).unwrap_or_else(without_reason)),
        entries => Reply::Bad(entries),
    }
}

/// A person as it is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Person {
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
        Value::Array(contacts) => {
            Some(contacts.iter().filter_map(person).map(|person| (person.id.clone(), person)).collect())
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
