//! Rows to send, and the chunks they are stored in: a row is a line of JSON values with tabs between them.
//!
//! A chunk holds rows of one segment and one [`Errand`]. It holds personal data: it is encrypted where it lies, and
//! goes away with its run. JSON as this program writes it has no tab and no line break in it, so a line is cut without
//! being parsed, and a row that is read is pieces of its chunk, not copies.

use std::fmt::Write;

use bytes::Bytes;
use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::state::{FieldsDigest, ProfileKey, push_hex, unhex};

/// What is to be done for a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Errand {
    /// New to the export: write the contact, mark it as a member.
    Joiner,
    /// A member with other mapped fields: write the contact.
    Changed,
    /// Gone from the drop: take the mark away.
    Leaver,
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
    /// Which of the run's sources the row came from.
    pub source: usize,
    /// The line it begins at.
    pub line: u64,
    /// The row's columns as they were, a JSON array; for the rejects.
    pub original: ByteString,
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
    crate::contact::value::string(text, &mut json);
    json
}

/// Adds a joiner or changed row to a chunk; `original` writes its columns as they were, a JSON array.
pub fn write_contact(chunk: &mut String, row: Fresh<'_>, original: impl FnOnce(&mut String)) {
    push_hex(row.key, chunk);
    chunk.push('\t');
    push_hex(row.digest, chunk);
    chunk.push('\t');
    crate::contact::value::string(row.email, chunk);
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
    crate::contact::value::string(contact_id, chunk);
    chunk.push('\n');
}

/// The rows `from..to` of a chunk.
///
/// # Errors
/// Kind `bug` where the chunk is not what this program writes.
pub fn read(subject: &str, chunk: Bytes, from: usize, to: usize) -> Result<Vec<Row>> {
    let wrong = || Error::new(Kind::Bug, "deliver", subject, "is not a chunk");
    let chunk = ByteString::try_from(chunk).map_err(|_| wrong())?;
    let lines = chunk.lines().skip(from).take(to.saturating_sub(from));
    lines.map(|line| row(&chunk, line).ok_or_else(wrong)).collect()
}

fn row(chunk: &ByteString, line: &str) -> Option<Row> {
    let mut cells = line.split('\t');
    let key = unhex(cells.next()?)?;
    let second = cells.next()?;
    let Some(email) = cells.next() else {
        return Some(Row { key, contact_id: unquoted(chunk, second)?, ..Row::default() });
    };
    let (source, line) = (cells.next()?.parse().ok()?, cells.next()?.parse().ok()?);
    let mut json = |ends: (char, char)| {
        cells.next().filter(|json| json.starts_with(ends.0) && json.ends_with(ends.1)).map(|json| chunk.slice_ref(json))
    };
    let (body, original) = (json(('{', '}'))?, json(('[', ']'))?);
    let (digest, email) = (unhex(second)?, unquoted(chunk, email)?);
    Some(Row { key, digest, email, body, contact_id: ByteString::new(), source, line, original })
}

/// The text behind a JSON string.
fn unquoted(chunk: &ByteString, json: &str) -> Option<ByteString> {
    let text = json.strip_prefix('"')?.strip_suffix('"')?;
    if text.contains('\\') {
        serde_json::from_str::<String>(json).ok().map(ByteString::from)
    } else {
        Some(chunk.slice_ref(text))
    }
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
            source: 3,
            line: 44,
            original: r#"["a\nb","c\td"]"#.into(),
            ..Row::default()
        };
        let leavers = ["person_1", "a\ttab"].map(|id| Row { key: [9; 32], contact_id: id.into(), ..Row::default() });
        let mut chunk = String::new();
        let Row { key, digest, email, body, source, line, original, .. } = &contact;
        let fresh = Fresh { key, digest, email, body, source: *source, line: *line };
        write_contact(&mut chunk, fresh, |out| out.push_str(original));
        leavers.iter().for_each(|leaver| write_leaver(&mut chunk, &leaver.key, &leaver.contact_id));
        let chunk = Bytes::from(chunk);
        let [one, other] = leavers;
        assert_eq!(read("c", chunk.clone(), 1, 2).unwrap(), [one.clone()]);
        assert_eq!(read("c", chunk.clone(), 0, 9).unwrap(), [contact, one, other]);
        let first = chunk.iter().position(|byte| *byte == b'\n').unwrap();
        assert!((1..first - 1).all(|cut| read("c", chunk.slice(..cut), 0, 1).is_err()), "a line that is cut short");
        assert!(read("c", Bytes::from("nonsense"), 0, 1).is_err());
    }
}
