//! How rows are written: a line each, of cells with tabs between them.
//!
//! Canonical JSON has no tab and no line break in it, so a line is cut without being parsed. What is sent of the rows is
//! read into one text, of which each row has its pieces. Where a row came from, and its columns as they were, stay in the
//! chunk until a refusal asks for its [`Origin`].

use std::borrow::Cow;

use bytestring::ByteString;

use super::divided::{divided, lines};
use super::row::Row;
use super::seal::unseal;
use crate::error::{Error, Kind, Result};
use crate::state::{FieldsDigest, MatchId, ProfileKey, push_hex, unhex};
use crate::value;

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

/// A row that joins or changed, to be added to a chunk.
#[derive(Clone, Copy, Debug)]
pub struct NewRow<'a> {
    /// The profile's key.
    pub key: &'a ProfileKey,
    /// Digest of the mapped fields.
    pub digest: &'a FieldsDigest,
    /// Digest of `match.id`, if it is mapped.
    pub match_id: Option<MatchId>,
    /// A value per field, with tabs between them; empty where the contact is known by its id alone.
    pub cells: &'a str,
    /// The destination's id of the contact; empty where the row's email address names it.
    pub contact_id: &'a str,
    /// Which of the run's sources the row came from.
    pub source: usize,
    /// The line it begins at.
    pub line: u64,
}

/// What names a leaver at the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaverName<'a> {
    /// The contact's id, else its address.
    pub contact: &'a str,
    /// Its address besides, where a run that was interrupted may have made another contact.
    pub email: Option<&'a str>,
}

/// Text as JSON.
pub fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    value::string(text, &mut json);
    json
}

/// Adds a row that joins or changed to a chunk; `original` writes its columns as they were, a JSON array.
pub fn write_row(chunk: &mut String, row: NewRow<'_>, original: impl FnOnce(&mut String)) {
    push_hex(row.key, chunk);
    chunk.push('\t');
    value::string(row.contact_id, chunk);
    chunk.push('\t');
    push_digests(row.digest, row.match_id.as_ref(), chunk);
    let mut digits = itoa::Buffer::new();
    chunk.push('\t');
    chunk.push_str(digits.format(row.source));
    chunk.push('\t');
    chunk.push_str(digits.format(row.line));
    chunk.push('\t');
    original(chunk);
    chunk.push('\t');
    chunk.push_str(row.cells);
    chunk.push('\n');
}

/// Adds the digest of a row's fields and, where there is one, that of its customer id.
pub fn push_digests(digest: &FieldsDigest, match_id: Option<&MatchId>, text: &mut String) {
    push_hex(digest, text);
    if let Some(id) = match_id {
        push_hex(id, text);
    }
}

/// What [`push_digests`] wrote.
pub fn digests(text: &str) -> Option<(FieldsDigest, Option<MatchId>)> {
    match text.split_at_checked(size_of::<FieldsDigest>() * 2)? {
        (digest, "") => Some((unhex(digest)?, None)),
        (digest, id) => Some((unhex(digest)?, Some(unhex(id)?))),
    }
}

/// Adds a leaver to a chunk; with its address, where there may be another contact than the one with this id.
pub fn write_leaver(chunk: &mut String, key: &ProfileKey, leaver: LeaverName<'_>) {
    push_hex(key, chunk);
    chunk.push('\t');
    value::string(leaver.contact, chunk);
    if let Some(email) = leaver.email {
        chunk.push('\t');
        value::string(email, chunk);
    }
    chunk.push('\n');
}

fn damaged(subject: &str) -> Error {
    Error::new(Kind::Bug, subject, "is not a chunk of rows")
}

/// The rows `from..to` of a sealed chunk.
///
/// # Errors
/// Kind `unavailable` where the chunk is damaged, `bug` where it is not what this program writes.
pub fn read(subject: &str, chunk: &[u8], from: usize, to: usize) -> Result<Vec<Row>> {
    let chunk = unseal(subject, chunk)?;
    // The columns as they were are half of a chunk.
    let mut text = String::with_capacity(chunk.len() / 2);
    let mut rows = Vec::with_capacity(to.saturating_sub(from));
    for line in lines(chunk).skip(from).take(to.saturating_sub(from)) {
        rows.push(cut(line, &mut text).ok_or_else(|| damaged(subject))?);
    }
    let text = ByteString::from(text);
    let piece = |from: usize, to: usize| text.get(from..to).map(|piece| text.slice_ref(piece)).unwrap_or_default();
    let mut begin = 0;
    let whole = |Cut { key, digest, match_id, contact_id, cells }| {
        let row = Row { key, digest, match_id, contact_id: piece(begin, contact_id), cells: piece(contact_id, cells) };
        begin = cells;
        row
    };
    Ok(rows.into_iter().map(whole).collect())
}

/// Where the rows of these numbers came from; of a leaver it is unknown.
///
/// # Errors
/// As [`read`].
pub fn origins<'a>(subject: &str, chunk: &'a [u8], numbers: &[u32]) -> Result<Vec<Option<Origin<'a>>>> {
    let lines: Vec<&str> = lines(unseal(subject, chunk)?).collect();
    let of = |number: &u32| lines.get(*number as usize).copied().and_then(origin);
    Ok(numbers.iter().map(of).collect())
}

/// A row, and where its contact's id and its cells end in the text.
struct Cut {
    key: ProfileKey,
    digest: FieldsDigest,
    match_id: Option<MatchId>,
    contact_id: usize,
    cells: usize,
}

fn cut(line: &str, text: &mut String) -> Option<Cut> {
    let (key, rest) = line.split_once('\t')?;
    let key = unhex(key)?;
    let Some((id, rest)) = rest.split_once('\t') else {
        text.push_str(&unquoted(rest)?);
        return Some(Cut {
            key,
            digest: FieldsDigest::default(),
            match_id: None,
            contact_id: text.len(),
            cells: text.len(),
        });
    };
    text.push_str(&unquoted(id)?);
    let contact_id = text.len();
    let Some((digest, rest)) = rest.split_once('\t') else {
        text.push_str(rest);
        return Some(Cut { key, digest: FieldsDigest::default(), match_id: None, contact_id, cells: text.len() });
    };
    // Source, line and columns as they were.
    let cells = (0..3).try_fold(rest, |rest, _| rest.split_once('\t').map(|(_, rest)| rest))?;
    text.push_str(cells);
    let (digest, match_id) = digests(digest)?;
    Some(Cut { key, digest, match_id, contact_id, cells: text.len() })
}

fn origin(line: &str) -> Option<Origin<'_>> {
    let mut cells = divided(line, b'\t').skip(3);
    Some(Origin { source: cells.next()?.parse().ok()?, line: cells.next()?.parse().ok()?, columns: cells.next()? })
}

/// The text behind a JSON string; most have no escapes and are read in place.
pub fn unquoted(json: &str) -> Option<Cow<'_, str>> {
    let plain = json.strip_prefix('"')?.strip_suffix('"')?;
    if plain.contains('\\') { serde_json::from_str(json).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(plain)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::seal;

    #[test]
    fn rows_are_read_back_in_ranges() {
        let mut chunk = String::new();
        for n in 0..5u8 {
            let cells = format!("\"p{n}@example.org\"\t\t{n}");
            let row = NewRow {
                key: &[n; 32],
                digest: &[n; 16],
                match_id: n.is_multiple_of(2).then_some([n + 1; 16]),
                cells: &cells,
                contact_id: "",
                source: 3,
                line: u64::from(n) + 2,
            };
            write_row(&mut chunk, row, |out| out.push_str(r#"["p","a b"]"#));
        }
        write_leaver(&mut chunk, &[9; 32], LeaverName { contact: "per\"son\t1", email: None });
        write_leaver(&mut chunk, &[9; 32], LeaverName { contact: "person", email: Some("p@example.org") });
        let sealed = seal(&chunk);
        let rows = read("c", &sealed, 1, 3).unwrap();
        let [first, second] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((first.key, first.digest, &*first.email()), ([1; 32], [1; 16], "p1@example.org"));
        assert_eq!((first.match_id, second.match_id), (None, Some([3; 16])));
        assert_eq!(second.values().collect::<Vec<_>>(), ["\"p2@example.org\"", "", "2"]);
        let rows = read("c", &sealed, 5, 9).unwrap();
        let leavers: Vec<_> = rows.iter().map(|row| (&*row.contact_id, row.email().into_owned())).collect();
        assert_eq!(leavers, [("per\"son\t1", String::new()), ("person", "p@example.org".to_owned())]);
        let origins = origins("c", &sealed, &[2, 5, 6]).unwrap();
        assert_eq!(origins, [Some(Origin { source: 3, line: 4, columns: r#"["p","a b"]"# }), None, None]);
        assert_eq!(read("c", &seal("x"), 0, 1).unwrap_err().kind, Kind::Bug);
    }
}
