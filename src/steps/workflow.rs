//! The workflow on one machine: the same steps in the same order as the state machine on AWS, in one process.

use std::time::Duration;

use futures_util::future::join_all;

use super::cancel::Cancellation;
use super::deliver::{Limit, deliver};
use super::documents::read_json;
use super::finish::{Failure, finish};
use super::lease::with_lease;
use super::open::open;
use super::prepare::{Prepared, prepare};
use crate::config::{Config, export_of};
use crate::error::{Error, Kind, Result};
use crate::ports::Event;
use crate::report::Report;
use crate::run::{RunRecord, RunRequest, keys};
use crate::steps::environment::Environment;

/// The unfinished run that a request goes on with: of the same export, drops, options and configuration.
///
/// # Errors
/// Those of the store.
pub async fn resume<W: Environment>(env: &W, config: &Config, request: &RunRequest) -> Result<Option<RunRequest>> {
    let store = env.store();
    let Some(run_id) = read_json::<String>(store, &keys::unfinished(&request.export)).await? else { return Ok(None) };
    let Some(run) = read_json::<RunRecord>(store, &keys::of_run(&run_id, "run.json")).await? else { return Ok(None) };
    let same = RunRequest { run_id: run_id.clone(), ..request.clone() } == run.request
        && config.digest(&request.export) == run.config_digest;
    if !same {
        return Ok(None);
    }
    // The same drops: what the run froze is what a new one would take.
    let (export, _) = export_of(config, &request.export)?;
    Ok(match super::prepare::select_drops::select_drops(env, config, export, request).await? {
        super::prepare::select_drops::Selection::Drops(segments, _)
            if segments.iter().zip(&run.segments).all(|(now, then)| now.version == then.version) =>
        {
            Some(run.request)
        }
        _ => None,
    })
}

/// Runs a request to its report. Whatever happens, the run is finished: what was confirmed is in the state.
///
/// # Errors
/// Only where finish itself fails; the run's own failure is in the report.
pub async fn run<W: Environment>(
    env: &W,
    config: &Config,
    request: &RunRequest,
    stop: &Cancellation,
) -> Result<Report> {
    let stopped = match steps(env, config, request, stop).await {
        Ok(Some(report)) => return Ok(report),
        Ok(None) => None,
        Err(error) => Some(error),
    };
    let finishing = finish(env, config, request, stopped.as_ref().map(Failure::of));
    match (with_lease(env, config, request, finishing).await, stopped) {
        // It was stopped while it waited for another, which has the run.
        (Err(lost), Some(stopped)) if stopped.kind == Kind::Interrupted && lost.kind == Kind::Unavailable => {
            Err(stopped)
        }
        (finished, _) => finished,
    }
}

async fn steps<W: Environment>(
    env: &W,
    config: &Config,
    request: &RunRequest,
    stop: &Cancellation,
) -> Result<Option<Report>> {
    loop {
        if stop.is_cancelled() {
            return Err(interrupted(request));
        }
        match with_lease(env, config, request, prepare(env, config, request)).await? {
            Prepared::Ready { .. } => break,
            Prepared::Wait { seconds, why } => {
                let wait = Duration::from_secs(seconds);
                env.observer().notify(Event::Waits(wait, &why));
                let until = crate::delivery::pace::after(env.clock().now(), wait);
                tokio::select! {
                    () = env.clock().sleep_until(until) => {}
                    () = stop.cancelled() => {}
                }
            }
            Prepared::Done { .. } => return finish(env, config, request, None).await.map(Some),
        }
    }
    if let Some(run) = read_json::<RunRecord>(env.store(), &keys::of_run(&request.run_id, "run.json")).await? {
        env.observer().notify(Event::Planned(run.chunks.iter().map(|chunk| u64::from(chunk.rows)).sum()));
    }
    let opened = tokio::select! {
        opened = with_lease(env, config, request, open(env, config, request)) => opened?,
        () = stop.cancelled() => return Err(interrupted(request)),
    };
    let limit = Limit { until: None, stop: stop.clone() };
    let lanes = (0..opened.count).map(|lane| one_lane(env, config, request, lane, &limit));
    let ends = join_all(lanes).await;
    for end in ends {
        end?;
    }
    if stop.is_cancelled() { Err(interrupted(request)) } else { Ok(None) }
}

async fn one_lane<W: Environment>(
    env: &W,
    config: &Config,
    request: &RunRequest,
    lane: u32,
    limit: &Limit,
) -> Result<()> {
    while !limit.stop.is_cancelled() {
        if deliver(env, config, request, lane, limit).await?.done {
            break;
        }
    }
    Ok(())
}

fn interrupted(request: &RunRequest) -> Error {
    Error::new(Kind::Interrupted, "run", &request.export, "stopped by hand")
        .hint("the same command goes on; what was confirmed is not sent again")
}
