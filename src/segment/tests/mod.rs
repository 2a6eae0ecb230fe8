//! Each rule of decoding as a claim, on the files in `tests/data/segments`.

mod csv;
mod cuts;
mod generated;
mod header;
mod json;
mod privacy;
mod text;

use std::io::Write as _;

use super::*;
use crate::error::Result;

/// All that a sink is given.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    columns: Vec<String>,
    certain: Option<bool>,
    rows: Vec<(u64, Vec<String>)>,
    malformed: Vec<(u64, String, Flaw)>,
}

impl Sink for Seen {
    fn columns(&mut self, columns: &Columns) -> Result<()> {
        assert!(self.rows.is_empty() && self.malformed.is_empty(), "columns come first");
        assert_eq!(self.certain.replace(columns.certain), None, "columns come once");
        self.columns.clone_from(&columns.names);
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> Result<()> {
        self.rows.push((row.line, row.iter().map(str::to_owned).collect()));
        Ok(())
    }

    fn malformed(&mut self, line: u64, raw: &str, flaw: Flaw) -> Result<()> {
        self.malformed.push((line, raw.to_owned(), flaw));
        Ok(())
    }
}

/// How a file is decoded in a test.
#[derive(Clone, Default)]
struct Case {
    format: Format,
    layout: Option<Layout>,
    wanted: Vec<String>,
}

impl Case {
    fn new() -> Self {
        Self { wanted: names(&["EMail", "FirstName"]), ..Self::default() }
    }

    fn of(format: Format) -> Self {
        Self { format, ..Self::new() }
    }

    fn in_encoding(label: &str) -> Self {
        Self::of(Format { encoding: Encoding::of(label), ..Format::default() })
    }

    fn separated_by(delimiter: char) -> Self {
        Self::of(Format { delimiter: Some(delimiter), ..Format::default() })
    }

    fn decode(&self, bytes: &[u8], piece: usize) -> Result<(Seen, Summary)> {
        let mut seen = Seen::default();
        let mut decoder = Decoder::new("file.csv", &self.format, self.layout.as_ref(), &self.wanted);
        for piece in bytes.chunks(piece) {
            decoder.feed(piece, &mut seen)?;
        }
        let summary = decoder.finish(&mut seen)?;
        assert_eq!(summary.rows, seen.rows.len() as u64);
        assert_eq!(summary.malformed, seen.malformed.len() as u64);
        assert_eq!(summary.bytes, bytes.len() as u64);
        Ok((seen, summary))
    }

    fn seen(&self, bytes: impl AsRef<[u8]>) -> Seen {
        self.decode(bytes.as_ref(), 1 << 16).unwrap().0
    }

    fn error(&self, bytes: impl AsRef<[u8]>) -> String {
        let error = self.decode(bytes.as_ref(), 1 << 16).unwrap_err();
        assert_eq!(error.kind, Kind::Segment);
        error.to_string()
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/segments/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn layout(columns: &[&str], header: Option<bool>) -> Option<Layout> {
    Some(Layout { columns: names(columns), header, delimiter: Some(','), encoding: None, quoted: true })
}

fn with_header(header: bool) -> Format {
    Format { header: Some(header), ..Format::default() }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// The five profiles that most files hold, with the line each starts at.
fn people() -> Seen {
    Case::new().seen(fixture("header-always-quoted.csv"))
}

/// The fields of each row.
fn fields(seen: &Seen) -> Vec<Vec<&str>> {
    seen.rows.iter().map(|(_, fields)| fields.iter().map(String::as_str).collect()).collect()
}

fn lines(seen: &Seen) -> Vec<u64> {
    seen.rows.iter().map(|(line, _)| *line).collect()
}
