//! The fields that columns fill.

use serde_json::json;

use super::file::{Json, object, plain};
use super::kinds::Guess;
use super::names;
use super::proposal::Proposing;
use super::remarks;
use crate::value::{Decimal, FieldType};

impl Proposing<'_> {
    /// Fills a field of the destination's own, where the name and the cells are those of one.
    pub(super) fn standard_field(&mut self, at: usize, name: &str, guess: &Guess) -> Option<String> {
        let field = names::standard_field(name)?;
        let known = self.destination.standard_fields().iter().find(|known| known.name == field)?;
        let fits = match known.field_type {
            FieldType::String => true,
            FieldType::Day => guess.kind == Some(FieldType::Date),
            other => guess.kind == Some(other),
        };
        if !fits || !self.taken.insert(known.label.to_owned()) {
            return None;
        }
        let typed = if known.field_type == FieldType::String { Guess::default() } else { guess.clone() };
        let how = match (&typed.format, typed.decimal, typed.misfits.as_slice()) {
            (None, Decimal::Point, []) => Json::Plain(json!(name)),
            _ => object([
                ("column", plain(name)),
                ("format", typed.format.clone().and_then(plain)),
                ("decimal", comma(&typed)),
            ]),
        };
        self.standard.push((field.to_owned(), how));
        self.of_another_kind(at, name, &typed, field);
        Some(format!("{field}{}", in_words(&typed)))
    }

    /// Fills a custom field.
    pub(super) fn custom_field(&mut self, at: usize, name: &str, guess: &Guess) -> String {
        let Some(field) = self.custom_name(name) else {
            return "left out: its name cannot be that of a field; map it under custom".to_owned();
        };
        let kind = guess.kind.unwrap_or(FieldType::String);
        let types = self.destination.field_types();
        let of = |kind| types.iter().find(|(_, known)| *known == kind).map(|(name, _)| *name);
        // A day is a day where the destination knows days.
        let day = || of(FieldType::Day).filter(|_| guess.format.as_ref().is_none_or(|format| !format.contains("%H")));
        let type_name = if kind == FieldType::Date { day().or_else(|| of(kind)) } else { of(kind) };
        let type_name = type_name.unwrap_or("string");
        let said = format!("custom \"{field}\", {type_name}{}", in_words(guess));
        let how = object([
            ("column", plain(name)),
            ("type", plain(type_name)),
            ("format", guess.format.clone().and_then(plain)),
            ("decimal", comma(guess)),
        ]);
        self.of_another_kind(at, name, guess, &format!("custom.{field}"));
        self.custom.push((field, how));
        said
    }

    /// Says which cells are not of their column's type.
    fn of_another_kind(&mut self, at: usize, name: &str, guess: &Guess, setting: &str) {
        let setting = format!("exports.{}.match.{setting}", self.answers.export);
        self.remarks.extend(remarks::misfits(self.sample, at, name, guess, &setting));
    }

    /// A name for a custom field that no other has.
    fn custom_name(&mut self, name: &str) -> Option<String> {
        let spaced: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut plain = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
        while plain.contains("--") {
            plain = plain.replace("--", "-");
        }
        let plain = plain.replace(" - ", " ").replace("- ", " ").replace(" -", " ");
        let plain = plain.trim_matches(['-', ' ']).to_owned();
        let fits = !plain.is_empty() && self.destination.custom_name_fault(&plain).is_none();
        (fits && self.taken.insert(format!("custom {}", plain.to_lowercase()))).then_some(plain)
    }
}

fn comma(guess: &Guess) -> Option<Json> {
    if guess.decimal == Decimal::Comma { plain(",") } else { None }
}

/// How a column is read, where that needs saying.
fn in_words(guess: &Guess) -> String {
    let format = guess.format.as_ref().map(|format| format!(", written as {format}"));
    let decimal = (guess.decimal == Decimal::Comma).then(|| ", with a decimal comma".to_owned());
    let misfits = (!guess.misfits.is_empty()).then(|| match guess.misfits.len() {
        1 => ", but for 1 cell".to_owned(),
        count => format!(", but for {count} cells"),
    });
    format.into_iter().chain(decimal).chain(misfits).collect()
}
