//! How a drop is written: what `segments[].drop` and `segments[].format` may say.

use schemars::JsonSchema;
use serde::Serialize;

/// Whether a drop is one object or a folder of parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DropKind {
    /// Each object is a whole segment.
    #[default]
    File,
    /// All parts of one folder are the segment.
    Folder,
}

/// What a drop's files hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// Rows of separated cells.
    #[default]
    Csv,
    /// A JSON object a line.
    Ndjson,
}

/// How a text file's bytes stand for characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Encoding {
    /// UTF-8.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// UTF-16, low byte first.
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// UTF-16, high byte first.
    #[serde(rename = "utf-16be")]
    Utf16Be,
    /// Windows-1252.
    #[serde(rename = "windows-1252")]
    Windows1252,
}

/// What is otherwise detected. Whatever is `None` is detected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Format {
    /// What the file holds.
    pub kind: Option<FileKind>,
    /// What stands between two cells.
    pub delimiter: Option<char>,
    /// Whether the first row names the columns.
    pub header: Option<bool>,
    /// How bytes stand for characters.
    pub encoding: Option<Encoding>,
}
