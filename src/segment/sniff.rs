//! What the first row of a CSV file tells: the delimiter, and whether it is a header.
//!
//! The rule: a header is never exported as a row, and no row is ever swallowed as a header. Where the settings, the
//! `model.json` and the row itself do not agree, or do not tell, that is an error and not a guess.

use super::encoding::encodings_to_try;
use super::scanner::{Scan, Scanner};
use super::values::looks_like_address;
use super::{Columns, Flaw, Format, Layout, MAX_COLUMNS, MAX_ROW_BYTES, certain, clean, unreadable};
use crate::error::{Error, Result};

/// The delimiters looked for, the likelier first.
pub(super) const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];

/// What is known of a file before its first byte.
pub(super) struct DeclaredLayout {
    pub(super) format: Format,
    pub(super) layout: Option<Layout>,
    /// The names that the matching needs, the email's first, as they are compared.
    pub(super) wanted: Vec<String>,
}

/// What the first row shows.
pub(super) struct Sniffed {
    pub(super) delimiter: char,
    pub(super) columns: Columns,
    /// How many bytes the header takes, without its line end; none where the first row is none.
    pub(super) header: Option<usize>,
}

/// What a first row says of the columns.
struct FirstRow {
    names: Vec<String>,
    /// Whether the names stand in it.
    is_header: bool,
    /// Whether they are names for certain.
    certain: bool,
}

impl DeclaredLayout {
    pub(super) fn new(format: &Format, layout: Option<&Layout>, wanted: &[String]) -> Self {
        let wanted = wanted.iter().map(|name| clean(name).into_owned()).collect();
        Self { format: format.clone(), layout: layout.cloned(), wanted }
    }

    pub(super) fn quoting(&self) -> bool {
        self.layout.as_ref().is_none_or(|layout| layout.quoted)
    }

    /// The delimiter that the settings or the `model.json` declare.
    pub(super) fn declared_delimiter(&self) -> Option<char> {
        self.format.delimiter.or(self.layout.as_ref().and_then(|layout| layout.delimiter))
    }

    /// Judges the first row, which starts where `text` starts; the rows below it follow. `separator` is what a line
    /// `sep=` above it names.
    pub(super) fn sniff(&self, text: &[u8], separator: Option<char>) -> Result<Sniffed> {
        let delimiter = self.delimiter(text, separator)?;
        let (first, end) = split(text, delimiter, self.quoting());
        let is_row = first.is_ok();
        let FirstRow { names, is_header, certain } = self.first_row(first)?;
        if names.len() > MAX_COLUMNS {
            return Err(unreadable(format!("has more than {MAX_COLUMNS} columns")));
        }
        for name in &self.wanted {
            if names.iter().filter(|column| clean(column) == name.as_str()).count() > 1 {
                return Err(unreadable(format!("has several columns named `{name}`"))
                    .hint("rename all but one, or match another column"));
            }
        }
        let below = || rows(text.get(end..).unwrap_or_default(), delimiter, self.quoting());
        let certain = certain || is_row && certain::tells_names(&names, below());
        let columns = Columns { names, certain };
        Ok(Sniffed { delimiter, columns, header: is_header.then_some(end) })
    }

    fn delimiter(&self, text: &[u8], separator: Option<char>) -> Result<char> {
        let best = self.likeliest(text);
        let Some(declared) = separator.or(self.declared_delimiter()) else { return Ok(best) };
        let ((Ok(seen), _), (Ok(other), _)) =
            (split(text, declared, self.quoting()), split(text, best, self.quoting()))
        else {
            return Ok(declared);
        };
        let width = self.layout.as_ref().map(|layout| layout.columns.len());
        let fits = |fields: &[String]| self.found(fields) > 0 || width == Some(fields.len());
        if best != declared && !fits(&seen) && (seen.len() == 1 || fits(&other)) {
            return Err(unreadable(format!("is separated by {best:?}, not by {declared:?}")).hint(match separator {
                Some(_) => "correct its first line, or leave it out",
                None => "correct segments[].format.delimiter, or omit it if no model.json sets it",
            }));
        }
        Ok(declared)
    }

    /// The delimiter under which most wanted columns stand there; else the one that makes the layout's width; else
    /// the one that makes most fields.
    fn likeliest(&self, text: &[u8]) -> char {
        let width = self.layout.as_ref().map(|layout| layout.columns.len());
        let score = |delimiter: char| {
            split(text, delimiter, self.quoting())
                .0
                .map(|fields| (self.found(&fields), width == Some(fields.len()), fields.len()))
                .unwrap_or_default()
        };
        let mut best = (score(','), ',');
        for delimiter in DELIMITERS {
            let score = score(delimiter);
            if score > best.0 {
                best = (score, delimiter);
            }
        }
        best.1
    }

    /// What the first row is.
    fn first_row(&self, first: Result<Vec<String>, Flaw>) -> Result<FirstRow> {
        let header = |names, certain| Ok(FirstRow { names, is_header: true, certain });
        let layout = self.layout.as_ref();
        let declared = self.format.header.or(layout.and_then(|layout| layout.header));
        let teller = if self.format.header.is_some() { "segments[].format.header" } else { "model.json" };
        let fields = match (first, declared, layout) {
            (Ok(fields), _, _) => fields,
            (Err(_), Some(false), Some(_)) => return self.layout_names(),
            (Err(flaw), _, _) => {
                return Err(unreadable(format!("the first line cannot be read: {flaw}")).hint(match flaw {
                    Flaw::Encoding => format!(
                        "save it as UTF-8, or set segments[].format.encoding to what it is; try {}",
                        encodings_to_try(self.format.encoding)
                    ),
                    _ => "deliver it with a first line of column names".to_owned(),
                }));
            }
        };
        let found = self.found(&fields);
        let email = fields.iter().any(|field| looks_like_address(field));
        let named = self.wanted.first().is_some_and(|name| fields.iter().any(|field| clean(field) == name.as_str()));
        if layout.is_some_and(|layout| same_names(&layout.columns, &fields)) {
            return header(fields, true);
        }
        match declared {
            Some(true) if email && found == 0 => {
                Err(looks_like_data(&format!("the first line looks like data, but {teller} says it holds the names")))
            }
            Some(true) => header(fields, true),
            Some(false) if !email && found > 0 && found >= self.wanted.len().min(2) => {
                Err(unreadable(format!("the first line holds column names, but {teller} says it does not"))
                    .hint("set segments[].format.header to true"))
            }
            Some(false) => self.layout_names(),
            None if named && !email => header(fields, true),
            None if layout.is_some_and(|layout| layout.columns.len() == fields.len()) && email && found == 0 => {
                self.layout_names()
            }
            None if email => Err(looks_like_data("the first line looks like data, not column names")),
            None => header(fields, found > 0),
        }
    }

    /// The layout's names, above a row that holds none.
    fn layout_names(&self) -> Result<FirstRow> {
        match self.layout.as_ref().filter(|layout| !layout.columns.is_empty()) {
            Some(layout) => Ok(FirstRow { names: layout.columns.clone(), is_header: false, certain: true }),
            None => Err(unreadable("nothing names its columns").hint("deliver model.json, or a first line of names")),
        }
    }

    /// How many of the wanted columns are among `fields`.
    fn found(&self, fields: &[String]) -> usize {
        self.wanted.iter().filter(|name| fields.iter().any(|field| clean(field) == name.as_str())).count()
    }
}

fn same_names(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| clean(one) == clean(other))
}

fn looks_like_data(what: &str) -> Error {
    unreadable(what).hint(
        "set segments[].format.header to true if it does hold the names; \
         else deliver model.json with it, or a first line of names",
    )
}

/// The fields of the row that starts where `text` starts, and where it ends.
fn split(text: &[u8], delimiter: char, quoting: bool) -> (Result<Vec<String>, Flaw>, usize) {
    let mut scanner = Scanner::new(delimiter, quoting);
    let end = match scanner.scan(text, true) {
        Scan::Row(end) if end <= MAX_ROW_BYTES => end,
        Scan::Row(end) => return (Err(Flaw::TooLong), end),
        Scan::More | Scan::Broken => return (Err(Flaw::Quote), 0),
    };
    let owned = |(text, spans): (&str, &[(usize, usize)])| {
        // One more than may be is enough to say so.
        let spans = spans.iter().take(MAX_COLUMNS + 1);
        spans.map(|&(from, to)| text.get(from..to).unwrap_or_default().to_owned()).collect()
    };
    (scanner.fields(text.get(..end).unwrap_or_default()).map(owned), end)
}

/// The rows in `text`, as far as they can be read.
fn rows(mut text: &[u8], delimiter: char, quoting: bool) -> impl Iterator<Item = Vec<String>> {
    std::iter::from_fn(move || {
        loop {
            let start = text.iter().position(|byte| !matches!(byte, b'\n' | b'\r'))?;
            text = text.get(start..)?;
            let (fields, end) = split(text, delimiter, quoting);
            let line_end = || text.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(text.len());
            text = text.get(if fields.is_ok() { end } else { line_end() }..)?;
            if let Ok(fields) = fields {
                return Some(fields);
            }
        }
    })
}
