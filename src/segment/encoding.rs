//! Bytes to UTF-8, and files that are not text at all.
//!
//! A byte order mark counts most, then the settings, then the pattern of zero bytes that UTF-16 leaves, then the
//! `model.json`, then UTF-8. UTF-8 goes on as it is; its rows are checked one by one. What is wrong in another
//! encoding goes on as the byte FF, which is in no UTF-8, so that the row around it is found malformed like any other.

use encoding_rs::{DecoderResult, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::{Encoding, unreadable};
use crate::error::Result;

/// How many bytes tell the encoding.
const HEAD: usize = 4096;
const PIECE: usize = 64 << 10;

/// Passes text on as UTF-8.
pub(super) struct Text {
    told: Option<Encoding>,
    head: Vec<u8>,
    coding: Option<Coding>,
}

enum Coding {
    Utf8,
    Other(Box<encoding_rs::Decoder>, Vec<u8>),
}

impl Text {
    /// `told` is what the settings say, or else a `model.json`: of the latter only what leaves no trace in the bytes.
    pub(super) fn new(settings: Option<Encoding>, model: Option<Encoding>) -> Self {
        let told = settings.or(model.filter(|encoding| *encoding == Encoding::Windows1252));
        Self { told, head: Vec::new(), coding: None }
    }

    /// Takes the next bytes; `last` where none follow.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        last: bool,
        out: &mut impl FnMut(&[u8], bool) -> Result<()>,
    ) -> Result<()> {
        if let Some(coding) = &mut self.coding {
            return coding.pass(bytes, last, out);
        }
        let (head, rest) = bytes.split_at(bytes.len().min(HEAD - self.head.len()));
        self.head.extend_from_slice(head);
        if self.head.len() < HEAD && !last {
            return Ok(());
        }
        let head = std::mem::take(&mut self.head);
        let (encoding, mark) = encoding_of(&head, self.told);
        let body = head.get(mark..).unwrap_or_default();
        if matches!(encoding, Encoding::Utf8 | Encoding::Windows1252) {
            refuse_binary(body)?;
        }
        let coding = self.coding.insert(Coding::new(encoding));
        coding.pass(body, last && rest.is_empty(), out)?;
        if rest.is_empty() { Ok(()) } else { coding.pass(rest, last, out) }
    }
}

impl Coding {
    fn new(encoding: Encoding) -> Self {
        let encoding = match encoding {
            Encoding::Utf8 => return Self::Utf8,
            Encoding::Utf16Le => UTF_16LE,
            Encoding::Utf16Be => UTF_16BE,
            Encoding::Windows1252 => WINDOWS_1252,
        };
        Self::Other(Box::new(encoding.new_decoder_without_bom_handling()), vec![0; PIECE])
    }

    fn pass(&mut self, mut bytes: &[u8], last: bool, out: &mut impl FnMut(&[u8], bool) -> Result<()>) -> Result<()> {
        let Self::Other(decoder, piece) = self else { return out(bytes, last) };
        loop {
            let (result, read, written) = decoder.decode_to_utf8_without_replacement(bytes, piece, last);
            bytes = bytes.get(read..).unwrap_or_default();
            let done = result == DecoderResult::InputEmpty;
            out(piece.get(..written).unwrap_or_default(), last && done)?;
            match result {
                DecoderResult::InputEmpty => return Ok(()),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => out(&[0xff], false)?,
            }
        }
    }
}

/// The encoding, and how many bytes its mark takes.
fn encoding_of(head: &[u8], told: Option<Encoding>) -> (Encoding, usize) {
    match head {
        [0xef, 0xbb, 0xbf, ..] => (Encoding::Utf8, 3),
        [0xff, 0xfe, ..] => (Encoding::Utf16Le, 2),
        [0xfe, 0xff, ..] => (Encoding::Utf16Be, 2),
        _ => (told.or_else(|| by_zeros(head)).unwrap_or(Encoding::Utf8), 0),
    }
}

/// UTF-16 without a mark: delimiters, digits and addresses leave every second byte zero, on one side only.
fn by_zeros(head: &[u8]) -> Option<Encoding> {
    let zeros = |offset: usize| head.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let (high_first, low_first) = (zeros(0), zeros(1));
    let enough = |count: usize| count * 10 > head.len();
    if enough(low_first) && low_first > high_first * 4 {
        Some(Encoding::Utf16Le)
    } else if enough(high_first) && high_first > low_first * 4 {
        Some(Encoding::Utf16Be)
    } else {
        None
    }
}

fn refuse_binary(head: &[u8]) -> Result<()> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    let holds = |text: &[u8]| head.windows(text.len()).any(|window| window == text);
    let seen = if starts(b"PK\x03\x04") && (holds(b"xl/") || holds(b"[Content_Types].xml")) {
        "an Excel workbook"
    } else if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") {
        "a zip archive"
    } else if starts(b"\xd0\xcf\x11\xe0") {
        "an old Excel workbook"
    } else if starts(b"PAR1") && head.get(4).is_some_and(u8::is_ascii_control) {
        "a Parquet file"
    } else if starts(b"Obj\x01") {
        "an Avro file"
    } else if starts(b"%PDF-") {
        "a PDF"
    } else if starts(&[0x1f, 0x8b]) {
        "packed by gzip twice"
    } else if starts(&[0x28, 0xb5, 0x2f, 0xfd]) || starts(b"\xfd7zXZ") || starts(b"7z\xbc\xaf") || bzip2(head) {
        "packed in another way than gzip"
    } else if starts(b"-----BEGIN PGP") {
        "encrypted"
    } else if markup(head) {
        "a web page or XML"
    } else if controls(head) * 20 > head.len() {
        "a binary file"
    } else {
        return Ok(());
    };
    Err(unreadable(format!("looks like {seen}, not like CSV or JSON lines")).hint("export it as CSV, plain or gzip"))
}

fn bzip2(head: &[u8]) -> bool {
    head.starts_with(b"BZh") && head.get(4..8) == Some(b"1AY&")
}

fn markup(head: &[u8]) -> bool {
    let start = head.trim_ascii_start();
    [&b"<?xml"[..], b"<!doctype", b"<html", b"<error"]
        .iter()
        .any(|tag| start.get(..tag.len()).is_some_and(|first| first.eq_ignore_ascii_case(tag)))
}

fn controls(head: &[u8]) -> usize {
    head.iter().filter(|byte| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r')).count()
}
