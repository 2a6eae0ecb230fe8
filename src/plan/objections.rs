//! What the rows of a person object to, where the row that counts does not say it itself.
//!
//! A row that says no is honoured in any row of an address or of a customer's id, in any segment of the run and in any
//! order. The row that counts may be in a chunk by then: the rows are read once more, with what is known now.

use std::collections::{HashMap, HashSet};

use super::objection::Objection;
use super::stored_objections::StoredObjections;
use crate::state::{MatchId, Profile, ProfileKey, half};

/// Half a profile's key.
type ShortKey = [u8; 16];

/// What is known of the people of a run before their rows are read.
#[derive(Clone, Debug, Default)]
pub struct Objections {
    /// The place of the current segment, and whether others were planned before it.
    segment: usize,
    is_later: bool,
    /// By segment: what rows of an address say behind the row that counts.
    known: HashMap<(usize, ShortKey), Objection>,
    found: HashMap<(usize, ShortKey), Objection>,
    /// Whether a person may have rows elsewhere: in another segment, or under another address.
    is_shared: bool,
    people: HashMap<ShortKey, Objection>,
    ids: Ids,
    /// Whether something was found for rows that were read before.
    is_late: bool,
    /// Members whose consent cannot be read, who are counted once.
    unreadable: HashSet<ShortKey>,
    /// What drops say that were applied before and take no part in the run.
    applied: StoredObjections,
}

/// What rows say by the customer's id.
#[derive(Clone, Debug, Default)]
struct Ids {
    /// Of everybody with this id.
    said: HashMap<MatchId, Objection>,
    /// Of members, by rows with their ids or in whose place they were sent.
    members: HashMap<ShortKey, Objection>,
    /// The owner of each id: first bytes of the id, and of the profile's key or [`SEVERAL`].
    owners: HashMap<u64, u64>,
}

/// An id that several addresses have.
const SEVERAL: u64 = 0;

impl Ids {
    fn add_owner(&mut self, key: &ProfileKey, id: &MatchId) {
        let owner = first_bytes(key);
        let known = self.owners.entry(first_bytes(id)).or_insert(owner);
        if *known != owner {
            *known = SEVERAL;
        }
    }

    /// What rows say of a profile by its id, or by the id that the state has of it.
    fn of(&self, key: &ProfileKey, id: Option<&MatchId>) -> Objection {
        if self.said.is_empty() && self.members.is_empty() {
            return Objection::default();
        }
        let said = [id.and_then(|id| self.said.get(id)), self.members.get(&half(key))];
        said.into_iter().flatten().fold(Objection::default(), |said, other| said.and(*other))
    }

    fn member(&mut self, key: &ProfileKey) -> &mut Objection {
        self.members.entry(half(key)).or_default()
    }
}

impl Objections {
    /// Nothing is known yet. `is_shared` says that the run has several segments, or that ids are mapped.
    pub fn new(is_shared: bool) -> Self {
        Self { is_shared, ..Self::default() }
    }

    /// Sets what earlier drops say that take no part in the run.
    pub fn set_applied(&mut self, applied: StoredObjections) {
        self.applied = applied;
    }

    /// Begins with a segment; `is_later` says that others of the run were read before it.
    pub fn begin_segment(&mut self, segment: usize, is_later: bool) {
        (self.segment, self.is_later) = (segment, is_later);
    }

    /// Whether a person may have rows elsewhere.
    pub fn are_shared(&self) -> bool {
        self.is_shared
    }

    /// What is known of the rows that this person has in the current segment.
    pub fn of(&self, key: &ProfileKey) -> Objection {
        if self.known.is_empty() {
            Objection::default()
        } else {
            self.known.get(&(self.segment, half(key))).copied().unwrap_or_default()
        }
    }

    /// What any row of this person says, or of this id.
    pub fn of_person(&self, key: &ProfileKey, id: Option<&MatchId>) -> Objection {
        let mut said = Objection::default();
        if !self.people.is_empty() {
            said = self.people.get(&half(key)).copied().unwrap_or_default();
        }
        said = said.and(self.ids.of(key, id));
        if !self.applied.is_empty() {
            said = said.and(self.applied.of_person(&half(key)));
            said = id.map_or(said, |id| said.and(self.applied.of_id(id)));
        }
        said
    }

    /// Records what a row objects to after the row that counts.
    pub fn add(&mut self, key: &ProfileKey, objection: Objection) {
        let known = self.of(key);
        if known.and(objection) != known {
            let found = self.found.entry((self.segment, half(key))).or_insert(known);
            *found = found.and(objection);
        }
    }

    /// Records what a row objects to for every other row of the person. `was_planned` says that the person is in a
    /// segment that was read before.
    pub fn add_for_person(
        &mut self,
        key: Option<&ProfileKey>,
        id: Option<&MatchId>,
        own: Objection,
        was_planned: bool,
    ) {
        if !self.is_shared || own.is_none() {
            return;
        }
        if let Some(key) = key {
            self.is_late |= widen(self.people.entry(half(key)).or_default(), own) && self.is_later && was_planned;
        }
        if let Some(id) = id {
            let owner = key.map(|key| first_bytes(key));
            let is_of_another = self.ids.owners.get(&first_bytes(id)).is_some_and(|known| owner != Some(*known));
            self.is_late |= widen(self.ids.said.entry(*id).or_default(), own) && is_of_another;
        }
    }

    /// Records what rows of a drop say that was applied before.
    pub fn add_applied(
        &mut self,
        people: impl IntoIterator<Item = ([u8; 16], Objection)>,
        ids: impl IntoIterator<Item = (MatchId, Objection)>,
    ) {
        for (key, said) in people.into_iter().filter(|(_, said)| !said.is_none()) {
            widen(self.people.entry(key).or_default(), said);
        }
        for (id, said) in ids.into_iter().filter(|(_, said)| !said.is_none()) {
            widen(self.ids.said.entry(id).or_default(), said);
        }
    }

    /// Records whose a row's id is.
    pub fn add_id(&mut self, key: &ProfileKey, id: &MatchId) {
        self.ids.add_owner(key, id);
    }

    /// Records a profile of the state: what rows say of its id counts for it.
    pub fn add_member(&mut self, profile: &Profile) {
        let Some(id) = profile.match_id.filter(|_| self.is_shared) else { return };
        self.ids.add_owner(&profile.key, &id);
        let said = self.ids.said.get(&id).copied().unwrap_or_default().and(self.applied.of_id(&id));
        if !said.is_none() {
            widen(self.ids.member(&profile.key), said);
        }
    }

    /// Records that a member opts out in a row without its address.
    pub fn opt_out_member(&mut self, key: &ProfileKey) {
        self.ids.member(key).opted_out = true;
    }

    /// Whether a member opts out in a row without its address.
    pub fn opts_out(&self, key: &ProfileKey) -> bool {
        self.ids.members.get(&half(key)).is_some_and(|said| said.opted_out)
    }

    /// Counts a member whose consent cannot be read: one, or none where it was counted before in this run.
    pub fn count_unreadable(&mut self, key: &ShortKey) -> u64 {
        u64::from(self.unreadable.insert(*key))
    }

    /// Who is not to be sent to, by any row.
    pub fn suppressed(&self) -> impl Iterator<Item = &ShortKey> {
        let all = self.people.iter().chain(&self.ids.members);
        all.filter(|(_, said)| said.suppressed).map(|(key, _)| key).chain(self.applied.suppressed())
    }

    /// What is said of members by rows with their ids.
    pub fn by_id(&self) -> impl Iterator<Item = (&ShortKey, Objection)> {
        self.ids.members.iter().map(|(key, said)| (key, *said))
    }

    /// Ends a pass over the rows: what was found is known from now on. Whether they must be read once more.
    pub fn end_pass(&mut self) -> bool {
        let is_news = !self.found.is_empty() || self.is_late;
        self.known.extend(self.found.drain());
        self.is_late = false;
        self.unreadable.clear();
        is_news
    }
}

/// Adds what is said to what is known; whether that is news.
fn widen(known: &mut Objection, said: Objection) -> bool {
    let before = *known;
    *known = before.and(said);
    *known != before
}

fn first_bytes(digest: &[u8]) -> u64 {
    digest.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTED_OUT: Objection = Objection { suppressed: false, opted_out: true, unreadable: false, corrected: false };
    const SUPPRESSED: Objection = Objection { suppressed: true, opted_out: false, unreadable: false, corrected: false };

    #[test]
    fn an_objection_is_news_once() {
        let mut objections = Objections::default();
        objections.add(&[1; 32], OPTED_OUT);
        objections.add(&[1; 32], SUPPRESSED);
        assert_eq!(objections.of(&[1; 32]), Objection::default(), "not before the rows are read once more");
        assert!(objections.end_pass());
        assert_eq!(objections.of(&[1; 32]), OPTED_OUT.and(SUPPRESSED));
        objections.add(&[1; 32], OPTED_OUT);
        assert!(!objections.end_pass());
    }

    #[test]
    fn rows_are_read_once_more_only_for_whom_was_planned() {
        let mut objections = Objections::new(true);
        objections.add_for_person(Some(&[1; 32]), None, SUPPRESSED, true);
        assert!(!objections.end_pass(), "no segment was read before");
        objections.begin_segment(1, true);
        objections.add_for_person(Some(&[2; 32]), None, SUPPRESSED, false);
        assert!(!objections.end_pass(), "nobody has planned this one");
        objections.add_for_person(Some(&[1; 32]), None, SUPPRESSED, true);
        assert!(!objections.end_pass(), "it was known");
        objections.add_for_person(Some(&[1; 32]), None, OPTED_OUT, true);
        assert!(objections.end_pass() && !objections.end_pass());
        assert_eq!(objections.of_person(&[1; 32], None), OPTED_OUT.and(SUPPRESSED));
        assert_eq!(objections.of(&[1; 32]), Objection::default(), "its rows here do not say so");
    }

    #[test]
    fn an_id_counts_under_any_address() {
        let mut objections = Objections::new(true);
        let (ann, anna, id) = ([1; 32], [2; 32], [7; 16]);
        objections.add_id(&ann, &id);
        objections.add_for_person(Some(&ann), Some(&id), SUPPRESSED, false);
        assert!(!objections.end_pass(), "of its own row");
        assert!(objections.of_person(&anna, Some(&id)).suppressed);
        objections.add_for_person(Some(&anna), Some(&id), OPTED_OUT, false);
        assert!(objections.end_pass(), "the other address was planned");
        objections.add_id(&ann, &[8; 16]);
        objections.add_for_person(None, Some(&[8; 16]), OPTED_OUT, false);
        assert!(objections.end_pass(), "and so it was for a row without an address");
        let member = Profile { key: [3; 32], match_id: Some(id), ..Profile::default() };
        objections.add_member(&member);
        assert_eq!(objections.of_person(&[3; 32], None), OPTED_OUT.and(SUPPRESSED));
    }
}
