//! `POST /person/get` and `POST /person/get-by-ids`.

mod filter;
mod subscriptions;
mod tags;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::errors::{error, parse};
use super::people::{Person, Profile};
use super::store::Store;
use crate::sandbox::options::OrttoOptions;
use crate::sandbox::response::Response;
use filter::Filter;
pub(super) use subscriptions::subscriptions;
pub(super) use tags::tags;

/// Source: `docs/ORTTO_API.md` 7.
const LIMIT: usize = 50;
const MOST: usize = 500;
const MOST_FIELDS: usize = 100;
/// The cursor of an empty page.
const NO_CURSOR: &str = "000000000000000000000000";

#[derive(Deserialize)]
struct Get {
    limit: Option<usize>,
    #[serde(default)]
    fields: Vec<String>,
    filter: Option<Value>,
    sort_by_field_id: Option<String>,
    sort_order: Option<String>,
    #[serde(default)]
    offset: usize,
    cursor_id: Option<String>,
    #[serde(default)]
    q: String,
    #[serde(default, rename = "type")]
    kind: String,
}

/// A person with the profile that can be read.
type Readable<'a> = (&'a Person, &'a Profile);

/// A page of people.
pub(super) fn get(store: &Store, body: &[u8], now: Instant, options: &OrttoOptions) -> Result<Response, Response> {
    let refuse = |problem: &str| error(StatusCode::BAD_REQUEST, &format!("{}: {problem}", options.instance_id));
    let get: Get = parse(body, options)?;
    if let Err(problem) = check_fields(&get.fields).and(get.cursor_id.as_deref().map_or(Ok(()), check_id)) {
        return Err(refuse(&problem));
    }
    let archived = get.kind == "archived";
    if archived && get.filter.is_some() {
        return Err(refuse("a filter cannot be combined with archived people"));
    }
    let filter = get.filter.as_ref().map(|filter| Filter::parse(filter, store, options)).transpose();
    let filter = filter.map_err(|problem| refuse(&problem))?;
    let people: Vec<Readable<'_>> =
        store.people.iter().filter_map(|(_, person)| Some((person, person.visible(now)?))).collect();
    let (total, subscribers) = (
        people.iter().filter(|(_, profile)| !profile.archived).count(),
        people.iter().filter(|(_, profile)| !profile.archived && store.is_subscribed(profile)).count(),
    );
    let mut matching: Vec<Readable<'_>> = people
        .into_iter()
        .filter(|(_, profile)| profile.archived == archived)
        .filter(|(_, profile)| filter.as_ref().is_none_or(|filter| filter.matches(profile, options)))
        .filter(|(_, profile)| store.mentions(profile, &get.q))
        .collect();
    if let Some(field) = get.sort_by_field_id.as_deref().and_then(|id| store.fields.find(id)) {
        matching.sort_by_key(|(_, profile)| profile.get(field).map(Value::to_string));
        if get.sort_order.as_deref() != Some("asc") {
            matching.reverse();
        }
    }
    let limit = get.limit.filter(|limit| (1..=MOST).contains(limit)).unwrap_or(LIMIT).min(options.page_size);
    let page: Vec<Value> =
        matching.iter().skip(get.offset).take(limit).map(|one| store.shown(*one, &get.fields)).collect();
    if page.is_empty() {
        return Ok(Response::ok(&reply(Value::Null, [0; 3], 0, 0, NO_CURSOR, false)));
    }
    let next = get.offset + page.len();
    let cursor = matching.first().map_or(NO_CURSOR, |(person, _)| person.id.as_str());
    let totals = [total, matching.len(), subscribers];
    Ok(Response::ok(&reply(page.into(), totals, get.offset, next, cursor, next < matching.len())))
}

fn reply(contacts: Value, totals: [usize; 3], offset: usize, next: usize, cursor: &str, more: bool) -> Value {
    let [total, matches, subscribers] = totals;
    json!({
        "contacts": contacts,
        "meta": {
            "total_contacts": total,
            "total_organizations": 0,
            "total_matches": matches,
            "total_subscribers": subscribers,
        },
        "offset": offset,
        "next_offset": next,
        "cursor_id": cursor,
        "has_more": more,
    })
}

#[derive(Deserialize)]
struct GetByIds {
    contact_ids: Vec<String>,
    #[serde(default)]
    fields: Vec<String>,
}

/// People by id; unknown ids are absent.
pub(super) fn get_by_ids(
    store: &Store,
    body: &[u8],
    now: Instant,
    options: &OrttoOptions,
) -> Result<Response, Response> {
    let refuse = |problem: &str| error(StatusCode::BAD_REQUEST, &format!("{}: {problem}", options.instance_id));
    let get: GetByIds = parse(body, options)?;
    if let Err(problem) = get.contact_ids.iter().try_for_each(|id| check_id(id)).and(check_fields(&get.fields)) {
        return Err(refuse(&problem));
    }
    let mut contacts = Map::new();
    for id in get.contact_ids {
        let person = store.people.find(&id).and_then(|number| store.people.get(number));
        let readable = person.and_then(|person| Some((person, person.visible(now)?)));
        if let Some(readable) = readable.filter(|(_, profile)| options.archived_by_id || !profile.archived) {
            contacts.insert(id, store.shown(readable, &get.fields));
        }
    }
    Ok(Response::ok(&json!({ "contacts": contacts })))
}

fn check_fields(fields: &[String]) -> Result<(), String> {
    if (1..=MOST_FIELDS).contains(&fields.len()) {
        return Ok(());
    }
    Err(format!("incorrect size {} of fields, minimum 1 and maximum 100", fields.len()))
}

fn check_id(id: &str) -> Result<(), String> {
    if id.len() == NO_CURSOR.len() && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    let length = id.len() + 2;
    Err(format!(
        "Failed to parse request cannot unmarshal into an ID, the length must be 12 or 24 + 2 for hex but it is {length}: \
         Object not found"
    ))
}

impl Store {
    /// A person with the fields asked for; those without a value are absent.
    fn shown(&self, (person, profile): Readable<'_>, fields: &[String]) -> Value {
        let mut shown = Map::new();
        for field in fields {
            let value = match field.as_str() {
                "tags" if !profile.tags.is_empty() => {
                    Some(profile.tags.iter().filter_map(|id| self.tags.name(*id)).collect())
                }
                "u4s::t" if !profile.tags.is_empty() => Some(json!(profile.tags)),
                "str::id" | "str::person_id" => Some(person.id.as_str().into()),
                id => self.fields.find(id).and_then(|number| profile.get(number)).cloned(),
            };
            if let Some(value) = value {
                shown.insert(field.clone(), value);
            }
        }
        json!({ "id": person.id, "fields": shown })
    }

    /// Whether all words are in the person's texts, without case.
    fn mentions(&self, profile: &Profile, words: &str) -> bool {
        let texts: Vec<String> = if words.is_empty() {
            Vec::new()
        } else {
            profile.values().iter().filter_map(|(_, value)| value.as_str()).map(str::to_lowercase).collect()
        };
        words.to_lowercase().split_whitespace().all(|word| texts.iter().any(|text| text.contains(word)))
    }
}
