//! The state of an export as a run finds it, seen from each of the run's segments in turn.

use jiff::Timestamp;

use crate::chunk::LeaverName;
use crate::config::{Export, Segment};
use crate::destination::Destination;
use crate::error::{Error, Kind, Result};
use crate::plan::address_changes::AddressChanges;
use crate::plan::corrections::Correction;
use crate::plan::members::{MemberIndex, View};
use crate::plan::objections::Objections;
use crate::plan::refusals::{Refusal, Refusals};
use crate::ports::{ObjectMeta, Store};
use crate::run::{AppliedDrop, RunRecord, keys};
use crate::state::{Digester, Header};
use crate::steps::documents::{read_if_whole, read_json, read_order};
use crate::steps::lost::{missing_state, nothing_was_confirmed};
use crate::steps::profiles::ProfileStream;

/// The state of an export before a run.
pub(super) struct Held {
    meta: Option<ObjectMeta>,
    /// The last applied drops of the export's segments, by name.
    applied: Vec<(String, AppliedDrop)>,
    /// The corrections of the segments that take part, by name.
    corrections: Vec<(String, Vec<Correction>)>,
    /// Their refused rows that are not sent again yet, by name.
    refusals: Vec<(String, Refusals)>,
    /// Whether the destination finds leavers of whom nothing but their profiles is known.
    finds_by_profile: bool,
}

/// What one pass over the drops has learned of people.
pub(super) struct Pass<'p> {
    pub(super) members: &'p mut MemberIndex,
    pub(super) objections: &'p mut Objections,
    pub(super) changes: &'p mut AddressChanges,
}

impl Held {
    /// The state to compare with; none under `--full`.
    ///
    /// # Errors
    /// Kind `config`, where the export has members and its state is gone.
    pub(super) async fn of(
        store: &impl Store,
        export: &Export,
        destination: &dyn Destination,
        record: &mut RunRecord,
        now: Timestamp,
    ) -> Result<Self> {
        let (mut applied, finds_by_profile) = (Vec::new(), destination.finds_by_profile());
        if record.request.full {
            return Ok(Self { meta: None, applied, corrections: Vec::new(), refusals: Vec::new(), finds_by_profile });
        }
        for segment in &export.segments {
            let order = read_order(store, &export.name, &segment.name, false).await?;
            applied.extend(order.map(|order| (segment.name.clone(), order)));
        }
        let key = keys::profiles(&export.name);
        let meta = store.head(&key).await?;
        if meta.is_none() && applied.iter().any(|(_, order)| order.members > 0) {
            return Err(missing_state(store, &export.name));
        }
        let mut corrections = Vec::new();
        for segment in record.segments.iter().filter(|segment| segment.drop.is_some()) {
            let known = read_json(store, &keys::corrections(&export.name, &segment.name)).await?;
            corrections.extend(known.map(|known| (segment.name.clone(), known)));
        }
        let mut refusals = Vec::new();
        if let Some(lasts) = destination.refusals_last() {
            for segment in record.segments.iter().filter(|segment| segment.drop.is_some()) {
                let known: Option<Vec<Refusal>> =
                    read_if_whole(store, &keys::refusals(&export.name, &segment.name)).await?;
                let known = Refusals::new(&known.unwrap_or_default(), destination.name(), lasts, now);
                refusals.push((segment.name.clone(), known));
            }
        }
        let held = Self { meta, applied, corrections, refusals, finds_by_profile };
        held.look_for_lost(store, export, record).await?;
        Ok(held)
    }

    /// The name of a leaver of whom the state has neither an id nor an address, where the destination needs none.
    pub(super) fn unnamed(&self) -> Option<LeaverName<'static>> {
        self.finds_by_profile.then_some(LeaverName { contact: "", email: None })
    }

    /// Looks whether the state of a segment that takes part was lost.
    async fn look_for_lost(&self, store: &impl Store, export: &Export, record: &mut RunRecord) -> Result<()> {
        let mut header = None;
        for segment in record.segments.iter_mut().filter(|segment| segment.drop.is_some()) {
            segment.has_state = self.applied.iter().any(|(name, _)| *name == segment.name);
            if segment.has_state {
                continue;
            }
            if header.is_none() {
                header = self.profiles(store).await?.map(|profiles| profiles.header);
            }
            segment.has_state = header.as_ref().is_some_and(|header| header.position(&segment.name).is_some());
            if !segment.has_state {
                nothing_was_confirmed(store, export, &segment.name).await?;
            }
        }
        Ok(())
    }

    /// The last applied drop of a segment.
    pub(super) fn applied(&self, segment: &str) -> Option<&AppliedDrop> {
        self.applied.iter().find(|(known, _)| known == segment).map(|(_, applied)| applied)
    }

    /// Whether a segment that takes part has corrections.
    pub(super) fn has_corrections(&self) -> bool {
        !self.corrections.is_empty()
    }

    /// The corrections of a segment.
    pub(super) fn corrections(&self, segment: &str) -> &[Correction] {
        let known = self.corrections.iter().find(|(known, _)| known == segment);
        known.map_or(&[], |(_, corrections)| corrections)
    }

    /// The refused rows of a segment that are not sent again yet.
    pub(super) fn refusals(&self, segment: &str) -> Refusals {
        let known = self.refusals.iter().find(|(known, _)| known == segment);
        known.map(|(_, refusals)| refusals.clone()).unwrap_or_default()
    }

    /// How many rows without a readable identity a segment may have while its leavers are removed: as many as the last
    /// applied drop had and a twentieth more, or as many as the guard allows.
    pub(super) fn unreadable_allowed(&self, export: &Export, segment: &str) -> u64 {
        let measure = self.applied(segment).map_or(0, |applied| applied.unreadable_rows);
        (measure + measure / 20).max(export.guards.unreadable_rows)
    }

    /// The profiles of the state, where there is one.
    pub(super) async fn profiles<S: Store>(&self, store: &S) -> Result<Option<ProfileStream<S::Reader>>> {
        match &self.meta {
            Some(meta) => ProfileStream::open(store, meta).await.map(Some),
            None => Ok(None),
        }
    }

    /// Marks in the index what the state knows of the members of one segment.
    pub(super) async fn mark(
        &self,
        store: &impl Store,
        digester: &Digester,
        number: usize,
        segment: &Segment,
        Pass { members, objections, changes }: &mut Pass<'_>,
        record: &mut RunRecord,
    ) -> Result<()> {
        members.begin_segment();
        let Some(mut profiles) = self.profiles(store).await? else { return Ok(()) };
        belongs(&profiles.header, segment, digester, &keys::profiles(&record.request.export))?;
        let view = self.view(&profiles.header, number, record);
        while let Some(profile) = profiles.next().await? {
            members.add(&profile, &view);
            objections.add_member(&profile);
            changes.add_owner(&profile);
        }
        changes.end_owners();
        record.account = Some(profiles.header.account);
        if let Some(segment) = record.segments.get_mut(number) {
            let at = view.segment.and_then(|at| profiles.header.segments.into_iter().nth(at));
            segment.target = at.map(|at| at.target);
        }
        Ok(())
    }

    /// The state's segments as seen from one of the run's.
    fn view(&self, header: &Header, number: usize, record: &RunRecord) -> View {
        let here = record.segments.get(number);
        let is_here = |name: &str| here.is_some_and(|here| here.name == name);
        let time = here.and_then(|here| here.time);
        let is_newer = |name: &str| {
            // A drop that a person named is the newest.
            self.applied(name).zip(time).is_some_and(|(applied, time)| !is_here(name) && applied.time > time)
        };
        let is_planned = |name: &str| {
            let planned = record.newest_first().into_iter().take_while(|planned| *planned != number);
            planned.filter_map(|planned| record.segments.get(planned)).any(|planned| planned.name == name)
        };
        // A segment that the configuration no longer has is not part of the export.
        let stays = |name: &str| record.segments.iter().any(|known| known.name == name && known.drop.is_none());
        View {
            segment: here.and_then(|here| header.position(&here.name)),
            newer: header.segments.iter().map(|known| is_newer(&known.name)).collect(),
            planned: header.segments.iter().map(|known| is_planned(&known.name)).collect(),
            untouched: header.segments.iter().map(|known| stays(&known.name)).collect(),
        }
    }
}

/// Whether a state object is of this key and this membership.
fn belongs(header: &Header, segment: &Segment, digester: &Digester, key: &str) -> Result<()> {
    let of_another = |problem: String| {
        let error = Error::new(Kind::Config, key, problem);
        Err(error.hint("undo that change, or send every row once with --full, which removes nobody"))
    };
    if header.key_fingerprint != digester.fingerprint() {
        return of_another("the state was written with another state key".into());
    }
    let Some(known) = header.segments.iter().find(|known| known.name == segment.name) else { return Ok(()) };
    if known.target.is_for(&segment.membership) {
        return Ok(());
    }
    match (known.target.label(), segment.membership.label()) {
        (Some((kind, before)), Some((now_kind, now))) if kind == now_kind => of_another(format!(
            "the state of segment {} is of the {kind} \"{before}\", the configuration names \"{now}\"",
            segment.name
        )),
        _ => of_another(format!("the state of segment {} is of another kind of membership", segment.name)),
    }
}
