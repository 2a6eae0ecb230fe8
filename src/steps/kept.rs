//! Keeps a run's lease alive beside a step that may take longer than the lease's term.

use std::future::Future;
use std::time::Duration;

use super::export_of;
use super::open::lost_lease;
use crate::config::Config;
use crate::delivery::pace::after;
use crate::error::Result;
use crate::ports::{Leases, World};
use crate::run::RunRequest;

/// Well within the term of a lease.
const RENEW_EVERY: Duration = Duration::from_secs(30);

/// Does `step`, renewing the lease of its run as long as the run has it.
///
/// # Errors
/// Those of the step; `unavailable`, where the lease went to another run meanwhile.
pub async fn while_renewing<W: World, T>(
    world: &W,
    config: &Config,
    request: &RunRequest,
    step: impl Future<Output = Result<T>>,
) -> Result<T> {
    let connection = export_of(config, &request.export).ok().map(|(_, connection)| connection.name.as_str());
    let lost = async {
        let mut held = false;
        loop {
            world.clock().sleep_until(after(world.clock().now(), RENEW_EVERY)).await;
            let Some(connection) = connection else { continue };
            match world.leases().renew(connection, &request.run_id).await {
                Ok(true) => held = true,
                // A step that waits, or is over already, has none.
                Ok(false) if held => return lost_lease("run", connection),
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
