//! How values are spelled: `true`, `false`, `decimal` and `null_values`, of an export and of its fields.

use super::reader::{Entry, Object};
use crate::value::{Decimal, FieldType, Reading, boolean, content, folded};

/// Reads what an export says.
pub(super) fn of_export(export: &Entry<'_>, object: &mut Object<'_>) -> Reading {
    let standard = Reading::default();
    let reading = read(object, |_| true, &standard);
    if let Some(what) = contradiction(&reading) {
        export.fault(what);
    }
    reading
}

/// Reads what a field of `kind` says; the rest is `inherited` from its export. A field of an unreadable type may say
/// all of it.
pub(super) fn of_field(object: &mut Object<'_>, kind: Option<FieldType>, inherited: &Reading) -> Reading {
    let reading = read(object, |key| fits(key, kind), inherited);
    if reading != *inherited
        && let Some(what) = contradiction(&reading)
    {
        object.fault(what);
    }
    reading
}

/// Reports each key that has no meaning for fields of `kind`.
pub(super) fn unfit(object: &mut Object<'_>, kind: FieldType) {
    for key in ["true", "false", "decimal"].into_iter().filter(|key| !fits(key, Some(kind))) {
        if let Some(entry) = object.get(key) {
            entry.fault(if key == "decimal" { "only a number has this" } else { "only a boolean has this" });
        }
    }
}

/// Whether a key has a meaning for fields of `kind`; `None` stands for a field of any type.
pub(super) fn fits(key: &str, kind: Option<FieldType>) -> bool {
    kind.is_none_or(|kind| match key {
        "true" | "false" => kind == FieldType::Boolean,
        "decimal" => matches!(kind, FieldType::Integer | FieldType::Float),
        _ => true,
    })
}

fn read(object: &mut Object<'_>, fits: impl Fn(&str) -> bool, otherwise: &Reading) -> Reading {
    let mut get = |key| if fits(key) { object.get(key) } else { None };
    let mut words = |key, otherwise: &[String]| match get(key) {
        Some(entry) => entry.list().iter().filter_map(Entry::text).collect(),
        None => otherwise.to_vec(),
    };
    Reading {
        true_words: words("true", &otherwise.true_words),
        false_words: words("false", &otherwise.false_words),
        null_values: words("null_values", &otherwise.null_values),
        decimal: get("decimal").and_then(|entry| decimal(&entry)).unwrap_or(otherwise.decimal),
    }
}

fn decimal(entry: &Entry<'_>) -> Option<Decimal> {
    match entry.value.as_str() {
        Some(".") => return Some(Decimal::Point),
        Some(",") => return Some(Decimal::Comma),
        _ => entry.fault("must be \".\" or \",\""),
    }
    None
}

/// What is wrong with the words: one of them means two things.
fn contradiction(reading: &Reading) -> Option<&'static str> {
    let clash = |words: &[String], others: &[String], other: bool| {
        let is_other = |word: &String| {
            let word = content(word);
            boolean(word) == Some(other) || others.iter().any(|known| folded(content(known)) == folded(word))
        };
        words.iter().any(is_other)
    };
    let has_two = clash(&reading.true_words, &reading.false_words, false)
        || clash(&reading.false_words, &reading.true_words, true);
    has_two.then_some("a word of true is also one of false")
}
