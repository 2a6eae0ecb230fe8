//! The matching: which column, default or constant fills which of the destination's fields.

use std::collections::BTreeMap;

use serde::Serialize;

use super::reader::{Entry, Object};
use super::{checks, reading, source};
use crate::chunk::FieldSpec;
use crate::destination::{self, Api, Destination, StandardField};
use crate::value::{self, FieldType, Reader, Reading};

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
    /// How its cells are spelled: the export's way, unless the field says otherwise.
    pub reading: Reading,
    /// Whether a file may lack its column.
    pub optional: bool,
}

impl Field {
    /// The reader of its cells, as values of `kind`.
    pub fn reader(&self, kind: FieldType) -> Reader {
        Reader::new(kind, self.format.clone(), &self.reading)
    }
}

/// A custom field and how it is filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CustomField {
    /// What its values are.
    pub kind: FieldType,
    /// How it is filled.
    pub field: Field,
}

/// Which of the destination's fields are filled, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Match {
    /// The column that holds the email address.
    pub email: String,
    /// The column that holds the customer's stable id.
    pub id: Option<String>,
    /// The destination's own fields, in its order.
    pub standard: Vec<(&'static StandardField, Field)>,
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
        let standard = standard.map(|(field, how)| (FieldSpec::standard(field.name, field.field_type), how));
        let opt_out = self.unsubscribed.iter();
        let opt_out = opt_out.map(|how| (FieldSpec::opt_out(), how));
        let custom = self.custom.iter();
        let custom = custom.map(|(name, custom)| (FieldSpec::custom(name, custom.kind), &custom.field));
        standard.chain(opt_out).chain(custom)
    }

    /// The fields of a run, the email address first.
    pub fn specs(&self) -> Vec<FieldSpec> {
        std::iter::once(FieldSpec::email()).chain(self.fields().map(|(spec, _)| spec)).collect()
    }

    pub(super) fn read(entry: &Entry<'_>, reading: &Reading, destination: &dyn Destination) -> Option<Self> {
        let mut object = entry.object()?;
        let email = object.need("email").and_then(|entry| key(&entry)).unwrap_or_default();
        let id = object.get("id").and_then(|entry| key(&entry));
        let clear_empty = object.get("clear_empty").and_then(|entry| entry.flag()).unwrap_or(false);
        let inherited = Inherited { clear_empty, reading };
        let read = |standard: &'static StandardField| {
            let entry = object.get(standard.name)?;
            Some((standard, field(&entry, standard.field_type, inherited)?))
        };
        let standard: Vec<_> = destination.standard_fields().iter().filter_map(read).collect();
        one_use_per_standard_field(entry, &standard);
        others_fields(&mut object, destination);
        let unsubscribed = object.get("unsubscribed").and_then(|entry| opt_out(&entry, inherited));
        let custom = object.get("custom").map(|entry| custom(&entry, inherited, destination)).unwrap_or_default();
        object.done();
        Some(Self { email, id, standard, unsubscribed, custom })
    }
}

/// Two names may stand for one field of the destination.
fn one_use_per_standard_field(entry: &Entry<'_>, standard: &[(&'static StandardField, Field)]) {
    for (index, (field, _)) in standard.iter().enumerate() {
        let before = standard.iter().take(index).find(|(other, _)| other.label == field.label);
        if let Some((other, _)) = before {
            entry.fault_below(field.name, format!("fills the same field as {}", other.name));
        }
    }
}

/// Refuses by name the fields that only another destination has.
fn others_fields(object: &mut Object<'_>, destination: &dyn Destination) {
    let others = Api::ALL.iter().flat_map(|(_, api)| destination::of(*api).standard_fields());
    for other in others.filter(|other| destination.standard_fields().iter().all(|own| own.name != other.name)) {
        if let Some(entry) = object.get(other.name) {
            entry.fault_with(format!("{} has no such field", destination.name()), "map it under custom");
        }
    }
}

/// What a field takes from the match and the export, where it does not say otherwise.
#[derive(Clone, Copy)]
struct Inherited<'a> {
    clear_empty: bool,
    reading: &'a Reading,
}

const COLUMN_OR_OBJECT: &str = "a column's name or an object";

/// The column of a person's address or id, alone or in an object: neither has a default, and nobody clears it.
fn key(entry: &Entry<'_>) -> Option<String> {
    if entry.value.is_string() {
        return entry.text();
    }
    let mut object = entry.object_as(COLUMN_OR_OBJECT)?;
    let column = object.need("column").and_then(|entry| entry.text());
    object.done();
    column
}

/// An opt-out is never cleared: null might opt a person in.
fn opt_out(entry: &Entry<'_>, inherited: Inherited<'_>) -> Option<Field> {
    let inherited = Inherited { clear_empty: false, ..inherited };
    if entry.value.is_string() {
        return column(entry, inherited);
    }
    let mut object = entry.object_as(COLUMN_OR_OBJECT)?;
    let field = parts(&mut object, Some(FieldType::Boolean), None, inherited);
    object.done();
    field
}

/// Whether values of a type can be written in a format of their own.
pub(super) fn has_format(kind: FieldType) -> bool {
    matches!(kind, FieldType::Date | FieldType::Day)
}

fn field(entry: &Entry<'_>, kind: FieldType, inherited: Inherited<'_>) -> Option<Field> {
    if entry.value.is_string() {
        return column(entry, inherited);
    }
    let mut object = entry.object_as(COLUMN_OR_OBJECT)?;
    let clears = object.get("clear_empty");
    let format = if has_format(kind) { object.get("format") } else { None };
    let format = format.and_then(|entry| source::checked(&entry, checks::date_format));
    let field = parts(&mut object, Some(kind), format, inherited);
    object.done();
    clearing(field, clears, inherited)
}

fn custom(entry: &Entry<'_>, inherited: Inherited<'_>, destination: &dyn Destination) -> BTreeMap<String, CustomField> {
    let read = |(name, entry): (&str, Entry<'_>)| {
        if let Some(what) = checks::custom_name(name).or_else(|| destination.custom_name_fault(name)) {
            entry.fault(what);
        }
        if entry.value.is_string() {
            let hint = "write { \"column\": NAME, \"type\": TYPE }";
            entry.fault_with("a custom field needs its type", hint);
            return None;
        }
        let mut object = entry.object()?;
        let kind = object.need("type").and_then(|entry| entry.word(destination.field_types()));
        let clears = object.get("clear_empty");
        let format = object.get("format").and_then(|entry| {
            if kind.is_some_and(|kind| !has_format(kind)) {
                entry.fault("only a date has a format");
            }
            source::checked(&entry, checks::date_format)
        });
        kind.iter().for_each(|kind| reading::unfit(&mut object, *kind));
        let field = parts(&mut object, kind, format, inherited);
        object.done();
        Some((name.to_owned(), CustomField { kind: kind?, field: clearing(field, clears, inherited)? }))
    };
    entry.named().into_iter().filter_map(read).collect()
}

fn column(entry: &Entry<'_>, inherited: Inherited<'_>) -> Option<Field> {
    let Inherited { clear_empty, reading } = inherited;
    let source = Source::Column(entry.text()?);
    Some(Field { source, default: None, clear_empty, format: None, reading: reading.clone(), optional: false })
}

fn clearing(field: Option<Field>, clears: Option<Entry<'_>>, inherited: Inherited<'_>) -> Option<Field> {
    let clear_empty = clears.map_or(Some(inherited.clear_empty), |entry| entry.flag());
    let mut field = field?;
    field.clear_empty = clear_empty?;
    Some(field)
}

/// The parts that every field has: its column or constant, its default, and how its cells are read.
fn parts(
    object: &mut Object<'_>,
    kind: Option<FieldType>,
    format: Option<String>,
    inherited: Inherited<'_>,
) -> Option<Field> {
    let column = object.get("column");
    let constant = object.get("value");
    let default = object.get("default");
    let optional = object.get("optional").and_then(|entry| entry.flag());
    let reading = reading::of_field(object, kind, inherited.reading);
    // A field of an unreadable type is read as text, so that its other faults show.
    let kind = kind.unwrap_or(FieldType::String);
    let source = match (&column, &constant) {
        (Some(column), None) => column.text().map(Source::Column),
        (None, Some(constant)) => {
            if let Some(default) = &default {
                default.fault("a constant has no default");
            }
            if optional == Some(true) {
                object.fault("a constant has no column that a file may lack");
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
    Some(Field { source: source?, default, clear_empty: false, format, reading, optional: optional.unwrap_or(false) })
}

/// A constant or default as text, if it fits the field's type. A date is written in ISO 8601, whatever the column's
/// format.
fn typed(entry: &Entry<'_>, kind: FieldType) -> Option<String> {
    let fits = match kind {
        FieldType::String | FieldType::Date | FieldType::Day | FieldType::MultiSelect => entry.value.is_string(),
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
            entry.fault(if has_format(kind) { "must be a date in ISO 8601".to_owned() } else { misfit.to_string() });
            None
        }
    }
}
