//! Custom fields: listed, created, and as part of the schema.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::errors::{parse, refused};
use super::fields::FieldError;
use super::store::Store;
use crate::sandbox::options::OrttoOptions;
use crate::sandbox::response::Response;

/// Source: `docs/ORTTO_API.md` 4; `fields` may be null.
pub(super) fn list(store: &Store, options: &OrttoOptions) -> Response {
    let fields = store.fields.listed(options);
    let none = fields.is_empty() && options.null_fields;
    Response::ok(&json!({ "fields": if none { Value::Null } else { fields.into() } }))
}

#[derive(Deserialize)]
struct NewField {
    #[serde(rename = "type")]
    field_type: String,
    name: String,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    track_changes: bool,
}

pub(super) fn create(store: &mut Store, body: &[u8], options: &OrttoOptions) -> Result<Response, Response> {
    let new: NewField = parse(body, options)?;
    let NewField { field_type, name, values, track_changes } = new;
    Ok(match store.fields.create(&field_type, &name, values, track_changes, options.custom_field_limit) {
        Ok(field) => {
            let mut created =
                json!({ "name": field.name, "field_id": field.id, "display_type": field.field_type.name() });
            if let (Some(object), false) = (created.as_object_mut(), field.choices.is_empty()) {
                object.insert("values".to_owned(), field.choices.clone().into());
            }
            Response::ok(&created)
        }
        Err(FieldError::UnknownType) => refused(400, "unknown type"),
        Err(FieldError::NoName) => refused(400, "a field needs a name"),
        Err(FieldError::Exists) => refused(options.existing_field_status, "field already exists"),
        Err(FieldError::TooMany) => refused(options.custom_field_limit_status, "custom field limit reached"),
    })
}

#[derive(Deserialize, Default)]
struct GetSchema {
    #[serde(default)]
    namespaces: Vec<String>,
}

/// The custom fields of people, and the one field of organizations that a key check may ask for.
pub(super) fn schema(store: &Store, body: &[u8], options: &OrttoOptions) -> Result<Response, Response> {
    let get: GetSchema = parse(body, options)?;
    let wants = |namespace: &str| get.namespaces.is_empty() || get.namespaces.iter().any(|wanted| wanted == namespace);
    let mut namespaces = Map::new();
    if wants("cm") {
        let fields: Map<String, Value> =
            store.fields.custom().map(|field| (field.id.clone(), field.description())).collect();
        namespaces.insert("cm".to_owned(), json!({ "id": "cm", "fields": fields }));
    }
    if wants("o") {
        let name = json!({
            "id": "str:o:name", "name": "Name", "display_type": "text", "liquid_name": "account.name",
        });
        namespaces.insert("o".to_owned(), json!({ "id": "o", "fields": { "str:o:name": name }, "org": true }));
    }
    Ok(Response::ok(&json!({ "namespaces": namespaces })))
}
