//! Keeps a run's lease alive beside a step that may take longer than the lease's term.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use super::export_of;
use crate::config::Config;
use crate::delivery::pace::after;
use crate::error::Result;
use crate::ports::{Leases, World};
use crate::run::RunRequest;

/// Well within the term of a lease.
const RENEW_EVERY: Duration = Duration::from_secs(30);

/// Does `step`, renewing the lease of its run as long as the run has it. Whether it has it is for the step to ask.
///
/// # Errors
/// Those of the step.
pub async fn while_renewing<W: World, T>(
    world: &W,
    config: &Config,
    request: &RunRequest,
    step: impl Future<Output = Result<T>>,
) -> Result<T> {
    let connection = export_of(config, &request.export).ok().map(|(_, connection)| connection.name.as_str());
    let renewing = async {
        loop {
            world.clock().sleep_until(after(world.clock().now(), RENEW_EVERY)).await;
            if let Some(connection) = connection
                && let Err(error) = world.leases().renew(connection, &request.run_id).await
            {
                tracing::warn!(run.id = request.run_id, error.kind = error.kind.name(), "{}", error.chain());
            }
        }
    };
    let (mut step, mut renewing) = (pin!(step), pin!(renewing));
    tokio::select! {
        done = &mut step => done,
        () = &mut renewing => step.await,
    }
}
