//! What the rows of drops say of people, kept from run to run: a no counts in all of an export's segments, also where the
//! drop that holds it takes no part in a run. Keyed digests alone.

use serde::{Deserialize, Serialize};

use super::objection::Objection;
use crate::state::{MatchId, ProfileKey, half};

const FORMAT: u32 = 1;
const SUPPRESSED: u8 = 1;
const OPTED_OUT: u8 = 1 << 1;

/// What is said of one person: 17 bytes, as there may be as many as a drop has rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct No {
    whose: [u8; 16],
    says: u8,
}

impl No {
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
}

/// What the rows of drops say of people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noes {
    /// By half their profiles' keys.
    people: Vec<No>,
    /// By their customer ids.
    ids: Vec<No>,
}

/// Why stored noes are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// They are not what this program wrote.
    Damaged,
    /// Their digests are of another state key.
    OfAnotherKey,
}

impl Noes {
    /// Takes note of what a row says, by itself.
    pub fn add(&mut self, key: Option<&ProfileKey>, id: Option<&MatchId>, says: Objection) {
        let says = if says.suppressed { SUPPRESSED } else { 0 } | if says.opted_out { OPTED_OUT } else { 0 };
        if says != 0 {
            self.people.extend(key.map(|key| No { whose: half(key), says }));
            self.ids.extend(id.map(|id| No { whose: *id, says }));
        }
    }

    /// Adds what others say. [`Noes::settle`] follows.
    pub fn extend(&mut self, other: Self) {
        self.people.extend(other.people);
        self.ids.extend(other.ids);
    }

    /// Unites what is said of each person, once all is said.
    pub fn settle(&mut self) {
        for noes in [&mut self.people, &mut self.ids] {
            noes.sort_unstable_by_key(|no| no.whose);
            noes.dedup_by(|next, no| {
                let is_same = next.whose == no.whose;
                no.says |= if is_same { next.says } else { 0 };
                is_same
            });
        }
    }

    /// Whether nobody says anything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Of how many people and ids something is said.
    pub fn len(&self) -> usize {
        self.people.len() + self.ids.len()
    }

    /// What is said of a person, by half the profile's key.
    pub fn of_person(&self, key: &[u8; 16]) -> Objection {
        of(&self.people, key)
    }

    /// What is said of whoever has this id.
    pub fn of_id(&self, id: &MatchId) -> Objection {
        of(&self.ids, id)
    }

    /// Who is not to be sent to, by half their profiles' keys.
    pub fn suppressed(&self) -> impl Iterator<Item = &[u8; 16]> {
        self.people.iter().filter(|no| no.objection().suppressed).map(|no| &no.whose)
    }

    /// As they are stored.
    pub fn to_bytes(&self, key_fingerprint: &str) -> Vec<u8> {
        let Self { people, ids } = self;
        let key_fingerprint = key_fingerprint.to_owned();
        let head = Head { format: FORMAT, key_fingerprint, people: people.len(), ids: ids.len() };
        let mut bytes = serde_json::to_vec(&head).unwrap_or_default();
        bytes.reserve_exact(1 + (people.len() + ids.len()) * 17);
        bytes.push(b'\n');
        for no in people.iter().chain(ids) {
            bytes.extend(no.whose);
            bytes.push(no.says);
        }
        bytes
    }

    /// Reads what was stored under this state key.
    ///
    /// # Errors
    /// Why they are not known.
    pub fn from_bytes(bytes: &[u8], key_fingerprint: &str) -> Result<Self, Unknown> {
        let (head, noes) = Self::parse(bytes).ok_or(Unknown::Damaged)?;
        if head.key_fingerprint == key_fingerprint { Ok(noes) } else { Err(Unknown::OfAnotherKey) }
    }

    fn parse(bytes: &[u8]) -> Option<(Head, Self)> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let (head, rest) = bytes.split_at(end);
        let head: Head = serde_json::from_slice(head).ok()?;
        let (noes, over) = rest.get(1..).unwrap_or_default().as_chunks::<17>();
        let is_whole = over.is_empty() && head.people.checked_add(head.ids) == Some(noes.len());
        let (people, ids) = noes.split_at_checked(head.people)?;
        let read = |noes: &[[u8; 17]]| -> Vec<No> {
            let of = |no: &[u8; 17]| no.split_first_chunk().map(|(whose, rest)| (*whose, rest.first().copied()));
            let noes = noes.iter().filter_map(of);
            noes.map(|(whose, says)| No { whose, says: says.unwrap_or_default() }).collect()
        };
        (head.format == FORMAT && is_whole).then(|| (head, Self { people: read(people), ids: read(ids) }))
    }
}

fn of(noes: &[No], whose: &[u8; 16]) -> Objection {
    let found = noes.binary_search_by(|no| no.whose.cmp(whose)).ok().and_then(|at| noes.get(at));
    found.map(|no| no.objection()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTS_OUT: Objection = Objection { suppressed: false, opted_out: true, unreadable: false, corrected: false };
    const NOT_SENT: Objection = Objection { suppressed: true, opted_out: false, unreadable: true, corrected: true };

    fn noes() -> Noes {
        let mut noes = Noes::default();
        noes.add(Some(&[9; 32]), Some(&[1; 16]), OPTS_OUT);
        noes.add(Some(&[3; 32]), None, NOT_SENT);
        noes.add(Some(&[9; 32]), None, NOT_SENT);
        noes.add(None, Some(&[7; 16]), NOT_SENT);
        noes.add(Some(&[5; 32]), Some(&[5; 16]), Objection { unreadable: true, ..Objection::default() });
        noes.settle();
        noes
    }

    #[test]
    fn what_rows_say_of_a_person_is_united() {
        let noes = noes();
        let suppressed = Objection { suppressed: true, ..Objection::default() };
        assert_eq!(noes.of_person(&[9; 16]), suppressed.and(OPTS_OUT));
        assert_eq!((noes.of_person(&[3; 16]), noes.of_id(&[7; 16])), (suppressed, suppressed));
        assert_eq!((noes.of_id(&[1; 16]), noes.of_person(&[5; 16])), (OPTS_OUT, Objection::default()));
        assert_eq!(noes.suppressed().collect::<Vec<_>>(), [&[3; 16], &[9; 16]]);
    }

    #[test]
    fn noes_are_read_back_whole_or_not_at_all() {
        let (noes, nobody) = (noes(), Noes::default());
        for noes in [&noes, &nobody] {
            assert_eq!(Noes::from_bytes(&noes.to_bytes("key"), "key").as_ref(), Ok(noes));
        }
        let bytes = noes.to_bytes("key");
        assert_eq!(Noes::from_bytes(&bytes, "another"), Err(Unknown::OfAnotherKey));
        for cut in 0..bytes.len() {
            assert_eq!(Noes::from_bytes(&bytes[..cut], "key"), Err(Unknown::Damaged), "{cut}");
        }
        let huge = br#"{"format":1,"key_fingerprint":"key","people":18446744073709551615,"ids":1}"#;
        assert_eq!(Noes::from_bytes(&[huge.as_slice(), b"\n"].concat(), "key"), Err(Unknown::Damaged));
        let another = String::from_utf8_lossy(&nobody.to_bytes("key")).replace("\"format\":1", "\"format\":2");
        assert_eq!(Noes::from_bytes(another.as_bytes(), "key"), Err(Unknown::Damaged));
    }
}
