//! The JSON Schema of `exports.json`, from the types, so that editors complete and check the file.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::fields::{Match, has_format};
use super::{Config, examples, reading};
use crate::destination::{self, Api};
use crate::value::{FieldType, Reading};

/// The schema of `exports.json`: draft 2020-12. The same on every call.
pub fn schema() -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Config>();
    schema.insert("title".to_owned(), json!("exports.json of autopilot-export"));
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("$schema".to_owned(), json!({ "type": "string", "description": "Where this schema is." }));
    }
    let mut schema = schema.to_value();
    examples::complete(&mut schema);
    schema
}

impl JsonSchema for Match {
    fn schema_name() -> Cow<'static, str> {
        "Match".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = Map::new();
        let key = |description: &str| {
            let columns = [column(), object(json!({ "column": column() }), &["column"])];
            json!({ "description": description, "anyOf": columns })
        };
        properties.insert("email".to_owned(), key("The column that holds the email address."));
        let id = "The column that holds the customer's stable id, which a changed address leaves as it is. Only a keyed \
                  digest of it is kept.";
        properties.insert("id".to_owned(), key(id));
        // The fields refer to its properties.
        generator.subschema_for::<Reading>();
        let fields = |api: &(&'static str, Api)| {
            let destination = destination::of(api.1);
            destination
                .standard_fields()
                .iter()
                .map(move |field| (field, format!("{}'s {}", destination.name(), field.label)))
        };
        let mut descriptions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (standard, description) in Api::ALL.iter().flat_map(fields) {
            descriptions.entry(standard.name).or_default().push(description);
            let scalar = scalar(standard.field_type);
            let mut own = json!({ "default": scalar, "value": scalar, "clear_empty": clear_empty() });
            if let Some(own) = own.as_object_mut().filter(|_| has_format(standard.field_type)) {
                own.insert("format".to_owned(), format());
            }
            let mut schema = either(with_reading(own, Some(standard.field_type)));
            let known = descriptions.get(standard.name).map(|all| all.join("; ")).unwrap_or_default();
            schema.insert("description".to_owned(), json!(format!("{known}.")));
            properties.insert(standard.name.to_owned(), Value::Object(schema));
        }
        let flag = scalar(FieldType::Boolean);
        let mut opt_out = either(with_reading(json!({ "default": flag, "value": flag }), Some(FieldType::Boolean)));
        opt_out.insert("description".to_owned(), json!("The opt-out: only true is ever sent."));
        properties.insert("unsubscribed".to_owned(), Value::Object(opt_out));
        properties.insert("clear_empty".to_owned(), clear_empty());
        let custom = json!({
            "description": "Custom fields by name.",
            "type": "object",
            "additionalProperties": custom(),
        });
        properties.insert("custom".to_owned(), custom);
        json_schema!({
            "description": "Which of the destination's fields are filled, and how.",
            "type": "object",
            "properties": properties,
            "required": ["email"],
            "additionalProperties": false,
        })
    }
}

fn column() -> Value {
    json!({ "type": "string", "minLength": 1, "description": "The name of a column." })
}

fn clear_empty() -> Value {
    json!({ "type": "boolean", "description": "Whether empty cells clear the field instead of leaving it alone." })
}

fn optional() -> Value {
    json!({ "type": "boolean", "description": "Whether a file may lack the column: its cells are empty then." })
}

fn scalar(kind: FieldType) -> Value {
    json!({ "type": match kind {
        FieldType::String | FieldType::Date | FieldType::Day | FieldType::MultiSelect => "string",
        FieldType::Integer => "integer",
        FieldType::Float => "number",
        FieldType::Boolean => "boolean",
    } })
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// A column by its name, or an object that has either `column` or `value`.
fn either(mut properties: Value) -> Map<String, Value> {
    if let Some(properties) = properties.as_object_mut() {
        properties.insert("column".to_owned(), column());
    }
    let mut object = object(properties, &[]);
    if let Some(object) = object.as_object_mut() {
        object.remove("required");
        object.insert("oneOf".to_owned(), json!([{ "required": ["column"] }, { "required": ["value"] }]));
    }
    let mut schema = Map::new();
    schema.insert("anyOf".to_owned(), json!([column(), object]));
    schema
}

/// The keys that every field of `kind` has besides its own: how its cells are spelled, and whether it may be missing.
/// `None` stands for a field of any type.
fn with_reading(mut properties: Value, kind: Option<FieldType>) -> Value {
    if let Some(properties) = properties.as_object_mut() {
        let keys = ["true", "false", "decimal", "null_values"].into_iter().filter(|key| reading::fits(key, kind));
        properties
            .extend(keys.map(|key| (key.to_owned(), json!({ "$ref": format!("#/$defs/Reading/properties/{key}") }))));
        properties.insert("optional".to_owned(), optional());
    }
    properties
}

fn format() -> Value {
    json!({ "type": "string", "description": "How a date is written, such as %d/%m/%Y. Default: ISO 8601." })
}

/// The names of types, of all destinations.
fn types() -> Value {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in Api::ALL.iter().flat_map(|(_, api)| destination::of(*api).field_types()) {
        if !names.contains(name) {
            names.push(name);
        }
    }
    json!({ "enum": names, "description": "What its values are. Which types there are depends on the destination." })
}

fn custom() -> Value {
    let any = json!({ "type": ["string", "number", "boolean"] });
    let properties = json!({
        "type": types(),
        "column": column(),
        "value": any,
        "default": any,
        "clear_empty": clear_empty(),
        "format": format(),
    });
    let mut object = object(with_reading(properties, None), &["type"]);
    if let Some(object) = object.as_object_mut() {
        object.insert("oneOf".to_owned(), json!([{ "required": ["column"] }, { "required": ["value"] }]));
        object.insert("description".to_owned(), json!("A custom field and how it is filled."));
    }
    object
}
