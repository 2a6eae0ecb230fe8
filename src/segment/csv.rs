//! Separated values, read strictly: a quote that does not end where it should costs its own line and no other.
//!
//! Not by the `csv` crates, which read on through broken quoting without a word. A field is quoted where a double
//! quote is its first character; a row ends at LF, CRLF or CR outside quotes. The bytes of the row at hand are kept, so
//! that a row whose quoting turns out broken can be taken back: its first physical line is malformed, and reading
//! goes on at the next one. Where that point lies depends on the bytes alone, not on the pieces they come in.

use super::{Flaw, MAX_ROW_BYTES, Row, Sink, Span};
use crate::error::Result;

/// Splits one row into fields, resuming where the bytes ended. Fields are places in the row's bytes: text is copied
/// only where quotes are doubled.
pub(super) struct Scanner {
    delimiter: u8,
    quoting: bool,
    state: State,
    at: usize,
    /// Where the field at hand starts, behind its quote.
    start: usize,
    spans: Vec<Span>,
    doubled: bool,
    text: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Plain,
    Quoted,
    Closed,
}

/// What a scan came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// The bytes end within the row.
    More,
    /// A row of this many bytes, without what ends its line.
    Row(usize),
    /// The quoting is broken.
    Broken,
}

impl Scanner {
    pub(super) fn new(delimiter: u8, quoting: bool) -> Self {
        let (spans, text) = (Vec::new(), Vec::new());
        Self { delimiter, quoting, state: State::Start, at: 0, start: 0, spans, doubled: false, text }
    }

    /// Goes on with the row that starts where `raw` starts; `last` where nothing follows `raw`.
    pub(super) fn scan(&mut self, raw: &[u8], last: bool) -> Scan {
        let delimiter = self.delimiter;
        loop {
            let rest = raw.get(self.at..).unwrap_or_default();
            let Some(&first) = rest.first() else { break };
            match self.state {
                State::Start => {
                    let quote = first == b'"' && self.quoting;
                    self.at += usize::from(quote);
                    self.start = self.at;
                    self.state = if quote { State::Quoted } else { State::Plain };
                }
                State::Plain => {
                    let run = rest.iter().position(|&byte| byte == delimiter || byte == b'\n' || byte == b'\r');
                    self.at += run.unwrap_or(rest.len());
                    match run.and_then(|run| rest.get(run)) {
                        Some(&byte) if byte == delimiter => self.end_field(0),
                        Some(_) => return self.end_row(0),
                        None => {}
                    }
                }
                State::Quoted => {
                    let run = rest.iter().position(|&byte| byte == b'"');
                    self.at += run.map_or(rest.len(), |run| run + 1);
                    if run.is_some() {
                        self.state = State::Closed;
                    }
                }
                State::Closed if first == delimiter => self.end_field(1),
                State::Closed if first == b'"' => {
                    self.doubled = true;
                    self.at += 1;
                    self.state = State::Quoted;
                }
                State::Closed if matches!(first, b'\n' | b'\r') => return self.end_row(1),
                State::Closed => return Scan::Broken,
            }
        }
        match self.state {
            _ if !last => Scan::More,
            State::Quoted => Scan::Broken,
            State::Closed => self.end_row(1),
            State::Plain => self.end_row(0),
            State::Start => {
                self.start = self.at;
                self.end_row(0)
            }
        }
    }

    /// The text of the row just found, `raw`, and where its fields lie in it.
    pub(super) fn fields<'a>(&'a mut self, raw: &'a [u8]) -> Result<(&'a str, &'a [Span]), Flaw> {
        if self.doubled {
            self.undouble(raw);
        }
        let text = std::str::from_utf8(if self.doubled { &self.text } else { raw }).map_err(|_| Flaw::Encoding)?;
        // Halves of a character on both sides of a delimiter would be text only when joined.
        if self.doubled && self.spans.iter().any(|(_, end)| !text.is_char_boundary(*end)) {
            return Err(Flaw::Encoding);
        }
        if has_controls(raw) && raw.contains(&0) { Err(Flaw::Nul) } else { Ok((text, &self.spans)) }
    }

    pub(super) fn reset(&mut self) {
        self.state = State::Start;
        self.at = 0;
        self.start = 0;
        self.doubled = false;
        self.spans.clear();
    }

    /// Copies the fields, each doubled quote of a quoted one as one.
    fn undouble(&mut self, raw: &[u8]) {
        self.text.clear();
        for span in &mut self.spans {
            let field = raw.get(span.0..span.1).unwrap_or_default();
            let quoted = self.quoting && span.0.checked_sub(1).and_then(|before| raw.get(before)) == Some(&b'"');
            let start = self.text.len();
            let mut rest = field;
            while let Some(quote) = rest.iter().position(|&byte| quoted && byte == b'"') {
                self.text.extend_from_slice(rest.get(..=quote).unwrap_or_default());
                rest = rest.get(quote + 2..).unwrap_or_default();
            }
            self.text.extend_from_slice(rest);
            *span = (start, self.text.len());
        }
    }

    fn end_field(&mut self, quote: usize) {
        self.spans.push((self.start, self.at - quote));
        self.at += 1;
        self.state = State::Start;
    }

    fn end_row(&mut self, quote: usize) -> Scan {
        let row = Scan::Row(self.at);
        self.end_field(quote);
        row
    }
}

/// Rows of a whole file.
pub(super) struct CsvRows {
    scanner: Scanner,
    mode: Mode,
    buffer: Vec<u8>,
    line: u64,
    columns: usize,
    header: bool,
    after_cr: bool,
    pub(super) rows: u64,
    pub(super) malformed: u64,
}

enum Mode {
    Rows,
    /// The first physical line at hand is malformed, alone.
    Line(Flaw),
    /// The rest of a line too long to keep.
    Skip,
}

impl CsvRows {
    /// `header` where the first row is the header, known already and not to be passed on.
    pub(super) fn new(scanner: Scanner, columns: usize, header: bool) -> Self {
        let (mode, buffer) = (Mode::Rows, Vec::new());
        Self { scanner, mode, buffer, line: 1, columns, header, after_cr: false, rows: 0, malformed: 0 }
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
        match self.mode {
            Mode::Rows => match self.scanner.scan(window, last && !full) {
                Scan::Row(end) => {
                    let raw = rest.get(..end).unwrap_or_default();
                    self.emit(raw, sink)?;
                    self.scanner.reset();
                    return Ok(Some(end + self.end_line(rest.get(end))));
                }
                Scan::More if !full => return Ok(None),
                Scan::More if self.scanner.state != State::Quoted => self.mode = Mode::Line(Flaw::TooLong),
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
        if std::mem::take(&mut self.header) {
            self.line += inner_lines(raw);
            return Ok(());
        }
        let flaw = match self.scanner.fields(raw) {
            Ok((_, spans)) if spans.len() != self.columns => Flaw::Width { columns: self.columns, fields: spans.len() },
            Ok((text, spans)) => {
                self.rows += 1;
                let row = Row::new(self.line, text, spans);
                self.line += inner_lines(raw);
                return sink.row(row);
            }
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

/// Whether there is any control character: one quick look that most rows need no other after.
fn has_controls(raw: &[u8]) -> bool {
    raw.iter().fold(false, |seen, byte| seen | (*byte < b' '))
}
