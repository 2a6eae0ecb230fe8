//! What an earlier run learned of an account, for as long as it counts.

use std::time::Duration;

use jiff::Timestamp;

use crate::config::Connection;
use crate::delivery::pace::{after, between};
use crate::error::Result;
use crate::ports::Store;
use crate::run::{LearnedStrategy, keys};
use crate::steps::documents::read_if_whole;
use crate::steps::quiet::CLOCKS_DIFFER;
use crate::steps::turn::account_behind;

/// How long a learned setup is used before the canary runs again.
const SETUP_EXPIRES_AFTER: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What was learned of this account; where it is not known yet, of the one that was last behind the connection.
///
/// # Errors
/// Those of the store.
pub async fn learned(
    store: &impl Store,
    connection: &Connection,
    account: Option<&str>,
    now: Timestamp,
) -> Result<Option<LearnedStrategy>> {
    let account_key = match account {
        Some(id) => Some(keys::account(connection.api, id)),
        None => account_behind(store, &connection.name).await?,
    };
    let Some(account_key) = account_key else { return Ok(None) };
    let learned: Option<LearnedStrategy> = read_if_whole(store, &keys::learned_setup(&account_key)).await?;
    Ok(learned.filter(|learned| {
        account.is_none_or(|account| learned.account == account)
            && between(learned.at, now) < SETUP_EXPIRES_AFTER
            && learned.at <= after(now, CLOCKS_DIFFER)
    }))
}
