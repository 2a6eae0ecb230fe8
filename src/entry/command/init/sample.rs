//! The header and the first rows of a drop, read as a run reads them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::config::{Encoding, Format};
use crate::error::{Error, Kind, Result};
use crate::segment::{Columns, Decoder, Flaw, Row, Sink, clean, may_be_a_value};

/// How much of a file is looked at.
const MOST_BYTES: u64 = 16 << 20;
const MOST_ROWS: usize = 20_000;

/// What was seen of a drop.
#[derive(Debug, Default)]
pub(super) struct Sample {
    /// The columns' names as they are compared.
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    /// The line where each row begins.
    pub(super) lines: Vec<u64>,
    /// The encoding, where the file does not show it by itself.
    pub(super) encoding: Option<Encoding>,
    /// Whether these are all rows.
    pub(super) is_whole: bool,
}

impl Sample {
    /// The cells of a column.
    pub(super) fn cells(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(move |row| row.get(column)).map(String::as_str)
    }

    /// The line of a row.
    pub(super) fn line(&self, row: usize) -> u64 {
        self.lines.get(row).copied().unwrap_or_default()
    }

    /// How many columns have this name.
    pub(super) fn count(&self, name: &str) -> usize {
        self.columns.iter().filter(|column| *column == name).count()
    }

    /// The place of a column.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        let name = clean(name);
        self.columns.iter().position(|column| *column == name)
    }
}

/// Reads the beginning of a file.
///
/// # Errors
/// The file cannot be read, is empty, or its first line does not hold names.
pub(super) fn read(path: &Path) -> Result<Sample> {
    let shown = path.display().to_string();
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes));
    read.map_err(|cause| {
        Error::new(Kind::BadRequest, &shown, "cannot be read").hint("name a file of profiles").with_source(cause)
    })?;
    let found = match decoded(&shown, &bytes, None) {
        Ok((taken, false)) => Ok(taken),
        // What is not UTF-8 and has no mark was written by a Windows program of Western Europe.
        failed => match (decoded(&shown, &bytes, Some(Encoding::WINDOWS_1252)), failed) {
            (Ok((taken, false)), _) => Ok(taken),
            (_, Ok((taken, _))) => Ok(taken),
            (_, Err(error)) => Err(error),
        },
    };
    let sample = found?;
    if sample.columns.is_empty() {
        return Err(Error::new(Kind::Segment, shown, "is empty, without even a header")
            .hint("name a file with a first line of column names"));
    }
    Ok(sample)
}

/// Decodes a sample; whether bytes of it are not text in the encoding.
fn decoded(subject: &str, bytes: &[u8], encoding: Option<Encoding>) -> Result<(Sample, bool)> {
    let format = Format { encoding, ..Format::default() };
    let mut decoder = Decoder::new(subject, &format, None, &[]);
    let mut taken = Taken { sample: Sample { encoding, ..Sample::default() }, ..Taken::default() };
    let mut rest = bytes;
    while !rest.is_empty() && taken.sample.rows.len() < MOST_ROWS {
        let (piece, after) = rest.split_at(rest.len().min(64 << 10));
        decoder.feed(piece, &mut taken)?;
        rest = after;
    }
    taken.sample.is_whole = rest.is_empty() && bytes.len() as u64 <= MOST_BYTES;
    if taken.sample.is_whole {
        decoder.finish(&mut taken)?;
    }
    if taken.looks_like_data() {
        return Err(Error::new(Kind::Segment, subject, "the first line may hold data, not column names")
            .hint("give the file a first line of column names"));
    }
    Ok((taken.sample, taken.has_other_bytes))
}

#[derive(Default)]
struct Taken {
    sample: Sample,
    is_certain: bool,
    has_other_bytes: bool,
}

impl Taken {
    fn looks_like_data(&self) -> bool {
        let names = &self.sample.columns;
        let has_email = names.iter().any(|name| name.to_lowercase().contains("mail"));
        !self.is_certain && !has_email && names.iter().any(|name| !name.is_empty() && may_be_a_value(name))
    }
}

impl Sink for Taken {
    fn columns(&mut self, columns: &Columns) -> Result<()> {
        self.sample.columns = columns.names.iter().map(|name| clean(name).into_owned()).collect();
        self.is_certain = columns.certain;
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> Result<()> {
        if self.sample.rows.len() < MOST_ROWS {
            self.sample.rows.push(row.iter().map(str::to_owned).collect());
            self.sample.lines.push(row.line);
        }
        Ok(())
    }

    fn malformed(&mut self, _line: u64, _raw: &str, flaw: Flaw) -> Result<()> {
        self.has_other_bytes |= flaw == Flaw::Encoding;
        Ok(())
    }
}
