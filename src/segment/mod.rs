//! From the bytes of a drop to rows with their place, and from listings to drops.
//!
//! Bytes are pushed in and rows come out through a [`Sink`], so memory stays bounded whatever the size:
//! `gzip` → `encoding` (to UTF-8) → `head` and `sniff` (kind, delimiter, header) → `csv` or `ndjson`. [`Decoder`] is the
//! whole of it. Nothing is taken on trust that a wrong guess could hide: a file that cannot be understood is an
//! [`Error`] of kind `segment`, a row that cannot be understood is one malformed row, and what neither the settings
//! nor a `model.json` nor the file itself tells is not guessed.
//!
//! [`drops`] finds the drops in a listing, and [`model`] reads the `model.json` beside them.

mod certain;
mod csv;
mod decoder;
pub mod drops;
mod encoding;
mod format;
mod gzip;
mod head;
mod keys;
pub mod model;
mod names;
mod ndjson;
mod row;
mod scanner;
mod separator;
mod sniff;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]
mod tests;
mod times;
mod values;

use crate::error::{Error, Kind};

pub use decoder::{Decoder, Summary};
pub use drops::{Drop, DropKind, DropRules, Settling};
pub use encoding::Encoding;
pub use format::{FileKind, Format, Layout};
pub use model::{MAX_MODEL_BYTES, Model};
pub use names::clean;
pub use row::{Columns, Flaw, Row, Sink, Span};
pub use separator::of as separator_of;
pub use values::{may_be_a_value, may_be_an_address};

/// The longest row, in bytes of UTF-8: a longer one is malformed.
pub const MAX_ROW_BYTES: usize = 1 << 20;

/// The most columns a file may have.
pub const MAX_COLUMNS: usize = 10_000;

/// The error of a drop that cannot be read. Its subject is filled in by the caller who knows the file's name.
fn unreadable(problem: impl Into<String>) -> Error {
    Error::new(Kind::Segment, "", problem)
}
