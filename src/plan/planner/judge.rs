//! What becomes of a row: sent, unchanged, suppressed or rejected.

use super::{PlanInput, Planner};
use crate::chunk::{NewRow, quoted, write_row};
use crate::contact::{MatchResult, Matching, OptOut, Reject, RejectCode};
use crate::plan::address_changes::{RowKind, Standing};
use crate::plan::fingerprint::{Fingerprint, RowDigest};
use crate::plan::history::{Act, Verdict};
use crate::plan::members::{Fields, Lookup, OptedOut, Seen};
use crate::plan::objection::Objection;
use crate::plan::output::ChunkKind;
use crate::segment;
use crate::state::{FIELDS_UNCONFIRMED, MatchId, ProfileKey, half, push_hex};

/// Why the row of a person is not sent whose other row says something that cannot be read.
const ANOTHER_UNREADABLE: &str = "another row of the same person has an opt-out or consent that cannot be read";

impl Planner<'_> {
    /// Rejects a row; one that somebody tried to correct stays known by what it was at first.
    pub(super) fn reject(&mut self, row: &segment::Row<'_>, reject: &Reject) {
        let normal = self.contact.normal.as_str();
        let key = (!normal.is_empty()).then(|| self.known.digester.profile(normal));
        let fingerprint = match self.retried(row) {
            Some(retried) => retried.fingerprint.map(|before| before.to_string()).unwrap_or_default(),
            None => self.fingerprint(self.row_digest(row), key.as_ref().map(half)),
        };
        if let Some(key) = key {
            self.record(&key, Some(row.line), (Act::Nothing, Verdict::Rejected(reject.code)));
        }
        let width = self.columns.len();
        self.add_reject(row.line, reject, &fingerprint, |out| cells(row, width, out));
    }

    /// Rejects what cannot be read as a row.
    pub(super) fn reject_malformed(&mut self, line: u64, raw: &str, why: segment::Flaw) {
        let reject = Reject::new(RejectCode::MalformedRow, why.to_string());
        let fingerprint = self.fingerprint(self.known.digester.row(raw), None);
        self.add_reject(line, &reject, &fingerprint, |out| out.push_str(&format!("[{}]", quoted(raw))));
    }

    fn fingerprint(&self, row: RowDigest, address: Option<[u8; 16]>) -> String {
        Fingerprint { run_id: self.known.run_id.to_owned(), row, address }.to_string()
    }

    pub(super) fn row_digest(&self, row: &segment::Row<'_>) -> RowDigest {
        let text = self.matching.as_ref().map(|matching| matching.read_cells(|at| row.get(at)));
        self.known.digester.row(&text.unwrap_or_default())
    }

    fn add_reject(&mut self, line: u64, reject: &Reject, fingerprint: &str, original: impl FnOnce(&mut String)) {
        *self.counts.rejects.entry(reject.code).or_default() += 1;
        self.output.reject(self.source, line, reject, fingerprint, original);
    }

    /// Decides what becomes of a row whose email is valid.
    pub(super) fn judge(&mut self, row: segment::Row<'_>, outcome: MatchResult) {
        let key = self.known.digester.profile(&self.contact.normal);
        if let Some(retried) = self.retried(&row) {
            if self.is_left_out(&key, &retried) {
                return;
            }
            if self.is_anothers(&key, &retried) {
                return self.duplicate(&row);
            }
        }
        let id = self.match_id();
        let says = self.objection(&key, &outcome);
        let is_erased =
            self.known.erased.contains(&key) || id.as_ref().is_some_and(|id| self.known.erased.contains_id(id));
        // The suppression file is read by each run, and who was erased is noted nowhere else.
        if !is_erased {
            self.stored_objections.add(Some(&key), id.as_ref(), says);
        }
        let is_listed = self.is_listed(id.as_ref());
        let own = says.or_suppressed(is_erased || is_listed);
        let known = self.objections.of(&key);
        let all = own.and(known).and(self.objections.of_person(&key, id.as_ref()));
        self.say(Some(&key), id.as_ref(), own);
        if let Some(id) = id.as_ref().filter(|_| self.objections.are_shared()) {
            self.objections.add_id(&key, id);
        }
        if known.suppressed && !own.suppressed || known.corrected && !all.suppressed {
            // Another row counts: one that is suppressed, or a rejected one in whose place the person was sent.
            self.opt_out(row.line, &key, own);
            return self.duplicate(&row);
        }
        let seen = match outcome {
            _ if all.suppressed => Seen::Suppressed,
            _ if all.unreadable => Seen::Rejected,
            MatchResult::Reject(_) => Seen::Rejected,
            _ => Seen::Valid,
        };
        let lookup = self.members.observe(&key, seen);
        if lookup == Lookup::Duplicate {
            self.object(row.line, &key, own);
            return self.duplicate(&row);
        }
        self.see_address(&key, id.as_ref(), seen);
        match outcome {
            outcome if all.suppressed => {
                self.count_suppressed(row.line, &outcome);
                self.record_suppressed(&row, &key, &outcome, is_listed);
                self.opt_out(row.line, &key, all);
            }
            outcome if all.unreadable => {
                // A member stays as is, and the guard is asked.
                if self.members.is_known(&key) {
                    self.counts.unreadable_opt_outs += self.objections.count_unreadable(&half(&key));
                }
                self.opt_out(row.line, &key, all);
                self.reject(&row, &unreadable(outcome));
            }
            MatchResult::Reject(reject) => {
                self.opt_out(row.line, &key, all);
                self.reject(&row, &reject);
            }
            _ => {
                if let Some(matching) = self.matching.as_ref().filter(|_| all.opted_out && !own.opted_out) {
                    // The row was read without fault, and is again.
                    matching.opt_out_too(|at| row.get(at), &mut self.contact);
                }
                self.send(&row, &key, id, all, lookup);
            }
        }
    }

    /// Whether the row's person is on a list, by this address or by another that the customer id had.
    fn is_listed(&mut self, id: Option<&MatchId>) -> bool {
        let PlanInput { suppression, digester, listed_ids, .. } = self.known;
        let (email, normal) = (&self.contact.email, &self.contact.normal);
        let (is_listed, others) = (suppression.holds(email, normal), listed_ids.of(id));
        if let Some(id) = id.filter(|_| is_listed || !others.is_empty()) {
            let own = if is_listed { suppression.marks(digester, email, normal) } else { Vec::new() };
            self.stored_objections.add_listed(id, own.into_iter().chain(others.iter().copied()));
        }
        is_listed || !others.is_empty()
    }

    /// Tells the row's address and id to who looks for contacts with new addresses.
    fn see_address(&mut self, key: &ProfileKey, id: Option<&MatchId>, seen: Seen) {
        let kind = match seen {
            Seen::Valid => RowKind::Valid,
            Seen::Rejected => RowKind::Rejected,
            Seen::Suppressed => RowKind::Suppressed,
        };
        let standing = if self.members.is_known(key) { Standing::Known } else { Standing::Unknown };
        self.changes.see(key, id, kind, standing);
    }

    fn count_suppressed(&mut self, line: u64, outcome: &MatchResult) {
        self.counts.suppressed += 1;
        match outcome {
            MatchResult::NoConsent => self.counts.no_consent += 1,
            MatchResult::UnreadableConsent(_) => self.counts.unreadable_consent.count(line),
            _ => {}
        }
    }

    /// What a row objects to by itself.
    fn objection(&self, key: &ProfileKey, outcome: &MatchResult) -> Objection {
        let opt_out = self.contact.opt_out;
        let is_unreadable = matches!(outcome, MatchResult::UnreadableConsent(_));
        let suppressed = matches!(outcome, MatchResult::Suppressed | MatchResult::NoConsent)
            || is_unreadable && !self.members.is_known(key);
        Objection {
            suppressed,
            opted_out: opt_out == OptOut::Yes,
            unreadable: (is_unreadable || opt_out == OptOut::Unreadable) && !suppressed,
            corrected: false,
        }
    }

    /// Records what a row objects to for the person's other rows.
    pub(super) fn say(&mut self, key: Option<&ProfileKey>, id: Option<&MatchId>, own: Objection) {
        if self.objections.are_shared() && !own.is_none() {
            let was_planned = key.is_some_and(|key| self.members.was_planned(key));
            self.objections.add_for_person(key, id, own, was_planned);
        }
    }

    /// Rejects a row without a readable address. What it says of consent counts for the member with its id.
    pub(super) fn reject_unaddressed(&mut self, row: &segment::Row<'_>, reject: &Reject) {
        let own = match &self.matching {
            Some(matching) => Objection::of_row(matching.consent(&|at| row.get(at)), self.contact.opt_out),
            None => Objection::default(),
        };
        let id = self.match_id();
        self.changes.see_unaddressed(id.as_ref());
        self.stored_objections.add(None, id.as_ref(), own);
        if let Some(id) = &id {
            self.stored_objections.add_listed(id, self.known.listed_ids.of(Some(id)).iter().copied());
        }
        self.say(None, id.as_ref(), own);
        // People who must not be sent to are not kept.
        if self.matching.as_ref().is_some_and(Matching::has_ids) && !(own.suppressed && id.is_some()) {
            self.lost.add(id);
        }
        self.reject(row, reject);
    }

    /// Records what a row objects to that has the address of a row before it.
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

    /// The digest of the row's customer id, where it has one.
    pub(super) fn match_id(&self) -> Option<MatchId> {
        let id = self.contact.id.as_str();
        (!id.is_empty()).then(|| self.known.digester.match_id(id))
    }

    fn duplicate(&mut self, row: &segment::Row<'_>) {
        let reason = "another row has the same email".to_owned();
        self.reject(row, &Reject::new(RejectCode::DuplicateEmail, reason));
    }

    /// Adds a row to the chunks, unless the contact is as it should be, or the row was refused not long ago.
    fn send(
        &mut self,
        row: &segment::Row<'_>,
        key: &ProfileKey,
        match_id: Option<MatchId>,
        objection: Objection,
        lookup: Lookup,
    ) {
        if let Some(id) = &match_id {
            // A row with another id is sent, so that the state learns it.
            self.contact.digested.push_str("\n\t");
            push_hex(id, &mut self.contact.digested);
        }
        let mut digest = self.known.digester.fields(&self.contact.digested);
        let is_asked_for = self.only == Some(*key);
        let has_new_address = self.changes.is_new(key);
        let is_held = match lookup {
            _ if is_asked_for || has_new_address => false,
            Lookup::Existing(Fields::Outdated) => true,
            Lookup::Existing(Fields::Held(before)) => before == Some(digest),
            Lookup::New(_) | Lookup::Duplicate => false,
        };
        let refused = if is_held || self.retry.is_some() { None } else { self.known.refusals.reason(key, &digest) };
        if let Some(reason) = refused {
            self.opt_out(row.line, key, objection);
            return self.reject(row, &Reject::new(RejectCode::Refused, reason));
        }
        if objection.opted_out {
            self.members.opt_out(key);
        }
        self.correct(row, key, !is_held);
        if is_held {
            self.counts.unchanged += 1;
            return;
        }
        let (kind, act, count) = match lookup {
            _ if has_new_address => (ChunkKind::AddressChanges, Act::NewAddress, &mut self.counts.address_changed),
            Lookup::Existing(_) => (ChunkKind::Changed, Act::Change, &mut self.counts.changed),
            Lookup::New(_) | Lookup::Duplicate => (ChunkKind::Joiners, Act::Join, &mut self.counts.joiners),
        };
        *count += 1;
        let is_held_back = match &mut self.room {
            Some(_) if self.only.is_some() && !is_asked_for => true,
            Some(0) => true,
            Some(room) => {
                *room -= 1;
                false
            }
            None => false,
        };
        self.record(key, Some(row.line), if is_held_back { act.held_back() } else { act.planned() });
        if is_held_back {
            return self.counts.held_back += 1;
        }
        let mut contact = std::mem::take(&mut self.contact);
        if lookup == Lookup::New(Fields::Outdated) {
            // The newer drop's row sends the fields, in whichever order the lanes send the two.
            contact.keep_email_only();
            digest = FIELDS_UNCONFIRMED;
        }
        let (cells_of_contact, contact_id) = (contact.cells.as_str(), "");
        if has_new_address {
            self.changes.sends(key, &contact.email);
        }
        let (source, line) = (self.source, row.line);
        let new = NewRow { key, digest: &digest, match_id, cells: cells_of_contact, contact_id, source, line };
        // Of a row that is sent again, its fingerprint stands behind its columns.
        let width = self.columns.len() + usize::from(self.retry.is_some());
        self.output.row(kind, |chunk| write_row(chunk, new, |out| cells(row, width, out)));
        self.contact = contact;
    }
}

/// The reject of a row whose consent cannot be read, in itself or in another row of its person.
fn unreadable(outcome: MatchResult) -> Reject {
    match outcome {
        MatchResult::Reject(reject) => reject,
        MatchResult::UnreadableConsent(reason) => Reject::new(RejectCode::InvalidValue, reason),
        _ => Reject::new(RejectCode::InvalidValue, ANOTHER_UNREADABLE.to_owned()),
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
