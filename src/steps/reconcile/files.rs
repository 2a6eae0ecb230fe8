//! What people get of a comparison: the differences row by row, and the opt-outs to give back. Personal data.

use std::fs::File;

use jiff::Timestamp;

use crate::destination::PersonThere;
use crate::error::{Error, Kind, Result};
use crate::report::rejects::as_text;
use crate::steps::temporary::temporary;

/// Rows of a file, put together before it is stored.
pub(super) struct Rows {
    csv: csv::Writer<File>,
    pub(super) count: u64,
}

fn unwritable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Kind::Unavailable, "rows", "cannot be written to a temporary file")
        .hint("make room on the disk and try again")
        .with_source(cause)
}

impl Rows {
    fn new<const N: usize>(columns: [&str; N]) -> Result<Self> {
        let mut csv = csv::Writer::from_writer(temporary("rows")?);
        csv.write_record(columns).map_err(unwritable)?;
        Ok(Self { csv, count: 0 })
    }

    /// What differs: `differences.csv`.
    pub(super) fn of_differences() -> Result<Self> {
        Self::new(["segment", "difference", "email", "contact_id"])
    }

    /// Who opted out: a file of `returns/`.
    pub(super) fn of_opt_outs() -> Result<Self> {
        Self::new(["email", "since", "where"])
    }

    /// Adds what differs of a person. Of a contact that is gone nobody knows the address.
    pub(super) fn difference(&mut self, segment: &str, what: &str, person: &PersonThere) -> Result<()> {
        self.row([segment, what, &person.email, &person.id])
    }

    /// Adds somebody who opted out.
    pub(super) fn opt_out(&mut self, email: &str, since: Timestamp, place: &str) -> Result<()> {
        self.row([email, &since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), place])
    }

    fn row<const N: usize>(&mut self, cells: [&str; N]) -> Result<()> {
        self.count += 1;
        self.csv.write_record(cells.map(as_text).iter().map(AsRef::<str>::as_ref)).map_err(unwritable)
    }

    pub(super) fn finish(self) -> Result<File> {
        self.csv.into_inner().map_err(|error| unwritable(error.into_error()))
    }
}
