//! What became of the contacts whose address was to change: the profile of the earlier address becomes that of the new one,
//! with its contact and its memberships.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::change::{Change, ChangeKind};
use crate::chunk::{self, AddressOutcome, ChangedAddress};
use crate::error::Result;
use crate::ledger::unreadable;
use crate::plan::history::Act;
use crate::ports::{ObjectMeta, Store};
use crate::run::opening::OpenRecord;
use crate::run::{RunRecord, keys};
use crate::state::{FIELDS_UNCONFIRMED, MemberStatus, Profile, ProfileKey};
use crate::steps::profiles::ProfileStream;

/// What became of them.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    changed: Vec<ChangedAddress>,
    /// The profiles of new addresses of which it is known which contact has them.
    done: HashSet<ProfileKey>,
}

impl Addresses {
    pub(super) async fn of(
        store: &impl Store,
        run: &RunRecord,
        opened: &OpenRecord,
        stored: &HashSet<String>,
    ) -> Result<Self> {
        let mut changed = Vec::new();
        for (lane, _) in (0..).zip(&opened.lanes) {
            let key = keys::changed_addresses(&run.request.run_id, lane);
            if let Some(object) = if stored.contains(&key) { store.get(&key).await? } else { None } {
                changed.extend(chunk::read_changed_addresses(&key, &object.body).unwrap_or_else(unreadable));
            }
        }
        let done = changed.iter().filter(|changed| changed.outcome != AddressOutcome::Begun);
        Ok(Self { done: done.map(|changed| changed.new).collect(), changed })
    }

    /// Whether it is known which contact has the address of a profile, so that rows of it may have been sent.
    pub(super) fn are_done(&self, new: &ProfileKey) -> bool {
        self.done.contains(new)
    }

    /// How many contacts keep their addresses.
    pub(super) fn apart(&self) -> Apart {
        let count = |outcome| self.changed.iter().filter(|changed| changed.outcome == outcome).count();
        Apart { taken: count(AddressOutcome::Apart), withdrawn: count(AddressOutcome::Withdrawn) }
    }

    /// Adds what that changes of the profiles that are `here`.
    pub(super) fn add_changes(&self, is_here: impl Fn(&ProfileKey) -> bool, changes: &mut Vec<Change>) {
        for changed in &self.changed {
            for segment in &changed.segments {
                let mut add = |key: &ProfileKey, act, what| {
                    if is_here(key) {
                        changes.push(Change { key: *key, segment: *segment, act, what });
                    }
                };
                for old in &changed.old {
                    let what = match changed.outcome {
                        AddressOutcome::Begun => ChangeKind::MayGoOn,
                        AddressOutcome::Changed => ChangeKind::GoesOn,
                        AddressOutcome::Apart => ChangeKind::Apart,
                        AddressOutcome::Withdrawn => ChangeKind::Withdrawn,
                    };
                    add(old, Act::OldAddress, what);
                }
                match changed.outcome {
                    AddressOutcome::Begun => add(&changed.new, Act::NewAddress, ChangeKind::MayTakeOver),
                    AddressOutcome::Changed => add(&changed.new, Act::NewAddress, ChangeKind::TakesOver),
                    AddressOutcome::Apart | AddressOutcome::Withdrawn => {}
                }
            }
        }
    }

    /// The profiles that others take over, as the state has them, by the profiles that do.
    pub(super) async fn taken_over(
        &self,
        store: &impl Store,
        held: Option<&ObjectMeta>,
    ) -> Result<HashMap<ProfileKey, Profile>> {
        let goes_on = |outcome| matches!(outcome, AddressOutcome::Begun | AddressOutcome::Changed);
        let all = self.changed.iter().filter(|changed| goes_on(changed.outcome));
        let pairs = all.flat_map(|changed| changed.old.iter().map(|old| (*old, changed.new)));
        let new: HashMap<ProfileKey, ProfileKey> = pairs.collect();
        let mut profiles = HashMap::new();
        let Some(held) = held.filter(|_| !new.is_empty()) else { return Ok(profiles) };
        let mut stream = ProfileStream::open(store, held).await?;
        while let Some(profile) = stream.next().await? {
            if let Some(new) = new.get(&profile.key) {
                match profiles.entry(*new) {
                    Entry::Vacant(place) => drop(place.insert(profile)),
                    Entry::Occupied(known) => take_over(known.into_mut(), Some(&profile)),
                }
            }
        }
        Ok(profiles)
    }
}

/// How many contacts keep their addresses.
#[derive(Clone, Copy, Default)]
pub(super) struct Apart {
    /// The new one is another contact's, or is not taken.
    taken: usize,
    /// Nobody is to be sent under it.
    withdrawn: usize,
}

impl Apart {
    /// What people should know of it.
    pub(super) fn warnings(self) -> impl Iterator<Item = String> {
        let Self { taken, withdrawn } = self;
        let of_taken = format!(
            "{taken} people have a new address that another contact has, or that the account does not take: they are members \
             under the new one, and the contact of the earlier one is taken off"
        );
        let of_withdrawn = format!(
            "{withdrawn} people have a new address and are not sent to under it, as they opted out or are suppressed under the \
             earlier one"
        );
        let all = [(taken, of_taken), (withdrawn, of_withdrawn)];
        all.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text)
    }
}

/// Makes a profile go on as another: its contact, its memberships, and what it opted out of. Which fields the contact holds
/// is for its rows to say.
pub(super) fn take_over(profile: &mut Profile, before: Option<&Profile>) {
    let Some(before) = before else { return };
    for (at, status) in before.memberships.iter().enumerate() {
        if *status != MemberStatus::Absent && profile.status(at) != MemberStatus::Confirmed {
            profile.set_status(at, *status);
        }
    }
    profile.contact_id.clone_from(&before.contact_id);
    profile.match_id = before.match_id;
    profile.is_opted_out |= before.is_opted_out;
    profile.digest = FIELDS_UNCONFIRMED;
}

/// Makes a profile one that may have another's contact. Both know the contact: the next run looks which address it has.
pub(super) fn may_take_over(profile: &mut Profile, before: Option<&Profile>) {
    let Some(before) = before else { return };
    for (at, status) in before.memberships.iter().enumerate() {
        if *status != MemberStatus::Absent && profile.status(at) == MemberStatus::Absent {
            profile.set_status(at, MemberStatus::Unconfirmed);
        }
    }
    profile.contact_id.clone_from(&before.contact_id);
    profile.match_id = before.match_id;
    profile.is_opted_out |= before.is_opted_out;
    profile.digest = FIELDS_UNCONFIRMED;
}
