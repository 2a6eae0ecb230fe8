//! Plans one segment: rows come in, chunks of contacts to send, rejects and counts come out.
//!
//! It is the [`Sink`] of a segment's decoder, so nothing holds the segment as a whole. What has come out so far is
//! fetched with [`Planner::written`] between two pieces of input.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::columns::unknown_columns;
use super::members::{Fields, Lookup, MemberIndex, Seen};
use crate::chunk::{NewRow, Operation, quoted, write_leaver, write_row};
use crate::config::Export;
use crate::contact::{Contact, Matching, Outcome, Reject, RejectCode, SuppressionList, UnknownColumn};
use crate::error::{Error, Kind, Result};
use crate::segment::{self, Columns, Sink};
use crate::state::{Digester, FIELDS_UNCONFIRMED, ProfileKey};

/// Rows in one chunk: small enough to hold several in memory, large enough that a run has few objects.
pub const CHUNK_ROWS: u32 = 1000;
/// Bytes of rejects in one object.
const REJECT_BYTES: usize = 1 << 20;

/// What was counted of one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows read.
    pub read: u64,
    /// New to the export.
    pub joiners: u64,
    /// With other mapped fields.
    pub changed: u64,
    /// As they were.
    pub unchanged: u64,
    /// Gone from the drop, to be taken off.
    pub leavers: u64,
    /// Gone from the drop, but kept because rows could not be read, or the run removes nobody.
    pub leavers_withheld: u64,
    /// Not to be sent, by column or list.
    pub suppressed: u64,
    /// Of the suppressed, those without a required consent.
    #[serde(default)]
    pub no_consent: u64,
    /// Members whose opt-out, suppression or consent cannot be read.
    #[serde(default)]
    pub unreadable_opt_outs: u64,
    /// Members before the run.
    pub members: u64,
    /// Rejected rows by reason.
    pub rejects: BTreeMap<RejectCode, u64>,
}

impl Counts {
    /// Rows without a readable identity: the people they are of may seem to be missing.
    pub fn unreadable_rows(&self) -> u64 {
        let codes = [RejectCode::MalformedRow, RejectCode::MissingEmail, RejectCode::InvalidEmail];
        codes.iter().filter_map(|code| self.rejects.get(code)).sum()
    }

    /// All rejected rows.
    pub fn rejected(&self) -> u64 {
        self.rejects.values().sum()
    }

    /// Adds another segment's counts.
    pub fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.joiners += other.joiners;
        self.changed += other.changed;
        self.unchanged += other.unchanged;
        self.leavers += other.leavers;
        self.leavers_withheld += other.leavers_withheld;
        self.suppressed += other.suppressed;
        self.no_consent += other.no_consent;
        self.unreadable_opt_outs += other.unreadable_opt_outs;
        self.members += other.members;
        for (code, count) in &other.rejects {
            *self.rejects.entry(*code).or_default() += count;
        }
    }
}

/// Something to be stored.
#[derive(Debug)]
pub enum PlanOutput {
    /// A chunk of this operation with this many rows.
    Chunk(Operation, u32, String),
    /// Lines of rejects.
    Rejects(String),
}

/// A row that was not delivered, as it is kept until the rejects are put together.
#[derive(Debug, Serialize, Deserialize)]
pub struct RejectLine {
    /// Which source of the run.
    pub source: usize,
    /// The line it begins at.
    pub line: u64,
    /// Why.
    pub code: RejectCode,
    /// Why, in words.
    pub reason: String,
    /// The columns as they were; of a malformed row its text.
    pub row: Box<serde_json::value::RawValue>,
}

/// The plan of one segment in the making.
#[derive(Debug)]
pub struct Planner<'a> {
    export: &'a Export,
    digester: &'a Digester,
    suppression: &'a SuppressionList,
    members: &'a mut MemberIndex,
    source: usize,
    columns: Vec<String>,
    matching: Option<Matching>,
    contact: Contact,
    counts: Counts,
    chunks: BTreeMap<&'static str, (Operation, u32, String)>,
    rejects: String,
    written: Vec<PlanOutput>,
}

fn name(operation: Operation) -> &'static str {
    match operation {
        Operation::Join => "joiners",
        Operation::Update => "changed",
        Operation::Leave => "leavers",
    }
}

impl<'a> Planner<'a> {
    /// Begins the plan of `segment`, which `members` has begun.
    pub fn new(
        export: &'a Export,
        digester: &'a Digester,
        suppression: &'a SuppressionList,
        members: &'a mut MemberIndex,
    ) -> Self {
        let counts = Counts { members: members.members(), ..Counts::default() };
        Self {
            export,
            digester,
            suppression,
            members,
            source: 0,
            columns: Vec::new(),
            matching: None,
            contact: Contact::default(),
            counts,
            chunks: BTreeMap::new(),
            rejects: String::new(),
            written: Vec::new(),
        }
    }

    /// Says that the rows to come are of this source of the run.
    pub fn source(&mut self, number: usize) {
        self.source = number;
        self.columns.clear();
        self.matching = None;
    }

    /// The columns of the source that was read last; empty where it had none.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// What has come out since the last time.
    pub fn written(&mut self) -> Vec<PlanOutput> {
        std::mem::take(&mut self.written)
    }

    /// Checks the keys that rows of JSON lines have: one that no row has is missing, unless its field has a default.
    ///
    /// # Errors
    /// Kind `config`.
    pub fn check_keys(&self, keys: &Columns) -> Result<()> {
        let mut unknown = self.matching_for(keys).err().unwrap_or_default();
        unknown.retain(|key| !key.has_default);
        if unknown.is_empty() { Ok(()) } else { Err(unknown_columns(&unknown, keys)) }
    }

    fn matching_for(&self, columns: &Columns) -> Result<Matching, Vec<UnknownColumn>> {
        Matching::new(self.export, &columns.names)
    }

    /// The counts so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Takes note that all rows are in; `withhold` keeps the members that are gone from the drop.
    /// Where leavers are to be removed, the state's profiles follow with [`Planner::leaver`].
    ///
    /// So do more than `unreadable_allowed` rows without a readable identity: they may be those of the missing.
    pub fn rows_done(&mut self, withhold: bool, unreadable_allowed: u64) {
        let missing = self.members.missing();
        let is_withheld = withhold || self.counts.unreadable_rows() > unreadable_allowed;
        self.members.end_segment(is_withheld);
        if is_withheld {
            self.counts.leavers_withheld = missing;
        } else {
            self.counts.leavers = missing;
        }
    }

    /// Takes a profile of the state once more; a member that the drop does not hold leaves. `contact` names it at the
    /// destination.
    pub fn leaver(&mut self, key: &ProfileKey, contact: Option<&str>) {
        if !self.members.is_missing(key) {
            return;
        }
        let Some(contact) = contact else {
            // Nobody can say whom to remove.
            self.counts.leavers -= 1;
            self.counts.leavers_withheld += 1;
            return;
        };
        self.chunk(Operation::Leave, |chunk| write_leaver(chunk, key, contact));
    }

    /// Gives out the chunks that are not full.
    pub fn finish(mut self) -> (Counts, Vec<PlanOutput>) {
        for (operation, rows, text) in std::mem::take(&mut self.chunks).into_values().filter(|(_, rows, _)| *rows > 0) {
            self.written.push(PlanOutput::Chunk(operation, rows, text));
        }
        if !self.rejects.is_empty() {
            self.written.push(PlanOutput::Rejects(self.rejects));
        }
        (self.counts, self.written)
    }

    fn chunk(&mut self, operation: Operation, write: impl FnOnce(&mut String)) {
        let (_, rows, text) = self.chunks.entry(name(operation)).or_insert((operation, 0, String::new()));
        write(text);
        *rows += 1;
        if *rows == CHUNK_ROWS {
            // The next is likely as long: it needs not grow, which takes up to three times the room.
            let next = String::with_capacity(text.len() + text.len() / 8);
            self.written.push(PlanOutput::Chunk(operation, std::mem::take(rows), std::mem::replace(text, next)));
        }
    }

    fn reject(&mut self, line: u64, reject: &Reject, original: impl FnOnce(&mut String)) {
        *self.counts.rejects.entry(reject.code).or_default() += 1;
        // Writing to a String cannot fail.
        let _ = write!(
            self.rejects,
            r#"{{"source":{},"line":{line},"code":"{}","reason":{},"row":"#,
            self.source,
            reject.code,
            quoted(&reject.reason),
        );
        original(&mut self.rejects);
        self.rejects.push_str("}\n");
        if self.rejects.len() >= REJECT_BYTES {
            self.written.push(PlanOutput::Rejects(std::mem::take(&mut self.rejects)));
        }
    }

    /// Decides what becomes of a row whose email is valid.
    fn judge(&mut self, line: u64, outcome: Outcome, original: impl Fn(&mut String)) {
        let key = self.digester.profile(&self.contact.normal);
        let is_member = self.members.is_member(&key);
        let is_suppressed = self.suppression.contains(&self.contact.normal);
        let (seen, reject) = match outcome {
            _ if is_suppressed => (Seen::Suppressed, None),
            Outcome::Suppressed | Outcome::NoConsent => (Seen::Suppressed, None),
            // A member whose consent cannot be read stays as is, and the guard is asked.
            Outcome::UnreadableConsent(ref reason) if is_member => {
                (Seen::Rejected, Some(Reject { code: RejectCode::InvalidValue, reason: reason.clone() }))
            }
            Outcome::UnreadableConsent(_) => (Seen::Suppressed, None),
            Outcome::Reject(ref reject) => (Seen::Rejected, Some(reject.clone())),
            Outcome::Contact => (Seen::Valid, None),
        };
        let is_unreadable = self.contact.unreadable_opt_out || matches!(outcome, Outcome::UnreadableConsent(_));
        let lookup = self.members.observe(&key, seen);
        if lookup == Lookup::Duplicate {
            let reason = "a row before it has the same email".to_owned();
            return self.reject(line, &Reject { code: RejectCode::DuplicateEmail, reason }, original);
        }
        if is_unreadable && is_member && !is_suppressed {
            self.counts.unreadable_opt_outs += 1;
        }
        if let Some(reject) = reject {
            return self.reject(line, &reject, original);
        }
        match seen {
            Seen::Suppressed => {
                self.counts.suppressed += 1;
                self.counts.no_consent += u64::from(outcome == Outcome::NoConsent && !is_suppressed);
            }
            _ => self.send(line, &key, lookup, original),
        }
    }

    /// Adds a row to the chunks, unless the contact is as it should be.
    fn send(&mut self, line: u64, key: &ProfileKey, lookup: Lookup, original: impl Fn(&mut String)) {
        let mut digest = self.digester.fields(&self.contact.digested);
        let operation = match lookup {
            Lookup::Existing(Fields::Outdated) => None,
            Lookup::Existing(Fields::Held(before)) => (before != Some(digest)).then_some(Operation::Update),
            Lookup::New(_) | Lookup::Duplicate => Some(Operation::Join),
        };
        match operation {
            None => self.counts.unchanged += 1,
            Some(Operation::Join) => self.counts.joiners += 1,
            Some(_) => self.counts.changed += 1,
        }
        let Some(operation) = operation else { return };
        let mut contact = std::mem::take(&mut self.contact);
        if lookup == Lookup::New(Fields::Outdated) {
            // The newer drop's row sends the fields, in whichever order the lanes send the two.
            contact.keep_email_only();
            digest = FIELDS_UNCONFIRMED;
        }
        let row = NewRow { key, digest: &digest, contact_id: "", cells: &contact.cells, source: self.source, line };
        self.chunk(operation, |chunk| write_row(chunk, row, original));
        self.contact = contact;
    }
}

/// The cells of a row as a JSON array.
fn cells(row: &segment::Row<'_>, out: &mut String) {
    out.push('[');
    for (n, cell) in row.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        crate::value::string(cell, out);
    }
    out.push(']');
}

impl Sink for Planner<'_> {
    fn columns(&mut self, columns: &Columns) -> Result<()> {
        let matching = self.matching_for(columns).map_err(|unknown| unknown_columns(&unknown, columns))?;
        self.columns = columns.names.clone();
        self.matching = Some(matching);
        Ok(())
    }

    fn row(&mut self, row: segment::Row<'_>) -> Result<()> {
        let Some(matching) = &self.matching else {
            return Err(Error::new(Kind::Bug, "decoder", "gave a row before the columns"));
        };
        self.counts.read += 1;
        let outcome = matching.apply(|at| row.get(at), &mut self.contact);
        match outcome {
            Outcome::Reject(reject) if self.contact.normal.is_empty() => {
                self.reject(row.line, &reject, |out| cells(&row, out));
            }
            outcome => self.judge(row.line, outcome, |out| cells(&row, out)),
        }
        Ok(())
    }

    fn malformed(&mut self, line: u64, raw: &str, why: segment::Flaw) -> Result<()> {
        self.counts.read += 1;
        let reject = Reject { code: RejectCode::MalformedRow, reason: why.to_string() };
        self.reject(line, &reject, |out| out.push_str(&format!("[{}]", quoted(raw))));
        Ok(())
    }
}
