//! Removes personal data that no run needs any longer: what a process that was killed left behind, and what is old; and what runs
//! decided of people, once that is old.

use jiff::SignedDuration;

use super::unfinished::unfinished_in;
use crate::config::REJECTS_DAYS;
use crate::error::Result;
use crate::ports::{Leases, ObjectMeta, Store};
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

/// Cleans up after an export, in the turn of its connection. `rejects_days` is that of the export; none where the
/// configuration no longer has it: then no run of it goes on.
///
/// # Errors
/// Those of the store and of the lease.
pub async fn clean<E: Environment>(
    env: &E,
    connection: Option<&str>,
    export: &str,
    rejects_days: Option<u32>,
) -> Result<Cleaned> {
    let holder = format!("clean-{:016x}", fastrand::u64(..));
    if let Some(connection) = connection
        && !env.leases().take(connection, &holder).await?
    {
        return Ok(Cleaned::Busy);
    }
    let cleaning = async {
        let objects = env.store().list(&keys::runs(export)).await?;
        let kept = match rejects_days {
            Some(_) => unfinished_in(env.store(), export, &objects).await?.run,
            None => None,
        };
        let keep = Keep { run: kept.as_deref(), emails: false };
        let removed = remove_leftovers(env, export, objects, keep, rejects_days.unwrap_or(REJECTS_DAYS)).await?;
        Ok(Cleaned::Done(removed, kept))
    };
    let cleaned = cleaning.await;
    if let Some(connection) = connection {
        env.leases().release(connection, &holder).await?;
    }
    cleaned
}

/// What stays, however old it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep<'k> {
    /// The run that goes on.
    pub(super) run: Option<&'k str>,
    /// Whether the addresses of unanswered rows are kept: the run that begins is the first to use what the one before left.
    pub(super) emails: bool,
}

/// Removes what the export's runs left behind, except for what is to be kept, and old rejects. The caller holds the lease,
/// so that no other run of the export is at work; `objects` are those of its runs. Returns how many were removed.
pub(super) async fn remove_leftovers<E: Environment>(
    env: &E,
    export: &str,
    objects: Vec<ObjectMeta>,
    keep: Keep<'_>,
    rejects_days: u32,
) -> Result<u64> {
    let (store, folder, emails) = (env.store(), keys::runs(export), keys::unconfirmed(export));
    let before = |days: u32| {
        let age = SignedDuration::from_hours(24 * i64::from(days));
        env.clock().now().checked_sub(age).unwrap_or(jiff::Timestamp::MIN)
    };
    let (oldest, oldest_history) = (before(rejects_days), before(HISTORY_DAYS));
    let mut removed = 0;
    for meta in objects {
        if keep.emails && meta.key == emails {
            continue;
        }
        let is_kept = keep.run.is_some_and(|run_id| meta.key.starts_with(&keys::run(run_id)));
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
