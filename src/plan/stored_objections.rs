//! What the rows of drops say of people, kept from run to run: an objection counts in all of an export's segments, also where the
//! drop that holds it takes no part in a run. Keyed digests alone.

use serde::{Deserialize, Serialize};

use super::objection::Objection;
use crate::state::{MatchId, ProfileKey, half};

const FORMAT: u32 = 1;
const SUPPRESSED: u8 = 1;
const OPTED_OUT: u8 = 1 << 1;

/// What one person objects to: 17 bytes, as there may be as many as a drop has rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    whose: [u8; 16],
    says: u8,
}

impl Entry {
    fn objection(self) -> Objection {
        let has = |what| self.says & what != 0;
        Objection { suppressed: has(SUPPRESSED), opted_out: has(OPTED_OUT), ..Objection::default() }
    }
}

/// The first line of what is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    format: u32,
    key_fingerprint: String,
    people: usize,
    ids: usize,
    #[serde(default)]
    listed: usize,
}

/// What the rows of drops say of people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredObjections {
    /// By half their profiles' keys.
    people: Vec<Entry>,
    /// By their customer ids.
    ids: Vec<Entry>,
    /// The customer ids of people who are on a list, and what names them there.
    listed: Vec<(MatchId, ListMark)>,
}

/// What names a person on a list, whose address nobody knows any more: a digest of the suppression file's entry, or half the
/// profile's key of somebody who opted out in the account.
pub type ListMark = [u8; 16];

/// Why stored objections cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// They are not what this program wrote.
    Damaged,
    /// Their digests are of another state key.
    OfAnotherKey,
}

impl StoredObjections {
    /// Adds what a row says by itself.
    pub fn add(&mut self, key: Option<&ProfileKey>, id: Option<&MatchId>, says: Objection) {
        let says = if says.suppressed { SUPPRESSED } else { 0 } | if says.opted_out { OPTED_OUT } else { 0 };
        if says != 0 {
            self.people.extend(key.map(|key| Entry { whose: half(key), says }));
            self.ids.extend(id.map(|id| Entry { whose: *id, says }));
        }
    }

    /// Adds what names the people with this id on a list.
    pub fn add_listed(&mut self, id: &MatchId, marks: impl IntoIterator<Item = ListMark>) {
        self.listed.extend(marks.into_iter().map(|mark| (*id, mark)));
    }

    /// The customer ids of people who were on a list, and what names them there.
    pub fn listed(&self) -> &[(MatchId, ListMark)] {
        &self.listed
    }

    /// Adds what others say. [`StoredObjections::settle`] follows.
    pub fn extend(&mut self, other: Self) {
        self.people.extend(other.people);
        self.ids.extend(other.ids);
        self.listed.extend(other.listed);
    }

    /// Merges what is said of each person, once everything was added.
    pub fn settle(&mut self) {
        self.listed.sort_unstable();
        self.listed.dedup();
        for stored in [&mut self.people, &mut self.ids] {
            stored.sort_unstable_by_key(|entry| entry.whose);
            stored.dedup_by(|next, entry| {
                let is_same = next.whose == entry.whose;
                entry.says |= if is_same { next.says } else { 0 };
                is_same
            });
        }
    }

    /// Whether there are no objections.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Of how many people and ids something is said.
    pub fn len(&self) -> usize {
        self.people.len() + self.ids.len() + self.listed.len()
    }

    /// What is said of a person, by half the profile's key.
    pub fn of_person(&self, key: &[u8; 16]) -> Objection {
        of(&self.people, key)
    }

    /// What is said of the people with this id.
    pub fn of_id(&self, id: &MatchId) -> Objection {
        of(&self.ids, id)
    }

    /// Who is not to be sent to, by half their profiles' keys.
    pub fn suppressed(&self) -> impl Iterator<Item = &[u8; 16]> {
        self.people.iter().filter(|entry| entry.objection().suppressed).map(|entry| &entry.whose)
    }

    /// As they are stored.
    pub fn to_bytes(&self, key_fingerprint: &str) -> Vec<u8> {
        let Self { people, ids, listed } = self;
        let key_fingerprint = key_fingerprint.to_owned();
        let head = Head { format: FORMAT, key_fingerprint, people: people.len(), ids: ids.len(), listed: listed.len() };
        let mut bytes = serde_json::to_vec(&head).unwrap_or_default();
        bytes.reserve_exact(1 + (people.len() + ids.len() + 2 * listed.len()) * 17);
        bytes.push(b'\n');
        for entry in people.iter().chain(ids) {
            bytes.extend(entry.whose);
            bytes.push(entry.says);
        }
        // Two entries each, of which nothing is said.
        for half in listed.iter().flat_map(|(id, mark)| [id, mark]) {
            bytes.extend(half);
            bytes.push(0);
        }
        bytes
    }

    /// Reads what was stored under this state key.
    ///
    /// # Errors
    /// Why they cannot be used.
    pub fn from_bytes(bytes: &[u8], key_fingerprint: &str) -> Result<Self, Unknown> {
        let (head, stored) = Self::parse(bytes).ok_or(Unknown::Damaged)?;
        if head.key_fingerprint == key_fingerprint { Ok(stored) } else { Err(Unknown::OfAnotherKey) }
    }

    /// What was stored, without these people; none where it is not what this program wrote.
    pub fn stored_without(bytes: &[u8], people: &[ProfileKey]) -> Option<Vec<u8>> {
        let (head, mut stored) = Self::parse(bytes)?;
        stored.people.retain(|entry| !people.iter().any(|key| half(key) == entry.whose));
        stored.listed.retain(|(_, mark)| !people.iter().any(|key| half(key) == *mark));
        Some(stored.to_bytes(&head.key_fingerprint))
    }

    fn parse(bytes: &[u8]) -> Option<(Head, Self)> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let (head, rest) = bytes.split_at(end);
        let head: Head = serde_json::from_slice(head).ok()?;
        let (stored, over) = rest.get(1..).unwrap_or_default().as_chunks::<17>();
        let entries = head.people.checked_add(head.ids)?.checked_add(head.listed.checked_mul(2)?)?;
        let is_whole = over.is_empty() && entries == stored.len();
        let (people, rest) = stored.split_at_checked(head.people)?;
        let (ids, pairs) = rest.split_at_checked(head.ids)?;
        let (pairs, _) = pairs.as_chunks::<2>();
        let read = |stored: &[[u8; 17]]| -> Vec<Entry> {
            let of = |entry: &[u8; 17]| entry.split_first_chunk().map(|(whose, rest)| (*whose, rest.first().copied()));
            let stored = stored.iter().filter_map(of);
            stored.map(|(whose, says)| Entry { whose, says: says.unwrap_or_default() }).collect()
        };
        let whose = |entry: &[u8; 17]| entry.first_chunk().copied().unwrap_or_default();
        let listed = pairs.iter().map(|[id, mark]| (whose(id), whose(mark))).collect();
        (head.format == FORMAT && is_whole).then(|| (head, Self { people: read(people), ids: read(ids), listed }))
    }
}

fn of(stored: &[Entry], whose: &[u8; 16]) -> Objection {
    let found = stored.binary_search_by(|entry| entry.whose.cmp(whose)).ok().and_then(|at| stored.get(at));
    found.map(|entry| entry.objection()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTS_OUT: Objection = Objection { suppressed: false, opted_out: true, unreadable: false, corrected: false };
    const NOT_SENT: Objection = Objection { suppressed: true, opted_out: false, unreadable: true, corrected: true };

    fn stored() -> StoredObjections {
        let mut stored = StoredObjections::default();
        stored.add(Some(&[9; 32]), Some(&[1; 16]), OPTS_OUT);
        stored.add(Some(&[3; 32]), None, NOT_SENT);
        stored.add(Some(&[9; 32]), None, NOT_SENT);
        stored.add(None, Some(&[7; 16]), NOT_SENT);
        stored.add(Some(&[5; 32]), Some(&[5; 16]), Objection { unreadable: true, ..Objection::default() });
        stored.add_listed(&[4; 16], [[8; 16], [6; 16], [8; 16]]);
        stored.settle();
        stored
    }

    #[test]
    fn what_rows_say_of_a_person_is_united() {
        let stored = stored();
        let suppressed = Objection { suppressed: true, ..Objection::default() };
        assert_eq!(stored.of_person(&[9; 16]), suppressed.and(OPTS_OUT));
        assert_eq!((stored.of_person(&[3; 16]), stored.of_id(&[7; 16])), (suppressed, suppressed));
        assert_eq!((stored.of_id(&[1; 16]), stored.of_person(&[5; 16])), (OPTS_OUT, Objection::default()));
        assert_eq!(stored.suppressed().collect::<Vec<_>>(), [&[3; 16], &[9; 16]]);
    }

    #[test]
    fn objections_are_read_back_whole_or_not_at_all() {
        let (stored, nobody) = (stored(), StoredObjections::default());
        for stored in [&stored, &nobody] {
            assert_eq!(StoredObjections::from_bytes(&stored.to_bytes("key"), "key").as_ref(), Ok(stored));
        }
        let bytes = stored.to_bytes("key");
        assert_eq!(StoredObjections::from_bytes(&bytes, "another"), Err(Unknown::OfAnotherKey));
        let without = StoredObjections::stored_without(&bytes, &[[9; 32]]).unwrap();
        let without = StoredObjections::from_bytes(&without, "key").unwrap();
        assert_eq!(without.suppressed().collect::<Vec<_>>(), [&[3; 16]]);
        for cut in 0..bytes.len() {
            assert_eq!(StoredObjections::from_bytes(&bytes[..cut], "key"), Err(Unknown::Damaged), "{cut}");
        }
        assert_eq!(stored.listed(), [([4; 16], [6; 16]), ([4; 16], [8; 16])]);
        let without = StoredObjections::stored_without(&bytes, &[[8; 32]]).unwrap();
        assert_eq!(StoredObjections::from_bytes(&without, "key").unwrap().listed(), [([4; 16], [6; 16])]);
        let huge = br#"{"format":1,"key_fingerprint":"key","people":18446744073709551615,"ids":1}"#;
        assert_eq!(StoredObjections::from_bytes(&[huge.as_slice(), b"\n"].concat(), "key"), Err(Unknown::Damaged));
        let another = String::from_utf8_lossy(&nobody.to_bytes("key")).replace("\"format\":1", "\"format\":2");
        assert_eq!(StoredObjections::from_bytes(another.as_bytes(), "key"), Err(Unknown::Damaged));
    }
}
