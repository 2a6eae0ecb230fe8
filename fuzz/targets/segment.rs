//! A drop: every row is as wide as the columns, and neither the pieces that the bytes come in nor gzip around them
//! make a difference. The last byte also chooses what is declared of the file, how long the pieces are, and whether they are packed.
#![no_main]

use std::io::Write;

use autopilot_export::error::{Error, Kind, Result};
use autopilot_export::segment::{Columns, Decoder, Encoding, FileKind, Flaw, Format, Layout, Row, Sink, Summary};
use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;

const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];

#[derive(Debug, PartialEq)]
enum Heard {
    Columns(Columns),
    Row(u64, Vec<String>),
    Malformed(u64, String, Flaw),
}

#[derive(Default)]
struct Hearing {
    heard: Vec<Heard>,
    width: Option<usize>,
    /// Whether rows may have something in keys that are not columns.
    is_json: bool,
}

impl Sink for Hearing {
    fn columns(&mut self, columns: &Columns) -> Result<()> {
        assert_eq!(self.width.replace(columns.names.len()), None, "columns come once");
        self.heard.push(Heard::Columns(columns.clone()));
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> Result<()> {
        assert_eq!(self.width, Some(row.len()), "a row is as wide as the columns");
        let is_blank = row.iter().all(|cell| cell.trim().is_empty());
        assert!(!is_blank || self.is_json, "a row has something in it");
        self.heard.push(Heard::Row(row.line, row.iter().map(str::to_owned).collect()));
        Ok(())
    }

    fn malformed(&mut self, line: u64, raw: &str, flaw: Flaw) -> Result<()> {
        assert!(self.width.is_some(), "columns come first");
        self.heard.push(Heard::Malformed(line, raw.to_owned(), flaw));
        Ok(())
    }
}

fn layout(header: bool, quoted: bool) -> Option<Layout> {
    let columns = ["EMail", "FirstName", "LastName"].map(str::to_owned).to_vec();
    let encoding = Some(Encoding::WINDOWS_1252);
    Some(Layout { columns, header: Some(header), delimiter: Some(','), encoding, quoted })
}

fn declared(choice: u8) -> (Format, Option<Layout>) {
    let detected = Format::default();
    let in_encoding = |label: &str| Format { encoding: Encoding::of(label), ..Format::default() };
    match choice % 16 {
        0 => (in_encoding("windows-1252"), None),
        1 => (Format { kind: Some(FileKind::Ndjson), ..detected }, layout(false, true)),
        3 => (detected, layout(false, true)),
        4 => (detected, layout(true, true)),
        6 => (detected, layout(false, false)),
        7 => (Format { delimiter: Some('|'), header: Some(true), ..in_encoding("utf-16be") }, None),
        8 => (Format { delimiter: Some('§'), ..detected }, None),
        9 => (Format { delimiter: Some('\u{1}'), ..detected }, layout(false, false)),
        10 => (in_encoding("gb18030"), None),
        11 => (in_encoding("iso-2022-jp"), None),
        12 => (Format { delimiter: Some('\0'), kind: Some(FileKind::Csv), ..detected }, None),
        _ => (detected, None),
    }
}

fn decode<'p>(choice: u8, pieces: impl IntoIterator<Item = &'p [u8]>) -> (Vec<Heard>, Result<Summary>) {
    let (format, layout) = declared(choice);
    let mut hearing = Hearing { is_json: format.kind != Some(FileKind::Csv), ..Hearing::default() };
    let mut decoder = Decoder::new("drop", &format, layout.as_ref(), &["EMail".to_owned(), "FirstName".to_owned()]);
    let fed = pieces.into_iter().try_for_each(|piece| decoder.feed(piece, &mut hearing));
    let done = fed.and_then(|()| decoder.finish(&mut hearing));
    if let Ok(summary) = &done {
        assert_eq!(summary.is_empty, hearing.width.is_none());
        let keys = summary.keys.as_ref().map_or(0, |keys| keys.names.len());
        assert!(keys <= hearing.width.unwrap_or_default());
        let rows = hearing.heard.iter().filter(|heard| matches!(heard, Heard::Row(..))).count() as u64;
        let malformed = hearing.heard.iter().filter(|heard| matches!(heard, Heard::Malformed(..))).count() as u64;
        assert_eq!((summary.rows, summary.malformed), (rows, malformed));
    }
    (hearing.heard, done)
}

fn same(one: &(Vec<Heard>, Result<Summary>), other: &(Vec<Heard>, Result<Summary>)) {
    let counts = |summary: &Summary| (summary.rows, summary.malformed, summary.is_empty, summary.keys.clone());
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
        assert!(error.to_string().len() < 600 && !error.to_string().contains(char::is_control));
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
