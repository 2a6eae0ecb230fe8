//! When a run may send first: a window after anybody else sent through the connection.

use std::time::Duration;

use jiff::Timestamp;

use crate::config::Connection;
use crate::delivery::pace::{after, window};
use crate::error::{Kind, Result};
use crate::run::ConnectionActivity;
use crate::steps::documents::{read_json, write_json};
use crate::steps::environment::Environment;
use crate::steps::turn::activity_keys;

/// By how much the clocks of two processes may differ.
pub(super) const CLOCKS_DIFFER: Duration = Duration::from_secs(15 * 60);

/// When this run may send first, and a note that it does from now on. A run that ended says so; one that did not, this
/// very step called again among them, may have sent just now.
pub(super) async fn quiet_until<E: Environment>(env: &E, connection: &Connection, run_id: &str) -> Result<Timestamp> {
    let mut until = Timestamp::MIN;
    for key in activity_keys(env.store(), &connection.name).await? {
        until = until.max(quiet_at(env, connection, &key, run_id).await?);
    }
    Ok(until)
}

/// The same by one of the notes.
pub(super) async fn quiet_at<E: Environment>(
    env: &E,
    connection: &Connection,
    key: &str,
    run_id: &str,
) -> Result<Timestamp> {
    let now = env.clock().now();
    let caution = env.destination(connection.api).limits().caution;
    let mut settle = caution.map(|caution| caution.settle).unwrap_or_default();
    let since = match read_json::<ConnectionActivity>(env.store(), key).await {
        Err(error) if error.kind == Kind::Config => {
            // Another run may have sent just now.
            tracing::warn!(error.kind = error.kind.name(), "{}", error.chain());
            now
        }
        Err(error) => return Err(error),
        Ok(None) => Timestamp::MIN,
        // Another process's clock may be minutes off: only what is long ago by any clock is past for certain.
        Ok(Some(ConnectionActivity { ended_at: Some(at), .. })) if after(at, CLOCKS_DIFFER) <= now => at,
        Ok(Some(last)) => {
            // Whatever was killed may have been refused as often as may be.
            let within = caution.filter(|_| last.ended_at.is_none()).map(|caution| caution.within);
            settle = settle.max(within.unwrap_or_default());
            now
        }
    };
    write_json(env.store(), key, &ConnectionActivity { run_id: run_id.into(), ended_at: None }).await?;
    Ok(after(since, window(connection.requests_per_second).max(settle)).max(now))
}
