//! What was confirmed: one object per range of a lane, written again with every checkpoint. No email, no field; of a
//! refused row its columns, which the rejects need (it goes away with the run).

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::delivery::call::Requests;
use crate::delivery::lane::{Outcome, Verdict};
use crate::delivery::pace::Seconds;
use crate::delivery::row::{Errand, quoted};
use crate::error::{Error, Kind, Result};
use crate::state::{ContactId, FieldsDigest, Member, ProfileKey, hex, unhex};

/// What the requests of a range were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sent {
    /// Their counts.
    pub requests: Requests,
    /// When they left.
    pub seconds: Seconds,
}

impl Sent {
    /// Adds the requests of another part of the run.
    pub fn add(&mut self, other: &Self) {
        self.requests.add(&other.requests);
        self.seconds.add(&other.seconds);
        self.requests.peak_per_second = self.seconds.peak();
    }
}

/// The results of one range, while a lane works on it.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    lines: String,
    /// Its requests so far.
    pub sent: Sent,
    /// Rows judged so far.
    pub judged: u32,
    /// Rows judged since the last checkpoint.
    pub unsaved: u32,
}

impl Ledger {
    /// The ledger of a range that was worked on before.
    pub fn resume(results: &Results) -> Self {
        let judged = u32::try_from(results.entries.len()).unwrap_or(u32::MAX);
        Self { lines: results.lines.clone(), sent: results.sent.clone(), judged, unsaved: 0 }
    }

    /// Enters a verdict.
    pub fn enter(&mut self, errand: Errand, verdict: &Verdict) {
        let Verdict { number, row, outcome, .. } = verdict;
        let key = hex(&row.key);
        // Writing to a String cannot fail.
        let _ = match outcome {
            Outcome::Delivered(id) => {
                writeln!(self.lines, r#"{{"n":{number},"k":"{key}","d":"{}","i":{}}}"#, hex(&row.digest), quoted(id))
            }
            Outcome::Left => writeln!(self.lines, r#"{{"n":{number},"k":"{key}"}}"#),
            // A leaver that cannot leave stays a member, and is tried again by the next run.
            Outcome::Refused(_) if errand == Errand::Leaver => writeln!(self.lines, r#"{{"n":{number}}}"#),
            Outcome::Refused(reason) => writeln!(
                self.lines,
                r#"{{"n":{number},"r":{{"source":{},"line":{},"code":"refused","reason":{},"row":{}}}}}"#,
                row.source,
                row.line,
                quoted(reason),
                row.original
            ),
        };
        self.judged += 1;
        self.unsaved += 1;
    }

    /// The object to store.
    pub fn checkpoint(&mut self) -> Vec<u8> {
        self.unsaved = 0;
        let head = serde_json::to_string(&self.sent).unwrap_or_default();
        format!("{head}\n{}", self.lines).into_bytes()
    }
}

/// What became of one row.
#[derive(Debug)]
pub enum Entry {
    /// It was delivered.
    Delivered(Member),
    /// It left.
    Left(ProfileKey),
    /// It was refused: a line for the rejects.
    Refused(Box<RawValue>),
    /// It was to leave and could not.
    Stays,
}

/// The results of one range, read back.
#[derive(Debug, Default)]
pub struct Results {
    /// The range's requests.
    pub sent: Sent,
    /// Per judged row its number within the chunk, and what became of it.
    pub entries: Vec<(u32, Entry)>,
    lines: String,
}

#[derive(Deserialize)]
struct Line<'a> {
    n: u32,
    k: Option<&'a str>,
    d: Option<&'a str>,
    i: Option<std::borrow::Cow<'a, str>>,
    r: Option<Box<RawValue>>,
}

/// Reads results. An empty object, left by a power failure, holds none.
///
/// # Errors
/// Kind `bug`, where the object is not what this program writes.
pub fn read(subject: &str, bytes: &[u8]) -> Result<Results> {
    let wrong = || Error::new(Kind::Bug, "finish", subject, "are no results");
    let text = std::str::from_utf8(bytes).map_err(|_| wrong())?;
    if text.is_empty() {
        return Ok(Results::default());
    }
    let (head, lines) = text.split_once('\n').ok_or_else(wrong)?;
    let sent = serde_json::from_str(head).map_err(|_| wrong())?;
    let mut entries = Vec::new();
    for line in lines.lines() {
        let line: Line<'_> = serde_json::from_str(line).map_err(|_| wrong())?;
        let entry = match line {
            Line { r: Some(reject), .. } => Entry::Refused(reject),
            Line { k: Some(key), d: Some(digest), i: Some(id), .. } => {
                let digest: FieldsDigest = unhex(digest).ok_or_else(wrong)?;
                let key = unhex(key).ok_or_else(wrong)?;
                Entry::Delivered(Member { key, digest, contact_id: ContactId::from(&*id) })
            }
            Line { k: Some(key), .. } => Entry::Left(unhex(key).ok_or_else(wrong)?),
            _ => Entry::Stays,
        };
        entries.push((line.n, entry));
    }
    Ok(Results { sent, entries, lines: lines.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::row::Row;

    #[test]
    fn verdicts_are_read_back() {
        let row = Row { key: [1; 32], digest: [2; 16], original: r#"["a"]"#.into(), line: 7, ..Row::default() };
        let verdict = |number, outcome| Verdict { span: 0, number, row: row.clone(), outcome };
        let mut ledger = Ledger::default();
        ledger.enter(Errand::Joiner, &verdict(4, Outcome::Delivered("per\"son".into())));
        ledger.enter(Errand::Leaver, &verdict(5, Outcome::Left));
        ledger.enter(Errand::Leaver, &verdict(6, Outcome::Refused("no".into())));
        ledger.enter(Errand::Changed, &verdict(7, Outcome::Refused("bad \"x\"".into())));
        let results = read("r", &ledger.checkpoint()).unwrap();
        let numbers: Vec<u32> = results.entries.iter().map(|(n, _)| *n).collect();
        assert_eq!(numbers, [4, 5, 6, 7]);
        let [(_, Entry::Delivered(member)), (_, Entry::Left(key)), (_, Entry::Stays), (_, Entry::Refused(reject))] =
            results.entries.as_slice()
        else {
            panic!("{results:?}")
        };
        assert_eq!((member.contact_id.to_string().as_str(), *key), ("per\"son", [1; 32]));
        assert!(reject.get().contains(r#""line":7"#));
        let again = Ledger::resume(&results).checkpoint();
        assert_eq!(read("r", &again).unwrap().entries.len(), 4);
        assert!(read("r", b"x").is_err());
    }
}
