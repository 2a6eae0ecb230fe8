//! What the files of a segment held, taken together.

use std::collections::HashSet;

use crate::config::{FileKind, Segment};
use crate::error::{Error, Kind, Result};
use crate::run::SegmentRecord;
use crate::segment::{Columns, Summary};

/// What the files of a segment held.
pub(super) struct Contents {
    /// No row and no header.
    pub(super) is_empty: bool,
    /// Rows of JSON lines, whose keys are known only now.
    pub(super) has_objects: bool,
    /// All files' columns, and keys that rows have, each once.
    pub(super) columns: Columns,
    seen: HashSet<String>,
}

impl Default for Contents {
    fn default() -> Self {
        Self { is_empty: true, has_objects: false, columns: Columns::default(), seen: HashSet::new() }
    }
}

impl Contents {
    pub(super) fn add(&mut self, file: Summary, columns: &[String]) {
        self.is_empty &= file.is_empty;
        self.has_objects |= file.keys.is_some() && file.rows > 0;
        self.columns.certain |= file.keys.as_ref().is_some_and(|keys| keys.certain);
        for name in file.keys.as_ref().map_or(columns, |keys| &keys.names) {
            if self.seen.insert(name.clone()) {
                self.columns.names.push(name.clone());
            }
        }
    }

    /// # Errors
    /// Kind `segment`: a drop without a byte, which could remove everybody, and more likely was never filled.
    pub(super) fn check(&self, segment: &Segment, record: Option<&SegmentRecord>) -> Result<()> {
        let kind = segment.format.as_ref().and_then(|format| format.kind);
        if self.is_empty && kind != Some(FileKind::Ndjson) {
            return Err(empty_drop(record));
        }
        Ok(())
    }
}

/// The error of a drop without a byte.
pub(super) fn empty_drop(segment: Option<&SegmentRecord>) -> Error {
    let drop = segment.and_then(|segment| segment.drop.clone()).unwrap_or_default();
    Error::new(Kind::Segment, drop, "is empty, without even a header").hint(
        "deliver the file again, with its header; where empty JSON lines are meant, set segments[].format.kind to ndjson",
    )
}
