//! The workflow on one machine: the same steps in the same order as the state machine on AWS, in one process.

use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use super::cancel::Cancellation;
use super::deliver::{Limit, deliver};
use super::documents::read_json;
use super::failure::Failure;
use super::finish::{LookedBack, finish, look_back};
use super::lease::with_lease;
use super::open::open;
use super::prepare::{self, Planned};
use super::stop::{is_stopped, watching_for_stop};
use super::unfinished::noted;
use crate::config::{Config, export_of};
use crate::error::{AtStage, Error, Kind, Result};
use crate::ports::{Event, Store};
use crate::report::{Outcome, Report};
use crate::run::{RunRecord, RunRequest, Stage, keys};
use crate::steps::environment::Environment;

/// What prepare came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Prepared {
    /// There is something to send.
    Ready { run_id: String },
    /// Ask again in this many seconds.
    Wait {
        seconds: u64,
        /// What it waits for.
        why: String,
    },
    /// The run is over; its report is written.
    Done {
        /// How it ended.
        outcome: Outcome,
    },
}

/// Makes the plan of a run, or says what it waits for. A run without anything to send is finished at once.
///
/// # Errors
/// Whatever keeps the run from going on; the caller ends the run with [`finish`], which gives the lease back.
pub async fn prepare<E: Environment>(env: &E, config: &Config, request: &RunRequest) -> Result<Prepared> {
    tracing::info!(run.id = request.run_id, "prepare: reads the drop and makes the plan");
    Ok(match prepare::prepare(env, config, request).await.at("prepare")? {
        Planned::Ready => Prepared::Ready { run_id: request.run_id.clone() },
        Planned::Wait(seconds, why) => Prepared::Wait { seconds, why },
        Planned::Reported(outcome) => Prepared::Done { outcome },
        Planned::Over(failure) => {
            let report = Box::pin(finish(env, config, request, failure)).await?;
            Prepared::Done { outcome: report.outcome }
        }
    })
}

/// The unfinished run that a request resumes: of the same export, drops, options and configuration.
///
/// # Errors
/// Those of the store.
pub async fn resume<W: Environment>(env: &W, config: &Config, request: &RunRequest) -> Result<Option<RunRequest>> {
    let store = env.store();
    let Some(run_id) = noted(store, &request.export).await? else { return Ok(None) };
    if is_stopped(store, &run_id).await? {
        return Ok(None);
    }
    let Some(run) = read_json::<RunRecord>(store, &keys::of_run(&run_id, "run.json")).await? else { return Ok(None) };
    let same = RunRequest { run_id: run_id.clone(), ..request.clone() } == run.request
        && config.digest(&request.export) == run.config_digest;
    if !same || lost_its_lanes(store, &run).await? {
        return Ok(None);
    }
    // The same drops: what the run froze is what a new one would take.
    let (export, _) = export_of(config, &request.export)?;
    Ok(match prepare::select_drops::select_drops(env, config, export, request).await? {
        prepare::select_drops::Selection::Drops(segments, _)
            if segments.iter().zip(&run.segments).all(|(now, then)| now.version == then.version) =>
        {
            Some(run.request)
        }
        prepare::select_drops::Selection::NoDrop(error) => return Err(error),
        _ => None,
    })
}

/// Whether a run was opened and what that decided is gone: its results belong to lanes that nobody knows.
async fn lost_its_lanes(store: &impl Store, run: &RunRecord) -> Result<bool> {
    let has = async |name: &str| Ok::<_, Error>(store.head(&keys::of_run(&run.request.run_id, name)).await?.is_some());
    Ok(run.stage == Stage::Ready && !has("open.json").await? && has("lanes.json").await?)
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
    let steps = steps(env, config, request, stop);
    let stopped = match watching_for_stop(env, &request.run_id, stop, steps).await.at("run") {
        Ok(Some(report)) => return Ok(report),
        Ok(None) => None,
        Err(error) => Some(error),
    };
    tracing::info!(run.id = request.run_id, "finish: merges what was confirmed, writes the report");
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
    let mut planned = 0;
    if let Some(run) = read_json::<RunRecord>(env.store(), &keys::of_run(&request.run_id, "run.json")).await? {
        planned = run.chunks.iter().map(|chunk| u64::from(chunk.rows)).sum();
        env.observer().notify(Event::Planned(planned));
    }
    tracing::info!(run.id = request.run_id, "open: asks the account");
    let opened = tokio::select! {
        opened = with_lease(env, config, request, open(env, config, request)) => opened?,
        () = stop.cancelled() => return Err(interrupted(request)),
    };
    let mut limit = Limit { stop: stop.clone(), ..Limit::default() };
    loop {
        tracing::info!(run.id = request.run_id, lanes = opened.count, "deliver: sends");
        let lanes = (0..opened.count).map(|lane| one_lane(env, config, request, lane, &limit));
        let ends = join_all(lanes).await;
        for end in ends {
            end?;
        }
        if stop.is_cancelled() {
            return Err(interrupted(request));
        }
        match with_lease(env, config, request, look_back(env, config, request)).await? {
            LookedBack::Well => return Ok(None),
            LookedBack::Failed(error) => return Err(error),
            LookedBack::Again(joiners) => planned += joiners,
        }
        env.observer().notify(Event::Planned(planned));
        limit.goes_on = true;
    }
}

async fn one_lane<W: Environment>(
    env: &W,
    config: &Config,
    request: &RunRequest,
    lane: u32,
    limit: &Limit,
) -> Result<()> {
    let mut limit = limit.clone();
    while !limit.stop.is_cancelled() {
        if deliver(env, config, request, lane, &limit).await?.done {
            break;
        }
        limit.goes_on = true;
    }
    Ok(())
}

/// The error of a run on which this process was stopped; `finish` finds out whether a person stopped the run itself.
fn interrupted(request: &RunRequest) -> Error {
    Error::new(Kind::Interrupted, &request.export, "interrupted")
        .hint("what was confirmed stays confirmed, and the next run of the export sends the rest")
}
