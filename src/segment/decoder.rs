//! The whole way from bytes to rows, for one file.

use super::encoding::Text;
use super::gzip::Unpack;
use super::head::{Head, Rows};
use super::sniff::DeclaredLayout;
use super::{Columns, Format, Layout, Sink};
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows given to [`Sink::row`].
    pub rows: u64,
    /// Rows given to [`Sink::malformed`].
    pub malformed: u64,
    /// Bytes of the file, packed as it was.
    pub bytes: u64,
    /// Whether there was nothing at all, or blank lines alone: no header, no row.
    pub is_empty: bool,
    /// Of JSON lines, the keys that rows have; columns beyond these were given to [`Sink::columns`] because they are
    /// wanted.
    pub keys: Option<Columns>,
}

impl Decoder {
    /// A decoder of the file that messages call `subject`. `wanted` are the column names that the matching needs,
    /// the email's first.
    pub fn new(subject: &str, format: &Format, layout: Option<&Layout>, wanted: &[String]) -> Self {
        let known = DeclaredLayout::new(format, layout, wanted);
        let model = layout.and_then(|layout| layout.encoding);
        let text = Text::new(format.encoding, model, known.declared_delimiter());
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
        let bytes = self.bytes;
        Ok(match self.rows {
            Rows::Head(..) => Summary { bytes, is_empty: true, ..Summary::default() },
            Rows::Csv(csv) => Summary { rows: csv.rows, malformed: csv.malformed, bytes, ..Summary::default() },
            Rows::Ndjson(json) => {
                let (rows, malformed) = (json.rows, json.malformed);
                Summary { rows, malformed, bytes, keys: Some(json.keys()), ..Summary::default() }
            }
        })
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
