//! A contact as the account holds it, beside what was sent.

use jiff::Timestamp;
use serde_json::Value;

use super::contact::ContactWriter;
use super::fields::key;
use super::request::Endpoint;
use super::response::read;
use crate::chunk::{FieldOrigin, FieldSpec, Row};
use crate::destination::{FieldBack, ReadBack, Session};
use crate::error::{Error, Kind, Result};
use crate::value::FieldType;

/// Asks for the contact with a row's address.
pub(super) async fn read_back(session: &mut dyn Session, fields: &[FieldSpec], row: &Row) -> Result<ReadBack> {
    let endpoint = Endpoint::Contact(row.email().into_owned());
    let call =
        endpoint.call().ok_or_else(|| Error::new(Kind::Bug, "Autopilot", "an address cannot be part of a path"))?;
    let judge = |_: usize, response: &_| read(&endpoint, response).judgement();
    let responses = session.call_all(vec![call], &judge).await?;
    let found = responses.first().filter(|response| response.status().is_success());
    let Some(contact) = found.and_then(|response| serde_json::from_slice::<Value>(response.body()).ok()) else {
        return Ok(ReadBack::Nobody);
    };
    let mut json = String::new();
    ContactWriter::new(fields).write(row, None, None, &mut json);
    let sent: Value = serde_json::from_str(&json).unwrap_or_default();
    let backs = fields.iter().filter_map(|field| {
        let (origin, name) = key(field);
        let sent = match origin {
            FieldOrigin::Custom => sent.get("custom")?.get(&name)?,
            FieldOrigin::Standard => sent.get(&name)?,
        };
        Some(FieldBack { field: field.name.clone(), sent: sent.clone(), held: held(&contact, field, &name) })
    });
    Ok(ReadBack::Person(backs.collect()))
}

/// What a contact holds in a field. Custom fields come back by their names, and dates in milliseconds.
/// Source: AUTOPILOT_API 1.5.
fn held(contact: &Value, field: &FieldSpec, name: &str) -> Option<Value> {
    if field.origin == FieldOrigin::Standard {
        return contact.get(name).cloned();
    }
    let all = contact.get("custom_fields")?.as_array()?;
    let is_it = |held: &&Value| held.get("kind").and_then(Value::as_str).is_some_and(|kind| kind == field.name);
    let value = all.iter().find(is_it)?.get("value")?.clone();
    let moment = value.as_i64().filter(|_| field.field_type == FieldType::Date);
    Some(match moment.and_then(|at| Timestamp::from_millisecond(at).ok()) {
        Some(at) => Value::String(at.to_string()),
        None => value,
    })
}
