//! Rows to send, and the chunks they are stored in: a row is a line of JSON values with tabs between them.
//!
//! A chunk holds rows of one segment and one [`Operation`]. It holds personal data: it is encrypted where it lies, and
//! goes away with its run. JSON as this program writes it has no tab and no line break in it, so a line is cut without
//! being parsed. What is sent of the rows is read into one text, of which each has its pieces; where a row came from,
//! and its columns as they were, stay in the chunk until a refusal asks for its [`Origin`].

use std::fmt::Write;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::state::{FieldsDigest, ProfileKey, push_hex, unhex};

/// What is to be done for a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// New to the export: write the contact, mark it as a member.
    Join,
    /// A member with other mapped fields: write the contact.
    Update,
    /// Gone from the drop: take the mark away.
    Leave,
}

/// One row of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Who.
    pub key: ProfileKey,
    /// Of the mapped fields.
    pub digest: FieldsDigest,
    /// The email in lower case; empty for a leaver, whose email nobody keeps.
    pub email: ByteString,
    /// The contact as Autopilot takes it; empty for a leaver.
    pub body: ByteString,
    /// Autopilot's id of the contact, for a leaver.
    pub contact_id: ByteString,
}

/// Where a row came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Which of the run's sources.
    pub source: usize,
    /// The line it begins at.
    pub line: u64,
    /// Its columns as they were, a JSON array.
    pub columns: &'a str,
}

/// A joiner or changed row, to be added to a chunk.
#[derive(Clone, Copy, Debug)]
pub struct Fresh<'a> {
    /// Who.
    pub key: &'a ProfileKey,
    /// Of the mapped fields.
    pub digest: &'a FieldsDigest,
    /// The email in lower case.
    pub email: &'a str,
    /// The contact as Autopilot takes it.
    pub body: &'a str,
    /// Which of the run's sources the row came from.
    pub source: usize,
    /// The line it begins at.
    pub line: u64,
}

/// Text as JSON.
pub fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    crate::value::string(text, &mut json);
    json
}

/// Adds a joiner or changed row to a chunk; `original` writes its columns as they were, a JSON array.
pub fn write_contact(chunk: &mut String, row: Fresh<'_>, original: impl FnOnce(&mut String)) {
    push_hex(row.key, chunk);
    chunk.push('\t');
    push_hex(row.digest, chunk);
    chunk.push('\t');
    crate::value::string(row.email, chunk);
    // Writing to a String cannot fail.
    let _ = write!(chunk, "\t{}\t{}\t", row.source, row.line);
    chunk.push_str(row.body);
    chunk.push('\t');
    original(chunk);
    chunk.push('\n');
}

/// Adds a leaver to a chunk.
pub fn write_leaver(chunk: &mut String, key: &ProfileKey, contact_id: &str) {
    push_hex(key, chunk);
    chunk.push('\t');
    crate::value::string(contact_id, chunk);
    chunk.push('\n');
}

fn wrong(subject: &str) -> Error {
    Error::new(Kind::Bug, "deliver", subject, "is not a chunk")
}

/// The rows `from..to` of a chunk.
///
/// # Errors
/// Kind `bug` where the chunk is not what this program writes.
pub fn read(subject: &str, chunk: &[u8], from: usize, to: usize) -> Result<Vec<Row>> {
    let chunk = simdutf8::basic::from_utf8(chunk).map_err(|_| wrong(subject))?;
    // The columns as they were are most of what is not sent, and half of a chunk.
    let mut text = String::with_capacity(chunk.len() / 2);
    let mut rows = Vec::with_capacity(to.saturating_sub(from));
    for line in lines(chunk).skip(from).take(to.saturating_sub(from)) {
        rows.push(cut(line, &mut text).ok_or_else(|| wrong(subject))?);
    }
    let text = ByteString::from(text);
    let piece = |from: usize, to: usize| text.get(from..to).map(|piece| text.slice_ref(piece)).unwrap_or_default();
    let mut at = 0;
    let whole = |Cut { key, digest, email, body, contact_id }| {
        let (begin, end) = (at, contact_id);
        at = end;
        Row { key, digest, email: piece(begin, email), body: piece(email, body), contact_id: piece(body, contact_id) }
    };
    Ok(rows.into_iter().map(whole).collect())
}

/// Where the rows of these numbers came from; of a leaver nobody knows.
///
/// # Errors
/// As [`read`].
pub fn origins<'a>(subject: &str, chunk: &'a [u8], numbers: &[u32]) -> Result<Vec<Option<Origin<'a>>>> {
    let chunk = simdutf8::basic::from_utf8(chunk).map_err(|_| wrong(subject))?;
    let lines: Vec<&str> = lines(chunk).collect();
    let of = |number: &u32| lines.get(*number as usize).copied().and_then(origin);
    Ok(numbers.iter().map(of).collect())
}

/// A row, and where its email, body and contact's id end in the text.
struct Cut {
    key: ProfileKey,
    digest: FieldsDigest,
    email: usize,
    body: usize,
    contact_id: usize,
}

/// The parts of a text that a byte divides, found many bytes at a time.
pub(crate) fn divided(text: &str, by: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = memchr::memchr(by, text.as_bytes()) else { return rest.take() };
        rest = text.get(end + 1..);
        text.get(..end)
    })
}

/// The lines that are not empty.
pub(crate) fn lines(chunk: &str) -> impl Iterator<Item = &str> {
    divided(chunk, b'\n').filter(|line| !line.is_empty())
}

fn cut(line: &str, text: &mut String) -> Option<Cut> {
    let mut cells = divided(line, b'\t');
    let key = unhex(cells.next()?)?;
    let second = cells.next()?;
    let Some(email) = cells.next() else {
        let at = text.len();
        unquoted(second, text)?;
        return Some(Cut { key, digest: FieldsDigest::default(), email: at, body: at, contact_id: text.len() });
    };
    unquoted(email, text)?;
    let email = text.len();
    text.push_str(cells.nth(2).filter(|body| body.starts_with('{') && body.ends_with('}'))?);
    let body = text.len();
    cells.next().filter(|columns| columns.ends_with(']'))?;
    Some(Cut { key, digest: unhex(second)?, email, body, contact_id: body })
}

fn origin(line: &str) -> Option<Origin<'_>> {
    let mut cells = divided(line, b'\t').skip(3);
    let (source, line) = (cells.next()?.parse().ok()?, cells.next()?.parse().ok()?);
    Some(Origin { source, line, columns: cells.nth(1)? })
}

/// Adds the text behind a JSON string.
fn unquoted(json: &str, text: &mut String) -> Option<()> {
    let plain = json.strip_prefix('"')?.strip_suffix('"')?;
    if plain.contains('\\') {
        text.push_str(&serde_json::from_str::<String>(json).ok()?);
    } else {
        text.push_str(plain);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_gives_back_what_was_written() {
        let contact = Row {
            key: [1; 32],
            digest: [2; 16],
            email: "o\"neil@example.org".into(),
            body: r#"{"Email":"O\"Neil@example.org","FirstName":"line\nbreak"}"#.into(),
            ..Row::default()
        };
        let leavers = ["person_1", "a\ttab"].map(|id| Row { key: [9; 32], contact_id: id.into(), ..Row::default() });
        let mut chunk = String::new();
        let Row { key, digest, email, body, .. } = &contact;
        let columns = r#"["a\nb","c\td"]"#;
        write_contact(&mut chunk, Fresh { key, digest, email, body, source: 3, line: 44 }, |out| out.push_str(columns));
        leavers.iter().for_each(|leaver| write_leaver(&mut chunk, &leaver.key, &leaver.contact_id));
        let chunk = chunk.as_bytes();
        let [one, other] = leavers;
        assert_eq!(read("c", chunk, 1, 2).unwrap(), std::slice::from_ref(&one));
        assert_eq!(read("c", chunk, 0, 9).unwrap(), [contact, one, other]);
        let came_from = Origin { source: 3, line: 44, columns };
        assert_eq!(origins("c", chunk, &[0, 2, 7]).unwrap(), [Some(came_from), None, None]);
        let first = chunk.iter().position(|byte| *byte == b'\n').unwrap();
        assert!((1..first).all(|cut| read("c", &chunk[..cut], 0, 1).is_err()), "a line that is cut short");
        assert!(read("c", b"nonsense", 0, 1).is_err());
    }
}
