//! Files that are not text, named where they can be.

use super::{Encoding, unreadable};
use crate::error::Result;

/// Refuses a file whose first bytes are not text in `encoding`. A configured delimiter may be a control character.
pub(super) fn refuse(head: &[u8], encoding: Encoding, delimiter: Option<char>) -> Result<()> {
    // What may end a text of few bytes.
    let padding = head.iter().rposition(|byte| !matches!(byte, 0 | 0x1a | b'\n' | b'\r')).map_or(0, |at| at + 1);
    let many_controls = || controls(head.get(..padding).unwrap_or_default(), delimiter) * 20 > padding;
    let is_binary = encoding.is_like_ascii() && many_controls();
    let Some(seen) = by_magic(head, is_binary).or_else(|| is_binary.then_some("a binary file")) else { return Ok(()) };
    let error = unreadable(format!("looks like {seen}, not like CSV or JSON lines"));
    Err(match seen {
        "a binary file" if !head.contains(&0) => error.hint(
            "export it as CSV, plain or gzip; if its fields are separated by a control character, set \
             segments[].format.delimiter",
        ),
        _ => error.hint("export it as CSV, plain or gzip"),
    })
}

/// What the first bytes say a file is. Some of them may begin a text as well, so count only where the rest is binary.
fn by_magic(head: &[u8], is_binary: bool) -> Option<&'static str> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    let holds = |text: &[u8]| head.windows(text.len()).any(|window| window == text);
    Some(if starts(b"PK\x03\x04") && (holds(b"xl/") || holds(b"[Content_Types].xml")) {
        "an Excel workbook"
    } else if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") {
        "a zip archive"
    } else if starts(b"\xd0\xcf\x11\xe0") {
        "an old Excel workbook"
    } else if starts(b"PAR1") && head.get(4).is_some_and(u8::is_ascii_control) {
        "a Parquet file"
    } else if starts(b"Obj\x01") {
        "an Avro file"
    } else if starts(b"SQLite format 3\0") {
        "a SQLite database"
    } else if starts(b"%PDF-") {
        "a PDF"
    } else if head.get(257..262) == Some(b"ustar") {
        "a tar archive"
    } else if starts(&[0x1f, 0x8b, 0x08]) {
        "packed by gzip twice"
    } else if is_packed(head) || is_binary && is_zlib(head) {
        "packed in another way than gzip"
    } else if starts(b"-----BEGIN PGP") {
        "encrypted"
    } else if is_markup(head) {
        "a web page or XML"
    } else if is_binary && starts(b"ORC") {
        "an ORC file"
    } else {
        return None;
    })
}

/// Zstandard, xz, 7-zip, bzip2, LZ4, Snappy, compress, and gzip of another method than deflate.
fn is_packed(head: &[u8]) -> bool {
    let magics: [&[u8]; 7] = [
        &[0x28, 0xb5, 0x2f, 0xfd],
        b"\xfd7zXZ",
        b"7z\xbc\xaf",
        &[0x04, 0x22, 0x4d, 0x18],
        b"\xff\x06\0\0sNaPpY",
        &[0x1f, 0x9d],
        &[0x1f, 0x8b],
    ];
    let bzip2 = head.starts_with(b"BZh") && head.get(4..8) == Some(b"1AY&");
    bzip2 || magics.iter().any(|magic| head.starts_with(magic))
}

fn is_zlib(head: &[u8]) -> bool {
    matches!(head, [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..])
}

fn is_markup(head: &[u8]) -> bool {
    let start = head.trim_ascii_start();
    [&b"<?xml"[..], b"<!doctype", b"<html", b"<error"]
        .iter()
        .any(|tag| start.get(..tag.len()).is_some_and(|first| first.eq_ignore_ascii_case(tag)))
}

fn controls(head: &[u8], delimiter: Option<char>) -> usize {
    let expected = |byte: u8| matches!(byte, b'\t' | b'\n' | b'\r') || delimiter == Some(char::from(byte));
    head.iter().filter(|byte| byte.is_ascii_control() && !expected(**byte)).count()
}
