//! Conditions on a row: the columns and values that suppress it, or that it must have.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::reader::{Entry, Object};

/// A column and the value that counts there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The column.
    #[schemars(length(min = 1))]
    pub column: String,
    /// The value, compared as what it is: true and false in any of their words, a number however it is written, a text
    /// without case and without space around it. A text that is a word for true or false is compared as such.
    pub equals: Scalar,
}

/// A value of the configuration, of its own type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// True or false.
    Boolean(bool),
    /// A number, as JSON writes it.
    Number(#[schemars(with = "f64")] String),
    /// A text.
    Text(String),
}

impl Scalar {
    /// It as text.
    pub fn text(&self) -> &str {
        match self {
            Scalar::Boolean(true) => "true",
            Scalar::Boolean(false) => "false",
            Scalar::Number(text) | Scalar::Text(text) => text,
        }
    }
}

/// Reads the conditions of `key`.
pub(super) fn read_all(object: &mut Object<'_>, key: &'static str) -> Vec<Condition> {
    let read = |entry: &Entry<'_>| {
        let mut object = entry.object()?;
        let column = object.need("column").and_then(|entry| entry.text());
        let equals = object.need("equals").and_then(|entry| scalar(&entry));
        object.done();
        Some(Condition { column: column?, equals: equals? })
    };
    object.get(key).map(|entry| entry.list()).unwrap_or_default().iter().filter_map(read).collect()
}

fn scalar(entry: &Entry<'_>) -> Option<Scalar> {
    let text = entry.scalar()?;
    Some(match entry.value {
        Value::Bool(flag) => Scalar::Boolean(*flag),
        Value::Number(_) => Scalar::Number(text),
        _ => Scalar::Text(text),
    })
}
