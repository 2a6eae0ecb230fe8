//! A run that a person stops: a mark in its folder, which every step that sends looks for.

use std::future::Future;
use std::time::Duration;

use crate::delivery::pace::after;
use crate::error::{Error, Kind, Result};
use crate::ports::Store;
use crate::run::{RunRequest, keys};
use crate::steps::cancel::Cancellation;
use crate::steps::documents::write_json;
use crate::steps::environment::Environment;

/// Time between two looks for the mark. A run has 15 seconds to stop sending, and the store may be slow.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Marks a run as stopped. Whatever works on it, on this machine or another, stops sending within seconds.
///
/// # Errors
/// Those of the store.
pub async fn mark_stopped<E: Environment>(env: &E, run_id: &str) -> Result<()> {
    let mark = serde_json::json!({ "at": env.clock().now() });
    write_json(env.store(), &keys::stopped(run_id), &mark).await.map(drop)
}

/// Whether a person has stopped a run.
///
/// # Errors
/// Those of the store.
pub async fn is_stopped(store: &impl Store, run_id: &str) -> Result<bool> {
    Ok(store.head(&keys::stopped(run_id)).await?.is_some())
}

/// Does `step`, and cancels `stop` once the run is marked as stopped.
pub async fn watching_for_stop<E: Environment, T>(
    env: &E,
    run_id: &str,
    stop: &Cancellation,
    step: impl Future<Output = T>,
) -> T {
    look(env, run_id, stop).await;
    let mut step = Box::pin(step);
    loop {
        tokio::select! {
            done = &mut step => return done,
            () = env.clock().sleep_until(after(env.clock().now(), LOOK_EVERY)) => {}
        }
        tokio::select! {
            done = &mut step => return done,
            () = look(env, run_id, stop) => {}
        }
    }
}

/// Does `step`, unless the run is stopped first.
///
/// # Errors
/// Those of the step; kind `stopped`.
pub async fn unless_stopped<T>(
    request: &RunRequest,
    stop: &Cancellation,
    step: impl Future<Output = Result<T>>,
) -> Result<T> {
    let step = Box::pin(step);
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(stopped(&request.export)),
        done = step => done,
    }
}

/// The error of a run that a person has stopped.
pub(super) fn stopped(export: &str) -> Error {
    Error::new(Kind::Stopped, export, "stopped by hand")
        .hint("what was confirmed stays confirmed, and the next run of the export sends the rest")
}

/// A store that cannot be read stops nothing: the lease has its own term.
async fn look<E: Environment>(env: &E, run_id: &str, stop: &Cancellation) {
    match is_stopped(env.store(), run_id).await {
        Ok(true) => stop.cancel(),
        Ok(false) => {}
        Err(error) => tracing::warn!(run.id = run_id, error.kind = error.kind.name(), "{}", error.chain()),
    }
}
