//! The suppression file: who is not sent to, whatever the segments say.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::email;

/// The emails of a suppression file, as SHA-256 digests of their trimmed, lower-case text.
#[derive(Clone, Debug, Default)]
pub struct SuppressionList {
    digests: HashSet<[u8; 32]>,
}

impl SuppressionList {
    /// Reads the file: an email or its SHA-256 (64 hexadecimal digits) a line; blank lines and `#` comments are left
    /// out. The second part holds the numbers, from 1, of lines that are neither: the caller names them in its error,
    /// and never shows them.
    pub fn parse(text: &str) -> (Self, Vec<usize>) {
        let mut list = Self::default();
        let mut faulty = Vec::new();
        let mut normal = String::new();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(digest) = from_hex(line) {
                list.digests.insert(digest);
            } else if email::is_valid(line) {
                email::normalise(line, &mut normal);
                list.digests.insert(digest(&normal));
            } else {
                faulty.push(index + 1);
            }
        }
        (list, faulty)
    }

    /// Whether the email, in lower case as in [`super::Contact::normal`], is on the list. One digest, and none where
    /// the list is empty.
    pub fn contains(&self, normal_email: &str) -> bool {
        !self.digests.is_empty() && self.digests.contains(&digest(normal_email))
    }

    /// How many different emails are on it.
    pub fn len(&self) -> usize {
        self.digests.len()
    }

    /// Whether nobody is on it.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }
}

fn digest(normal: &str) -> [u8; 32] {
    Sha256::digest(normal.as_bytes()).into()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = [0; 32];
    for (place, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *place = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}
