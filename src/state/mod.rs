//! What the destination is known to hold for an export: one record per profile, without personal data.
//!
//! A profile is known by a keyed digest of its email and its fields by another, so the state reveals nothing without
//! the connection's state key. The digest of fields and the contact id belong to the profile in its export; for each
//! of the export's segments the record says whether the profile is a member. One object holds the state of an export
//! (`codec`), so a run replaces it in one step, whatever segments it carried.

mod codec;
mod digest;
pub mod packed;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::membership::MembershipTarget;

pub use codec::{Decoder, FORMAT, Writer};
pub use digest::{Digester, FieldsDigest, MatchId, ProfileKey, half, hex, push_hex, unhex};

/// The digest that no fields have. In the state: which fields the contact holds is not confirmed, so the next row of
/// the profile counts as changed. Of a row that is sent: it carries no fields.
pub const FIELDS_UNCONFIRMED: FieldsDigest = [0; 16];

/// The digest of a contact whose fields nobody here has sent: the next row of the profile counts as changed.
pub const FIELDS_UNKNOWN: FieldsDigest = *b"fields not known";

/// The digest of a row that is sent for its opt-out alone: the fields that the contact holds stay as they are.
pub const OPT_OUT_ALONE: FieldsDigest = *b"the opt-out only";

/// A segment that has members in the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentHeader {
    /// Its name in the configuration.
    pub name: String,
    /// How its members are marked.
    pub target: MembershipTarget,
}

/// What a state object belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub format: u32,
    pub account: String,
    /// The fingerprint of the state key.
    pub key_fingerprint: String,
    /// The segments, in the order of [`Profile::memberships`].
    pub segments: Vec<SegmentHeader>,
    /// When the last rows were sent, or the run ended that sent them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
}

impl Header {
    /// The place of a segment in [`Profile::memberships`].
    pub fn position(&self, segment: &str) -> Option<usize> {
        self.segments.iter().position(|known| known.name == segment)
    }
}

/// Whether a profile is a member of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemberStatus {
    /// It is not.
    #[default]
    Absent,
    /// The destination confirmed it.
    Confirmed,
    /// A run ended before the destination's answer: it may be a member or not.
    Unconfirmed,
    /// It was asked to leave. What was sent before without an answer may have made it a member since.
    Leaving,
}

/// One profile of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Which.
    pub key: ProfileKey,
    /// The mapped fields that the contact was last confirmed to hold, else [`FIELDS_UNCONFIRMED`].
    pub digest: FieldsDigest,
    /// The destination's id of the contact; none where it was sent without an answer.
    pub contact_id: Option<Box<str>>,
    /// A keyed digest of the stable customer id (`match.id`), where one is mapped.
    pub match_id: Option<MatchId>,
    /// Whether its opt-out was sent apart from its fields.
    pub is_opted_out: bool,
    /// By the header's segments.
    pub memberships: Vec<MemberStatus>,
}

impl Profile {
    /// Whether it is, or may be, a member of the segment at this place of the header.
    pub fn is_member(&self, segment: usize) -> bool {
        self.status(segment) != MemberStatus::Absent
    }

    /// What is known of its membership of the segment at this place of the header.
    pub fn status(&self, segment: usize) -> MemberStatus {
        self.memberships.get(segment).copied().unwrap_or_default()
    }

    /// Whether what was sent of it last has no answer: what the contact holds, or whether it is a member.
    pub fn is_doubted(&self) -> bool {
        let is_doubted = |status: &MemberStatus| matches!(status, MemberStatus::Unconfirmed | MemberStatus::Leaving);
        self.digest == FIELDS_UNCONFIRMED || self.memberships.iter().any(is_doubted)
    }

    /// Changes what is known of its membership of the segment at this place of the header.
    pub fn set_status(&mut self, segment: usize, status: MemberStatus) {
        if self.memberships.len() <= segment {
            self.memberships.resize(segment + 1, MemberStatus::Absent);
        }
        if let Some(known) = self.memberships.get_mut(segment) {
            *known = status;
        }
    }
}
