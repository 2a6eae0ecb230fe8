//! What the first row of a CSV file tells: the delimiter, and whether it is a header.
//!
//! The rule: a header is never exported as a row, and no row is ever swallowed as a header. Where the settings, the
//! `model.json` and the row itself do not agree, or do not tell, that is an error and not a guess.

use super::scanner::{Scan, Scanner};
use super::{Flaw, Format, Layout, MAX_COLUMNS, MAX_ROW_BYTES, unreadable};
use crate::error::{Error, Result};

/// The delimiters looked for, the likelier first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What is known of a file before its first byte.
pub(super) struct Known {
    pub(super) format: Format,
    pub(super) layout: Option<Layout>,
    pub(super) wanted: Vec<String>,
}

/// What the first row told.
pub(super) struct Sniffed {
    pub(super) delimiter: u8,
    pub(super) columns: Vec<String>,
    /// Whether the first row is the header.
    pub(super) header: bool,
}

impl Known {
    pub(super) fn quoting(&self) -> bool {
        self.layout.as_ref().is_none_or(|layout| layout.quoted)
    }

    /// Judges the first row, which starts where `raw` starts.
    pub(super) fn sniff(&self, raw: &[u8]) -> Result<Sniffed> {
        let delimiter = self.delimiter(raw)?;
        let first = split(raw, delimiter, self.quoting());
        let (columns, header) = self.header(first)?;
        if columns.len() > MAX_COLUMNS {
            return Err(unreadable(format!("has more than {MAX_COLUMNS} columns")));
        }
        for name in &self.wanted {
            if columns.iter().filter(|column| *column == name).count() > 1 {
                return Err(unreadable(format!("has several columns named `{name}`"))
                    .hint("rename all but one, or match another column"));
            }
        }
        Ok(Sniffed { delimiter, columns, header })
    }

    fn delimiter(&self, raw: &[u8]) -> Result<u8> {
        let told = self.format.delimiter.or(self.layout.as_ref().and_then(|layout| layout.delimiter));
        let best = self.likeliest(raw);
        let Some(told) = told else { return Ok(best) };
        let byte = u8::try_from(told).ok().filter(|byte| byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r'));
        let Some(byte) = byte else {
            return Err(unreadable(format!("cannot be separated by {told:?}"))
                .hint("set segments[].format.delimiter to one ASCII character, or leave it out"));
        };
        let (seen, other) = (split(raw, byte, self.quoting()), split(raw, best, self.quoting()));
        let (Ok(seen), Ok(other)) = (seen, other) else { return Ok(byte) };
        let width = self.layout.as_ref().map(|layout| layout.columns.len());
        let fits = |fields: &[String]| self.found(fields) > 0 || width == Some(fields.len());
        if best != byte && !fits(&seen) && (seen.len() == 1 || fits(&other)) {
            return Err(unreadable(format!("is separated by {:?}, not by {told:?}", char::from(best)))
                .hint("correct segments[].format.delimiter, or leave it out where no model.json tells it"));
        }
        Ok(byte)
    }

    /// The delimiter under which most wanted columns stand there; else the one that makes the layout's width; else
    /// the one that makes most fields.
    fn likeliest(&self, raw: &[u8]) -> u8 {
        let width = self.layout.as_ref().map(|layout| layout.columns.len());
        let score = |delimiter: u8| {
            split(raw, delimiter, self.quoting())
                .map(|fields| (self.found(&fields), width == Some(fields.len()), fields.len()))
                .unwrap_or_default()
        };
        let mut best = (score(b','), b',');
        for delimiter in DELIMITERS {
            let score = score(delimiter);
            if score > best.0 {
                best = (score, delimiter);
            }
        }
        best.1
    }

    /// The column names, and whether the first row is the header.
    fn header(&self, first: Result<Vec<String>, Flaw>) -> Result<(Vec<String>, bool)> {
        let layout = self.layout.as_ref();
        let told = self.format.header.or(layout.and_then(|layout| layout.header));
        let teller = if self.format.header.is_some() { "segments[].format.header" } else { "model.json" };
        let fields = match (first, told, layout) {
            (Ok(fields), _, _) => fields,
            (Err(_), Some(false), Some(_)) => return self.layout_names(),
            (Err(flaw), _, _) => {
                return Err(unreadable(format!("the first line cannot be read: {flaw}")).hint(match flaw {
                    Flaw::Encoding => "save it as UTF-8, or set segments[].format.encoding",
                    _ => "deliver it with a first line of column names",
                }));
            }
        };
        let found = self.found(&fields);
        let email = fields.iter().any(|field| looks_like_email(field));
        let named = self.wanted.first().is_some_and(|name| fields.contains(name));
        if layout.is_some_and(|layout| layout.columns == fields) {
            return Ok((fields, true));
        }
        match told {
            Some(true) if email && found == 0 => {
                Err(looks_like_data(&format!("the first line looks like data, but {teller} says it holds the names")))
            }
            Some(true) => Ok((fields, true)),
            Some(false) if !email && found > 0 && found >= self.wanted.len().min(2) => {
                Err(unreadable(format!("the first line holds column names, but {teller} says it does not"))
                    .hint("set segments[].format.header to true"))
            }
            Some(false) => self.layout_names(),
            None if named && !email => Ok((fields, true)),
            None if layout.is_some_and(|layout| layout.columns.len() == fields.len()) && email && found == 0 => {
                self.layout_names()
            }
            None if email => Err(looks_like_data("the first line looks like data, not column names")),
            None => Ok((fields, true)),
        }
    }

    fn layout_names(&self) -> Result<(Vec<String>, bool)> {
        match self.layout.as_ref().filter(|layout| !layout.columns.is_empty()) {
            Some(layout) => Ok((layout.columns.clone(), false)),
            None => Err(unreadable("nothing names its columns").hint("deliver model.json, or a first line of names")),
        }
    }

    /// How many of the wanted columns are among `fields`.
    fn found(&self, fields: &[String]) -> usize {
        self.wanted.iter().filter(|name| fields.contains(name)).count()
    }
}

fn looks_like_data(what: &str) -> Error {
    unreadable(what).hint(
        "set segments[].format.header to true if it does hold the names; \
         else deliver model.json with it, or a first line of names",
    )
}

/// The fields of the row that starts where `raw` starts.
fn split(raw: &[u8], delimiter: u8, quoting: bool) -> Result<Vec<String>, Flaw> {
    let mut scanner = Scanner::new(delimiter, quoting);
    let row = match scanner.scan(raw, true) {
        Scan::Row(end) if end <= MAX_ROW_BYTES => raw.get(..end).unwrap_or_default(),
        Scan::Row(_) => return Err(Flaw::TooLong),
        Scan::More | Scan::Broken => return Err(Flaw::Quote),
    };
    let (text, spans) = scanner.fields(row)?;
    // One more than may be is enough to say so.
    Ok(spans
        .iter()
        .take(MAX_COLUMNS + 1)
        .map(|&(from, to)| text.get(from..to).unwrap_or_default().to_owned())
        .collect())
}

/// Whether a field looks like an address, for telling data from names; not a check of addresses.
fn looks_like_email(field: &str) -> bool {
    let parts = field.trim().split_once('@');
    parts.is_some_and(|(local, domain)| {
        let dotted = domain.split_once('.').is_some_and(|(name, top)| !name.is_empty() && !top.is_empty());
        !local.is_empty() && dotted && !field.trim().contains(char::is_whitespace)
    })
}
