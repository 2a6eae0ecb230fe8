//! The contacts whose address changes: each gets its new one before the rows are sent that bring it, so that they find the
//! contact under it. Each is looked at first, and again where an answer was unclear or a call ended: nothing is repeated
//! blindly.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use tokio::sync::OnceCell;

use super::assignment::Assignment;
use crate::chunk::{self, AddressChange, AddressOutcome, ChangedAddress};
use crate::destination::{Addresses, Attempt, ContactThere, Looked, Session};
use crate::error::{Error, Kind, Result};
use crate::ledger::unreadable;
use crate::membership::MembershipTarget;
use crate::ports::{PutMode, Store};
use crate::run::keys;
use crate::state::{ProfileKey, half};

/// Contacts that are looked at together.
const TOGETHER: usize = 20;
/// How often a contact is looked at, until it is clear which address it has.
const LOOKS: usize = 6;

/// The address changes of a lane.
pub(super) struct AddressChanges {
    planned: VecDeque<AddressChange>,
    /// What became of them so far, by the profiles of the new addresses.
    changed: BTreeMap<ProfileKey, ChangedAddress>,
}

impl AddressChanges {
    /// Those of a lane, with what became of them so far; none where the lane has none.
    pub(super) async fn of(store: &impl Store, assignment: &Assignment<'_>) -> Result<Option<Self>> {
        let Assignment { run, ranges, number, .. } = assignment;
        let is_here = |chunk: usize| run.chunks.get(chunk).is_some_and(|chunk| chunk.address_changes);
        if !ranges.iter().any(|range| is_here(range.chunk)) {
            return Ok(None);
        }
        let run_id = run.request.run_id.as_str();
        let key = keys::address_changes(run_id);
        let object = store.get(&key).await?;
        let object = object.ok_or_else(|| Error::new(Kind::Unavailable, &key, "is gone").hint(chunk::MAY_BE_SENT))?;
        let mut planned = chunk::read_address_changes(&key, &object.body)?;
        let key = keys::changed_addresses(run_id, *number);
        let changed = match store.get(&key).await? {
            Some(object) => chunk::read_changed_addresses(&key, &object.body).unwrap_or_else(unreadable),
            None => Vec::new(),
        };
        let changed: BTreeMap<_, _> = changed.into_iter().map(|changed| (changed.new, changed)).collect();
        let is_done = |change: &AddressChange| {
            changed.get(&change.new).is_some_and(|changed| changed.outcome != AddressOutcome::Begun)
        };
        planned.retain(|change| !is_done(change));
        Ok(Some(Self { planned: planned.into(), changed }))
    }

    /// Whether all have an outcome.
    pub(super) fn are_done(&self) -> bool {
        self.planned.is_empty()
    }

    /// Takes the next that have none.
    pub(super) fn next(&mut self) -> Vec<AddressChange> {
        self.planned.drain(..TOGETHER.min(self.planned.len())).collect()
    }

    /// Records what became of one.
    pub(super) fn note(&mut self, change: &AddressChange, outcome: AddressOutcome) {
        let AddressChange { old, new, segments, .. } = change.clone();
        self.changed.insert(new, ChangedAddress { old, new, segments, outcome });
    }

    /// The profiles of the earlier and of the new addresses of those that have no outcome.
    pub(super) fn profiles(&self) -> HashSet<ProfileKey> {
        self.planned.iter().flat_map(|change| change.old.iter().chain([&change.new])).copied().collect()
    }

    /// Stores what became of all so far.
    pub(super) async fn save(&self, store: &impl Store, run_id: &str, lane: u32) -> Result<()> {
        let changed: Vec<ChangedAddress> = self.changed.values().cloned().collect();
        let body = chunk::seal_changed_addresses(&changed);
        store.put(&keys::changed_addresses(run_id, lane), body.into(), PutMode::Overwrite).await.map(drop)
    }

    /// Who is sent nothing under the new address.
    pub(super) fn withdrawn(&self) -> impl Iterator<Item = ProfileKey> {
        let withdrawn = self.changed.values().filter(|changed| changed.outcome == AddressOutcome::Withdrawn);
        withdrawn.map(|changed| changed.new)
    }
}

/// Gives contacts their new addresses.
pub(super) struct Changing<'a> {
    pub(super) addresses: &'a dyn Addresses,
    pub(super) assignment: Assignment<'a>,
    /// To whom the account sends nothing, by half their profiles' keys.
    pub(super) withheld: &'a HashSet<[u8; 16]>,
    /// The profiles of all that change in this call.
    pub(super) profiles: HashSet<ProfileKey>,
    /// Their contacts, once an id led to somebody else and everybody was read.
    pub(super) found: OnceCell<Option<HashMap<ProfileKey, ContactThere>>>,
}

impl Changing<'_> {
    /// What becomes of some of them.
    pub(super) async fn change(
        &self,
        session: &mut dyn Session,
        changes: Vec<AddressChange>,
    ) -> Result<Vec<(AddressChange, AddressOutcome)>> {
        let asked: Vec<(&str, &str)> = changes.iter().map(|change| (&*change.contact_id, &*change.email)).collect();
        let looked = self.addresses.look(session, &asked).await?;
        let mut outcomes = Vec::new();
        for (mut change, mut looked) in changes.into_iter().zip(looked) {
            self.find(session, &mut change, &mut looked).await?;
            let outcome = self.one(session, &change, looked).await?;
            outcomes.push((change, outcome));
        }
        Ok(outcomes)
    }

    /// Where the id led to nobody, or to somebody else, looks for who has the earlier address, or the new one already. Nobody
    /// else is touched.
    async fn find(&self, session: &mut dyn Session, change: &mut AddressChange, looked: &mut Looked) -> Result<()> {
        let profile = looked.contact.as_ref().map(|contact| session.profile(&contact.email));
        if profile.is_some_and(|profile| profile == change.new || change.old.contains(&profile)) {
            return Ok(());
        }
        let found = self.found.get_or_try_init(async || self.addresses.seek(session, &self.profiles).await).await?;
        let Some(found) = found else { return Ok(()) };
        looked.contact = change.old.iter().chain([&change.new]).find_map(|profile| found.get(profile)).cloned();
        if let Some(contact) = &looked.contact {
            change.contact_id.clone_from(&contact.id);
        }
        Ok(())
    }

    async fn one(
        &self,
        session: &mut dyn Session,
        change: &AddressChange,
        mut looked: Looked,
    ) -> Result<AddressOutcome> {
        let Assignment { opened, suppression, .. } = self.assignment;
        let (addresses, setup) = (self.addresses, &opened.setup);
        let mut is_refused = false;
        for _ in 0..LOOKS {
            let Looked { contact, holders } = &looked;
            // Whom the state knew is gone.
            let Some(contact) = contact.as_ref().filter(|contact| contact.id == change.contact_id) else {
                return Ok(AddressOutcome::Apart);
            };
            let profile = session.profile(&contact.email);
            if profile == change.new {
                return Ok(AddressOutcome::Changed);
            }
            let is_withheld = change.is_suppressed
                || suppression.holds_sent(&contact.email)
                || change.old.iter().any(|old| self.withheld.contains(&half(old)));
            let is_taken = holders.iter().any(|holder| *holder != contact.id);
            if !change.old.contains(&profile) || is_taken || is_withheld || is_refused {
                let targets: Vec<MembershipTarget> =
                    change.segments.iter().filter_map(|segment| opened.targets.get(*segment)).cloned().collect();
                addresses.take_off(session, setup, contact, &targets).await?;
                // Nobody comes to be sent to by an address of which they said nothing.
                let is_no = is_withheld || contact.opted_out == Some(true);
                return Ok(if is_no { AddressOutcome::Withdrawn } else { AddressOutcome::Apart });
            }
            match addresses.change(session, contact, &change.email).await? {
                Attempt::Done => return Ok(AddressOutcome::Changed),
                Attempt::Refused => is_refused = true,
                Attempt::Unclear => {}
            }
            let asked = [(&*change.contact_id, &*change.email)];
            looked = addresses.look(session, &asked).await?.pop().unwrap_or_default();
        }
        let problem = "does not say whether a contact has its new address";
        Err(Error::new(Kind::Unavailable, "the account", problem).hint("the next run looks, and goes on"))
    }
}
