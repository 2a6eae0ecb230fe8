//! Rows of a rejects file that are sent again, and the corrections that they are.

use super::Planner;
use crate::contact::{Contact, OptOut, RejectCode, SuppressionList};
use crate::plan::corrections::{Correction, NewCorrection};
use crate::plan::fingerprint::Fingerprint;
use crate::plan::retry::{Retried, Retry};
use crate::segment;
use crate::state::{ProfileKey, half};

/// Why a row has no readable address.
const NO_ADDRESS: [RejectCode; 3] = [RejectCode::MissingEmail, RejectCode::InvalidEmail, RejectCode::MalformedRow];

impl Planner<'_> {
    /// What the rejects file says of a row; none of a row of a drop.
    pub(super) fn retried(&self, row: &segment::Row<'_>) -> Option<Retried> {
        self.retry.as_ref()?;
        let at = self.columns.len();
        let fingerprint = Fingerprint::parse(row.get(at));
        let code = row.get(at + 1).trim();
        Some(Retried {
            fingerprint,
            is_duplicate: code == RejectCode::DuplicateEmail.name(),
            is_refused: code == RejectCode::Refused.name(),
            had_no_address: NO_ADDRESS.iter().any(|none| code == none.name()),
        })
    }

    /// Whether a row with a readable address is left out; it is counted then.
    pub(super) fn is_left_out(&mut self, key: &ProfileKey, retried: &Retried) -> bool {
        let Some(Retry { applied, .. }) = &self.retry else { return false };
        let before = retried.fingerprint.as_ref();
        // Where nothing says which address the row had, that of a member is the other row's.
        let is_same = match before.and_then(|before| before.address) {
            Some(address) => address == half(key),
            None => self.members.is_member(key),
        };
        let is_in_newer = before.is_some_and(|before| applied.is_newer_than(&before.run_id));
        let count = if retried.is_duplicate && is_same {
            &mut self.counts.left_out.duplicates
        } else if is_in_newer && applied.people.contains(&half(key)) {
            &mut self.counts.left_out.in_newer_drop
        } else {
            return false;
        };
        *count += 1;
        self.counts.read -= 1;
        true
    }

    /// Whether a row got the address of another one, which counts.
    pub(super) fn is_anothers(&self, key: &ProfileKey, retried: &Retried) -> bool {
        let Some(Retry { applied, has_columns, .. }) = &self.retry else { return false };
        let short = half(key);
        let Some(before) = &retried.fingerprint else {
            // Nothing says which row it was. It was none that can be sent, unless the destination refused it; where the
            // drop is gone, the member may be its own, if it had an address.
            let may_be_itself = if applied.are_members { !retried.had_no_address } else { retried.is_refused };
            return *has_columns && !may_be_itself && applied.with_own_row.contains(&short);
        };
        let had_it = retried.is_refused || before.address == Some(short);
        // It may have been sent with this address before.
        let is_corrected = || self.corrections.of(&before.row).is_some_and(|known| known.profile == *key);
        applied.with_own_row.contains(&short) && !(applied.are_members && (had_it || is_corrected()))
    }

    /// Records that a row is sent, or was before, in the place of a rejected one.
    pub(super) fn correct(&mut self, row: &segment::Row<'_>, key: &ProfileKey, is_sent: bool) {
        let Some(Retried { fingerprint: Some(before), .. }) = self.retried(row) else { return };
        let Contact { email, normal, opt_out, .. } = &self.contact;
        let entries = SuppressionList::digests_of(email, normal);
        let listed: Vec<[u8; 16]> = entries.iter().map(|entry| self.known.digester.listed(entry)).collect();
        let correction = Correction::new(&before.row, key, *opt_out == OptOut::Yes, &listed);
        if let Some(retry) = &mut self.retry {
            retry.made.push(NewCorrection { correction, is_sent });
        }
    }
}
