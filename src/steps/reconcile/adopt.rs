//! Takes over into the state who is there: two streams in order of their keys become one, which replaces the state by
//! compare-and-set.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;

use super::found_history::FoundHistory;
use super::spool::{Spool, Spooled};
use crate::error::{Error, Kind, Result};
use crate::membership::MembershipTarget;
use crate::ports::{ObjectMeta, PutMode, PutOutcome, Store};
use crate::run::{AppliedDrop, keys};
use crate::state::{
    FIELDS_UNCONFIRMED, FIELDS_UNKNOWN, FieldsDigest, Header, MemberStatus, Profile, SegmentHeader, Writer,
};
use crate::steps::documents::{read_if_whole, write_json};
use crate::steps::profiles::ProfileStream;
use crate::steps::temporary::temporary;

/// A segment whose members are taken over.
pub(super) struct Adopted<'a> {
    pub(super) export: &'a str,
    pub(super) segment: &'a str,
    pub(super) target: &'a MembershipTarget,
    /// The state's header where there is no state yet.
    pub(super) empty: Header,
    /// The run that the comparison is, and when it began.
    pub(super) run: (&'a str, Timestamp),
    /// Whether the state's id of a contact is that contact's for certain.
    pub(super) proves_ids: bool,
}

impl Adopted<'_> {
    /// Makes those on the spool the segment's members, and nobody else.
    pub(super) async fn write(self, store: &impl Store, held: Option<&ObjectMeta>, spool: &mut Spool) -> Result<()> {
        let others = match held.filter(|_| !self.proves_ids) {
            Some(held) => known_ids(store, held).await?,
            None => HashSet::new(),
        };
        let mut old = match held {
            Some(held) => Some(ProfileStream::open(store, held).await?),
            None => None,
        };
        let mut header = old.as_ref().map_or(self.empty, |old| old.header.clone());
        let (name, target) = (self.segment.to_owned(), self.target.clone());
        let at = match header.position(self.segment) {
            Some(at) => at,
            None => header.segments.len(),
        };
        match header.segments.get_mut(at) {
            Some(known) => known.target = target,
            None => header.segments.push(SegmentHeader { name, target }),
        }
        let mut writer = Writer::new(&header, temporary("state")?)?;
        let (run_id, began) = self.run;
        let mut history = FoundHistory::new(run_id, began, self.export, self.segment, &header.key_fingerprint)?;
        let mut members = 0;
        for slice in 0..spool.slices() {
            let mut there = spool.slice(slice)?.into_iter().peekable();
            loop {
                let before = old.as_ref().and_then(ProfileStream::peek).map(|profile| profile.key);
                let before = before.filter(|key| spool.slice_of(key) == slice);
                let Some(key) = before.into_iter().chain(there.peek().map(|(key, _)| *key)).min() else { break };
                let mut profile = match &mut old {
                    Some(old) if before == Some(key) => old.next().await?.unwrap_or_default(),
                    _ => Profile { key, digest: FIELDS_UNKNOWN, ..Profile::default() },
                };
                let was_member = profile.is_member(at);
                let there = there.next_if(|(there, _)| *there == key);
                let is_swapped = there.as_ref().is_some_and(|(_, id)| others.contains(&hashed(id)));
                take_over(&mut profile, at, there, is_swapped);
                history.add(&key, was_member, profile.is_member(at))?;
                // A profile goes with its last segment.
                if profile.memberships.iter().any(|status| *status != MemberStatus::Absent) {
                    members += u64::from(profile.is_member(at));
                    writer.profile(&profile)?;
                }
            }
        }
        history.write(store).await?;
        let key = keys::profiles(self.export);
        let condition = held.map_or(PutMode::Create, |held| PutMode::Update(held.version.clone()));
        if store.put_file(&key, &writer.finish()?, condition).await? == PutOutcome::Conflict {
            return Err(Error::new(Kind::Unavailable, key, "was changed by another run at the same time")
                .hint("let only this program write it, and try again"));
        }
        let key = keys::order(self.export, self.segment);
        if let Some(order) = read_if_whole::<AppliedDrop>(store, &key).await? {
            write_json(store, &key, &AppliedDrop { members, unconfirmed: 0, ..order }).await?;
        }
        Ok(())
    }
}

/// Whether a profile is a member is what the account says; what its contact holds is known only of the contact that the
/// state knows. An id that the state had of somebody else was `is_swapped`: the contact is the same.
fn take_over(profile: &mut Profile, segment: usize, there: Option<Spooled>, is_swapped: bool) {
    let Some((_, id)) = there else {
        if profile.is_member(segment) {
            profile.set_status(segment, MemberStatus::Absent);
            profile.digest = unknown(profile);
        }
        return;
    };
    if !is_swapped && profile.contact_id.as_ref().is_some_and(|known| *known != id) {
        // Another contact has the address now.
        let doubted = profile.memberships.iter_mut().filter(|status| **status == MemberStatus::Confirmed);
        doubted.for_each(|status| *status = MemberStatus::Unconfirmed);
        (profile.digest, profile.is_opted_out) = (unknown(profile), false);
    }
    profile.contact_id = (!id.is_empty()).then_some(id);
    profile.set_status(segment, MemberStatus::Confirmed);
}

/// The ids of all contacts in the state, hashed.
async fn known_ids(store: &impl Store, held: &ObjectMeta) -> Result<HashSet<u64>> {
    let (mut stream, mut ids) = (ProfileStream::open(store, held).await?, HashSet::new());
    while let Some(profile) = stream.next().await? {
        ids.extend(profile.contact_id.as_deref().map(hashed));
    }
    Ok(ids)
}

fn hashed(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// What the contact holds is unknown; where a request may still arrive, that stays known.
fn unknown(profile: &Profile) -> FieldsDigest {
    if profile.digest == FIELDS_UNCONFIRMED { FIELDS_UNCONFIRMED } else { FIELDS_UNKNOWN }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(status: MemberStatus) -> Profile {
        Profile {
            key: [1; 32],
            digest: [7; 16],
            contact_id: Some("one".into()),
            memberships: vec![status, MemberStatus::Confirmed],
            ..Profile::default()
        }
    }

    #[test]
    fn fields_are_known_of_the_contact_that_the_state_knows() {
        use MemberStatus::{Absent, Confirmed, Unconfirmed};
        for (before, there, digest, id, memberships) in [
            (Confirmed, Some("one"), [7; 16], "one", [Confirmed, Confirmed]),
            (Absent, Some("one"), [7; 16], "one", [Confirmed, Confirmed]),
            (Confirmed, Some("two"), FIELDS_UNKNOWN, "two", [Confirmed, Unconfirmed]),
            (Confirmed, None, FIELDS_UNKNOWN, "one", [Absent, Confirmed]),
            (Absent, None, [7; 16], "one", [Absent, Confirmed]),
        ] {
            let mut profile = profile(before);
            take_over(&mut profile, 0, there.map(|id| ([1; 32], id.into())), false);
            let place = format!("{before:?} {there:?}");
            assert_eq!((profile.digest, profile.memberships.as_slice()), (digest, &memberships[..]), "{place}");
            assert_eq!(profile.contact_id.as_deref(), Some(id), "{place}");
        }
    }
}
