//! The members that the state knows, small enough to hold a million of them: 33 bytes each.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use crate::state::{FieldsDigest, Member, ProfileKey, half};

/// Half a [`ProfileKey`]: 128 bits of a keyed digest, enough to tell any number of profiles apart.
pub type ShortKey = [u8; 16];

/// How a row stands to the state and to the rows before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Not seen before in this drop, unknown to the state.
    New,
    /// MemberIndex to the state, with these mapped fields.
    Existing(FieldsDigest),
    /// A row before it had the same email.
    Duplicate,
}

/// What the drop has shown of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Not,
    Stays,
    Leaves,
}

/// The members of a segment before a run, and which profiles the drop has shown so far.
#[derive(Debug, Default)]
pub struct MemberIndex {
    members: Vec<(ShortKey, FieldsDigest)>,
    seen: Vec<Seen>,
    newcomers: Keys,
}

impl MemberIndex {
    /// Adds a member; they come in order of their keys.
    pub fn member(&mut self, member: &Member) {
        self.members.push((half(&member.key), member.digest));
        self.seen.push(Seen::Not);
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Notes that the drop holds this profile.
    pub fn observe(&mut self, key: &ProfileKey) -> Lookup {
        let short = half(key);
        if let Ok(at) = self.members.binary_search_by(|(other, _)| other.cmp(&short))
            && let (Some((_, digest)), Some(seen)) = (self.members.get(at), self.seen.get_mut(at))
        {
            return match std::mem::replace(seen, if *seen == Seen::Not { Seen::Stays } else { *seen }) {
                Seen::Not => Lookup::Existing(*digest),
                _ => Lookup::Duplicate,
            };
        }
        if self.newcomers.insert(short) { Lookup::New } else { Lookup::Duplicate }
    }

    /// Notes that this profile is to leave, although the drop holds it.
    pub fn leaves(&mut self, key: &ProfileKey) {
        let short = half(key);
        if let Ok(at) = self.members.binary_search_by(|(other, _)| other.cmp(&short))
            && let Some(seen) = self.seen.get_mut(at)
        {
            *seen = Seen::Leaves;
        }
    }

    /// Whether this member stays.
    pub fn stays(&self, key: &ProfileKey) -> bool {
        let short = half(key);
        let at = self.members.binary_search_by(|(other, _)| other.cmp(&short));
        at.is_ok_and(|at| self.seen.get(at) == Some(&Seen::Stays))
    }

    /// How many members do not stay.
    pub fn missing(&self) -> u64 {
        self.seen.iter().filter(|seen| **seen != Seen::Stays).count() as u64
    }
}

/// A set of keys, which are digests already and need no hashing.
#[derive(Debug, Default)]
pub struct Keys(HashSet<ShortKey, BuildHasherDefault<FirstBytes>>);

impl Keys {
    /// Adds a key; `false` where it was there.
    pub fn insert(&mut self, key: ShortKey) -> bool {
        self.0.insert(key)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The distinct profiles of all the export's segments.
#[derive(Debug)]
pub enum Profiles {
    /// Of one segment: each comes once.
    Counted(u64),
    /// Of several: one may be in each.
    Told(Keys),
}

impl Profiles {
    /// None yet, of so many segments.
    pub fn of(segments: usize) -> Self {
        if segments > 1 { Self::Told(Keys::default()) } else { Self::Counted(0) }
    }

    /// Adds a profile; of one segment, each once.
    pub fn add(&mut self, key: &ProfileKey) {
        match self {
            Self::Counted(count) => *count += 1,
            Self::Told(keys) => {
                keys.insert(half(key));
            }
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        match self {
            Self::Counted(count) => *count,
            Self::Told(keys) => keys.len() as u64,
        }
    }
}

/// Takes the first eight bytes for the hash.
#[derive(Debug, Default)]
pub struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 ^= u64::from_le_bytes(*first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_of_a_profile_counts_and_the_unseen_are_missing() {
        let mut known = MemberIndex::default();
        for n in [1, 2, 3] {
            known.member(&Member { key: [n; 32], digest: [n; 16], contact_id: "c".into() });
        }
        assert_eq!(known.observe(&[2; 32]), Lookup::Existing([2; 16]));
        assert_eq!(known.observe(&[2; 32]), Lookup::Duplicate);
        assert_eq!(known.observe(&[9; 32]), Lookup::New);
        assert_eq!(known.observe(&[9; 32]), Lookup::Duplicate);
        assert_eq!(known.missing(), 2);
        known.leaves(&[2; 32]);
        assert_eq!((known.missing(), known.stays(&[2; 32])), (3, false));
        assert_eq!(
            known.observe(&[2; 32]),
            Lookup::Duplicate,
            "a suppressed profile does not come back with its next row"
        );
    }
}
