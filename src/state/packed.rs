//! How objects of many small records are stored: gzip of a line of JSON, then the records one behind the other. gzip's
//! trailer, a checksum and a length, detects an object that is damaged or cut short.

use std::io::{self, BufWriter, Write};

use flate2::Compression;
use flate2::write::{GzDecoder, GzEncoder};
use serde::Serialize;

/// Writes such an object.
#[derive(Debug)]
pub struct Packer<W: Write>(BufWriter<GzEncoder<W>>);

impl<W: Write> Packer<W> {
    /// Begins an object with its first line.
    ///
    /// # Errors
    /// Where `out` cannot be written.
    pub fn new(head: &impl Serialize, out: W) -> io::Result<Self> {
        // Compressing costs by the call more than by the byte, and digests have nothing to compress.
        let mut packed = BufWriter::with_capacity(64 * 1024, GzEncoder::new(out, Compression::none()));
        writeln!(packed, "{}", serde_json::to_string(head)?)?;
        Ok(Self(packed))
    }

    /// The whole object.
    ///
    /// # Errors
    /// As [`Packer::new`].
    pub fn finish(self) -> io::Result<W> {
        self.0.into_inner().map_err(io::IntoInnerError::into_error)?.finish()
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Reads such an object that comes in pieces.
#[derive(Debug)]
pub struct Unpacker {
    gzip: GzDecoder<Vec<u8>>,
    /// Where in the unpacked bytes the next record begins.
    at: usize,
    is_ended: bool,
}

impl Default for Unpacker {
    fn default() -> Self {
        Self { gzip: GzDecoder::new(Vec::new()), at: 0, is_ended: false }
    }
}

impl Unpacker {
    /// Takes the next piece of the object.
    ///
    /// # Errors
    /// Where it is damaged.
    pub fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.gzip.get_mut().drain(..self.at);
        self.at = 0;
        self.gzip.write_all(bytes)
    }

    /// Records that the object has ended; the last bytes may come only now.
    ///
    /// # Errors
    /// Where it is cut short.
    pub fn end(&mut self) -> io::Result<()> {
        self.is_ended = true;
        self.gzip.try_finish()
    }

    /// Whether the object has ended.
    pub fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// The bytes that were not taken yet.
    pub fn rest(&self) -> &[u8] {
        self.gzip.get_ref().get(self.at..).unwrap_or_default()
    }

    /// Counts this many bytes of the rest as read.
    pub fn take(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// The first line, where it is there whole.
    pub fn head(&self) -> Option<&[u8]> {
        let rest = self.rest();
        memchr::memchr(b'\n', rest).and_then(|end| rest.get(..end))
    }
}
