//! From a listing to drops: which objects are data, what belongs together, since when, and whether it is all there.

mod ignore;
mod rules;
mod settled;
mod survey;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]
mod tests;

use jiff::Timestamp;

use crate::ports::ObjectMeta;

pub use ignore::is_glob;
pub use rules::DropRules;
pub use settled::{Settling, missing_parts, settled, unfilled};
pub use survey::Survey;

/// What a segment's drop is (`segments[].drop`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DropKind {
    /// Each object is a whole segment.
    #[default]
    File,
    /// All parts of one folder are the segment.
    Folder,
}

/// What holds a segment's members at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drop {
    /// The key of the file, or of the folder with its trailing `/`.
    pub name: String,
    /// The time in its path, else the newest of its parts': in their names, or when they were written.
    pub time: Timestamp,
    /// The files, in order of their keys; at least one.
    pub parts: Vec<ObjectMeta>,
    /// The key of the nearest `model.json` up the path that the listing holds.
    pub model: Option<String>,
    /// A digest of the parts' keys and versions: 16 hexadecimal digits.
    pub version: String,
}
