//! One row to send, and what is to be done for it.

use std::borrow::Cow;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use super::divided::divided;
use crate::state::{FieldsDigest, MatchId, ProfileKey};

/// What is to be done for a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// New to the segment: write the contact, mark it as a member.
    Join,
    /// A member with other mapped fields: write the contact.
    Update,
    /// Gone from the drop: take the mark away.
    Leave,
}

/// One row of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The profile's key.
    pub key: ProfileKey,
    /// Digest of the mapped fields.
    pub digest: FieldsDigest,
    /// Digest of `match.id`, if it is mapped.
    pub match_id: Option<MatchId>,
    /// A value per field of the run, as [`Row::values`] gives them; of a leaver its address, or nothing.
    pub cells: ByteString,
    /// The destination's id of the contact, where it is known.
    pub contact_id: ByteString,
}

impl Row {
    /// The row's values in the order of the run's fields, each as canonical JSON: a text, a number, a boolean, a moment
    /// as `"YYYY-MM-DDTHH:MM:SSZ"`, `null` to clear the field, or nothing where the field is left alone.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        divided(&self.cells, b'\t')
    }

    /// The email address as it is sent; of a leaver mostly empty.
    pub fn email(&self) -> Cow<'_, str> {
        let json = self.values().next().unwrap_or_default();
        match json.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(plain) if !plain.contains('\\') => Cow::Borrowed(plain),
            _ => Cow::Owned(serde_json::from_str(json).unwrap_or_default()),
        }
    }
}
