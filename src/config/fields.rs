//! The matching: which column, default or constant fills which of Autopilot's fields.

use std::collections::BTreeMap;

use serde::Serialize;

use super::reader::{Entry, Object};
use super::{checks, source};
use crate::chunk::FieldSpec;
use crate::value::{self, FieldType};

const TYPES: [(&str, FieldType); 5] = [
    ("string", FieldType::String),
    ("integer", FieldType::Integer),
    ("float", FieldType::Float),
    ("boolean", FieldType::Boolean),
    ("date", FieldType::Date),
];

/// One of Autopilot's own fields.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Standard {
    /// Its key in `match`.
    pub setting: &'static str,
    /// Its exact spelling in Autopilot.
    pub wire: &'static str,
    /// What its values are.
    pub kind: FieldType,
}

const fn text(setting: &'static str, wire: &'static str) -> Standard {
    Standard { setting, wire, kind: FieldType::String }
}

/// Autopilot's own fields in the order they are sent, but for `Email` (always first) and `unsubscribed` (always last).
/// Source: the vendor's API blueprint; four clients agree on the spellings.
pub static STANDARD: [Standard; 21] = [
    text("first_name", "FirstName"),
    text("last_name", "LastName"),
    text("salutation", "Salutation"),
    text("title", "Title"),
    text("company", "Company"),
    Standard { setting: "number_of_employees", wire: "NumberOfEmployees", kind: FieldType::Integer },
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

/// Where a field's value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The column of this name.
    Column(String),
    /// The same value in every row, as text.
    Constant(String),
}

/// How a field is filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Where its value comes from.
    pub source: Source,
    /// What an empty cell counts as, as text of the field's type.
    pub default: Option<String>,
    /// Whether an empty cell without default clears the field (sends null) instead of leaving it alone.
    pub clear_empty: bool,
    /// How a date column is written (strftime); `None` for ISO 8601.
    pub format: Option<String>,
    /// Whether a file may lack the column: its cells are empty then.
    pub optional: bool,
}

/// A custom field and how it is filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CustomField {
    /// What its values are.
    pub kind: FieldType,
    /// How it is filled.
    pub field: Field,
}

/// Which of Autopilot's fields are filled, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Match {
    /// The column that holds the email address.
    pub email: String,
    /// Autopilot's own fields, in the order of [`STANDARD`].
    pub standard: Vec<(&'static Standard, Field)>,
    /// The opt-out: only true is ever sent.
    pub unsubscribed: Option<Field>,
    /// Custom fields by name.
    pub custom: BTreeMap<String, CustomField>,
}

impl Match {
    /// Every field besides the email address that a row fills, in the order of its cells: standard fields, the opt-out,
    /// custom fields.
    pub fn fields(&self) -> impl Iterator<Item = (FieldSpec, &Field)> {
        let standard = self.standard.iter();
        let standard = standard.map(|(field, how)| (FieldSpec::standard(field.setting, field.kind), how));
        let opt_out = self.unsubscribed.iter();
        let opt_out = opt_out.map(|how| (FieldSpec::standard("unsubscribed", FieldType::Boolean), how));
        let custom = self.custom.iter();
        let custom = custom.map(|(name, custom)| (FieldSpec::custom(name, custom.kind), &custom.field));
        standard.chain(opt_out).chain(custom)
    }

    /// The fields of a run, the email address first.
    pub fn specs(&self) -> Vec<FieldSpec> {
        std::iter::once(FieldSpec::email()).chain(self.fields().map(|(spec, _)| spec)).collect()
    }

    pub(super) fn read(entry: &Entry<'_>) -> Option<Self> {
        let mut object = entry.object()?;
        let email = object.need("email").and_then(|entry| email(&entry)).unwrap_or_default();
        let clear_empty = object.get("clear_empty").and_then(|entry| entry.flag()).unwrap_or(false);
        let standard = STANDARD
            .iter()
            .filter_map(|standard| {
                let entry = object.get(standard.setting)?;
                Some((standard, field(&entry, standard.kind, clear_empty)?))
            })
            .collect();
        let unsubscribed = object.get("unsubscribed").and_then(|entry| opt_out(&entry));
        let custom = object.get("custom").map(|entry| custom(&entry, clear_empty)).unwrap_or_default();
        object.done();
        Some(Self { email, standard, unsubscribed, custom })
    }
}

const COLUMN_OR_OBJECT: &str = "a column's name or an object";

/// A column, alone or in an object: an address has no default, and clearing it makes no sense.
fn email(entry: &Entry<'_>) -> Option<String> {
    if entry.value.is_string() {
        return entry.text();
    }
    let mut object = entry.object_as(COLUMN_OR_OBJECT)?;
    let column = object.need("column").and_then(|entry| entry.text());
    object.done();
    column
}

/// An opt-out is never cleared: null might opt a person in.
fn opt_out(entry: &Entry<'_>) -> Option<Field> {
    if entry.value.is_string() {
        return column(entry, false);
    }
    let mut object = entry.object_as(COLUMN_OR_OBJECT)?;
    let field = parts(&mut object, FieldType::Boolean, None);
    object.done();
    field
}

fn field(entry: &Entry<'_>, kind: FieldType, clear_empty: bool) -> Option<Field> {
    if entry.value.is_string() {
        return column(entry, clear_empty);
    }
    let mut object = entry.object_as(COLUMN_OR_OBJECT)?;
    let clears = object.get("clear_empty");
    let field = parts(&mut object, kind, None);
    object.done();
    clearing(field, clears, clear_empty)
}

fn custom(entry: &Entry<'_>, clear_empty: bool) -> BTreeMap<String, CustomField> {
    let read = |(name, entry): (&str, Entry<'_>)| {
        if let Some(what) = checks::custom_name(name) {
            entry.fault(what);
        }
        if entry.value.is_string() {
            let hint = "write { \"column\": NAME, \"type\": TYPE }";
            entry.fault_with("a custom field needs its type", hint);
            return None;
        }
        let mut object = entry.object()?;
        let kind = object.need("type").and_then(|entry| entry.word(&TYPES));
        let clears = object.get("clear_empty");
        let format = object.get("format").and_then(|entry| {
            if kind.is_some_and(|kind| kind != FieldType::Date) {
                entry.fault("only a date has a format");
            }
            source::checked(&entry, checks::date_format)
        });
        // A field of an unreadable type is read as text, so that its other faults show.
        let field = parts(&mut object, kind.unwrap_or(FieldType::String), format);
        object.done();
        Some((name.to_owned(), CustomField { kind: kind?, field: clearing(field, clears, clear_empty)? }))
    };
    entry.named().into_iter().filter_map(read).collect()
}

fn column(entry: &Entry<'_>, clear_empty: bool) -> Option<Field> {
    let source = Source::Column(entry.text()?);
    Some(Field { source, default: None, clear_empty, format: None, optional: false })
}

fn clearing(field: Option<Field>, clears: Option<Entry<'_>>, otherwise: bool) -> Option<Field> {
    let clear_empty = clears.map_or(Some(otherwise), |entry| entry.flag());
    let mut field = field?;
    field.clear_empty = clear_empty?;
    Some(field)
}

/// The parts that every field has: its column or constant, and its default.
fn parts(object: &mut Object<'_>, kind: FieldType, format: Option<String>) -> Option<Field> {
    let column = object.get("column");
    let constant = object.get("value");
    let default = object.get("default");
    let optional = object.get("optional");
    let source = match (&column, &constant) {
        (Some(column), None) => column.text().map(Source::Column),
        (None, Some(constant)) => {
            if let Some(default) = &default {
                default.fault("a constant has no default");
            }
            if let Some(optional) = &optional {
                optional.fault("a constant is never missing");
            }
            typed(constant, kind).map(Source::Constant)
        }
        _ => {
            object.fault("must have either column or value");
            None
        }
    };
    let default = match &default {
        Some(entry) => Some(typed(entry, kind)?),
        None => None,
    };
    let optional = optional.map_or(Some(false), |entry| entry.flag())?;
    Some(Field { source: source?, default, clear_empty: false, format, optional })
}

/// A constant or default as text, if it fits the field's type. A date is written in ISO 8601, whatever the column's
/// format.
fn typed(entry: &Entry<'_>, kind: FieldType) -> Option<String> {
    let fits = match kind {
        FieldType::String | FieldType::Date => entry.value.is_string(),
        FieldType::Integer | FieldType::Float => entry.value.is_number(),
        FieldType::Boolean => entry.value.is_boolean(),
    };
    if !fits {
        entry.fault(format!("must be of the field's type, {}", kind.name()));
        return None;
    }
    let text = entry.scalar()?;
    match value::write(kind, &text, None, &mut String::new()) {
        Ok(()) => Some(text),
        Err(misfit) => {
            entry.fault(misfit.to_string());
            None
        }
    }
}
