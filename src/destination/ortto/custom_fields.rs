//! Custom fields: read, and made where they are missing.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::asking::text;
use super::fields::display_types;
use super::request;
use super::response::{BAN, Reply, read};
use super::run::LAG;
use super::setup::AccountField;
use crate::chunk::{FieldOrigin, FieldSpec};
use crate::destination::{HttpResponse, Judgement, Session};
use crate::error::{Error, Kind, Result};
use crate::membership::Membership;
use crate::value::FieldType;

fn read_field(field: &Value) -> Option<AccountField> {
    let choices = field.get("dic_items").or_else(|| field.get("values")).and_then(Value::as_array);
    Some(AccountField {
        id: text(field, "id").or_else(|| text(field, "field_id"))?,
        name: text(field, "name")?,
        display_type: text(field, "display_type").unwrap_or_default(),
        choices: choices.into_iter().flatten().filter_map(|choice| choice.as_str().map(str::to_owned)).collect(),
    })
}

pub(super) fn read_fields(body: &Value) -> Vec<AccountField> {
    let field = |entry: &Value| read_field(entry.get("field").filter(|field| field.is_object()).unwrap_or(entry));
    body.get("fields").and_then(Value::as_array).into_iter().flatten().filter_map(field).collect()
}

/// The field of this name: letter by letter, else without regard to case.
pub(super) fn named_field<'f>(fields: &'f [AccountField], name: &str) -> Option<&'f AccountField> {
    let exact = fields.iter().find(|field| field.name == name);
    exact.or_else(|| fields.iter().find(|field| field.name.to_lowercase() == name.to_lowercase()))
}

/// What an export needs of a custom field.
pub(super) struct Need<'a> {
    pub(super) name: &'a str,
    pub(super) field_type: FieldType,
}

pub(super) fn needs<'a>(fields: &'a [FieldSpec], memberships: &'a [Membership]) -> impl Iterator<Item = Need<'a>> {
    let custom = fields.iter().filter(|field| field.origin == FieldOrigin::Custom);
    let custom = custom.map(|field| Need { name: &field.name, field_type: field.field_type });
    let marks = memberships.iter().filter_map(|membership| match membership {
        Membership::Field(name) => Some(Need { name, field_type: FieldType::Boolean }),
        _ => None,
    });
    custom.chain(marks)
}

/// How many refusals are borne while fields are made: fewer than draw a ban. Source: ORTTO_API 3.
const MOST_REFUSALS: usize = 6;

/// Makes the fields that are missing, one after the other: refusals are dear. Where one is refused, somebody else may have
/// made it, which the account says in one of several ways: all are listed again.
pub(super) async fn make_missing<'n>(
    session: &mut dyn Session,
    fields: &mut Vec<AccountField>,
    needs: impl Iterator<Item = Need<'n>>,
) -> Result<()> {
    let mut refusals = 0;
    for need in needs {
        if named_field(fields, need.name).is_some() {
            continue;
        }
        match make(session, &need).await? {
            Some(made) => fields.push(made),
            None => {
                refusals += 1;
                *fields = listed(session, need.name).await?;
                if refusals == MOST_REFUSALS || named_field(fields, need.name).is_none() {
                    return Err(Error::new(
                        Kind::Access,
                        format!("custom field \"{}\"", need.name),
                        "cannot be made; the plan's number of custom fields may be reached",
                    )
                    .hint("make it in Ortto, which says why it cannot; no key is to blame"));
                }
            }
        }
    }
    Ok(())
}

/// Makes a field; nothing where that is refused, or the answer does not say which field it is.
async fn make(session: &mut dyn Session, need: &Need<'_>) -> Result<Option<AccountField>> {
    let display_type = display_types(need.field_type).first().copied().unwrap_or("text");
    let has_waited = AtomicBool::new(false);
    let judge = |_: usize, response: &HttpResponse| match read(response) {
        Reply::Failed(_) if matches!(response.status().as_u16(), 409 | 423) => Judgement::Answered,
        // So may a ban look. Source: ORTTO_API 3.
        Reply::Refused(400, _) | Reply::Bad(_) if !has_waited.swap(true, Ordering::Relaxed) => {
            Judgement::Paused(BAN, "400, a custom field was refused")
        }
        reply => reply.judgement(),
    };
    let answers = session.call_all(vec![request::make_field(need.name, display_type)], &judge).await?;
    let Some(Reply::Done(body)) = answers.first().map(read) else { return Ok(None) };
    let body = body.get("field").filter(|field| field.is_object()).unwrap_or(&body);
    let id = text(body, "field_id").or_else(|| text(body, "id"));
    Ok(id.map(|id| AccountField {
        id,
        name: need.name.to_owned(),
        display_type: text(body, "display_type").unwrap_or_else(|| display_type.to_owned()),
        choices: Vec::new(),
    }))
}

/// All fields; once more where one is not among them that was just made and may not show yet.
async fn listed(session: &mut dyn Session, name: &str) -> Result<Vec<AccountField>> {
    let has_waited = AtomicBool::new(false);
    let judge = |_: usize, response: &HttpResponse| match read(response) {
        Reply::Done(body)
            if named_field(&read_fields(&body), name).is_none() && !has_waited.swap(true, Ordering::Relaxed) =>
        {
            Judgement::Paused(LAG, "a custom field was refused, or was made and does not show yet")
        }
        reply => reply.judgement(),
    };
    let answers = session.call_all(vec![request::custom_fields()], &judge).await?;
    Ok(match answers.first().map(read) {
        Some(Reply::Done(body)) => read_fields(&body),
        _ => Vec::new(),
    })
}
