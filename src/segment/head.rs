//! The beginning of a file's text: what kind of file it is, where its first row lies, and what that row tells.
//!
//! Lines of nothing (blanks, delimiters, byte-order marks) and a line `sep=` come before the first row. How much text is
//! looked at depends on the text alone, not on the pieces it comes in.

use super::csv::CsvRows;
use super::encoding::MARK;
use super::names::{END_OF_FILE, is_blank};
use super::ndjson::{self, JsonRows};
use super::scanner::Scanner;
use super::sniff::{DELIMITERS, DeclaredLayout};
use super::{FileKind, MAX_ROW_BYTES, Sink, separator, unreadable};
use crate::error::Result;

/// How much text below the first row is looked at.
const BELOW: usize = 64 << 10;

/// The text's reader: decided once its head is there.
pub(super) enum Rows {
    Head(Box<DeclaredLayout>, Head),
    Csv(Box<CsvRows>),
    Ndjson(Box<JsonRows>),
}

impl Rows {
    pub(super) fn feed(&mut self, text: &[u8], last: bool, sink: &mut impl Sink) -> Result<()> {
        match self {
            Self::Csv(csv) => csv.feed(text, last, sink),
            Self::Ndjson(json) => json.feed(text, last, sink),
            Self::Head(known, head) => {
                if let Some(decided) = head.feed(text, last, known, sink)? {
                    *self = decided;
                }
                Ok(())
            }
        }
    }
}

/// The text before the decision.
#[derive(Default)]
pub(super) struct Head {
    /// From the current line on: lines of nothing are gone.
    text: Vec<u8>,
    /// How many lines are gone.
    lines: u64,
    after_cr: bool,
    /// How far the end of the current line was looked for; whether that line holds something.
    line_searched: usize,
    begun: bool,
    /// How far the first row's end was looked for, and whether that is within quotes.
    searched: usize,
    quoted: bool,
    /// The line `sep=` that came first.
    separator: Option<(char, Vec<u8>)>,
}

impl Head {
    /// Takes the next text; the reader for it, which has read what is there, once the text shows which.
    pub(super) fn feed(
        &mut self,
        text: &[u8],
        last: bool,
        known: &DeclaredLayout,
        sink: &mut impl Sink,
    ) -> Result<Option<Rows>> {
        self.text.extend_from_slice(text);
        let Some(kind) = self.kind(known, last)? else { return Ok(None) };
        let (mut rows, start) = match kind {
            FileKind::Ndjson => match self.json(known, last, sink)? {
                Some(rows) => (rows, 0),
                None => return Ok(None),
            },
            FileKind::Csv => match self.csv(known, last, sink)? {
                Some(begun) => begun,
                None => return Ok(None),
            },
        };
        rows.feed(self.text.get(start..).unwrap_or_default(), last, sink)?;
        Ok(Some(rows))
    }

    fn json(&self, known: &DeclaredLayout, last: bool, sink: &mut impl Sink) -> Result<Option<Rows>> {
        let Some(head) = ndjson::head(&self.text, last) else { return Ok(None) };
        let columns = known.keys(head)?;
        sink.columns(&columns)?;
        Ok(Some(Rows::Ndjson(Box::new(JsonRows::new(columns, self.lines + 1)))))
    }

    /// The reader, and where it starts.
    fn csv(&mut self, known: &DeclaredLayout, last: bool, sink: &mut impl Sink) -> Result<Option<(Rows, usize)>> {
        let Some(end) = self.first_row_end(known.quoting(), last) else { return Ok(None) };
        if self.text.len() < end + BELOW && !last {
            return Ok(None);
        }
        let window = self.text.get(..end + BELOW).unwrap_or(&self.text);
        let declared = self.separator.as_ref().map(|(delimiter, _)| *delimiter);
        let sniffed = known.sniff(window, declared)?;
        sink.columns(&sniffed.columns)?;
        let start = sniffed.header.unwrap_or_default();
        let scanner = Scanner::new(sniffed.delimiter, known.quoting());
        let separator = self.separator.take().map(|(_, line)| line);
        let mut rows = CsvRows::new(scanner, &sniffed.columns.names, separator);
        rows.skip(self.text.get(..start).unwrap_or_default(), self.lines);
        Ok(Some((Rows::Csv(Box::new(rows)), start)))
    }

    /// The kind that is configured, or seen in the first two characters of the first line that holds something.
    fn kind(&mut self, known: &DeclaredLayout, last: bool) -> Result<Option<FileKind>> {
        let declared = known.format.kind;
        if !self.drop_nothing(known, last) {
            return Ok(None);
        }
        let mut characters = self.text.iter().filter(|byte| !byte.is_ascii_whitespace());
        let kind = match (characters.next(), characters.next()) {
            _ if declared == Some(FileKind::Csv) => FileKind::Csv,
            (Some(b'[' | b'{'), None) if !last && self.text.len() <= MAX_ROW_BYTES => return Ok(None),
            (Some(b'['), Some(b'{' | b'[' | b']' | b'"')) => {
                return Err(unreadable("is one JSON array").hint("write one JSON object per line, without the array"));
            }
            (Some(b'{'), Some(b'"' | b'}')) => FileKind::Ndjson,
            _ => declared.unwrap_or(FileKind::Csv),
        };
        Ok(Some(kind))
    }

    /// Drops the lines of nothing that the text starts with, and a line `sep=`; whether something is there then.
    fn drop_nothing(&mut self, known: &DeclaredLayout, last: bool) -> bool {
        let mut start = 0;
        while !self.begun {
            let rest = self.text.get(start..).unwrap_or_default();
            if self.after_cr && !rest.is_empty() {
                self.after_cr = false;
                start += usize::from(rest.first() == Some(&b'\n'));
                continue;
            }
            if rest.starts_with(MARK) {
                start += MARK.len();
                self.line_searched = 0;
                continue;
            }
            let unsearched = rest.get(self.line_searched..).unwrap_or_default();
            let end =
                unsearched.iter().position(|byte| matches!(byte, b'\n' | b'\r')).map(|end| end + self.line_searched);
            let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            self.line_searched = line.len();
            let may_tell = self.separator.is_none() && known.format.kind != Some(FileKind::Ndjson);
            if line.len() > MAX_ROW_BYTES {
                self.begun = true;
            } else if end.is_none() && !last {
                break;
            } else if let Some(declared) = separator::of(line).filter(|_| may_tell) {
                self.separator = Some((declared, line.to_vec()));
            } else if !is_nothing(line, known) {
                self.begun = true;
            }
            if self.begun || end.is_none() {
                start += if self.begun { 0 } else { line.len() };
                break;
            }
            self.after_cr = end.and_then(|end| rest.get(end)) == Some(&b'\r');
            self.lines += 1;
            start += line.len() + 1;
            self.line_searched = 0;
        }
        self.text.drain(..start);
        self.begun
    }

    /// Where the first row ends, as far as quotes that are set in pairs tell; of one that is too long, where it is too
    /// long. None before more text comes.
    fn first_row_end(&mut self, quoting: bool, last: bool) -> Option<usize> {
        for (at, byte) in self.text.iter().enumerate().skip(self.searched) {
            match byte {
                b'"' if quoting => self.quoted = !self.quoted,
                b'\n' | b'\r' if !self.quoted => return Some(at.min(MAX_ROW_BYTES + 1)),
                _ => {}
            }
            // Not counted twice where this is asked again.
            self.searched = at + 1;
        }
        let long = self.text.len() > MAX_ROW_BYTES;
        (long || last).then_some(self.text.len().min(MAX_ROW_BYTES + 1))
    }
}

/// Whether a line holds blanks, delimiters and quotes with nothing in them.
fn is_nothing(line: &[u8], known: &DeclaredLayout) -> bool {
    let Ok(line) = std::str::from_utf8(line) else { return false };
    let between =
        |c: char| c == END_OF_FILE || is_blank(c) || DELIMITERS.contains(&c) || known.declared_delimiter() == Some(c);
    line.replace("\"\"", "").chars().all(between)
}
