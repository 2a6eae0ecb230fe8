//! Plans one segment: rows come in, chunks of contacts to send, rejects and counts come out.
//!
//! It is the [`Sink`] of a segment's decoder, so nothing holds the segment as a whole. What has come out so far is
//! fetched with [`Planner::written`] between two pieces of input.

use std::fmt::Write as _;

use super::columns::unknown_columns;
use super::counts::Counts;
use super::ids::LostRows;
use super::members::{Fields, Leaving, Lookup, MemberIndex, OptedOut, Seen};
use super::objections::{Objection, Objections};
use super::output::{ChunkKind, Chunks, PlanOutput};
use crate::chunk::{NewRow, quoted, write_leaver, write_row};
use crate::config::Export;
use crate::contact::{Contact, Matching, OptOut, Outcome, Reject, RejectCode, SuppressionList, UnknownColumn};
use crate::error::{Error, Kind, Result};
use crate::segment::{self, Columns, Sink};
use crate::state::{Digester, FIELDS_UNCONFIRMED, MatchId, OPT_OUT_ALONE, Profile, ProfileKey, push_hex};

/// Bytes of rejects in one object.
const REJECT_BYTES: usize = 1 << 20;

/// Why the row of a member is not sent whose other row says something that cannot be read.
const ANOTHER_UNREADABLE: &str = "another row of the same email has an opt-out or consent that cannot be read";

/// Which members that are gone from a drop stay in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Withheld {
    Nobody,
    /// Those with the ids of rows without a readable address.
    ByIds,
    Everybody,
}

/// The plan of one segment in the making.
#[derive(Debug)]
pub struct Planner<'a> {
    export: &'a Export,
    digester: &'a Digester,
    suppression: &'a SuppressionList,
    members: &'a mut MemberIndex,
    objections: &'a mut Objections,
    source: usize,
    columns: Vec<String>,
    matching: Option<Matching>,
    contact: Contact,
    counts: Counts,
    chunks: Chunks,
    rejects: String,
    written: Vec<PlanOutput>,
    /// Which members that are gone from the drop stay.
    withheld: Withheld,
    lost: LostRows,
}

impl<'a> Planner<'a> {
    /// Begins the plan of a segment, which `members` has begun. Where `objections` has something new after the last row,
    /// the rows are to be planned once more.
    pub fn new(
        export: &'a Export,
        digester: &'a Digester,
        suppression: &'a SuppressionList,
        members: &'a mut MemberIndex,
        objections: &'a mut Objections,
    ) -> Self {
        let counts = Counts { members: members.members(), ..Counts::default() };
        Self {
            export,
            digester,
            suppression,
            members,
            objections,
            source: 0,
            columns: Vec::new(),
            matching: None,
            contact: Contact::default(),
            counts,
            chunks: Chunks::default(),
            rejects: String::new(),
            written: Vec::new(),
            withheld: Withheld::Nobody,
            lost: LostRows::default(),
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

    /// Whether a row objects to one before it, which was planned without knowing.
    pub fn must_read_once_more(&mut self) -> bool {
        self.objections.turn()
    }

    /// Takes note that all rows are in; `withhold` keeps the members that are gone from the drop. So do more than
    /// `unreadable_allowed` rows without a readable identity: they may be those of the missing, or where each has a
    /// customer's id, those of that customer. Members that are suppressed leave in any case.
    ///
    /// Where there are leavers, the state's profiles follow with [`Planner::leaver`].
    pub fn rows_done(&mut self, withhold: bool, unreadable_allowed: u64) {
        let gone = self.members.gone();
        let has_ids = self.matching.as_ref().is_some_and(Matching::has_ids);
        self.withheld = match self.counts.unreadable_rows() > unreadable_allowed {
            _ if withhold => Withheld::Everybody,
            false => Withheld::Nobody,
            true if has_ids && self.lost.are_known() => Withheld::ByIds,
            true => Withheld::Everybody,
        };
        self.members.end_segment(self.withheld == Withheld::Everybody);
        self.counts.leavers = self.members.suppressed();
        if self.withheld == Withheld::Everybody {
            self.counts.leavers_withheld = gone;
        } else {
            self.counts.leavers += gone;
        }
    }

    /// Takes a profile of the state once more, which may be a leaver's. `contact` names it at the destination.
    pub fn leaver(&mut self, profile: &Profile, contact: Option<&str>) {
        let key = &profile.key;
        let is_kept = match (self.members.leaving(key), self.withheld) {
            (None, _) | (Some(Leaving::Gone), Withheld::Everybody) => return,
            (Some(Leaving::Gone), Withheld::ByIds) => self.lost.may_hold(profile.match_id),
            (Some(_), _) => false,
        };
        // Without a contact nobody can say whom to remove.
        let Some(contact) = contact.filter(|_| !is_kept) else {
            self.counts.leavers -= 1;
            self.counts.leavers_withheld += 1;
            self.members.keep(key);
            return;
        };
        self.chunk(ChunkKind::Leavers, |chunk| write_leaver(chunk, key, contact));
    }

    /// Gives out the chunks that are not full.
    pub fn finish(mut self) -> (Counts, Vec<PlanOutput>) {
        self.written.extend(self.chunks.rest());
        if !self.rejects.is_empty() {
            self.written.push(PlanOutput::Rejects(self.rejects));
        }
        (self.counts, self.written)
    }

    fn chunk(&mut self, kind: ChunkKind, write: impl FnOnce(&mut String)) {
        self.written.extend(self.chunks.add(kind, write));
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
    fn judge(&mut self, row: segment::Row<'_>, outcome: Outcome) {
        let key = self.digester.profile(&self.contact.normal);
        let own = self.objection(&key, &outcome);
        let known = self.objections.of(&key);
        let all = own.and(known);
        if known.suppressed && !own.suppressed {
            // A row to come counts as suppressed.
            self.opt_out(row.line, &key, own);
            return self.duplicate(row);
        }
        let seen = match outcome {
            _ if all.suppressed => Seen::Suppressed,
            _ if all.unreadable => Seen::Rejected,
            Outcome::Reject(_) => Seen::Rejected,
            _ => Seen::Valid,
        };
        let lookup = self.members.observe(&key, seen);
        if lookup == Lookup::Duplicate {
            self.object(row.line, &key, own);
            return self.duplicate(row);
        }
        match outcome {
            outcome if all.suppressed => {
                self.counts.suppressed += 1;
                match outcome {
                    Outcome::NoConsent => self.counts.no_consent += 1,
                    Outcome::UnreadableConsent(_) => self.counts.unreadable_consent.count(row.line),
                    _ => {}
                }
                self.opt_out(row.line, &key, all);
            }
            outcome if all.unreadable => {
                self.counts.unreadable_opt_outs += 1;
                self.opt_out(row.line, &key, all);
                let reject = match outcome {
                    Outcome::Reject(reject) => reject,
                    Outcome::UnreadableConsent(reason) => Reject { code: RejectCode::InvalidValue, reason },
                    _ => Reject { code: RejectCode::InvalidValue, reason: ANOTHER_UNREADABLE.to_owned() },
                };
                self.reject(row.line, &reject, |out| cells(&row, out));
            }
            Outcome::Reject(reject) => {
                self.opt_out(row.line, &key, all);
                self.reject(row.line, &reject, |out| cells(&row, out));
            }
            _ => {
                if all.opted_out {
                    self.members.opt_out(&key);
                }
                if let Some(matching) = self.matching.as_ref().filter(|_| all.opted_out && !own.opted_out) {
                    // The row was read without fault, and is again.
                    matching.opt_out_too(|at| row.get(at), &mut self.contact);
                }
                self.send(row.line, &key, lookup, |out| cells(&row, out));
            }
        }
    }

    /// What a row objects to by itself.
    fn objection(&self, key: &ProfileKey, outcome: &Outcome) -> Objection {
        let Contact { email, normal, opt_out, .. } = &self.contact;
        let is_no = matches!(outcome, Outcome::Suppressed | Outcome::NoConsent);
        let is_unreadable = matches!(outcome, Outcome::UnreadableConsent(_));
        // A member whose consent cannot be read stays as is, and the guard is asked.
        let is_member = (is_unreadable || *opt_out == OptOut::Unreadable) && self.members.is_member(key);
        let suppressed = is_no || is_unreadable && !is_member || self.suppression.holds(email, normal);
        Objection { suppressed, opted_out: *opt_out == OptOut::Yes, unreadable: is_member && !suppressed }
    }

    /// Takes note of what a row objects to that has the address of a row before it.
    fn object(&mut self, line: u64, key: &ProfileKey, own: Objection) {
        let is_sent = self.members.is_valid(key);
        let is_suppressed = self.members.is_suppressed(key);
        let opted_out = own.opted_out && is_sent && self.members.opt_out(key) != OptedOut::Before;
        let news = Objection {
            suppressed: own.suppressed && !is_suppressed,
            opted_out,
            unreadable: own.unreadable && !is_suppressed,
        };
        self.objections.add(key, news);
        if !is_sent {
            self.opt_out(line, key, own);
        }
    }

    /// Sends the opt-out of a contact whose row is not sent itself, once.
    fn opt_out(&mut self, line: u64, key: &ProfileKey, objection: Objection) {
        if !objection.opted_out || self.members.opt_out(key) != OptedOut::Contact {
            return;
        }
        let Some(matching) = &self.matching else { return };
        let mut cells = String::new();
        matching.opt_out_alone(&self.contact.email, &mut cells);
        self.counts.opt_outs += 1;
        let row = NewRow {
            key,
            digest: &OPT_OUT_ALONE,
            match_id: None,
            contact_id: "",
            cells: &cells,
            source: self.source,
            line,
        };
        // Where it is refused, there is no further reject: the row is one already, or suppressed.
        self.written
            .extend(self.chunks.add(ChunkKind::OptOuts, |chunk| write_row(chunk, row, |out| out.push_str("[]"))));
    }

    /// The digest of the row's customer id, where it has one.
    fn match_id(&self) -> Option<MatchId> {
        let id = self.contact.id.as_str();
        (!id.is_empty()).then(|| self.digester.match_id(id))
    }

    fn duplicate(&mut self, row: segment::Row<'_>) {
        let reason = "another row has the same email".to_owned();
        self.reject(row.line, &Reject { code: RejectCode::DuplicateEmail, reason }, |out| cells(&row, out));
    }

    /// Adds a row to the chunks, unless the contact is as it should be.
    fn send(&mut self, line: u64, key: &ProfileKey, lookup: Lookup, original: impl Fn(&mut String)) {
        let match_id = self.match_id();
        if let Some(id) = &match_id {
            // A row with another id is sent, so that the state learns it.
            self.contact.digested.push_str("\n\t");
            push_hex(id, &mut self.contact.digested);
        }
        let mut digest = self.digester.fields(&self.contact.digested);
        let is_held = match lookup {
            Lookup::Existing(Fields::Outdated) => true,
            Lookup::Existing(Fields::Held(before)) => before == Some(digest),
            Lookup::New(_) | Lookup::Duplicate => false,
        };
        if is_held {
            self.counts.unchanged += 1;
            return;
        }
        let (kind, count) = match lookup {
            Lookup::Existing(_) => (ChunkKind::Changed, &mut self.counts.changed),
            Lookup::New(_) | Lookup::Duplicate => (ChunkKind::Joiners, &mut self.counts.joiners),
        };
        *count += 1;
        let mut contact = std::mem::take(&mut self.contact);
        if lookup == Lookup::New(Fields::Outdated) {
            // The newer drop's row sends the fields, in whichever order the lanes send the two.
            contact.keep_email_only();
            digest = FIELDS_UNCONFIRMED;
        }
        let row =
            NewRow { key, digest: &digest, match_id, contact_id: "", cells: &contact.cells, source: self.source, line };
        self.chunk(kind, |chunk| write_row(chunk, row, original));
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
                // Whoever must not be sent to is not kept.
                if matching.has_ids() && !(matching.refuses(|at| row.get(at)) && !self.contact.id.is_empty()) {
                    self.lost.add(self.match_id());
                }
                self.reject(row.line, &reject, |out| cells(&row, out));
            }
            outcome => self.judge(row, outcome),
        }
        Ok(())
    }

    fn malformed(&mut self, line: u64, raw: &str, why: segment::Flaw) -> Result<()> {
        self.counts.read += 1;
        self.lost.add(None);
        let reject = Reject { code: RejectCode::MalformedRow, reason: why.to_string() };
        self.reject(line, &reject, |out| out.push_str(&format!("[{}]", quoted(raw))));
        Ok(())
    }
}
