//! Separated values, read strictly: a quote that does not end where it should costs its own line and no other.
//!
//! Not by the `csv` crates, which read on through broken quoting without a word. A field is quoted where a double
//! quote is its first character; a row ends at LF, CRLF or CR outside quotes. The bytes of the current row are kept, so
//! that a row whose quoting turns out broken can be taken back: its first physical line is malformed, and reading
//! goes on at the next one. Where that point lies depends on the bytes alone, not on the pieces they come in.

use super::encoding::MARK;
use super::names::{END_OF_FILE, is_blank};
use super::scanner::{Scan, Scanner, has_controls};
use super::{Flaw, MAX_ROW_BYTES, Row, Sink, Span, clean};
use crate::error::Result;

/// Rows of a whole file.
pub(super) struct CsvRows {
    scanner: Scanner,
    mode: Mode,
    buffer: Vec<u8>,
    line: u64,
    header: Header,
    after_cr: bool,
    pub(super) rows: u64,
    pub(super) malformed: u64,
}

enum Mode {
    Rows,
    /// The first physical line of the buffer is malformed, alone.
    Line(Flaw),
    /// The rest of a line too long to keep.
    Skip,
}

/// The columns' names as they are compared, which a file put together of several repeats, and the line `sep=` above.
struct Header {
    names: Vec<String>,
    separator: Option<Vec<u8>>,
}

impl CsvRows {
    /// Rows as wide as the columns named `names`; `separator` is the line that names the delimiter.
    pub(super) fn new(scanner: Scanner, names: &[String], separator: Option<Vec<u8>>) -> Self {
        let names = names.iter().map(|name| clean(name).into_owned()).collect();
        let header = Header { names, separator };
        let (mode, buffer) = (Mode::Rows, Vec::new());
        Self { scanner, mode, buffer, line: 1, header, after_cr: false, rows: 0, malformed: 0 }
    }

    /// Sets that the rows begin behind `lines` lines and the row `header`, at its line end.
    pub(super) fn skip(&mut self, header: &[u8], lines: u64) {
        self.line += lines + inner_lines(header);
    }

    /// Takes the next text; `last` where none follows.
    pub(super) fn feed(&mut self, text: &[u8], last: bool, sink: &mut impl Sink) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.extend_from_slice(text);
        let mut start = 0;
        while let Some(rest) = buffer.get(start..) {
            if self.after_cr && !rest.is_empty() {
                self.after_cr = false;
                start += usize::from(rest.first() == Some(&b'\n'));
                continue;
            }
            match self.next(rest, last, sink)? {
                Some(taken) => start += taken,
                None => break,
            }
        }
        buffer.drain(..start.min(buffer.len()));
        self.buffer = buffer;
        Ok(())
    }

    /// Takes one row, or what is malformed, from the start of `rest`: how many bytes, or none before more come.
    fn next(&mut self, rest: &[u8], last: bool, sink: &mut impl Sink) -> Result<Option<usize>> {
        let window = rest.get(..=MAX_ROW_BYTES).unwrap_or(rest);
        let full = window.len() > MAX_ROW_BYTES;
        if window.is_empty() {
            return Ok(None);
        }
        if window.first() == MARK.first() && self.scanner.is_at_start() {
            if window.starts_with(MARK) {
                return Ok(Some(MARK.len()));
            }
            if !last && MARK.starts_with(window) {
                return Ok(None);
            }
        }
        match self.mode {
            Mode::Rows => match self.scanner.scan(window, last && !full) {
                Scan::Row(end) => {
                    let raw = rest.get(..end).unwrap_or_default();
                    self.emit(raw, sink)?;
                    self.scanner.reset();
                    return Ok(Some(end + self.end_line(rest.get(end))));
                }
                Scan::More if !full => return Ok(None),
                Scan::More if !self.scanner.in_quotes() => self.mode = Mode::Line(Flaw::TooLong),
                Scan::More | Scan::Broken => self.mode = Mode::Line(Flaw::Quote),
            },
            Mode::Line(flaw) => {
                let end = match line_end(window) {
                    Some(end) => end,
                    None if full => MAX_ROW_BYTES,
                    None if last => window.len(),
                    None => return Ok(None),
                };
                self.scanner.reset();
                self.malformed(rest.get(..end).unwrap_or_default(), flaw, sink)?;
                if full && line_end(window).is_none() {
                    self.mode = Mode::Skip;
                    return Ok(Some(end));
                }
                self.mode = Mode::Rows;
                return Ok(Some(end + self.end_line(rest.get(end))));
            }
            Mode::Skip => {
                let Some(end) = line_end(rest) else { return Ok(Some(rest.len())) };
                self.mode = Mode::Rows;
                return Ok(Some(end + self.end_line(rest.get(end))));
            }
        }
        Ok(Some(0))
    }

    fn emit(&mut self, raw: &[u8], sink: &mut impl Sink) -> Result<()> {
        if raw.is_empty() {
            return Ok(());
        }
        let columns = self.header.names.len();
        let flaw = match self.scanner.fields(raw) {
            Ok((text, spans)) if self.header.is_not_a_row(raw, text, spans) => {
                self.line += inner_lines(raw);
                return Ok(());
            }
            Ok((text, spans)) if spans.len() == columns => {
                self.rows += 1;
                let row = Row::new(self.line, text, spans);
                self.line += inner_lines(raw);
                return sink.row(row);
            }
            Ok((_, spans)) => Flaw::Width { columns, fields: spans.len() },
            Err(flaw) => flaw,
        };
        self.malformed(raw, flaw, sink)?;
        self.line += inner_lines(raw);
        Ok(())
    }

    fn malformed(&mut self, raw: &[u8], flaw: Flaw, sink: &mut impl Sink) -> Result<()> {
        self.malformed += 1;
        sink.malformed(self.line, &String::from_utf8_lossy(raw), flaw)
    }

    /// Steps over what ends a line: how many bytes that is here.
    fn end_line(&mut self, byte: Option<&u8>) -> usize {
        self.line += 1;
        self.after_cr = byte == Some(&b'\r');
        usize::from(byte.is_some())
    }
}

impl Header {
    /// Whether a row is blank, the header again, or the line `sep=` again. Most rows show by their first character that
    /// they are not.
    fn is_not_a_row(&self, raw: &[u8], text: &str, spans: &[Span]) -> bool {
        let cells = || spans.iter().map(|(start, end)| text.get(*start..*end).unwrap_or_default());
        let Some(first) = cells().next() else { return true };
        let name = self.names.first().map(String::as_str).unwrap_or_default();
        match first.as_bytes().first() {
            Some(byte) if byte.is_ascii_alphanumeric() && name.as_bytes().first() != Some(byte) => {
                self.separator.as_deref() == Some(raw)
            }
            _ if cells().all(|cell| cell.chars().all(|c| is_blank(c) || c == END_OF_FILE)) => true,
            _ if self.separator.as_deref() == Some(raw) => true,
            _ => spans.len() == self.names.len() && cells().zip(&self.names).all(|(cell, name)| clean(cell) == *name),
        }
    }
}

fn line_end(text: &[u8]) -> Option<usize> {
    text.iter().position(|byte| matches!(byte, b'\n' | b'\r'))
}

/// How many lines end within a row: LF, CRLF or CR, each one line.
fn inner_lines(raw: &[u8]) -> u64 {
    if !has_controls(raw) {
        return 0;
    }
    let feeds = raw.iter().filter(|byte| **byte == b'\n').count();
    let returns = if raw.contains(&b'\r') {
        let alone = |pair: &&[u8]| matches!(pair, [b'\r', after] if *after != b'\n');
        raw.windows(2).filter(alone).count()
    } else {
        0
    };
    (feeds + returns) as u64
}
