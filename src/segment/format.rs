//! How a segment's files are written: what the settings and a `model.json` say of it.

use super::Encoding;

/// What a file is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// Separated values: one row per line, quoted or not.
    Csv,
    /// One JSON object per line.
    Ndjson,
}

/// What the settings say of a segment's files (`segments[].format`); whatever is left out is detected.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Format {
    /// CSV or JSON lines. An empty file is an empty segment only where this is `ndjson`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<FileKind>,
    /// The character between two fields: any but a quote or a line end, such as `;` or `\u0001`. A first line `sep=;`
    /// in the file counts more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = ";", example = "\u{1}")]
    pub delimiter: Option<char>,
    /// Whether the first line holds the column names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// How text is written as bytes.
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
