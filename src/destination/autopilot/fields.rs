//! Classic Autopilot's fields: its names for the standard ones, and how custom ones are spelled in a request.

use crate::chunk::{FieldOrigin, FieldSpec};
use crate::destination::StandardField;
use crate::value::FieldType;

/// The key of the email address.
pub(super) const EMAIL: &str = "Email";
/// The key of the address that a contact is to have, beside the one that it has.
pub(super) const NEW_EMAIL: &str = "_NewEmail";
/// The key of the opt-out.
pub(super) const UNSUBSCRIBED: &str = "unsubscribed";

const fn text(name: &'static str, label: &'static str) -> StandardField {
    StandardField { name, label, field_type: FieldType::String }
}

/// The standard fields in the order they are sent, but for the email (always first) and the opt-out (always last); the
/// label is the key in a request. Source: AUTOPILOT_API 1.3, the vendor's blueprint; four clients agree on the spellings.
pub(super) static STANDARD: [StandardField; 21] = [
    text("first_name", "FirstName"),
    text("last_name", "LastName"),
    text("salutation", "Salutation"),
    text("title", "Title"),
    text("company", "Company"),
    StandardField { name: "number_of_employees", label: "NumberOfEmployees", field_type: FieldType::Integer },
    text("industry", "Industry"),
    text("phone", "Phone"),
    text("mobile_phone", "MobilePhone"),
    text("fax", "Fax"),
    text("website", "Website"),
    text("mailing_street", "MailingStreet"),
    text("mailing_city", "MailingCity"),
    text("mailing_state", "MailingState"),
    text("mailing_postal_code", "MailingPostalCode"),
    text("mailing_country", "MailingCountry"),
    text("lead_source", "LeadSource"),
    text("status", "Status"),
    text("twitter", "Twitter"),
    text("linked_in", "LinkedIn"),
    text("owner_name", "owner_name"),
];

/// The types of custom fields.
pub(super) static TYPES: [(&str, FieldType); 5] = [
    ("string", FieldType::String),
    ("integer", FieldType::Integer),
    ("float", FieldType::Float),
    ("boolean", FieldType::Boolean),
    ("date", FieldType::Date),
];

/// The key of a custom field: `type--Name`, with `--` for every space.
/// Source: AUTOPILOT_API 1.3, recorded requests of the vendor's own Ruby client.
pub(super) fn custom_key(field_type: FieldType, name: &str) -> String {
    format!("{}--{}", field_type.name(), name.replace(' ', "--"))
}

/// Where a field stands in a contact, and under which key.
pub(super) fn key(field: &FieldSpec) -> (FieldOrigin, String) {
    let key = match field.origin {
        FieldOrigin::Custom => custom_key(field.field_type, &field.name),
        FieldOrigin::Standard => match field.name.as_str() {
            "email" => EMAIL.to_owned(),
            "unsubscribed" => UNSUBSCRIBED.to_owned(),
            name => {
                let known = STANDARD.iter().find(|standard| standard.name == name);
                known.map_or(name, |standard| standard.label).to_owned()
            }
        },
    };
    (field.origin, key)
}

/// What is wrong with a custom field's name: its key in a request must be read back as the same name.
pub(super) fn custom_name_fault(name: &str) -> Option<&'static str> {
    let two_readings = name.starts_with('-') || ["--", "- ", " -"].iter().any(|part| name.contains(part));
    two_readings.then_some("is ambiguous for Autopilot: no hyphen first, doubled or beside a space")
}
