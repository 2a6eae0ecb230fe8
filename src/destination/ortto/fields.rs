//! Ortto's fields: the built-in ones by their names in the configuration, and the types of custom ones.

use crate::destination::StandardField;
use crate::membership::Membership;
use crate::value::FieldType;

/// The id of the email address.
pub(super) const EMAIL: &str = "str::email";
/// The id of the permission to send email.
pub(super) const PERMISSION: &str = "bol::p";
/// The name under which a person's tags are read.
pub(super) const TAGS: &str = "tags";

const fn text(name: &'static str, label: &'static str) -> StandardField {
    StandardField { name, label, field_type: FieldType::String }
}

/// The standard fields; the label is the id. Source: ORTTO_API 4.
pub(super) static STANDARD: [StandardField; 11] = [
    text("first_name", "str::first"),
    text("last_name", "str::last"),
    text("phone", "phn::phone"),
    text("mobile_phone", "phn::phone"),
    text("mailing_city", "geo::city"),
    text("mailing_state", "geo::region"),
    text("mailing_postal_code", "str::postal"),
    text("mailing_country", "geo::country"),
    text("external_id", "str::ei"),
    StandardField { name: "birthday", label: "dtz::b", field_type: FieldType::Day },
    text("language", "str::language"),
];

/// The types of custom fields. A number with a fraction is one type under two names, and a time is a moment.
pub(super) static TYPES: [(&str, FieldType); 8] = [
    ("string", FieldType::String),
    ("integer", FieldType::Integer),
    ("float", FieldType::Float),
    ("decimal", FieldType::Float),
    ("boolean", FieldType::Boolean),
    ("date", FieldType::Day),
    ("time", FieldType::Date),
    ("multi_select", FieldType::MultiSelect),
];

/// A type as the configuration calls it.
pub(super) fn type_name(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Float => "decimal",
        other => TYPES.iter().find(|(_, known)| *known == other).map_or("string", |(name, _)| name),
    }
}

/// The `display_type`s that take values of a type, the first being the one that is made. Source: ORTTO_API 4.
pub(super) fn display_types(field_type: FieldType) -> &'static [&'static str] {
    match field_type {
        FieldType::String => &["text", "single_select", "link", "large_text"],
        FieldType::Integer => &["integer"],
        FieldType::Float => &["decimal", "currency"],
        FieldType::Boolean => &["bool"],
        FieldType::Day => &["date"],
        FieldType::Date => &["time"],
        FieldType::MultiSelect => &["multi_select"],
    }
}

/// The type in the configuration that fills fields of a `display_type`.
pub(super) fn type_of(display_type: &str) -> Option<&'static str> {
    let fits = |(_, field_type): &&(&str, FieldType)| display_types(*field_type).contains(&display_type);
    TYPES.iter().find(fits).map(|(_, field_type)| type_name(*field_type))
}

/// Whether two tags may be one; how Ortto spells a tag back is unknown. Source: ORTTO_API 5.
pub(super) fn is_same_tag(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// The most characters of a tag that all of its readers are sure to keep.
const TAG_CHARACTERS: usize = 100;

pub(super) fn membership_fault(membership: &Membership) -> Option<(&'static str, &'static str)> {
    match membership {
        Membership::List(_) => Some(("Ortto has tags, not lists", "write { \"tag\": NAME }")),
        Membership::Tag(name) if name.contains(',') => Some((
            "a tag must not contain a comma: many programs split it in two",
            "write { \"tag\": NAME } with another name",
        )),
        Membership::Tag(name) if name.chars().count() > TAG_CHARACTERS => {
            Some(("a tag must have at most 100 characters", "write { \"tag\": NAME } with a shorter name"))
        }
        _ => None,
    }
}
