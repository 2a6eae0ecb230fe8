//! How a field's cells are read: its type, and what the configuration says of its spellings.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Decimal, FieldType, Misfit, boolean, choices, composed, content, date, date_format, folded, number, text};

/// What the configuration says of how values are spelled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reading {
    /// Further words that are read as true, besides true, yes, y, t, on, 1, 1.0 and -1; case does not count.
    #[serde(rename = "true")]
    #[schemars(with = "Option<Vec<String>>", extend("examples" = [["Ja", "x"]]))]
    pub true_words: Vec<String>,
    /// Further words that are read as false, besides false, no, n, f, off, 0 and 0.0; case does not count.
    #[serde(rename = "false")]
    #[schemars(with = "Option<Vec<String>>", extend("examples" = [["Nein"]]))]
    pub false_words: Vec<String>,
    /// The character before the fraction of a number. With a comma, `1.234,56` is 1234.56. Default: a point.
    #[schemars(with = "Option<Decimal>", extend("examples" = [","]))]
    pub decimal: Decimal,
    /// Words that count as an empty cell, exactly as they are written here. In columns of numbers, booleans and dates
    /// NULL, \N, NaN and None are empty anyway.
    #[schemars(with = "Option<Vec<String>>", extend("examples" = [["NULL", "n/a"]]))]
    pub null_values: Vec<String>,
}

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing, or a word for nothing.
    Empty,
    Value,
}

/// How a field's cells are read, compiled once for each field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    kind: FieldType,
    format: Option<String>,
    decimal: Decimal,
    true_words: Vec<String>,
    false_words: Vec<String>,
    null_words: Vec<String>,
}

impl Reader {
    /// A reader of values of `kind`. `format` is for dates; `None` means ISO 8601.
    pub fn new(kind: FieldType, format: Option<String>, reading: &Reading) -> Self {
        let words = |words: &[String]| words.iter().map(|word| folded(content(word))).collect();
        let nulls = reading.null_values.iter().map(|word| composed(content(word)).into_owned());
        Self {
            kind,
            format,
            decimal: reading.decimal,
            true_words: words(&reading.true_words),
            false_words: words(&reading.false_words),
            null_words: nulls.collect(),
        }
    }

    /// Writes a cell's value at the end of `json`: canonical JSON, equal for equal values.
    ///
    /// # Errors
    /// The cell has another kind of content; `json` is as it was.
    pub fn read(&self, cell: &str, json: &mut String) -> Result<Cell, Misfit> {
        let text = content(cell);
        if self.is_empty(text) {
            return Ok(Cell::Empty);
        }
        match self.kind {
            FieldType::String => text::write(text, json),
            FieldType::Integer => number::integer(text, self.decimal, json)?,
            FieldType::Float => number::float(text, self.decimal, json)?,
            FieldType::Boolean => boolean::write(self.word(text).ok_or(Misfit::Boolean)?, json),
            FieldType::Date => date::write(date_format::moment(text, self.format.as_deref())?, json),
            FieldType::Day => date::write_day(date_format::day(text, self.format.as_deref())?, json),
            FieldType::MultiSelect => choices::write(text, json),
        }
        Ok(Cell::Value)
    }

    /// The truth that a cell stands for; `None` for an empty one.
    ///
    /// # Errors
    /// [`Misfit::Boolean`], where it is neither true nor false.
    pub fn truth(&self, cell: &str) -> Result<Option<bool>, Misfit> {
        let text = content(cell);
        match self.is_empty(text) {
            true => Ok(None),
            false => self.word(text).map(Some).ok_or(Misfit::Boolean),
        }
    }

    /// Whether a cell's content stands for nothing.
    pub(crate) fn is_empty(&self, content: &str) -> bool {
        content.is_empty()
            || self.kind != FieldType::String && is_null(content)
            || !self.null_words.is_empty() && self.null_words.iter().any(|word| *word == composed(content))
    }

    fn word(&self, text: &str) -> Option<bool> {
        let known = boolean(text);
        if known.is_some() || self.true_words.is_empty() && self.false_words.is_empty() {
            return known;
        }
        let text = folded(text);
        self.true_words.contains(&text).then_some(true).or(self.false_words.contains(&text).then_some(false))
    }
}

/// The words that databases and data frames write for nothing.
fn is_null(text: &str) -> bool {
    let may_be = matches!(text.as_bytes().first(), Some(b'n' | b'N' | b'\\'));
    may_be && ["null", "\\N", "nan", "none"].iter().any(|word| text.eq_ignore_ascii_case(word))
}
