//! Rows to send, and the chunks they are stored in: a line of JSON each.
//!
//! A chunk holds rows of one segment and one [`Errand`]. It holds personal data: it is encrypted where it lies, and
//! goes away with its run.

use std::borrow::Cow;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, Kind, Result};
use crate::state::{FieldsDigest, ProfileKey, hex, unhex};

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
    pub email: String,
    /// The contact as Autopilot takes it; empty for a leaver.
    pub body: String,
    /// Autopilot's id of the contact, for a leaver.
    pub contact_id: String,
    /// Which of the run's sources the row came from.
    pub source: usize,
    /// The line it begins at.
    pub line: u64,
    /// The row's columns as they were, a JSON array; for the rejects.
    pub original: String,
}

#[derive(Deserialize)]
struct Line<'a> {
    k: &'a str,
    #[serde(default)]
    d: &'a str,
    #[serde(borrow, default)]
    e: Cow<'a, str>,
    #[serde(borrow)]
    c: Option<&'a RawValue>,
    #[serde(borrow, default)]
    i: Cow<'a, str>,
    #[serde(default)]
    s: usize,
    #[serde(default)]
    l: u64,
    #[serde(borrow)]
    o: Option<&'a RawValue>,
}

/// Text as JSON.
pub fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    crate::contact::value::string(text, &mut json);
    json
}

/// Adds a joiner or changed row to a chunk.
pub fn write_contact(chunk: &mut String, row: &Row) {
    // Writing to a String cannot fail.
    let _ = writeln!(
        chunk,
        r#"{{"k":"{}","d":"{}","e":{},"s":{},"l":{},"c":{},"o":{}}}"#,
        hex(&row.key),
        hex(&row.digest),
        quoted(&row.email),
        row.source,
        row.line,
        row.body,
        row.original,
    );
}

/// Adds a leaver to a chunk.
pub fn write_leaver(chunk: &mut String, key: &ProfileKey, contact_id: &str) {
    let _ = writeln!(chunk, r#"{{"k":"{}","i":{}}}"#, hex(key), quoted(contact_id));
}

/// The rows `from..to` of a chunk.
///
/// # Errors
/// Kind `bug` where the chunk is not what this program writes.
pub fn read(subject: &str, chunk: &[u8], from: usize, to: usize) -> Result<Vec<Row>> {
    let wrong = || Error::new(Kind::Bug, "deliver", subject, "is not a chunk");
    let chunk = std::str::from_utf8(chunk).map_err(|_| wrong())?;
    let lines = chunk.lines().skip(from).take(to.saturating_sub(from));
    lines
        .map(|line| {
            let line: Line<'_> = serde_json::from_str(line).map_err(|_| wrong())?;
            Ok(Row {
                key: unhex(line.k).ok_or_else(wrong)?,
                digest: if line.d.is_empty() { FieldsDigest::default() } else { unhex(line.d).ok_or_else(wrong)? },
                email: line.e.into_owned(),
                body: line.c.map(|raw| raw.get().to_owned()).unwrap_or_default(),
                contact_id: line.i.into_owned(),
                source: line.s,
                line: line.l,
                original: line.o.map(|raw| raw.get().to_owned()).unwrap_or_default(),
            })
        })
        .collect()
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
            original: r#"["a\nb","c"]"#.into(),
            ..Row::default()
        };
        let leaver = Row { key: [9; 32], contact_id: "person_1".into(), ..Row::default() };
        let mut chunk = String::new();
        write_contact(&mut chunk, &contact);
        write_leaver(&mut chunk, &leaver.key, &leaver.contact_id);
        assert_eq!(read("c", chunk.as_bytes(), 0, 9).unwrap(), [contact, leaver.clone()]);
        assert_eq!(read("c", chunk.as_bytes(), 1, 2).unwrap(), [leaver]);
        assert!(read("c", b"nonsense", 0, 1).is_err());
    }
}
