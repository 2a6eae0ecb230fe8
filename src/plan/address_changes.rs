//! Contacts whose address changes: a row with an address that the export does not know, and the customer id of a profile whose
//! address is in no row any more.
//!
//! Which rows these are shows only once all are read: then the state tells who has their ids, and the rows are read once
//! more. What contradicts a change in that pass undoes it, and they are read again.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::chunk::AddressChange;
use crate::state::{MatchId, Profile, ProfileKey, half};

/// Half a profile's key.
type ShortKey = [u8; 16];

/// How a row that may be a contact's new address stands to the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The state does not know its address.
    Unknown,
    /// It does.
    Known,
}

/// What is said of an address in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// Its row can be sent.
    Valid,
    /// Its row is rejected, and leaves a member as is.
    Rejected,
    /// Its row keeps the person from being sent.
    Suppressed,
}

/// Why a member without a row stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptAs {
    /// Its contact goes on under another address.
    OldAddress,
    /// The row with its new address is not sent.
    Member,
    /// It leaves once it is clear which address its contact has.
    Withheld,
}

/// The changes of addresses of a run.
#[derive(Clone, Debug, Default)]
pub struct AddressChanges {
    is_on: bool,
    segment: usize,
    /// Whether the state's ids were read.
    has_owners: bool,
    /// The first bytes of each id in the state and of its profile's key, in order.
    owners: Vec<(u64, u64)>,
    /// The same of each contact's id, until it is known which profiles share one.
    contacts: Vec<(u64, u64)>,
    /// The profiles that share a contact with another: a run ended before it was clear which address it has.
    twins: HashMap<u64, Vec<u64>>,
    /// Rows of this pass that may be changes, by their ids.
    candidates: HashMap<MatchId, Candidate>,
    changes: HashMap<ShortKey, Change>,
    /// The new addresses of the earlier ones, and of the ids.
    by_old: HashMap<ShortKey, ShortKey>,
    by_id: HashMap<MatchId, ShortKey>,
    /// Ids that turned out to be of no change, and those of them that rows with new addresses have.
    undone: HashSet<MatchId>,
    refused: HashSet<MatchId>,
    /// Addresses that the state knows, with an id that it has of another.
    exchanged: HashSet<ShortKey>,
}

#[derive(Clone, Debug)]
struct Candidate {
    new: ShortKey,
    is_known: bool,
    owners: Vec<Owner>,
}

/// A profile of the state that has an id.
#[derive(Clone, Debug)]
pub struct Owner {
    key: ProfileKey,
    contact_id: Option<Box<str>>,
    /// The segments of the run that it is a member of, by their places.
    segments: Vec<usize>,
    /// Whether its address has a row in a drop.
    has_row: bool,
    /// Whether it is not to be sent to.
    is_suppressed: bool,
    /// Whether a segment has it whose drop is newer, and takes no part.
    is_held_elsewhere: bool,
}

/// What the caller knows of a profile beside the state.
#[derive(Clone, Debug, Default)]
pub struct OwnerFacts {
    pub segments: Vec<usize>,
    pub has_row: bool,
    pub is_suppressed: bool,
    pub is_held_elsewhere: bool,
}

#[derive(Clone, Debug)]
struct Change {
    id: MatchId,
    /// Who has the contact: one, or several where it is not known which address it has.
    owners: Vec<Owner>,
    /// Whether the state has the new address with the same contact.
    is_known: bool,
    /// The segments in which its row was read in this pass, and whether it is sent there.
    seen: Vec<(usize, RowKind)>,
    /// Its whole key and its address, once a row of it is sent.
    sent: Option<(ProfileKey, String)>,
}

impl AddressChanges {
    /// Nothing is known yet; where `is_on` is not set, nothing ever is.
    pub fn new(is_on: bool) -> Self {
        Self { is_on, ..Self::default() }
    }

    /// Records a profile of the state.
    pub fn add_owner(&mut self, profile: &Profile) {
        if let Some(id) = profile.match_id.filter(|_| self.is_on && !self.has_owners) {
            let key = first_bytes(&profile.key);
            self.owners.push((first_bytes(&id), key));
            self.contacts.extend(profile.contact_id.as_ref().map(|contact| (hashed(contact), key)));
        }
    }

    /// Says that all profiles were recorded.
    pub fn end_owners(&mut self) {
        if !self.has_owners {
            self.owners.sort_unstable();
            self.has_owners = true;
            let mut contacts = std::mem::take(&mut self.contacts);
            contacts.sort_unstable();
            for shared in contacts.chunk_by(|one, other| one.0 == other.0).filter(|shared| shared.len() > 1) {
                let keys: Vec<u64> = shared.iter().map(|(_, key)| *key).collect();
                self.twins.extend(keys.iter().map(|key| (*key, keys.clone())));
            }
        }
    }

    /// Begins with the first segment, or begins once more.
    pub fn begin_pass(&mut self) {
        self.candidates.clear();
        self.exchanged.clear();
        self.changes.values_mut().for_each(|change| (change.seen, change.sent) = (Vec::new(), None));
    }

    /// Begins with a segment.
    pub fn begin_segment(&mut self, segment: usize) {
        self.segment = segment;
    }

    /// Takes the first row of an address in a segment.
    pub fn see(&mut self, key: &ProfileKey, id: Option<&MatchId>, kind: RowKind, standing: Standing) {
        if !self.is_on {
            return;
        }
        let short = half(key);
        self.contradict(&short, id);
        if let Some(change) = self.changes.get_mut(&short) {
            return change.seen.push((self.segment, kind));
        }
        let Some(id) = id.filter(|id| kind != RowKind::Suppressed && !self.undone.contains(*id)) else { return };
        if !self.owners_of(id).any(|owner| owner != first_bytes(key)) {
            return;
        }
        let is_own = self.owners_of(id).any(|owner| owner == first_bytes(key));
        match (standing, is_own) {
            (Standing::Unknown, _) => self.propose(*id, short, false),
            (_, true) if self.twins.contains_key(&first_bytes(key)) => self.propose(*id, short, true),
            (_, false) => drop(self.exchanged.insert(short)),
            (_, true) => {}
        }
    }

    fn propose(&mut self, id: MatchId, new: ShortKey, is_known: bool) {
        let candidate = Candidate { new, is_known, owners: Vec::new() };
        if self.candidates.entry(id).or_insert(candidate).new != new {
            self.undone.insert(id);
        }
    }

    /// The profiles that share a contact with this one, by the first bytes of their keys: to take the one off would
    /// take off the other.
    pub fn twins(&self, key: &ProfileKey) -> impl Iterator<Item = u64> {
        let own = first_bytes(key);
        let shared = if self.twins.is_empty() { None } else { self.twins.get(&own) };
        shared.into_iter().flatten().copied().filter(move |other| *other != own)
    }

    /// Takes a row without a readable address: it may be another of the same customer.
    pub fn see_unaddressed(&mut self, id: Option<&MatchId>) {
        let Some(id) = id.filter(|_| self.is_on) else { return };
        if self.owners_of(id).next().is_some() {
            self.undone.insert(*id);
        }
    }

    /// Undoes what a row contradicts: one with the earlier address, with the id and another address, or with the new address and
    /// another id.
    fn contradict(&mut self, short: &ShortKey, id: Option<&MatchId>) {
        if self.changes.is_empty() {
            return;
        }
        let of_old = self.by_old.get(short).and_then(|new| self.changes.get(new)).map(|change| change.id);
        let of_id = id.filter(|id| self.by_id.get(*id).is_some_and(|new| new != short)).copied();
        let of_new = self.changes.get(short).map(|change| change.id).filter(|own| id.is_some_and(|id| id != own));
        self.undone.extend([of_old, of_id, of_new].into_iter().flatten());
    }

    fn owners_of(&self, id: &MatchId) -> impl Iterator<Item = u64> {
        let id = first_bytes(id);
        let from = self.owners.partition_point(|(known, _)| *known < id);
        let rest = self.owners.get(from..).unwrap_or_default();
        rest.iter().take_while(move |(known, _)| *known == id).map(|(_, owner)| *owner)
    }

    /// The contact's change that a row of this address brings.
    pub fn is_new(&self, key: &ProfileKey) -> bool {
        !self.changes.is_empty() && self.changes.contains_key(&half(key))
    }

    /// Records that a row with the new address is sent.
    pub fn sends(&mut self, key: &ProfileKey, email: &str) {
        if let Some(change) = self.changes.get_mut(&half(key)) {
            change.sent.get_or_insert_with(|| (*key, email.to_owned()));
        }
    }

    /// Who stays a member of the current segment, as another address is the contact's now, or may be.
    pub fn kept_here(&self) -> Vec<(ShortKey, KeptAs)> {
        let mut here = Vec::new();
        for (new, change) in &self.changes {
            let kind = change.seen.iter().find(|(segment, _)| *segment == self.segment).map(|(_, kind)| *kind);
            let kept = match kind {
                Some(RowKind::Valid) if change.sent.is_some() => KeptAs::OldAddress,
                Some(RowKind::Valid | RowKind::Rejected) => KeptAs::Member,
                None if change.is_known => KeptAs::Withheld,
                _ => continue,
            };
            here.extend(change.owners.iter().map(|owner| (half(&owner.key), kept)));
            here.extend((kept == KeptAs::Withheld).then_some((*new, kept)));
        }
        here
    }

    /// Ends a pass over the rows; whether what it found out has them read once more. Where there are
    /// candidates, the profiles that have their ids follow with [`AddressChanges::owner`], then [`AddressChanges::decide`].
    pub fn end_pass(&mut self) -> bool {
        let missing = |change: &&Change| {
            let is_seen = |segment: &usize| {
                change.seen.iter().any(|(seen, kind)| seen == segment && *kind != RowKind::Suppressed)
            };
            if change.is_known {
                // Where the drop does not hold it, it leaves once it is clear which address it has.
                return change.seen.iter().any(|(_, kind)| *kind == RowKind::Suppressed);
            }
            !change.owners.iter().flat_map(|owner| &owner.segments).all(is_seen)
        };
        let missing: Vec<MatchId> = self.changes.values().filter(missing).map(|change| change.id).collect();
        self.undone.extend(missing);
        let before = self.changes.len();
        let Self { changes, undone, by_old, by_id, candidates, refused, .. } = self;
        let all = changes.values().map(|change| change.id).chain(candidates.keys().copied());
        refused.extend(all.filter(|id| undone.contains(id)));
        changes.retain(|_, change| !undone.contains(&change.id));
        by_old.retain(|_, new| changes.contains_key(new));
        by_id.retain(|_, new| changes.contains_key(new));
        candidates.retain(|id, _| !undone.contains(id));
        changes.len() != before
    }

    /// Whether the state is to say who has the ids of rows.
    pub fn has_candidates(&self) -> bool {
        !self.candidates.is_empty()
    }

    /// Whether a profile of the state has the id of a candidate.
    pub fn is_asked_for(&self, profile: &Profile) -> bool {
        profile.match_id.is_some_and(|id| self.candidates.contains_key(&id))
    }

    /// Records a profile that has the id of a candidate.
    pub fn owner(&mut self, profile: Profile, facts: OwnerFacts) {
        let Some(candidate) = profile.match_id.and_then(|id| self.candidates.get_mut(&id)) else { return };
        let OwnerFacts { segments, has_row, is_suppressed, is_held_elsewhere } = facts;
        let (key, contact_id) = (profile.key, profile.contact_id);
        candidate.owners.push(Owner { key, contact_id, segments, has_row, is_suppressed, is_held_elsewhere });
    }

    /// Makes changes of candidates; whether there are any, so that the rows are read once more.
    pub fn decide(&mut self) -> bool {
        let before = self.changes.len();
        for (id, candidate) in std::mem::take(&mut self.candidates) {
            let Candidate { new, is_known, .. } = candidate;
            match candidate.decided() {
                Some(owners) => {
                    self.by_old.extend(owners.iter().map(|owner| (half(&owner.key), new)));
                    self.by_id.insert(id, new);
                    self.changes.insert(new, Change { id, owners, is_known, seen: Vec::new(), sent: None });
                }
                None => {
                    self.refused.insert(id);
                    self.undone.insert(id);
                }
            }
        }
        self.changes.len() != before
    }

    /// How many ids have rows with a new address that is not taken for a change.
    pub fn refused(&self) -> u64 {
        self.refused.len() as u64
    }

    /// How many addresses that the state knows have an id that it has of another.
    pub fn exchanged(&self) -> u64 {
        self.exchanged.len() as u64
    }

    /// The changes whose rows are sent, in order of the new addresses.
    pub fn planned(&self) -> Vec<AddressChange> {
        let planned = |change: &Change| {
            let (new, email) = change.sent.clone()?;
            let contact_id = change.owners.iter().find_map(|owner| owner.contact_id.clone())?.into();
            let old = change.owners.iter().map(|owner| owner.key).collect();
            let mut segments: Vec<usize> = change.owners.iter().flat_map(|owner| owner.segments.clone()).collect();
            segments.sort_unstable();
            segments.dedup();
            let is_suppressed = change.owners.iter().any(|owner| owner.is_suppressed);
            Some(AddressChange { old, new, contact_id, email, segments, is_suppressed })
        };
        let mut planned: Vec<AddressChange> = self.changes.values().filter_map(planned).collect();
        planned.sort_unstable_by_key(|change| change.new);
        planned
    }
}

impl Candidate {
    /// The profiles whose one contact the row's is: one, or those of which it is not known which address it has. So it is
    /// with an address that the state knows.
    fn decided(self) -> Option<Vec<Owner>> {
        let (own, others): (Vec<Owner>, Vec<Owner>) =
            self.owners.into_iter().partition(|owner| half(&owner.key) == self.new);
        let contact = others.first().and_then(|owner| owner.contact_id.clone())?;
        let is_its = |owner: &Owner| owner.contact_id.as_ref() == Some(&contact);
        let are_free = others.iter().all(|owner| is_its(owner) && !owner.has_row && !owner.is_held_elsewhere);
        let fits = if self.is_known { own.first().is_some_and(is_its) } else { own.is_empty() };
        (are_free && fits).then_some(others)
    }
}

fn hashed(contact: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    contact.hash(&mut hasher);
    hasher.finish()
}

fn first_bytes(digest: &[u8]) -> u64 {
    digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: MatchId = [7; 16];

    fn profile(n: u8, contact: &str) -> Profile {
        Profile { key: [n; 32], match_id: Some(ID), contact_id: Some(contact.into()), ..Profile::default() }
    }

    fn facts() -> OwnerFacts {
        OwnerFacts { segments: vec![0], ..OwnerFacts::default() }
    }

    /// The changes after a pass with these rows, each a key and an id.
    fn passed(state: &[Profile], rows: &[(u8, MatchId)], facts: &OwnerFacts) -> (AddressChanges, bool) {
        let mut changes = AddressChanges::new(true);
        state.iter().for_each(|profile| changes.add_owner(profile));
        changes.end_owners();
        let is_known = |n: u8| state.iter().any(|profile| profile.key == [n; 32]);
        changes.begin_pass();
        for (n, id) in rows {
            let standing = if is_known(*n) { Standing::Known } else { Standing::Unknown };
            changes.see(&[*n; 32], Some(id), RowKind::Valid, standing);
        }
        changes.end_pass();
        for profile in state.iter().filter(|profile| changes.is_asked_for(profile)).cloned().collect::<Vec<_>>() {
            changes.owner(profile, facts.clone());
        }
        let is_news = changes.decide();
        (changes, is_news)
    }

    #[test]
    fn a_new_address_of_one_known_id_is_a_change() {
        let (mut changes, is_news) = passed(&[profile(1, "c")], &[(2, ID)], &facts());
        assert!(is_news && changes.is_new(&[2; 32]));
        changes.begin_pass();
        changes.see(&[2; 32], Some(&ID), RowKind::Valid, Standing::Unknown);
        changes.sends(&[2; 32], "new@example.org");
        assert_eq!(changes.kept_here(), [([1; 16], KeptAs::OldAddress)]);
        assert!(!changes.end_pass() && !changes.has_candidates());
        assert_eq!(changes.planned().len(), 1);
    }

    #[test]
    fn what_a_row_contradicts_is_undone() {
        let others = [([1; 32], ID), ([3; 32], ID), ([2; 32], [8; 16])];
        for (other, id) in others {
            let (mut changes, _) = passed(&[profile(1, "c")], &[(2, ID)], &facts());
            changes.begin_pass();
            if other != [2; 32] {
                changes.see(&[2; 32], Some(&ID), RowKind::Valid, Standing::Unknown);
            }
            changes.see(&other, Some(&id), RowKind::Valid, Standing::Known);
            assert!(changes.end_pass() && !changes.is_new(&[2; 32]), "{other:?}");
            assert_eq!(changes.refused(), 1);
        }
        let (mut changes, _) = passed(&[profile(1, "c")], &[(2, ID)], &facts());
        changes.begin_pass();
        assert!(changes.end_pass(), "the segment of the earlier address has no row of the new one");
    }

    #[test]
    fn an_ambiguous_id_changes_no_address() {
        let several = [profile(1, "c"), profile(3, "d")];
        assert!(!passed(&several, &[(2, ID)], &facts()).1, "two profiles have it");
        assert!(!passed(&several[..1], &[(2, ID), (4, ID)], &facts()).1, "two rows have it");
        assert!(!passed(&several[..1], &[(2, ID)], &OwnerFacts { has_row: true, ..facts() }).1);
        assert!(!passed(&several[..1], &[(2, ID)], &OwnerFacts { is_held_elsewhere: true, ..facts() }).1);
        assert!(!passed(&[Profile { contact_id: None, ..profile(1, "c") }], &[(2, ID)], &facts()).1);
    }

    #[test]
    fn a_change_without_an_answer_is_one_again_either_way() {
        let twins = [profile(1, "c"), profile(2, "c")];
        assert!(passed(&twins, &[(3, ID)], &facts()).1, "to a third address");
        assert!(passed(&twins, &[(2, ID)], &facts()).1);
        assert!(passed(&twins, &[(1, ID)], &facts()).1, "back to the earlier address");
        assert!(!passed(&[profile(1, "c"), profile(2, "d")], &[(2, ID)], &facts()).1, "another contact");
    }
}
