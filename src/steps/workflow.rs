//! The workflow on one machine: the same steps in the same order as the state machine on AWS, in one process.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::deliver::{Limit, deliver};
use super::finish::{Failure, finish};
use super::kept::while_renewing;
use super::open::open;
use super::prepare::{Prepared, prepare};
use super::{export_of, read_json};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::ports::{Event, World};
use crate::report::Report;
use crate::run::{RunRecord, RunRequest, keys};

/// A person's wish to stop, seen by every step.
#[derive(Clone, Debug)]
pub struct Stop(Arc<tokio::sync::watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(tokio::sync::watch::Sender::new(false)))
    }
}

impl Stop {
    /// Wishes to stop.
    pub fn wish(&self) {
        self.0.send_replace(true);
    }

    /// Whether somebody wants to stop.
    pub fn is_wanted(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until somebody wants to stop.
    pub async fn wanted(&self) {
        let mut wish = self.0.subscribe();
        if wish.wait_for(|wanted| *wanted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The unfinished run that a request goes on with: of the same export, drops, options and configuration.
///
/// # Errors
/// Those of the store.
pub async fn resume<W: World>(world: &W, config: &Config, request: &RunRequest) -> Result<Option<RunRequest>> {
    let store = world.store();
    let Some(run_id) = read_json::<String>(store, &keys::unfinished(&request.export)).await? else { return Ok(None) };
    let Some(run) = read_json::<RunRecord>(store, &keys::of_run(&run_id, "run.json")).await? else { return Ok(None) };
    let same = RunRequest { run_id: run_id.clone(), ..request.clone() } == run.request
        && config.digest(&request.export) == run.config_digest;
    if !same {
        return Ok(None);
    }
    // The same drops: what the run froze is what a new one would take.
    let (export, _) = export_of(config, &request.export)?;
    Ok(match super::drops::choose(world, config, export, request).await? {
        super::drops::Chosen::Drops(segments, _)
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
pub async fn run<W: World>(world: &W, config: &Config, request: &RunRequest, stop: &Stop) -> Result<Report> {
    let stopped = match steps(world, config, request, stop).await {
        Ok(Some(report)) => return Ok(report),
        Ok(None) => None,
        Err(error) => Some(error),
    };
    let finishing = finish(world, config, request, stopped.as_ref().map(Failure::of));
    match (while_renewing(world, config, request, finishing).await, stopped) {
        // It was stopped while it waited for another, which has the run.
        (Err(lost), Some(stopped)) if stopped.kind == Kind::Interrupted && lost.kind == Kind::Unavailable => {
            Err(stopped)
        }
        (finished, _) => finished,
    }
}

async fn steps<W: World>(world: &W, config: &Config, request: &RunRequest, stop: &Stop) -> Result<Option<Report>> {
    loop {
        if stop.is_wanted() {
            return Err(interrupted(request));
        }
        match while_renewing(world, config, request, prepare(world, config, request)).await? {
            Prepared::Ready { .. } => break,
            Prepared::Wait { seconds, why } => {
                let wait = Duration::from_secs(seconds);
                world.watcher().saw(Event::Waits(wait, &why));
                let until = crate::delivery::pace::after(world.clock().now(), wait);
                tokio::select! {
                    () = world.clock().sleep_until(until) => {}
                    () = stop.wanted() => {}
                }
            }
            Prepared::Done { .. } => return finish(world, config, request, None).await.map(Some),
        }
    }
    if let Some(run) = read_json::<RunRecord>(world.store(), &keys::of_run(&request.run_id, "run.json")).await? {
        world.watcher().saw(Event::Planned(run.chunks.iter().map(|chunk| u64::from(chunk.rows)).sum()));
    }
    let opened = tokio::select! {
        opened = while_renewing(world, config, request, open(world, config, request)) => opened?,
        () = stop.wanted() => return Err(interrupted(request)),
    };
    let limit = Limit { until: None, stop: stop.clone() };
    let lanes = (0..opened.count).map(|lane| one_lane(world, config, request, lane, &limit));
    let ends = join_all(lanes).await;
    for end in ends {
        end?;
    }
    if stop.is_wanted() { Err(interrupted(request)) } else { Ok(None) }
}

async fn one_lane<W: World>(world: &W, config: &Config, request: &RunRequest, lane: u32, limit: &Limit) -> Result<()> {
    while !limit.stop.is_wanted() {
        if deliver(world, config, request, lane, limit).await?.done {
            break;
        }
    }
    Ok(())
}

fn interrupted(request: &RunRequest) -> Error {
    Error::new(Kind::Interrupted, "run", &request.export, "stopped by hand")
        .to_do("the same command goes on; what was confirmed is not sent again")
}
