//! Separated values, read strictly: a quote that does not end where it should costs its own line and no other.
//!
//! Not by the `csv` crates, which read on through broken quoting without a word. A field is quoted where a double
//! quote is its first character; a row ends at LF, CRLF or CR outside quotes. The bytes of the row at hand are kept, so
//! that a row whose quoting turns out broken can be taken back: its first physical line is malformed, and reading
//! goes on at the next one. Where that point lies depends on the bytes alone, not on the pieces they come in.

use super::{Flaw, MAX_ROW_BYTES, Row, Sink, Span};
use crate::error::Result;

/// Splits one row into fields, resuming where the bytes ended.
pub(super) struct Scanner {
    delimiter: u8,
    quoting: bool,
    state: State,
    at: usize,
    text: Vec<u8>,
    start: usize,
    spans: Vec<Span>,
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
        Self { delimiter, quoting, state: State::Start, at: 0, text: Vec::new(), start: 0, spans: Vec::new() }
    }

    /// Goes on with the row that starts where `raw` starts; `last` where nothing follows `raw`.
    pub(super) fn scan(&mut self, raw: &[u8], last: bool) -> Scan {
        loop {
            let rest = raw.get(self.at..).unwrap_or_default();
            match (self.state, rest.first()) {
                (_, None) => break,
                (State::Start, Some(b'"')) if self.quoting => self.step(State::Quoted),
                (State::Start, Some(_)) => self.state = State::Plain,
                (State::Plain, Some(_)) => {
                    let delimiter = self.delimiter;
                    let run = rest.iter().position(|&byte| byte == delimiter || byte == b'\n' || byte == b'\r');
                    self.take(rest, run);
                    match run.and_then(|run| rest.get(run)) {
                        Some(&byte) if byte == delimiter => self.end_field(),
                        Some(_) => return self.end_row(),
                        None => {}
                    }
                }
                (State::Quoted, Some(_)) => {
                    let run = rest.iter().position(|&byte| byte == b'"');
                    self.take(rest, run);
                    if run.is_some() {
                        self.step(State::Closed);
                    }
                }
                (State::Closed, Some(b'"')) => {
                    self.text.push(b'"');
                    self.step(State::Quoted);
                }
                (State::Closed, Some(&byte)) if byte == self.delimiter => self.end_field(),
                (State::Closed, Some(b'\n' | b'\r')) => return self.end_row(),
                (State::Closed, Some(_)) => return Scan::Broken,
            }
        }
        match self.state {
            _ if !last => Scan::More,
            State::Quoted => Scan::Broken,
            _ => self.end_row(),
        }
    }

    /// The fields of the row just found, where they are text.
    pub(super) fn fields(&self) -> Result<(&str, &[Span]), Flaw> {
        let text = std::str::from_utf8(&self.text).map_err(|_| Flaw::Encoding)?;
        // A delimiter in the middle of a character leaves halves that only together are text.
        if !text.is_ascii() && self.spans.iter().any(|(_, end)| !text.is_char_boundary(*end)) {
            return Err(Flaw::Encoding);
        }
        if self.text.contains(&0) { Err(Flaw::Nul) } else { Ok((text, &self.spans)) }
    }

    pub(super) fn reset(&mut self) {
        self.state = State::Start;
        self.at = 0;
        self.start = 0;
        self.text.clear();
        self.spans.clear();
    }

    fn take(&mut self, rest: &[u8], run: Option<usize>) {
        let run = run.unwrap_or(rest.len());
        self.text.extend_from_slice(rest.get(..run).unwrap_or_default());
        self.at += run;
    }

    fn step(&mut self, state: State) {
        self.at += 1;
        self.state = state;
    }

    fn end_field(&mut self) {
        self.spans.push((self.start, self.text.len()));
        self.start = self.text.len();
        self.step(State::Start);
    }

    fn end_row(&mut self) -> Scan {
        let row = Scan::Row(self.at);
        self.end_field();
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
        let flaw = match self.scanner.fields() {
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
    let feeds = raw.iter().filter(|byte| **byte == b'\n').count();
    let returns = if raw.contains(&b'\r') {
        let alone = |pair: &&[u8]| matches!(pair, [b'\r', after] if *after != b'\n');
        raw.windows(2).filter(alone).count()
    } else {
        0
    };
    (feeds + returns) as u64
}
