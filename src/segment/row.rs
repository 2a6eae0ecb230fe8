//! A row, why one is malformed, and who takes them.

use std::fmt;

use crate::error::Result;

/// Where a field lies in its row's text: start and end, in bytes.
pub type Span = (usize, usize);

/// Takes what a [`super::Decoder`] finds, in the order of the file. An error ends the decoding.
pub trait Sink {
    /// The columns: once, before the first row, and also where a header is all there is.
    ///
    /// # Errors
    /// For instance, a column that the matching needs is not among them.
    fn columns(&mut self, columns: &Columns) -> Result<()>;

    /// A row with exactly as many fields as there are columns.
    ///
    /// # Errors
    /// Whatever should end the decoding.
    fn row(&mut self, row: Row<'_>) -> Result<()>;

    /// A row that cannot be understood: its physical line (from 1), its text as it stands there (bytes that are not
    /// text are replaced; at most [`super::MAX_ROW_BYTES`]), and what is wrong.
    ///
    /// # Errors
    /// Whatever should end the decoding.
    fn malformed(&mut self, line: u64, raw: &str, flaw: Flaw) -> Result<()>;
}

/// A file's columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Their names as they stand there, in the order of the fields; [`super::clean`] is how they are compared.
    pub names: Vec<String>,
    /// Whether these are names for certain. Otherwise they may be a customer's data, and no message shows them.
    pub certain: bool,
}

/// One row, borrowed from the decoder: valid until the sink returns.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The physical line where the row starts, from 1.
    pub line: u64,
    text: &'a str,
    spans: &'a [Span],
}

impl<'a> Row<'a> {
    /// A row of the pieces of `encoding` that `spans` name.
    pub fn new(line: u64, text: &'a str, spans: &'a [Span]) -> Self {
        Self { line, text, spans }
    }

    /// The field of column `index`; empty where there is no such column.
    pub fn get(&self, index: usize) -> &'a str {
        self.spans.get(index).map_or("", |span| self.field(span))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no field at all.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The fields in the order of the columns.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> {
        let row = *self;
        self.spans.iter().map(move |span| row.field(span))
    }

    fn field(&self, &(start, end): &Span) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }
}

/// Why a row is malformed. Its text names no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Fewer or more fields than there are columns.
    Width {
        /// How many columns there are.
        columns: usize,
        /// How many fields the row has.
        fields: usize,
    },
    /// A quoted field that does not end, or goes on after its closing quote.
    Quote,
    /// Bytes that are not text in the file's encoding.
    Encoding,
    /// A NUL character.
    Nul,
    /// Longer than [`super::MAX_ROW_BYTES`].
    TooLong,
    /// Not a JSON object.
    Json,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Width { columns, fields } => write!(f, "{fields} fields where there are {columns} columns"),
            Self::Quote => f.write_str("a quoted field does not end as it should"),
            Self::Encoding => f.write_str("bytes that are not text in the file's encoding"),
            Self::Nul => f.write_str("a NUL character"),
            Self::TooLong => f.write_str("longer than 1 MiB"),
            Self::Json => f.write_str("not a JSON object"),
        }
    }
}
