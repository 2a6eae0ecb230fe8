//! Keyed digests, and bytes as hexadecimal digits.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::error::{Error, Kind, Result};

/// A profile's key: HMAC-SHA-256 of its normalised email.
pub type ProfileKey = [u8; 32];
/// A digest of the mapped fields: the first half of an HMAC-SHA-256.
pub type FieldsDigest = [u8; 16];

/// A digest of a stable customer id (`match.id`): the first half of an HMAC-SHA-256.
pub type MatchId = [u8; 16];

/// Makes the digests of one connection.
#[derive(Clone)]
pub struct Digester(Hmac<Sha256>);

impl std::fmt::Debug for Digester {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digester(***)")
    }
}

impl Digester {
    /// Digests under the connection's state key.
    ///
    /// # Errors
    /// Never for the keys this program makes; HMAC takes keys of any length.
    pub fn new(state_key: &str) -> Result<Self> {
        Hmac::new_from_slice(state_key.as_bytes())
            .map(Self)
            .map_err(|cause| Error::new(Kind::Bug, "state key", "cannot be used").with_source(cause))
    }

    fn digest(&self, what: u8, text: &str) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(&[what]);
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// The key of the profile with this normalised email.
    pub fn profile(&self, normal_email: &str) -> ProfileKey {
        self.digest(b'e', normal_email)
    }

    /// The digest of mapped fields.
    pub fn fields(&self, fields: &str) -> FieldsDigest {
        half(&self.digest(b'f', fields))
    }

    /// Tells one API key from another without revealing either.
    pub fn api_key(&self, key: &str) -> String {
        hex(&half(&self.digest(b'a', key)))
    }

    /// The digest of a stable customer id.
    pub fn match_id(&self, id: &str) -> MatchId {
        half(&self.digest(b'i', id))
    }

    /// The digest of a rejected row's cells.
    pub fn row(&self, cells: &str) -> [u8; 16] {
        half(&self.digest(b'r', cells))
    }

    /// The digest of an entry of a suppression file.
    pub fn listed(&self, entry: &[u8; 32]) -> [u8; 16] {
        half(&self.digest(b's', &hex(entry)))
    }

    /// Tells one state key from another without revealing either.
    pub fn fingerprint(&self) -> String {
        hex(&half(&self.digest(b'k', "autopilot-export")))
    }
}

/// The first sixteen bytes of a digest.
pub fn half(digest: &[u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    half
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const_hex::encode(bytes)
}

/// Appends bytes to a text as [`hex`] writes them.
pub fn push_hex<const N: usize>(bytes: &[u8; N], text: &mut String) {
    text.push_str(const_hex::Buffer::<N>::new().format(bytes));
}

/// The bytes behind exactly `2 N` hexadecimal digits.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    (text.len() == 2 * N).then(|| const_hex::decode_to_array(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_need_the_state_key() {
        let (one, other) = (Digester::new("one").unwrap(), Digester::new("other").unwrap());
        assert_ne!(one.profile("a@example.org"), other.profile("a@example.org"));
        assert_ne!(half(&one.profile("a")), one.fields("a"));
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert_eq!(unhex(&hex(&one.profile("a"))), Some(one.profile("a")));
        assert_eq!(unhex::<2>("zz00"), None);
    }
}
