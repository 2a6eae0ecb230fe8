//! `state/erased`: keyed digests of the people who were erased.

use crate::error::{Error, Kind, Result};
use crate::plan::erased::Erased;
use crate::ports::{PutMode, PutOutcome, Store};
use crate::run::keys;
use crate::state::{MatchId, ProfileKey};

/// Who was erased from the store.
pub(super) async fn erased(store: &impl Store) -> Result<Erased> {
    let object = store.get(keys::ERASED).await?;
    Ok(object.map(|object| Erased::read(&String::from_utf8_lossy(&object.body))).unwrap_or_default())
}

/// Adds a person, by each of the store's state keys, with the customer ids that the states have.
pub(super) async fn add(store: &impl Store, people: &[ProfileKey], ids: &[MatchId]) -> Result<()> {
    let object = store.get(keys::ERASED).await?;
    let mut all =
        object.as_ref().map(|object| Erased::read(&String::from_utf8_lossy(&object.body))).unwrap_or_default();
    let new_people = people.iter().filter(|key| all.add(**key)).count();
    let new_ids = ids.iter().filter(|id| all.add_id(**id)).count();
    if new_people + new_ids == 0 {
        return Ok(());
    }
    let condition = object.map_or(PutMode::Create, |object| PutMode::Update(object.tag));
    match store.put(keys::ERASED, all.write().into(), condition).await? {
        PutOutcome::Written(_) => Ok(()),
        PutOutcome::Conflict => {
            Err(Error::new(Kind::Unavailable, keys::ERASED, "was changed by another command at the same time")
                .hint("try again"))
        }
    }
}
