//! `rejects.csv`: the rows that were not delivered, their columns as they were, and why. `retry` takes it as it is.
//!
//! The file is meant for spreadsheets, which take a cell that begins like a formula for one. Such a cell gets an
//! apostrophe before it, which [`as_it_was`] takes off again.
//! Source: OWASP, "CSV Injection": the characters that begin a formula.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;

use crate::error::{Error, Kind, Result};
use crate::plan::draw::RejectLine;
use crate::run::RunRecord;

/// What follows the original columns.
pub const ADDED: [&str; 6] = ["export", "segment", "reject_code", "reject_reason", "source", "line"];

/// Whether a cell begins like a formula, behind any apostrophes.
fn is_like_a_formula(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r', '\n'])
}

/// A cell that no spreadsheet takes for a formula.
pub fn as_text(cell: &str) -> Cow<'_, str> {
    if is_like_a_formula(cell) { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

/// A cell of the file as it was in the drop.
pub fn as_it_was(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|_| is_like_a_formula(cell)).unwrap_or(cell)
}

/// The longest file, in bytes; rows that do not fit are left out, and said to be. Each row has a place for every column,
/// and a small drop may name ten thousand.
const MOST_BYTES: usize = 256 << 20;

fn unreadable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Kind::Bug, "finish", "rejects", "are not what was kept").because(cause)
}

/// Writes the rejects of one run; its sources may have different columns.
#[derive(Debug)]
pub struct Rejects<W: Write> {
    csv: csv::Writer<W>,
    bytes: usize,
    left_out: u64,
    export: String,
    /// Per source: its key, its segment, and where each of its columns stands in the file.
    sources: Vec<(String, String, Vec<usize>)>,
    width: usize,
}

fn unwritable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Kind::Unavailable, "finish", "rejects.csv", "cannot be written")
        .to_do("make room for temporary files (TMPDIR) and run again; nothing that was confirmed is lost")
        .because(cause)
}

impl<W: Write> Rejects<W> {
    /// Begins the file with its header: all sources' columns, then [`ADDED`].
    ///
    /// # Errors
    /// Kind `unavailable`, where `out` cannot be written.
    pub fn new(run: &RunRecord, out: W) -> Result<Self> {
        let mut header: Vec<&str> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut sources = Vec::new();
        for source in &run.sources {
            let columns = source.columns.iter().map(|column| {
                *places.entry(column).or_insert_with(|| {
                    header.push(column);
                    header.len() - 1
                })
            });
            let columns = columns.collect();
            let segment = run.segments.get(source.segment).map(|segment| segment.name.clone()).unwrap_or_default();
            sources.push((source.key.clone(), segment, columns));
        }
        let width = header.len();
        let mut csv = csv::Writer::from_writer(out);
        // A column that is named like one of ours would be written twice; ours stand last and are the ones to read.
        write(&mut csv, header.iter().copied().chain(ADDED))?;
        Ok(Self { csv, bytes: 0, left_out: 0, export: run.request.export.clone(), sources, width })
    }

    /// Adds one row, as prepare kept it.
    ///
    /// # Errors
    /// Kind `bug`, where the line is not what this program keeps; `unavailable`, where it cannot be written.
    pub fn line(&mut self, json: &str) -> Result<()> {
        self.add(serde_json::from_str(json).map_err(unreadable)?)
    }

    /// Adds one row.
    ///
    /// # Errors
    /// As [`Rejects::line`].
    pub fn add(&mut self, line: RejectLine) -> Result<()> {
        self.bytes += self.width + line.row.get().len() + line.reason.len() + 100;
        if self.bytes > MOST_BYTES {
            self.left_out += 1;
            return Ok(());
        }
        let cells: Vec<String> = serde_json::from_str(line.row.get()).map_err(unreadable)?;
        let (key, segment, places) =
            self.sources.get(line.source).ok_or_else(|| unreadable("a row of an unknown source"))?;
        let mut record = vec![String::new(); self.width.max(1)];
        for (n, cell) in cells.into_iter().enumerate() {
            // The text of a malformed row, which has no columns, goes where the first column is.
            if let Some(place) = record.get_mut(places.get(n).copied().unwrap_or_default()) {
                *place = cell;
            }
        }
        record.truncate(self.width);
        let number = line.line.to_string();
        let added = [&self.export, segment, line.code.name(), &line.reason, key.as_str(), &number];
        write(&mut self.csv, record.iter().map(String::as_str).chain(added))
    }

    /// What is to be said of rows that did not fit.
    pub fn warning(&self) -> Option<String> {
        (self.left_out > 0).then(|| format!("{} rejected rows did not fit in rejects.csv", self.left_out))
    }

    /// The whole file.
    ///
    /// # Errors
    /// Kind `unavailable`, where it cannot be written.
    pub fn finish(self) -> Result<W> {
        self.csv.into_inner().map_err(|cause| unwritable(cause.to_string()))
    }
}

fn write<'c, W: Write>(csv: &mut csv::Writer<W>, cells: impl Iterator<Item = &'c str>) -> Result<()> {
    for cell in cells {
        csv.write_field(as_text(cell).as_bytes()).map_err(unwritable)?;
    }
    csv.write_record(None::<&[u8]>).map_err(unwritable)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cell_comes_back_as_it_was_and_is_never_a_formula(cell in "['=+@a\\-\\t\\r]{0,6}") {
            let safe = as_text(&cell);
            prop_assert_eq!(as_it_was(&safe), &cell);
            prop_assert!(!safe.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']));
        }
    }
}
