//! Rows in whose place somebody sent a corrected one.

use super::Planner;
use crate::contact::{Consent, Contact, MatchResult, OptOut};
use crate::plan::address_changes::{RowKind, Standing};
use crate::plan::corrections::Corrected;
use crate::plan::fingerprint::RowDigest;
use crate::plan::members::{Lookup, Seen};
use crate::plan::objection::Objection;
use crate::segment;
use crate::state::ProfileKey;

impl Planner<'_> {
    /// What stands in the place of a row that was rejected before, unless the row itself is not to be sent: then neither
    /// is who was sent in its place.
    pub(super) fn corrected(
        &mut self,
        row: &segment::Row<'_>,
        outcome: &MatchResult,
    ) -> Option<(RowDigest, Corrected)> {
        if self.corrections.is_empty() || self.retry.is_some() {
            return None;
        }
        let digest = self.row_digest(row);
        let corrected = self.corrections.of(&digest)?;
        let Contact { email, normal, .. } = &self.contact;
        let is_listed = !normal.is_empty() && self.known.suppression.holds(email, normal);
        let says_no = match outcome {
            MatchResult::Contact | MatchResult::Reject(_) => normal.is_empty() && self.refuses(row),
            _ => true,
        };
        if says_no || is_listed {
            let key = (!normal.is_empty()).then(|| self.known.digester.profile(normal));
            if key != Some(corrected.profile) {
                self.object_to_corrected(&corrected.profile, says_no);
            }
            return None;
        }
        let is_refused = self.said_of(&corrected.profile).suppressed;
        (!is_refused && self.members.is_member(&corrected.profile)).then_some((digest, corrected))
    }

    /// Whether a row says itself that it is not to be sent.
    fn refuses(&self, row: &segment::Row<'_>) -> bool {
        let consent = self.matching.as_ref().map(|matching| matching.consent(&|at| row.get(at)));
        matches!(consent, Some(Consent::Suppressed | Consent::Missing))
    }

    /// Suppresses who was sent in the place of a row that is not to be sent, as it `says_no` itself or for its address.
    fn object_to_corrected(&mut self, profile: &ProfileKey, says_no: bool) {
        let no = Objection { suppressed: true, ..Objection::default() };
        if says_no {
            self.stored_objections.add(Some(profile), None, no);
        }
        self.say(Some(profile), None, no);
        if self.members.observe(profile, Seen::Suppressed) == Lookup::Duplicate && !self.members.is_suppressed(profile)
        {
            self.objections.add(profile, no);
        }
    }

    /// Leaves the profile as it is that was sent in the place of a rejected row.
    pub(super) fn stays_corrected(&mut self, row: &segment::Row<'_>, digest: &RowDigest, corrected: Corrected) {
        self.keep_corrected(digest, &corrected);
        if self.contact.opt_out == OptOut::Yes {
            let opts_out = Objection { opted_out: true, ..Objection::default() };
            let normal = self.contact.normal.as_str();
            let own = (!normal.is_empty()).then(|| self.known.digester.profile(normal));
            self.stored_objections.add(Some(&own.unwrap_or(corrected.profile)), self.match_id().as_ref(), opts_out);
        }
        if !corrected.opted_out && self.contact.opt_out == OptOut::Yes && self.contact.normal.is_empty() {
            self.objections.opt_out_member(&corrected.profile);
        } else if !corrected.opted_out && !self.contact.normal.is_empty() {
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
            self.members.is_member(&corrected.profile) && !self.said_of(&corrected.profile).suppressed
        });
        let Some(corrected) = corrected else { return false };
        self.keep_corrected(&digest, &corrected);
        true
    }

    /// What any row says of the person that was sent in the place of a rejected one.
    fn said_of(&self, profile: &ProfileKey) -> Objection {
        self.objections.of(profile).and(self.objections.of_person(profile, None))
    }

    fn keep_corrected(&mut self, digest: &RowDigest, corrected: &Corrected) {
        self.counts.unchanged += 1;
        self.corrections.see(digest);
        let profile = &corrected.profile;
        self.changes.see(profile, None, RowKind::Rejected, Standing::Known);
        if self.members.observe(profile, Seen::Rejected) == Lookup::Duplicate && self.members.is_valid(profile) {
            // A row before it was taken for the profile's.
            self.objections.add(profile, Objection { corrected: true, ..Objection::default() });
        }
    }
}
