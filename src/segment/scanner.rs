//! One row of separated values: where its fields lie.

use super::{Flaw, Span};
use crate::error::Result;

/// Splits one row into fields, resuming where the bytes ended. Fields are places in the row's bytes: text is copied
/// only where quotes are doubled.
pub(super) struct Scanner {
    /// The delimiter's first byte, and those that follow it, of a character beyond ASCII.
    delimiter: u8,
    delimiter_rest: Vec<u8>,
    quoting: bool,
    state: State,
    at: usize,
    /// Where the current field starts, behind its quote.
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
    pub(super) fn new(delimiter: char, quoting: bool) -> Self {
        let mut bytes = [0; 4];
        let mut bytes = delimiter.encode_utf8(&mut bytes).bytes();
        Self {
            delimiter: bytes.next().unwrap_or_default(),
            delimiter_rest: bytes.collect(),
            quoting,
            state: State::Start,
            at: 0,
            start: 0,
            spans: Vec::new(),
            doubled: false,
            text: Vec::new(),
        }
    }

    /// Whether nothing of the next row was looked at.
    pub(super) fn is_at_start(&self) -> bool {
        self.at == 0 && self.state == State::Start
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
                        Some(&byte) if byte == delimiter => match self.is_delimiter(raw, last) {
                            Some(true) => self.end_field(0),
                            Some(false) => self.at += 1,
                            None => return Scan::More,
                        },
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
                State::Closed if first == delimiter => match self.is_delimiter(raw, last) {
                    Some(true) => self.end_field(1),
                    Some(false) => return Scan::Broken,
                    None => return Scan::More,
                },
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
        let text =
            simdutf8::basic::from_utf8(if self.doubled { &self.text } else { raw }).map_err(|_| Flaw::Encoding)?;
        // Halves of a character on both sides of a delimiter would be text only when joined.
        if self.doubled && self.spans.iter().any(|(_, end)| !text.is_char_boundary(*end)) {
            return Err(Flaw::Encoding);
        }
        if has_controls(raw) && self.delimiter != 0 && raw.contains(&0) {
            Err(Flaw::Nul)
        } else {
            Ok((text, &self.spans))
        }
    }

    /// Whether the whole delimiter is here, where its first byte is; none before more bytes come.
    fn is_delimiter(&self, raw: &[u8], last: bool) -> Option<bool> {
        if self.delimiter_rest.is_empty() {
            return Some(true);
        }
        let rest = raw.get(self.at + 1..).unwrap_or_default();
        let whole = rest.starts_with(&self.delimiter_rest);
        (whole || last || !self.delimiter_rest.starts_with(rest)).then_some(whole)
    }

    /// Whether the bytes ended inside quotes.
    pub(super) fn in_quotes(&self) -> bool {
        self.state == State::Quoted
    }

    /// Gets ready for the next row.
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
        self.at += 1 + self.delimiter_rest.len();
        self.state = State::Start;
    }

    fn end_row(&mut self, quote: usize) -> Scan {
        let row = Scan::Row(self.at);
        self.end_field(quote);
        row
    }
}

/// Whether there is any control character: one quick look that most rows need no other after.
pub(super) fn has_controls(raw: &[u8]) -> bool {
    raw.iter().fold(false, |seen, byte| seen | (*byte < b' '))
}
