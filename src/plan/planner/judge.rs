//! What becomes of a row: sent, unchanged, suppressed or rejected.

use std::fmt::Write as _;

use super::Planner;
use crate::chunk::{NewRow, quoted, write_row};
use crate::contact::{Contact, OptOut, Outcome, Reject, RejectCode};
use crate::plan::corrections::Corrected;
use crate::plan::fingerprint::{Fingerprint, RowDigest};
use crate::plan::members::{Fields, Lookup, OptedOut, Seen};
use crate::plan::objections::Objection;
use crate::plan::output::{ChunkKind, PlanOutput};
use crate::segment;
use crate::state::{FIELDS_UNCONFIRMED, MatchId, OPT_OUT_ALONE, ProfileKey, half, push_hex};

/// Bytes of rejects in one object.
const REJECT_BYTES: usize = 1 << 20;

/// Why the row of a member is not sent whose other row says something that cannot be read.
const ANOTHER_UNREADABLE: &str = "another row of the same email has an opt-out or consent that cannot be read";

impl Planner<'_> {
    /// Rejects a row; one that somebody tried to correct stays known by what it was at first.
    pub(super) fn reject(&mut self, row: &segment::Row<'_>, reject: &Reject) {
        let fingerprint = match self.retried(row) {
            Some(retried) => retried.fingerprint.map(|before| before.to_string()).unwrap_or_default(),
            None => {
                let normal = self.contact.normal.as_str();
                let address = (!normal.is_empty()).then(|| half(&self.known.digester.profile(normal)));
                self.fingerprint(self.row_digest(row), address)
            }
        };
        let width = self.columns.len();
        self.add_reject(row.line, reject, &fingerprint, |out| cells(row, width, out));
    }

    /// Rejects what cannot be read as a row.
    pub(super) fn reject_malformed(&mut self, line: u64, raw: &str, why: segment::Flaw) {
        let reject = Reject { code: RejectCode::MalformedRow, reason: why.to_string() };
        let fingerprint = self.fingerprint(self.known.digester.row(raw), None);
        self.add_reject(line, &reject, &fingerprint, |out| out.push_str(&format!("[{}]", quoted(raw))));
    }

    fn fingerprint(&self, row: RowDigest, address: Option<[u8; 16]>) -> String {
        Fingerprint { run_id: self.known.run_id.to_owned(), row, address }.to_string()
    }

    fn row_digest(&self, row: &segment::Row<'_>) -> RowDigest {
        let text = self.matching.as_ref().map(|matching| matching.read_cells(|at| row.get(at)));
        self.known.digester.row(&text.unwrap_or_default())
    }

    fn add_reject(&mut self, line: u64, reject: &Reject, fingerprint: &str, original: impl FnOnce(&mut String)) {
        *self.counts.rejects.entry(reject.code).or_default() += 1;
        // Writing to a String cannot fail.
        let _ = write!(
            self.rejects,
            r#"{{"source":{},"line":{line},"code":"{}","reason":{},"fingerprint":"{fingerprint}","row":"#,
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

    /// What stands in the place of a row that was rejected before, unless the row itself is not to be sent.
    pub(super) fn corrected(&self, row: &segment::Row<'_>, outcome: &Outcome) -> Option<(RowDigest, Corrected)> {
        if self.corrections.is_empty() || self.retry.is_some() {
            return None;
        }
        let digest = self.row_digest(row);
        let corrected = self.corrections.of(&digest)?;
        let Contact { email, normal, .. } = &self.contact;
        let is_refused = !matches!(outcome, Outcome::Contact | Outcome::Reject(_))
            || !normal.is_empty() && self.known.suppression.holds(email, normal)
            || self.objections.of(&corrected.profile).suppressed;
        (!is_refused && self.members.is_member(&corrected.profile)).then_some((digest, corrected))
    }

    /// Leaves the profile as it is that was sent in the place of a rejected row.
    pub(super) fn stays_corrected(&mut self, row: &segment::Row<'_>, digest: &RowDigest, corrected: Corrected) {
        self.keep_corrected(digest, &corrected);
        if !corrected.opted_out && !self.contact.normal.is_empty() {
            let key = self.known.digester.profile(&self.contact.normal);
            let opted_out = self.contact.opt_out == OptOut::Yes;
            self.opt_out(row.line, &key, Objection { opted_out, ..Objection::default() });
        }
    }

    /// Does the same for what cannot be read as a row; `false` where nobody has corrected it.
    pub(super) fn malformed_stays_corrected(&mut self, raw: &str) -> bool {
        if self.corrections.is_empty() || self.retry.is_some() {
            return false;
        }
        let digest = self.known.digester.row(raw);
        let corrected = self.corrections.of(&digest).filter(|corrected| {
            self.members.is_member(&corrected.profile) && !self.objections.of(&corrected.profile).suppressed
        });
        let Some(corrected) = corrected else { return false };
        self.keep_corrected(&digest, &corrected);
        true
    }

    fn keep_corrected(&mut self, digest: &RowDigest, corrected: &Corrected) {
        self.counts.unchanged += 1;
        self.corrections.see(digest);
        let profile = &corrected.profile;
        if self.members.observe(profile, Seen::Rejected) == Lookup::Duplicate && self.members.is_valid(profile) {
            // A row before it was taken for the profile's.
            self.objections.add(profile, Objection { corrected: true, ..Objection::default() });
        }
    }

    /// Decides what becomes of a row whose email is valid.
    pub(super) fn judge(&mut self, row: segment::Row<'_>, outcome: Outcome) {
        let key = self.known.digester.profile(&self.contact.normal);
        if let Some(retried) = self.retried(&row)
            && self.is_left_out(&key, &retried)
        {
            return;
        }
        let own = self.objection(&key, &outcome);
        let known = self.objections.of(&key);
        let all = own.and(known);
        if known.suppressed && !own.suppressed || known.corrected && !all.suppressed {
            // Another row counts: one that is suppressed, or a rejected one in whose place the person was sent.
            self.opt_out(row.line, &key, own);
            return self.duplicate(&row);
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
            return self.duplicate(&row);
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
                self.reject(&row, &reject);
            }
            Outcome::Reject(reject) => {
                self.opt_out(row.line, &key, all);
                self.reject(&row, &reject);
            }
            _ => {
                if all.opted_out {
                    self.members.opt_out(&key);
                }
                if let Some(matching) = self.matching.as_ref().filter(|_| all.opted_out && !own.opted_out) {
                    // The row was read without fault, and is again.
                    matching.opt_out_too(|at| row.get(at), &mut self.contact);
                }
                self.send(&row, &key, lookup);
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
        let suppressed = is_no || is_unreadable && !is_member || self.known.suppression.holds(email, normal);
        Objection {
            suppressed,
            opted_out: *opt_out == OptOut::Yes,
            unreadable: is_member && !suppressed,
            corrected: false,
        }
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
            corrected: false,
        };
        self.objections.add(key, news);
        if !is_sent {
            self.opt_out(line, key, own);
        }
    }

    /// Sends the opt-out of a contact whose row is not sent itself, once.
    fn opt_out(&mut self, line: u64, key: &ProfileKey, objection: Objection) {
        if !objection.opted_out || self.room.is_some() || self.members.opt_out(key) != OptedOut::Contact {
            return;
        }
        let Some(matching) = &self.matching else { return };
        let mut cells = String::new();
        matching.opt_out_alone(&self.contact.email, &mut cells);
        self.counts.opt_outs += 1;
        let row = NewRow { key, digest: &OPT_OUT_ALONE, match_id: None, cells: &cells, source: self.source, line };
        // Where it is refused, there is no further reject: the row is one already, or suppressed.
        self.written
            .extend(self.chunks.add(ChunkKind::OptOuts, |chunk| write_row(chunk, row, |out| out.push_str("[]"))));
    }

    /// The digest of the row's customer id, where it has one.
    pub(super) fn match_id(&self) -> Option<MatchId> {
        let id = self.contact.id.as_str();
        (!id.is_empty()).then(|| self.known.digester.match_id(id))
    }

    fn duplicate(&mut self, row: &segment::Row<'_>) {
        let reason = "another row has the same email".to_owned();
        self.reject(row, &Reject { code: RejectCode::DuplicateEmail, reason });
    }

    /// Adds a row to the chunks, unless the contact is as it should be.
    fn send(&mut self, row: &segment::Row<'_>, key: &ProfileKey, lookup: Lookup) {
        let match_id = self.match_id();
        if let Some(id) = &match_id {
            // A row with another id is sent, so that the state learns it.
            self.contact.digested.push_str("\n\t");
            push_hex(id, &mut self.contact.digested);
        }
        let mut digest = self.known.digester.fields(&self.contact.digested);
        let is_asked_for = self.only == Some(*key);
        let is_held = match lookup {
            _ if is_asked_for => false,
            Lookup::Existing(Fields::Outdated) => true,
            Lookup::Existing(Fields::Held(before)) => before == Some(digest),
            Lookup::New(_) | Lookup::Duplicate => false,
        };
        self.correct(row, key, !is_held);
        if is_held {
            self.counts.unchanged += 1;
            return;
        }
        let (kind, count) = match lookup {
            Lookup::Existing(_) => (ChunkKind::Changed, &mut self.counts.changed),
            Lookup::New(_) | Lookup::Duplicate => (ChunkKind::Joiners, &mut self.counts.joiners),
        };
        *count += 1;
        match &mut self.room {
            Some(_) if self.only.is_some() && !is_asked_for => return self.counts.held_back += 1,
            Some(0) => return self.counts.held_back += 1,
            Some(room) => *room -= 1,
            None => {}
        }
        let mut contact = std::mem::take(&mut self.contact);
        if lookup == Lookup::New(Fields::Outdated) {
            // The newer drop's row sends the fields, in whichever order the lanes send the two.
            contact.keep_email_only();
            digest = FIELDS_UNCONFIRMED;
        }
        let new = NewRow { key, digest: &digest, match_id, cells: &contact.cells, source: self.source, line: row.line };
        // Of a row that is sent again, its fingerprint stands behind its columns.
        let width = self.columns.len() + usize::from(self.retry.is_some());
        self.chunk(kind, |chunk| write_row(chunk, new, |out| cells(row, width, out)));
        self.contact = contact;
    }
}

/// The first `width` cells of a row as a JSON array.
fn cells(row: &segment::Row<'_>, width: usize, out: &mut String) {
    out.push('[');
    for (n, cell) in row.iter().take(width).enumerate() {
        if n > 0 {
            out.push(',');
        }
        crate::value::string(cell, out);
    }
    out.push(']');
}
