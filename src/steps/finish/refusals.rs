//! Records which rows the destination refused, where it is not to be asked again at once.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use super::totals::Totals;
use crate::error::Result;
use crate::plan::refusals::Refusal;
use crate::ports::Store;
use crate::run::{RunRecord, keys};
use crate::state::{ProfileKey, unhex};
use crate::steps::documents::{read_if_whole, write_json};

/// The refusals of a run's segments before it, in the order of the segments.
pub(super) struct EarlierRefusals(Vec<Vec<Refusal>>);

impl EarlierRefusals {
    pub(super) async fn of(store: &impl Store, run: &RunRecord) -> Result<Self> {
        let mut all = Vec::new();
        for segment in &run.segments {
            let key = keys::refusals(&run.request.export, &segment.name);
            all.push(read_if_whole(store, &key).await?.unwrap_or_default());
        }
        Ok(Self(all))
    }

    /// Whose rows were refused.
    pub(super) fn profiles(&self) -> HashSet<ProfileKey> {
        self.0.iter().flatten().filter_map(|refusal| unhex(&refusal.profile)).collect()
    }

    /// Adds what was refused in the run, and leaves out what lasts no longer and whose profiles were delivered.
    pub(super) async fn write(
        self,
        store: &impl Store,
        run: &RunRecord,
        totals: &Totals,
        lasts: Duration,
        now: Timestamp,
    ) -> Result<()> {
        for (number, (segment, before)) in run.segments.iter().zip(self.0).enumerate() {
            let refused = totals.refused_rows.iter().filter(|(segment, ..)| *segment == number);
            let mut all: Vec<Refusal> = refused.map(|(_, key, fields)| Refusal::new(key, fields, now)).collect();
            let is_new =
                |old: &Refusal| all.iter().any(|new| (&new.profile, &new.fields) == (&old.profile, &old.fields));
            let is_delivered = |old: &Refusal| unhex(&old.profile).is_some_and(|key| totals.accepted.contains(&key));
            let lasting = |old: &&Refusal| old.ends(lasts) > now && !is_new(old) && !is_delivered(old);
            let old: Vec<Refusal> = before.iter().filter(lasting).cloned().collect();
            all.extend(old);
            if all == before {
                continue;
            }
            let key = keys::refusals(&run.request.export, &segment.name);
            match all.is_empty() {
                true => store.delete(&key).await?,
                false => drop(write_json(store, &key, &all).await?),
            }
        }
        Ok(())
    }
}
