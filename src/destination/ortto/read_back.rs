//! A person as the account holds them, beside what was sent.

use serde_json::Value;

use super::account::survey;
use super::asking::call_all;
use super::contact::ContactWriter;
use super::request;
use super::response::{Reply, people};
use super::setup::Setup;
use crate::chunk::{FieldSpec, Row};
use crate::destination::{Account, FieldBack, ReadBack, Session};
use crate::error::Result;

/// Asks for the person with a row's address. What was just written may not show yet.
pub(super) async fn read_back(session: &mut dyn Session, fields: &[FieldSpec], row: &Row) -> Result<ReadBack> {
    let account = survey(session).await?;
    let setup = Setup::read(&account.setup(fields, &[], None))?;
    let mut json = String::new();
    ContactWriter::new(fields, &setup.ortto_fields).write(row, None, None, &mut json);
    let sent: Value = serde_json::from_str(&json).unwrap_or_default();
    let sent = sent.get("fields").and_then(Value::as_object).cloned().unwrap_or_default();
    let ids: Vec<&str> = sent.keys().map(String::as_str).collect();
    let replies = call_all(session, vec![request::people_at(&row.email().to_lowercase(), &ids)]).await?;
    let Some(Reply::Done(body)) = replies.first() else { return Ok(ReadBack::NotAsked) };
    let Some(person) = people(body).and_then(|people| people.into_iter().next()) else { return Ok(ReadBack::Nobody) };
    let back = |(id, sent): (String, Value)| FieldBack { held: person.fields.get(&id).cloned(), field: id, sent };
    Ok(ReadBack::Person(sent.into_iter().map(back).collect()))
}
