//! The turn at an account: one run at a time speaks through a connection, and, once it is known which account is behind
//! that, to the account. Two connections to one account so keep its rate together.

use serde::{Deserialize, Serialize};

use crate::config::{Config, Connection, Export};
use crate::error::{Error, Kind, Result};
use crate::ports::{Leases, Store};
use crate::run::{ConnectionActivity, keys, time_of};
use crate::steps::documents::{read_if_whole, write_json};
use crate::steps::environment::Environment;

/// Seconds to wait while another run has the connection: a tenth of what was waited so far, within these bounds. A
/// workflow has room for 25,000 events of history, some eleven for each time; a first fill of a list takes hours.
/// Source: the Step Functions user guide, "Quotas".
const BUSY_SECONDS: std::ops::RangeInclusive<u64> = 10..=300;

/// How long a run waits that finds another at its connection.
pub(super) fn busy_seconds<E: Environment>(env: &E, run_id: &str) -> u64 {
    let waited = time_of(run_id).map_or(0, |at| env.clock().now().duration_since(at).as_secs());
    u64::try_from(waited / 10).unwrap_or_default().clamp(*BUSY_SECONDS.start(), *BUSY_SECONDS.end())
}

/// What it waits for.
pub(super) fn is_busy(connection: &str) -> String {
    format!("connection {connection} is busy with another run")
}

/// Which account is behind a connection: `state/connections/<connection>.account.json`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct AccountLink {
    /// The digest that names it in keys.
    account: String,
}

/// The digest of the account behind a connection; none before it was asked.
pub(super) async fn account_behind(store: &impl Store, connection: &str) -> Result<Option<String>> {
    let behind = read_if_whole::<AccountLink>(store, &keys::account_behind(connection)).await?;
    Ok(behind.map(|behind| behind.account))
}

/// Takes the leases of a connection and of the account behind it, or renews them; `false` where another has one.
///
/// # Errors
/// Those of leases and store.
pub async fn take<E: Environment>(env: &E, connection: &str, holder: &str) -> Result<bool> {
    if !env.leases().take(connection, holder).await? {
        return Ok(false);
    }
    let is_taken = take_account(env, connection, holder).await?;
    if !is_taken {
        env.leases().release(connection, holder).await?;
    }
    Ok(is_taken)
}

/// Takes the lease of the account behind a connection, where that is known; `false` where another has it.
pub(super) async fn take_account<E: Environment>(env: &E, connection: &str, holder: &str) -> Result<bool> {
    match account_behind(env.store(), connection).await? {
        Some(account) => env.leases().take(&account, holder).await,
        None => Ok(true),
    }
}

/// The error when another connection is using the account.
pub(super) fn account_is_busy(connection: &str) -> Error {
    Error::new(Kind::Unavailable, connection, "another connection to the same account is at work")
        .hint("run again: from now on they wait for each other")
}

/// Renews both; `false` where the holder has lost one and must stop.
pub(super) async fn renew<E: Environment>(env: &E, connection: &str, holder: &str) -> Result<bool> {
    if !env.leases().renew(connection, holder).await? {
        return Ok(false);
    }
    match account_behind(env.store(), connection).await? {
        Some(account) => env.leases().renew(&account, holder).await,
        None => Ok(true),
    }
}

/// Releases both.
///
/// # Errors
/// Those of leases and store.
pub async fn release<E: Environment>(env: &E, connection: &str, holder: &str) -> Result<()> {
    if let Some(account) = account_behind(env.store(), connection).await? {
        env.leases().release(&account, holder).await?;
    }
    env.leases().release(connection, holder).await
}

/// Where it is noted which run made the last request: through the connection, and to the account behind it.
pub(super) async fn activity_keys(store: &impl Store, connection: &str) -> Result<Vec<String>> {
    let account = account_behind(store, connection).await?;
    let by_account = account.map(|account| keys::account_activity(&account));
    Ok([keys::connection_activity(connection)].into_iter().chain(by_account).collect())
}

/// Notes that a holder makes no more requests.
pub(super) async fn note_end<E: Environment>(env: &E, connection: &Connection, holder: &str) -> Result<()> {
    let activity = ConnectionActivity { run_id: holder.to_owned(), ended_at: Some(env.clock().now()) };
    for key in activity_keys(env.store(), &connection.name).await? {
        write_json(env.store(), &key, &activity).await?;
    }
    Ok(())
}

/// What became of a turn at an account that has just been asked who it is.
pub(super) enum AccountTurn {
    /// It was known to be behind the connection.
    Known,
    /// It is new to the connection, and free; its digest.
    New(String),
    /// It is new to the connection, and another run speaks to it.
    Busy,
}

/// Notes which account is behind a connection, and takes its lease where that is news.
pub(super) async fn meet<E: Environment>(
    env: &E,
    connection: &Connection,
    account: &str,
    holder: &str,
) -> Result<AccountTurn> {
    let account = keys::account(connection.api, account);
    let before = account_behind(env.store(), &connection.name).await?;
    if before.as_ref() == Some(&account) {
        return Ok(AccountTurn::Known);
    }
    // Before the note: who finds it renews the lease.
    let behind = AccountLink { account };
    let noting = async {
        let is_free = env.leases().take(&behind.account, holder).await?;
        write_json(env.store(), &keys::account_behind(&connection.name), &behind).await?;
        Ok(is_free)
    };
    let is_free = match noting.await {
        Ok(is_free) => is_free,
        Err(error) => {
            // It may have been taken all the same, and without the note nobody would give it back.
            let _ = env.leases().release(&behind.account, holder).await;
            return Err(error);
        }
    };
    if let Some(before) = before {
        env.leases().release(&before, holder).await?;
    }
    Ok(if is_free { AccountTurn::New(behind.account) } else { AccountTurn::Busy })
}

/// Whether no export of another connection to the same account, as far as that is known, has a list, tag or field of this one:
/// each would take the other's members off.
///
/// # Errors
/// Kind `config` where one has; those of the store.
pub async fn marks_are_its_own(store: &impl Store, config: &Config, export: &Export) -> Result<()> {
    let is_other = |other: &&Connection| other.enabled && other.name != export.connection;
    let mut others = config.connections.values().filter(is_other).peekable();
    if others.peek().is_none() {
        return Ok(());
    }
    let Some(account) = account_behind(store, &export.connection).await? else { return Ok(()) };
    let marks = |export: &Export| -> Vec<_> {
        export.segments.iter().filter_map(|segment| segment.membership.mark()).collect()
    };
    let own = marks(export);
    for connection in others {
        if account_behind(store, &connection.name).await?.as_ref() != Some(&account) {
            continue;
        }
        let exports = config.exports.values().filter(|other| other.enabled && other.connection == connection.name);
        for other in exports {
            if let Some((what, _)) = marks(other).iter().find(|mark| own.contains(mark)) {
                let problem =
                    format!("has the same {what} as export {}, and both connections lead to one account", other.name);
                return Err(Error::new(Kind::Config, &export.name, problem)
                    .hint("let one export fill it, or give each a name of its own"));
            }
        }
    }
    Ok(())
}

/// The connection with the lowest rate of all that are known to lead to its account.
pub(super) async fn at_lowest_rate(store: &impl Store, config: &Config, connection: &Connection) -> Result<Connection> {
    let mut slowed = connection.clone();
    let Some(account) = account_behind(store, &connection.name).await? else { return Ok(slowed) };
    for other in config.connections.values().filter(|other| other.name != connection.name) {
        if account_behind(store, &other.name).await?.as_ref() == Some(&account) {
            slowed.requests_per_second = slowed.requests_per_second.min(other.requests_per_second);
        }
    }
    Ok(slowed)
}
