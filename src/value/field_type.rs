//! The types that a field can have.

use serde::{Deserialize, Serialize};

/// What a field's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// Any text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// True or false.
    Boolean,
    /// A moment.
    Date,
    /// A day, as it is written: no time zone moves it.
    Day,
    /// Some of a list of choices.
    MultiSelect,
}

impl FieldType {
    /// Its name, in the file and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            FieldType::String => "string",
            FieldType::Integer => "integer",
            FieldType::Float => "float",
            FieldType::Boolean => "boolean",
            FieldType::Date => "date",
            FieldType::Day => "day",
            FieldType::MultiSelect => "multi_select",
        }
    }
}
