//! `POST /person/subscriptions`.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::super::errors::parse;
use super::super::people::Profile;
use super::super::store::Store;
use crate::sandbox::options::OrttoOptions;
use crate::sandbox::response::Response;

#[derive(Deserialize)]
struct Subscriptions {
    people: Vec<Map<String, Value>>,
}

/// The permissions of people by id, email or external id.
///
/// Source: `docs/ORTTO_API.md` 6.
pub(in super::super) fn subscriptions(
    store: &Store,
    body: &[u8],
    now: Instant,
    options: &OrttoOptions,
) -> Result<Response, Response> {
    let Subscriptions { people } = parse(body, options)?;
    let external_id = store.fields.find("str::ei");
    let mut found = Vec::new();
    for asked in people {
        let text = |name| asked.get(name).and_then(Value::as_str);
        let by_external_id = |id: &str| {
            let has = |profile: &Profile| external_id.and_then(|field| profile.get(field)?.as_str()) == Some(id);
            store.people.iter().find(|(_, person)| person.current().is_some_and(has)).map(|(number, _)| number)
        };
        let number = text("person_id")
            .and_then(|id| store.people.find(id))
            .or_else(|| text("email").and_then(|email| store.people.with_email(email).first().copied()))
            .or_else(|| text("external_id").and_then(by_external_id));
        let person = number.and_then(|number| store.people.get(number));
        let Some((person, profile)) = person.and_then(|person| Some((person, person.visible(now)?))) else { continue };
        let is_set = |field| profile.get(field) == Some(&Value::Bool(true));
        found.push(json!({
            "person_status": "merged", "person_id": person.id, "email": profile.get(store.known.email),
            "subscriptions": [],
            "email_permissions": is_set(store.known.email_permission),
            "sms_permissions": is_set(store.known.sms_permission),
        }));
    }
    Ok(Response::ok(&json!({ "people": found })))
}
