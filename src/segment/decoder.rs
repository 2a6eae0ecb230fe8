//! The whole way from bytes to rows, for one file.

use super::csv::CsvRows;
use super::encoding::Text;
use super::gzip::Unpack;
use super::ndjson::{self, JsonRows};
use super::scanner::Scanner;
use super::sniff::Known;
use super::{FileKind, Format, Layout, MAX_ROW_BYTES, Sink, unreadable};
use crate::error::{Error, Result};

/// Decodes one file: [`feed`](Self::feed) it the bytes in any pieces, then [`finish`](Self::finish).
///
/// What comes out does not depend on how the bytes are cut. Memory stays within a few MiB, whatever the file.
pub struct Decoder {
    subject: String,
    unpack: Unpack,
    text: Text,
    rows: Rows,
    bytes: u64,
}

/// What a file held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows given to [`Sink::row`].
    pub rows: u64,
    /// Rows given to [`Sink::malformed`].
    pub malformed: u64,
    /// Bytes of the file, packed as it was.
    pub bytes: u64,
}

/// The text's reader: decided once its head is there.
enum Rows {
    Head(Box<Known>, Head),
    Csv(Box<CsvRows>),
    Ndjson(Box<JsonRows>),
}

/// The text before the decision, and how far the first row was looked for in it.
#[derive(Default)]
struct Head {
    text: Vec<u8>,
    searched: usize,
    quoted: bool,
}

impl Decoder {
    /// A decoder of the file that messages call `subject`. `wanted` are the column names that the matching needs,
    /// the email's first.
    pub fn new(subject: &str, format: &Format, layout: Option<&Layout>, wanted: &[String]) -> Self {
        let text = Text::new(format.encoding, layout.and_then(|layout| layout.encoding));
        let known = Known { format: format.clone(), layout: layout.cloned(), wanted: wanted.to_vec() };
        let rows = Rows::Head(Box::new(known), Head::default());
        Self { subject: subject.to_owned(), unpack: Unpack::new(), text, rows, bytes: 0 }
    }

    /// Takes the next bytes of the file, and gives the rows that end in them to `sink`.
    ///
    /// # Errors
    /// Of kind `segment` where the file cannot be understood, and whatever `sink` returns. The decoder is of no more
    /// use then.
    pub fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<()> {
        self.bytes += bytes.len() as u64;
        self.pass(bytes, false, sink)
    }

    /// Ends the file, and gives the last rows to `sink`. An empty file is valid: no columns, no rows.
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub fn finish(mut self, sink: &mut impl Sink) -> Result<Summary> {
        self.pass(&[], true, sink)?;
        let (rows, malformed) = match &self.rows {
            Rows::Head(..) => (0, 0),
            Rows::Csv(csv) => (csv.rows, csv.malformed),
            Rows::Ndjson(json) => (json.rows, json.malformed),
        };
        Ok(Summary { rows, malformed, bytes: self.bytes })
    }

    fn pass(&mut self, bytes: &[u8], last: bool, sink: &mut impl Sink) -> Result<()> {
        let Self { subject, unpack, text, rows, .. } = self;
        let result = unpack.feed(bytes, last, &mut |plain, last| {
            text.feed(plain, last, &mut |utf8, last| rows.feed(utf8, last, sink))
        });
        result
            .map_err(|error| if error.subject.is_empty() { Error { subject: subject.clone(), ..error } } else { error })
    }
}

impl Rows {
    fn feed(&mut self, text: &[u8], last: bool, sink: &mut impl Sink) -> Result<()> {
        match self {
            Self::Csv(csv) => csv.feed(text, last, sink),
            Self::Ndjson(json) => json.feed(text, last, sink),
            Self::Head(known, head) => {
                head.text.extend_from_slice(text);
                let Some(mut decided) = head.decide(known, last, sink)? else { return Ok(()) };
                let text = std::mem::take(&mut head.text);
                decided.feed(&text, last, sink)?;
                *self = decided;
                Ok(())
            }
        }
    }
}

impl Head {
    /// The reader for this text, having told the columns; none before more text comes, or where there is none.
    fn decide(&mut self, known: &Known, last: bool, sink: &mut impl Sink) -> Result<Option<Rows>> {
        let Some(kind) = self.kind(known.format.kind, last)? else { return Ok(None) };
        if kind == FileKind::Ndjson {
            let Some(head) = ndjson::head(&self.text, last) else { return Ok(None) };
            let columns = ndjson::columns(head, known.layout.as_ref())?;
            sink.columns(&columns)?;
            return Ok(Some(Rows::Ndjson(Box::new(JsonRows::new(columns)))));
        }
        let Some(first) = self.first_row(known.quoting(), last) else { return Ok(None) };
        let sniffed = known.sniff(first)?;
        sink.columns(&sniffed.columns)?;
        let scanner = Scanner::new(sniffed.delimiter, known.quoting());
        Ok(Some(Rows::Csv(Box::new(CsvRows::new(scanner, sniffed.columns.len(), sniffed.header)))))
    }

    /// The kind told, or seen in the first two characters that are not blank.
    fn kind(&self, told: Option<FileKind>, last: bool) -> Result<Option<FileKind>> {
        let mut characters = self.text.iter().filter(|byte| !byte.is_ascii_whitespace());
        let (first, second) = (characters.next(), characters.next());
        let kind = match (first, second) {
            // Blank so far: at the end, nothing to read; over the limit, whatever it is.
            (None, _) if last || self.text.len() <= MAX_ROW_BYTES => return Ok(None),
            _ if told == Some(FileKind::Csv) => FileKind::Csv,
            (Some(b'[' | b'{'), None) if !last && self.text.len() <= MAX_ROW_BYTES => return Ok(None),
            (Some(b'['), Some(b'{' | b'[' | b']' | b'"')) => {
                return Err(unreadable("is one JSON array").hint("write one JSON object per line, without the array"));
            }
            (Some(b'{'), Some(b'"' | b'}')) => FileKind::Ndjson,
            _ => told.unwrap_or(FileKind::Csv),
        };
        Ok(Some(kind))
    }

    /// Text that holds the first row, from its start, as far as quotes that are set in pairs tell; of one that is too
    /// long as much as shows it, however much the pieces brought.
    fn first_row(&mut self, quoting: bool, last: bool) -> Option<&[u8]> {
        let start = self.text.iter().position(|byte| !matches!(byte, b'\n' | b'\r'))?;
        let unsearched = self.text.iter().enumerate().skip(self.searched.max(start));
        for (at, byte) in unsearched {
            match byte {
                b'"' if quoting => self.quoted = !self.quoted,
                b'\n' | b'\r' if !self.quoted => return self.text.get(start..=at.min(start + MAX_ROW_BYTES)),
                _ => {}
            }
        }
        self.searched = self.text.len();
        let rest = self.text.get(start..)?;
        rest.get(..=MAX_ROW_BYTES).or(last.then_some(rest))
    }
}
