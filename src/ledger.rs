//! What was confirmed: one object per range of a lane, written again with every checkpoint. No email and no field of the
//! drop; the reason for a refusal may quote one (it goes away with the run).
//!
//! Its first line is JSON, what was sent; then a line per row, of values with tabs between them: the row's number, and
//! of one that was delivered its key, the digest of its fields (that of its customer id behind it) and the contact's id as
//! JSON (a sign behind it where the contact is another than before); of one that has left its key; of a refused one the reason as JSON
//! and its key (a sign between the two, unless its opt-out arrived by itself); of one that was to leave and stays, and of one that became
//! suppressed, or that the destination sends nothing, a sign and its key. Before these three stands another sign where the row may have
//! been sent before. A line that begins with `=` is not a row's: a profile's key, and its contact's id as it was found.

use std::borrow::Cow;
use std::fmt::Write;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use crate::chunk::{self, Operation, digests, push_digests, seal, unquoted, unseal};
use crate::delivery::lane::Verdict;
use crate::delivery::pace::Seconds;
use crate::destination::RowResult;
use crate::destination::Usage;
use crate::error::{Error, Kind, Result};
use crate::state::{FieldsDigest, MatchId, ProfileKey, push_hex, unhex};
use crate::value::string;

/// What the requests of a range were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sent {
    /// Their counts.
    pub requests: Usage,
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
        Self { lines: results.lines.to_string(), sent: results.sent.clone(), judged, unsaved: 0 }
    }

    /// Enters a verdict.
    pub fn enter(&mut self, operation: Operation, verdict: &Verdict) {
        let Verdict { number, row, outcome, may_be_sent, .. } = verdict;
        let lines = &mut self.lines;
        // Writing to a String cannot fail.
        let _ = write!(lines, "{number}");
        if *may_be_sent && (outcome.is_refused() || *outcome == RowResult::Suppressed) {
            lines.push('\t');
            lines.push_str(MAY_BE_SENT);
        }
        match outcome {
            RowResult::Delivered(id) | RowResult::DeliveredAnew(id) => {
                member(lines, &row.key);
                lines.push('\t');
                push_digests(&row.digest, row.match_id.as_ref(), lines);
                lines.push('\t');
                string(id, lines);
                if matches!(outcome, RowResult::DeliveredAnew(_)) {
                    lines.push('\t');
                    lines.push_str(ANEW);
                }
            }
            RowResult::Left => member(lines, &row.key),
            RowResult::Suppressed => signed(lines, SUPPRESSED, &row.key),
            // A leaver that cannot leave stays a member, and is tried again by the next run.
            RowResult::Refused(_) | RowResult::OptedOut(_) if operation == Operation::Leave => {
                signed(lines, STAYS, &row.key);
            }
            RowResult::Refused(reason) => {
                lines.push('\t');
                string(reason, lines);
                signed(lines, REFUSED, &row.key);
            }
            RowResult::OptedOut(reason) => {
                lines.push('\t');
                string(reason, lines);
                member(lines, &row.key);
            }
        }
        lines.push('\n');
        self.judged += 1;
        self.unsaved += 1;
    }

    /// Enters the contact's id of a profile, which the state has wrong.
    pub fn found(&mut self, key: &ProfileKey, contact_id: &str) {
        self.lines.push('=');
        member(&mut self.lines, key);
        self.lines.push('\t');
        string(contact_id, &mut self.lines);
        self.lines.push('\n');
        self.unsaved += 1;
    }

    /// Enters a row that became suppressed since the plan was made.
    pub fn suppress(&mut self, number: u32, key: &ProfileKey, may_be_sent: bool) {
        // Writing to a String cannot fail.
        let _ = write!(self.lines, "{number}");
        signed(&mut self.lines, if may_be_sent { SUPPRESSED_LATE } else { SUPPRESSED }, key);
        self.lines.push('\n');
        self.judged += 1;
        self.unsaved += 1;
    }

    /// The object to store.
    pub fn checkpoint(&mut self) -> Vec<u8> {
        self.unsaved = 0;
        let head = serde_json::to_string(&self.sent).unwrap_or_default();
        seal(&[head.as_str(), "\n", &self.lines].concat())
    }
}

/// In a key's place: the row was suppressed before it was sent, or when it may have been.
const SUPPRESSED: &str = "-";
const SUPPRESSED_LATE: &str = "?";

/// In a key's place: a leaver stays.
const STAYS: &str = "=";
/// Between the reason of a refused row and its key: nothing of it arrived.
const REFUSED: &str = "-";

/// Before what became of a row: something was sent of it before, and may have arrived.
const MAY_BE_SENT: &str = "!";

/// Behind the contact's id: it is another than the state knows.
const ANEW: &str = "+";

fn signed(lines: &mut String, sign: &str, key: &ProfileKey) {
    lines.push('\t');
    lines.push_str(sign);
    member(lines, key);
}

fn member(lines: &mut String, key: &ProfileKey) {
    lines.push('\t');
    push_hex(key, lines);
}

/// What became of one row.
#[derive(Debug)]
pub enum Entry {
    /// It was delivered.
    Delivered {
        /// Which profile.
        key: ProfileKey,
        /// Of the fields that were sent.
        digest: FieldsDigest,
        /// Of the stable customer id, where there is one.
        match_id: Option<Box<MatchId>>,
        /// The destination's id of the contact.
        contact_id: ByteString,
        /// Whether the contact is another than the state knows.
        is_anew: bool,
    },
    Left(ProfileKey),
    /// It was refused.
    Refused {
        /// Why.
        reason: String,
        /// Which profile; none of a row that an earlier version judged.
        key: Option<ProfileKey>,
        /// The profile, where its opt-out arrived by itself.
        opted_out: Option<ProfileKey>,
        /// Whether an earlier request, which had no answer, may have been applied.
        may_be_sent: bool,
    },
    /// It was to leave and could not.
    Stays {
        /// Which profile, as above.
        key: Option<ProfileKey>,
        /// As of a row that was refused.
        may_be_sent: bool,
    },
    /// It became suppressed since the plan was made, or the destination sends this person nothing.
    Suppressed {
        /// Which profile, as above.
        key: Option<ProfileKey>,
        /// Whether it may have been sent before.
        may_be_sent: bool,
        /// Whether the export has come to suppress it, after it may have been sent.
        is_late: bool,
    },
}

impl Entry {
    /// Whether something was sent of the row that nobody confirmed or denied: the state must remember it.
    pub fn may_be_sent(&self) -> bool {
        match self {
            Self::Refused { may_be_sent, .. }
            | Self::Stays { may_be_sent, .. }
            | Self::Suppressed { may_be_sent, .. } => *may_be_sent,
            Self::Delivered { .. } | Self::Left(_) => false,
        }
    }
}

/// The results of one range, read back.
#[derive(Debug, Default)]
pub struct Results {
    /// The range's requests.
    pub sent: Sent,
    /// Per judged row its number within the chunk, and what became of it.
    pub entries: Vec<(u32, Entry)>,
    /// The contacts' ids of profiles, which the state has wrong.
    pub found: Vec<(ProfileKey, Box<str>)>,
    lines: ByteString,
}

/// Reads results.
///
/// # Errors
/// Kind `unavailable`, where the object is damaged; `bug`, where it is not what this program writes.
pub fn read(subject: &str, bytes: &[u8]) -> Result<Results> {
    let wrong = || Error::new(Kind::Bug, subject, "does not hold results");
    let text = unseal(subject, bytes)?;
    let (head, lines) = text.split_once('\n').ok_or_else(wrong)?;
    let sent = serde_json::from_str(head).map_err(|_| wrong())?;
    let lines = ByteString::from(lines);
    let (mut entries, mut found) = (Vec::new(), Vec::new());
    for line in chunk::lines(&lines) {
        match line.strip_prefix("=\t") {
            Some(line) => found.push(found_id(line).ok_or_else(wrong)?),
            None => entries.push(entry(line, &lines).ok_or_else(wrong)?),
        }
    }
    Ok(Results { sent, entries, found, lines })
}

impl Results {
    /// The object of the same results without the deliveries, whose rows are sent again.
    pub fn without_deliveries(&self) -> Vec<u8> {
        let is_delivery = |line: &str| {
            let judged = if line.starts_with('=') { None } else { entry(line, &self.lines) };
            matches!(judged, Some((_, Entry::Delivered { .. })))
        };
        let rest = chunk::lines(&self.lines).filter(|line| !is_delivery(line));
        let lines = rest.flat_map(|line| [line, "\n"]).collect();
        Ledger { lines, sent: self.sent.clone(), ..Ledger::default() }.checkpoint()
    }
}

/// A profile's key and its contact's id.
fn found_id(line: &str) -> Option<(ProfileKey, Box<str>)> {
    let (key, id) = line.split_once('\t')?;
    Some((unhex(key)?, unquoted(id)?.into()))
}

/// A row's number and what became of it; its contact's id is a piece of the `lines` that the line is of.
fn entry(line: &str, lines: &ByteString) -> Option<(u32, Entry)> {
    let mut cells = chunk::divided(line, b'\t').peekable();
    let number = cells.next()?.parse().ok()?;
    let optional = |key: Option<&str>| match key {
        Some(key) => unhex(key).map(Some),
        None => Some(None),
    };
    let may_be_sent = cells.next_if(|cell| *cell == MAY_BE_SENT).is_some();
    let entry = match (cells.next(), cells.next(), cells.next()) {
        (None, ..) => Entry::Stays { key: None, may_be_sent },
        (Some(STAYS), key, _) => Entry::Stays { key: optional(key)?, may_be_sent },
        (Some(reason), Some(REFUSED), key) if reason.starts_with('"') => {
            let reason = unquoted(reason)?.into_owned();
            Entry::Refused { reason, key: optional(key)?, opted_out: None, may_be_sent }
        }
        (Some(reason), key, None) if reason.starts_with('"') => {
            let key = optional(key)?;
            Entry::Refused { reason: unquoted(reason)?.into_owned(), key, opted_out: key, may_be_sent }
        }
        (Some(SUPPRESSED), key, _) => Entry::Suppressed { key: optional(key)?, may_be_sent, is_late: false },
        (Some(SUPPRESSED_LATE), key, _) => Entry::Suppressed { key: optional(key)?, may_be_sent: true, is_late: true },
        (Some(key), None, _) => Entry::Left(unhex(key)?),
        (Some(key), Some(digest), Some(id)) => {
            let contact_id = match unquoted(id)? {
                Cow::Borrowed(plain) => lines.slice_ref(plain),
                Cow::Owned(text) => text.into(),
            };
            let (key, (digest, match_id)) = (unhex(key)?, digests(digest)?);
            let is_anew = cells.next() == Some(ANEW);
            Entry::Delivered { key, digest, match_id: match_id.map(Box::new), contact_id, is_anew }
        }
        _ => return None,
    };
    Some((number, entry))
}

/// Says that an object of the run is damaged, and goes on as if it held nothing.
pub fn unreadable<T: Default>(error: Error) -> T {
    tracing::warn!(error.kind = error.kind.name(), "{}", error.chain());
    T::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Row;

    #[test]
    fn verdicts_are_read_back() {
        let row = Row { key: [1; 32], digest: [2; 16], ..Row::default() };
        let verdict = |number, outcome| Verdict { span: 0, number, row: row.clone(), outcome, may_be_sent: number > 8 };
        let mut ledger = Ledger::default();
        ledger.enter(Operation::Join, &verdict(4, RowResult::Delivered("per\"son".into())));
        ledger.enter(Operation::Leave, &verdict(5, RowResult::Left));
        ledger.enter(Operation::Leave, &verdict(6, RowResult::Refused("no".into())));
        ledger.enter(Operation::Update, &verdict(7, RowResult::Refused("bad \"x\"".into())));
        ledger.enter(Operation::Update, &verdict(8, RowResult::OptedOut("bad".into())));
        for (number, outcome) in (9..).zip([RowResult::Refused("!".into()), RowResult::Suppressed, RowResult::Left]) {
            ledger.enter(Operation::Join, &verdict(number, outcome));
        }
        ledger.enter(Operation::Leave, &verdict(12, RowResult::Refused("no".into())));
        ledger.suppress(13, &[3; 32], true);
        let results = read("r", &ledger.checkpoint()).unwrap();
        let numbers: Vec<u32> = results.entries.iter().map(|(n, _)| *n).collect();
        assert_eq!(numbers, [4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
        let [
            (_, Entry::Delivered { contact_id, .. }),
            (_, Entry::Left(key)),
            (_, Entry::Stays { key: Some([1, ..]), may_be_sent: false }),
            (_, Entry::Refused { reason, key: Some([1, ..]), opted_out: None, may_be_sent: false }),
            (_, Entry::Refused { opted_out: Some([1, ..]), .. }),
            (_, Entry::Refused { may_be_sent: true, .. }),
            (_, Entry::Suppressed { key: Some([1, ..]), may_be_sent: true, is_late: false }),
            (_, Entry::Left(_)),
            (_, Entry::Stays { may_be_sent: true, .. }),
            (_, Entry::Suppressed { key: Some([3, ..]), may_be_sent: true, is_late: true }),
        ] = results.entries.as_slice()
        else {
            panic!("{results:?}")
        };
        assert_eq!((&**contact_id, *key), ("per\"son", [1; 32]));
        assert_eq!(reason, "bad \"x\"");
        let again = Ledger::resume(&results).checkpoint();
        assert_eq!(read("r", &again).unwrap().entries.len(), 10);
        assert!(read("r", b"x").is_err());
        assert_eq!(read("r", &results.without_deliveries()).unwrap().entries.len(), 9);
    }
}
