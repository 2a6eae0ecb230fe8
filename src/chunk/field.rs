//! The fields that the rows of a run fill: named once per run, not once per row.

use serde::{Deserialize, Serialize};

use crate::value::FieldType;

/// The name of the field that opts people out.
const OPT_OUT: &str = "unsubscribed";

/// Whose name a field's is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldOrigin {
    /// One of the names that the configuration knows: `first_name`, `unsubscribed`, ...
    Standard,
    /// A field that the account declares, by its name there.
    Custom,
}

/// One field of a run. The first field of every run is the email address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldSpec {
    /// Its name in the configuration.
    pub name: String,
    /// Whose name that is.
    pub origin: FieldOrigin,
    /// The type of its values.
    #[serde(rename = "type")]
    pub field_type: FieldType,
}

impl FieldSpec {
    /// The field of the email address.
    pub fn email() -> Self {
        Self::standard("email", FieldType::String)
    }

    /// A field that the configuration names.
    pub fn standard(name: &str, field_type: FieldType) -> Self {
        Self { name: name.to_owned(), origin: FieldOrigin::Standard, field_type }
    }

    /// A field that the account declares.
    pub fn custom(name: &str, field_type: FieldType) -> Self {
        Self { name: name.to_owned(), origin: FieldOrigin::Custom, field_type }
    }

    /// The field that opts people out.
    pub fn opt_out() -> Self {
        Self::standard(OPT_OUT, FieldType::Boolean)
    }

    /// Whether it opts people out.
    pub fn is_opt_out(&self) -> bool {
        self.origin == FieldOrigin::Standard && self.name == OPT_OUT
    }
}
