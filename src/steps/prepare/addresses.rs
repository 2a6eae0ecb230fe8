//! Which rows bring the new address of a contact that the export has: what the state says of their ids.

use super::held::Held;
use crate::config::Export;
use crate::destination::Destination;
use crate::error::Result;
use crate::plan::address_changes::{AddressChanges, OwnerFacts};
use crate::plan::members::MemberIndex;
use crate::plan::objections::Objections;
use crate::ports::Store;
use crate::run::RunRecord;
use crate::state::{Header, Profile, half};
use crate::steps::suppression::Suppression;

/// Whether the run looks for addresses that change. Rows that are sent again do not tell whose address is gone, nor does a
/// folder that lacks parts, and a run in full knows no state.
pub(super) fn may_change(destination: &dyn Destination, export: &Export, record: &RunRecord) -> bool {
    let is_whole = record.segments.iter().all(|segment| segment.missing_parts == 0);
    let request = &record.request;
    let has_state = !request.full && !request.keep_leavers;
    export.match_.id.is_some() && destination.addresses().is_some() && has_state && is_whole
}

/// Asks the state who has the ids of rows that may bring a new address; whether some do.
pub(super) async fn decided(
    store: &impl Store,
    held: &Held,
    members: &MemberIndex,
    objections: &Objections,
    suppression: &Suppression,
    changes: &mut AddressChanges,
    record: &RunRecord,
) -> Result<bool> {
    if !changes.has_candidates() {
        return Ok(false);
    }
    let Some(mut profiles) = held.profiles(store).await? else { return Ok(false) };
    let newest = newest(record);
    while let Some(profile) = profiles.next().await? {
        if !changes.is_asked_for(&profile) {
            continue;
        }
        let short = half(&profile.key);
        let said = objections.of_person(&profile.key, None);
        let facts = OwnerFacts {
            segments: segments(&profiles.header, &profile, record),
            has_row: members.has_row(&profile.key),
            is_suppressed: said.suppressed || suppression.listed.contains(&short),
            is_held_elsewhere: is_held_elsewhere(held, newest, &profiles.header, &profile, record),
        };
        changes.owner(profile, facts);
    }
    Ok(changes.decide())
}

/// The segments that take part and have a profile, by their places.
fn segments(header: &Header, profile: &Profile, record: &RunRecord) -> Vec<usize> {
    let is_member = |name: &str| header.position(name).is_some_and(|at| profile.is_member(at));
    let taking_part = record.segments.iter().enumerate().filter(|(_, segment)| segment.drop.is_some());
    taking_part.filter(|(_, segment)| is_member(&segment.name)).map(|(number, _)| number).collect()
}

/// The time of the newest drop of the run; none where a person named one, which is the newest.
fn newest(record: &RunRecord) -> Option<jiff::Timestamp> {
    let mut times = record.segments.iter().filter(|segment| segment.drop.is_some()).map(|segment| segment.time);
    let first = times.next()??;
    times.try_fold(first, |newest, time| Some(newest.max(time?)))
}

/// Whether a segment that takes no part has the profile, by a drop that is newer than those of the run.
fn is_held_elsewhere(
    held: &Held,
    newest: Option<jiff::Timestamp>,
    header: &Header,
    profile: &Profile,
    record: &RunRecord,
) -> bool {
    let left_out = record.segments.iter().filter(|segment| segment.drop.is_none());
    let is_member = |name: &str| header.position(name).is_some_and(|at| profile.is_member(at));
    let is_newer = |name: &str| held.applied(name).zip(newest).is_some_and(|(applied, newest)| applied.time > newest);
    left_out.filter(|segment| is_member(&segment.name)).any(|segment| is_newer(&segment.name))
}

/// What people should know of ids and addresses that do not fit.
pub(super) fn notes(changes: &AddressChanges) -> Vec<String> {
    let (refused, exchanged) = (changes.refused(), changes.exchanged());
    let of_refused = format!(
        "{refused} known customer ids have a new address and count as joiners and leavers: their earlier address is still in \
         a drop, several rows or contacts have the id, or a segment lacks the row"
    );
    let of_exchanged = format!(
        "{exchanged} addresses have the customer id that another address had: each stays the contact that it is, and its \
         fields are updated"
    );
    let all = [(refused, of_refused), (exchanged, of_exchanged)];
    all.into_iter().filter(|(count, _)| *count > 0).map(|(_, note)| note).collect()
}
