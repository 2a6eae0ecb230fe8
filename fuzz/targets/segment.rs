//! A drop: every row is as wide as the columns, and neither the pieces that the bytes come in nor gzip around them
//! make a difference. The last byte also chooses what is told of the file, how long the pieces are, and whether they are packed.
#![no_main]

use std::io::Write;

use autopilot_export::error::{Error, Kind, Result};
use autopilot_export::segment::{Decoder, Encoding, FileKind, Flaw, Format, Layout, Row, Sink, Summary};
use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;

const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];

#[derive(Debug, PartialEq)]
enum Heard {
    Columns(Vec<String>),
    Row(u64, Vec<String>),
    Malformed(u64, String, Flaw),
}

#[derive(Default)]
struct Hearing {
    heard: Vec<Heard>,
    width: Option<usize>,
}

impl Sink for Hearing {
    fn columns(&mut self, columns: &[String]) -> Result<()> {
        assert_eq!(self.width.replace(columns.len()), None, "columns are told once");
        self.heard.push(Heard::Columns(columns.to_vec()));
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> Result<()> {
        assert_eq!(self.width, Some(row.len()), "a row is as wide as the columns");
        self.heard.push(Heard::Row(row.line, row.iter().map(str::to_owned).collect()));
        Ok(())
    }

    fn malformed(&mut self, line: u64, raw: &str, flaw: Flaw) -> Result<()> {
        assert!(self.width.is_some(), "columns are told first");
        self.heard.push(Heard::Malformed(line, raw.to_owned(), flaw));
        Ok(())
    }
}

fn layout(header: bool, quoted: bool) -> Option<Layout> {
    let columns = ["EMail", "FirstName", "LastName"].map(str::to_owned).to_vec();
    Some(Layout { columns, header: Some(header), delimiter: Some(','), encoding: Some(Encoding::Windows1252), quoted })
}

fn told(choice: u8) -> (Format, Option<Layout>) {
    let detected = Format::default();
    match choice % 8 {
        0 => (Format { encoding: Some(Encoding::Windows1252), ..detected }, None),
        1 => (Format { kind: Some(FileKind::Ndjson), ..detected }, layout(false, true)),
        3 => (detected, layout(false, true)),
        4 => (detected, layout(true, true)),
        6 => (detected, layout(false, false)),
        7 => (Format { delimiter: Some('|'), header: Some(true), encoding: Some(Encoding::Utf16Be), ..detected }, None),
        _ => (detected, None),
    }
}

fn decode<'p>(choice: u8, pieces: impl IntoIterator<Item = &'p [u8]>) -> (Vec<Heard>, Result<Summary>) {
    let (format, layout) = told(choice);
    let mut hearing = Hearing::default();
    let mut decoder = Decoder::new("drop", &format, layout.as_ref(), &["EMail".to_owned(), "FirstName".to_owned()]);
    let fed = pieces.into_iter().try_for_each(|piece| decoder.feed(piece, &mut hearing));
    let done = fed.and_then(|()| decoder.finish(&mut hearing));
    if let Ok(summary) = &done {
        let rows = hearing.heard.iter().filter(|heard| matches!(heard, Heard::Row(..))).count() as u64;
        let malformed = hearing.heard.iter().filter(|heard| matches!(heard, Heard::Malformed(..))).count() as u64;
        assert_eq!((summary.rows, summary.malformed), (rows, malformed));
    }
    (hearing.heard, done)
}

fn same(one: &(Vec<Heard>, Result<Summary>), other: &(Vec<Heard>, Result<Summary>)) {
    let counts = |summary: &Summary| (summary.rows, summary.malformed);
    assert_eq!(
        one.1.as_ref().map(counts).map_err(Error::to_string),
        other.1.as_ref().map(counts).map_err(Error::to_string)
    );
    assert_eq!(one.0, other.0);
}

fuzz_target!(|bytes: &[u8]| {
    let choice = bytes.last().copied().unwrap_or_default();
    let piece = 1 + usize::from(choice / 8);
    let whole = decode(choice, [bytes]);
    if let Err(error) = &whole.1 {
        assert_eq!(error.kind, Kind::Segment);
        assert!(error.to_string().len() < 600);
    }
    if piece.is_multiple_of(8) && !bytes.starts_with(&GZIP) {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(bytes).unwrap();
        return same(&whole, &decode(choice, packed.finish().unwrap().chunks(piece)));
    }
    let cut = decode(choice, bytes.chunks(piece));
    if bytes.starts_with(&GZIP) {
        // Of damaged gzip, as much comes out as was unpacked before the damage was seen: that does depend on the pieces.
        assert_eq!(whole.1.is_ok(), cut.1.is_ok());
        assert!(whole.0.iter().zip(&cut.0).all(|(one, other)| one == other));
        return;
    }
    same(&whole, &cut);
});
