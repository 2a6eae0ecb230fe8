//! What a value does to its field.

use serde_json::Value;

use super::fields::Field;
use crate::sandbox::options::Odd;

/// What to do with a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    Set(Value),
    /// A choice that the field gets first.
    SetNewChoices(Value, Vec<String>),
    Clear,
    Nothing,
}

/// What an unattested value becomes; `fitted` is what accepting it stores.
pub(super) fn odd(field: &Field, way: Odd, fitted: impl FnOnce() -> Change) -> Result<Change, String> {
    match way {
        Odd::Refuse => Err(wrong(field)),
        Odd::Ignore => Ok(Change::Nothing),
        Odd::Accept => Ok(fitted()),
    }
}

pub(super) fn wrong(field: &Field) -> String {
    format!("invalid value for field {}", field.id)
}
