//! A contact as sent -> a row that says what to write.

use serde_json::{Map, Value};

use super::columns::FieldType;

/// Fields that the server writes; sent ones are ignored.
///
/// Source: `docs/AUTOPILOT_API.md` 1.3.
const READ_ONLY: [&str; 13] = [
    "contact_id",
    "Name",
    "created_at",
    "updated_at",
    "lists",
    "custom_fields",
    "first_visit_at",
    "api_originated",
    "company_priority",
    "_rev",
    "type",
    // Control keys without an effect here.
    "notify",
    "_autopilot_session_id",
];

/// One contact of an upsert.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// As sent; absent where none or null was sent.
    pub(super) email: Option<String>,
    pub(super) new_email: Option<String>,
    /// `_autopilot_list`.
    pub(super) list: Option<String>,
    /// Only true and false count.
    pub(super) unsubscribed: Option<bool>,
    /// Top-level fields; null clears.
    pub(super) fields: Vec<(String, Value)>,
    /// Custom fields by name and type; null clears. Keys that are not `<type>--<Name>` are left out.
    pub(super) custom: Vec<(String, FieldType, Value)>,
    /// The email sent is not one.
    pub(super) invalid: bool,
}

impl Row {
    /// The email as sent, or nothing.
    pub(super) fn email(&self) -> &str {
        self.email.as_deref().unwrap_or_default()
    }

    /// Parses a contact.
    pub(super) fn read(contact: Map<String, Value>) -> Row {
        let mut row = Row::default();
        for (key, value) in contact {
            match (key.as_str(), value) {
                ("Email", Value::Null) => {}
                ("Email", Value::String(email)) => {
                    row.invalid |= !is_email(&email);
                    row.email = Some(email);
                }
                ("Email", _) => row.invalid = true,
                ("_NewEmail", Value::String(email)) => {
                    row.invalid |= !is_email(&email);
                    row.new_email = Some(email);
                }
                ("_autopilot_list", Value::String(list)) => row.list = Some(list),
                ("unsubscribed", Value::Bool(flag)) => row.unsubscribed = Some(flag),
                ("_NewEmail" | "_autopilot_list" | "unsubscribed", _) => {}
                ("custom", Value::Object(custom)) => {
                    row.custom = custom.into_iter().filter_map(|(key, value)| custom_field(&key, value)).collect();
                }
                ("custom", _) => {}
                (name, _) if READ_ONLY.contains(&name) || name.starts_with("mail_") => {}
                (_, value) => row.fields.push((key, value)),
            }
        }
        row
    }
}

/// `integer--Orders--Total` -> Orders Total, integer.
fn custom_field(key: &str, value: Value) -> Option<(String, FieldType, Value)> {
    let (kind, name) = key.split_once("--")?;
    let name = name.replace("--", " ");
    if name.is_empty() {
        return None;
    }
    Some((name, FieldType::read(kind)?, value))
}

/// Whether a text can be an email: something on both sides of an `@`, and no white space.
pub(super) fn is_email(text: &str) -> bool {
    !text.contains(char::is_whitespace)
        && text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
}
