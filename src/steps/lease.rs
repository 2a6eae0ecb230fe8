//! Keeps a run's lease alive beside a step that may take longer than the lease's term.

use std::future::Future;
use std::time::Duration;

use crate::config::{Config, export_of};
use crate::delivery::pace::after;
use crate::error::{Error, Kind, Result};
use crate::run::RunRequest;
use crate::steps::environment::Environment;
use crate::steps::turn;

/// Well within the term of a lease.
const RENEW_EVERY: Duration = Duration::from_secs(30);

/// Does `step`, renewing the lease of its run as long as the run has it.
///
/// # Errors
/// Those of the step; `unavailable`, where the lease went to another run meanwhile.
pub async fn with_lease<W: Environment, T>(
    env: &W,
    config: &Config,
    request: &RunRequest,
    step: impl Future<Output = Result<T>>,
) -> Result<T> {
    let connection = export_of(config, &request.export).ok().map(|(_, connection)| connection);
    let lost = async {
        let mut held = false;
        loop {
            env.clock().sleep_until(after(env.clock().now(), RENEW_EVERY)).await;
            let Some(connection) = connection else { continue };
            match turn::renew(env, &connection.name, &request.run_id).await {
                Ok(true) => {
                    tracing::debug!(run.id = request.run_id, connection = connection.name, "the lease is renewed");
                    held = true;
                }
                // A step that waits, or is over already, has none.
                Ok(false) if held => return lost_lease(&connection.title()),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(run.id = request.run_id, error.kind = error.kind.name(), "{}", error.chain());
                }
            }
        }
    };
    // Of all of a run the largest: not within each future that waits for it.
    let step = Box::pin(step);
    tokio::select! {
        done = step => done,
        error = lost => Err(error),
    }
}

/// The error of a step that finds another run in its place.
pub(super) fn lost_lease(connection: &str) -> Error {
    Error::new(Kind::Unavailable, connection, "the lease was lost to another run")
        .hint("nothing: the other run merges what this one confirmed")
}
