//! Removes personal data that no run needs any longer: what a process that was killed left behind, and what is old; and what runs
//! decided of people, once that is old.

use jiff::SignedDuration;

use super::unfinished::unfinished;
use crate::error::Result;
use crate::ports::{Leases, Store};
use crate::run::keys;
use crate::steps::environment::Environment;

/// How many days it is kept what a run decided of people.
pub const HISTORY_DAYS: u32 = 400;

/// What became of a request to clean up after an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cleaned {
    /// Another run has the connection.
    Busy,
    /// How many objects were removed, and the unfinished run whose objects are kept, as its end needs them.
    Done(u64, Option<String>),
}

/// Cleans up after an export, in the turn of its connection.
///
/// # Errors
/// Those of the store and of the lease.
pub async fn clean<E: Environment>(
    env: &E,
    connection: Option<&str>,
    export: &str,
    rejects_days: u32,
) -> Result<Cleaned> {
    let holder = format!("clean-{:016x}", fastrand::u64(..));
    if let Some(connection) = connection
        && !env.leases().take(connection, &holder).await?
    {
        return Ok(Cleaned::Busy);
    }
    let cleaning = async {
        let kept = unfinished(env.store(), export).await?;
        let removed = remove_leftovers(env, export, kept.as_deref(), rejects_days).await?;
        Ok(Cleaned::Done(removed, kept))
    };
    let cleaned = cleaning.await;
    if let Some(connection) = connection {
        env.leases().release(connection, &holder).await?;
    }
    cleaned
}

/// Removes what the export's runs left behind, except for the run that is `kept`, and old rejects. The caller holds the
/// lease, so that no other run of the export is at work. Returns how many objects there were.
pub(super) async fn remove_leftovers<E: Environment>(
    env: &E,
    export: &str,
    kept: Option<&str>,
    rejects_days: u32,
) -> Result<u64> {
    let (store, folder) = (env.store(), keys::runs(export));
    let before = |days: u32| {
        let age = SignedDuration::from_hours(24 * i64::from(days));
        env.clock().now().checked_sub(age).unwrap_or(jiff::Timestamp::MIN)
    };
    let (oldest, oldest_history) = (before(rejects_days), before(HISTORY_DAYS));
    let mut removed = 0;
    for meta in store.list(&folder).await? {
        let is_kept = kept.is_some_and(|run_id| meta.key.starts_with(&keys::run(run_id)));
        let is_left = keys::is_transient(&meta.key) && !is_kept;
        let is_old_history = keys::is_history(&meta.key) && meta.modified < oldest_history;
        if is_left
            || is_old_history
            || (!keys::is_transient(&meta.key) && keys::is_personal(&meta.key) && meta.modified < oldest)
        {
            store.delete(&meta.key).await?;
            removed += 1;
        }
    }
    for meta in store.list(&keys::all_returns(export)).await? {
        if meta.modified < oldest {
            store.delete(&meta.key).await?;
            removed += 1;
        }
    }
    store.sweep(&folder).await?;
    store.sweep(&keys::state(export)).await?;
    Ok(removed)
}
