//! From the bytes of a drop to rows with their place, and from listings to drops.
//!
//! Bytes are pushed in and rows come out through a [`Sink`], so memory stays bounded whatever the size:
//! `gzip` (gzip) → `encoding` (to UTF-8) → `sniff` (kind, delimiter, header) → `csv` or `ndjson`. [`Decoder`] is the
//! whole of it. Nothing is taken on trust that a wrong guess could hide: a file that cannot be understood is an
//! [`Error`] of kind `segment`, a row that cannot be understood is one malformed row, and what neither the settings
//! nor a `model.json` nor the file itself tells is not guessed.
//!
//! [`drops`] finds the drops in a listing, and [`model`] reads the `model.json` beside them.

mod csv;
mod decoder;
pub mod drops;
mod encoding;
mod gzip;
pub mod model;
mod ndjson;
mod row;
mod scanner;
mod sniff;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]
mod tests;

use crate::error::{Error, Kind};

pub use decoder::{Decoder, Summary};
pub use drops::{Drop, DropKind, Settling};
pub use model::{MAX_MODEL_BYTES, Model};
pub use row::{Flaw, Row, Sink, Span};

/// The longest row, in bytes of UTF-8: a longer one is malformed.
pub const MAX_ROW_BYTES: usize = 1 << 20;

/// The most columns a file may have.
pub const MAX_COLUMNS: usize = 10_000;

/// What a file is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// Separated values: one row per line, quoted or not.
    Csv,
    /// One JSON object per line.
    Ndjson,
}

/// How a file's text is written as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[serde(rename = "utf-8")]
    Utf8,
    /// UTF-16, the low byte first.
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// UTF-16, the high byte first.
    #[serde(rename = "utf-16be")]
    Utf16Be,
    /// What older Western European Windows programs write (holds ISO 8859-1's letters).
    #[serde(rename = "windows-1252")]
    Windows1252,
}

/// What the settings tell of a segment's files (`segments[].format`); whatever is left out is detected.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Format {
    /// CSV or JSON lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<FileKind>,
    /// The character between two fields, one of ASCII.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Whether the first line holds the column names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// How text is written as bytes. A byte order mark in the file counts more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
}

/// What a `model.json` says of one entity's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The attributes' names, in the order of the fields.
    pub columns: Vec<String>,
    /// Whether the first line holds the column names.
    pub header: Option<bool>,
    /// The character between two fields.
    pub delimiter: Option<char>,
    /// How text is written as bytes. What the file itself shows counts more.
    pub encoding: Option<Encoding>,
    /// Whether a double quote at the start of a field quotes it (`QuoteStyle.Csv`).
    pub quoted: bool,
}

/// The error of a drop that cannot be read. Its subject is filled in by the caller who knows the file's name.
fn unreadable(what: impl Into<String>) -> Error {
    Error::new(Kind::Segment, "", what)
}
