//! prepare: the lease, an earlier run's results, the sources, the plan, the guards. No request to Autopilot.

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::draw::{Keep, draw};
use super::drops::{Chosen, choose};
use super::finish::{Failure, finish, finish_under};
use super::saved::write_json_if;
use super::{export_of, read_json, write_json};
use crate::config::{Config, Connection, Export};
use crate::error::{Error, Kind, Result};
use crate::plan::guards;
use crate::ports::{Condition, Leases, SecretSource, Store, World};
use crate::report::{Outcome, Report};
use crate::run::{RunRecord, RunRequest, Stage, keys, time_of};
use crate::state::Digester;

/// Seconds to wait while another run has the connection: a tenth of what was waited so far, within these bounds. A
/// workflow has room for 25,000 events of history, some nine for each time; a first fill of a list takes hours.
/// Source: the Step Functions user guide, "Quotas".
const BUSY_SECONDS: std::ops::RangeInclusive<u64> = 10..=300;

/// What prepare came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Prepared {
    /// There is something to send.
    Ready {
        /// The run.
        run_id: String,
    },
    /// Ask again in so many seconds.
    Wait {
        /// Seconds.
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

/// Makes the plan of a run, or says what it waits for, or that there is nothing to do.
///
/// # Errors
/// Whatever keeps the run from going on; the caller ends the run with `finish`, which gives the lease back.
pub async fn prepare<W: World>(world: &W, config: &Config, request: &RunRequest) -> Result<Prepared> {
    let (export, connection) = export_of(config, &request.export)?;
    may_run(export, connection, request)?;
    let digester = digester(world, connection).await?;
    let run_id = request.run_id.as_str();
    let store = world.store();
    if let Some(report) = read_json::<Report>(store, &keys::of_run(run_id, "report.json")).await? {
        return Ok(Prepared::Done { outcome: report.outcome });
    }
    if !world.leases().take(&connection.name, run_id).await? {
        return Ok(busy(world, &connection.name, run_id));
    }
    if !finish_abandoned(world, config, connection, request).await? {
        return Ok(busy(world, &connection.name, run_id));
    }
    let mut record = match read_json::<RunRecord>(store, &keys::of_run(run_id, "run.json")).await? {
        Some(record) if record.stage == Stage::Ready => return Ok(Prepared::Ready { run_id: run_id.into() }),
        // Its segments go by their places in the configuration.
        Some(record) if record.config_digest != config.digest(&export.name) => {
            return Err(changed("prepare", &export.name));
        }
        Some(record) => record,
        None => match begin(world, config, export, connection, request).await? {
            Begun::Run(record) => *record,
            Begun::Ended(prepared) => return Ok(prepared),
        },
    };
    let looked = draw(world, export, &digester, &mut record, Keep::Stored).await?;
    let objections = guards::objections(&export.name, &export.guards, &looked);
    let (passed, stopping): (Vec<_>, Vec<_>) =
        objections.into_iter().partition(|(name, _)| request.pass_guards.iter().any(|pass| pass == name));
    record.guards_passed_over = passed.into_iter().map(|(name, _)| name.to_owned()).collect();
    let guard = stopping.into_iter().next().map(|(_, error)| error);
    if guard.is_none() && !record.chunks.is_empty() {
        record.stage = Stage::Ready;
    }
    write_json(store, &keys::of_run(run_id, "run.json"), &record).await?;
    if record.stage == Stage::Ready {
        return Ok(Prepared::Ready { run_id: run_id.into() });
    }
    let report = Box::pin(finish(world, config, request, guard.as_ref().map(Failure::of))).await?;
    Ok(Prepared::Done { outcome: report.outcome })
}

fn busy<W: World>(world: &W, connection: &str, run_id: &str) -> Prepared {
    let waited = time_of(run_id).map_or(0, |at| world.clock().now().duration_since(at).as_secs());
    let seconds = u64::try_from(waited / 10).unwrap_or_default().clamp(*BUSY_SECONDS.start(), *BUSY_SECONDS.end());
    Prepared::Wait { seconds, why: format!("connection {connection} is busy with another run") }
}

/// The error of a run that was prepared by another configuration than the one there is.
pub(super) fn changed(stage: &'static str, export: &str) -> Error {
    Error::new(Kind::Config, stage, export, "the configuration has changed since the run was prepared")
        .to_do("run it again; nothing was sent")
}

enum Begun {
    Run(Box<RunRecord>),
    Ended(Prepared),
}

/// Fixes what a new run reads.
async fn begin<W: World>(
    world: &W,
    config: &Config,
    export: &Export,
    connection: &Connection,
    request: &RunRequest,
) -> Result<Begun> {
    let (segments, sources, superseded) = match choose(world, config, export, request).await? {
        Chosen::Wait(seconds, why) => {
            // Others may use the connection meanwhile.
            world.leases().give_back(&connection.name, &request.run_id).await?;
            return Ok(Begun::Ended(Prepared::Wait { seconds, why }));
        }
        Chosen::Drops(segments, sources) => (segments, sources, false),
        Chosen::Superseded(segments) => (segments, Vec::new(), true),
    };
    let mut record = RunRecord::begin(
        request,
        &connection.name,
        config.digest(&export.name),
        segments,
        sources,
        world.clock().now(),
    );
    let store = world.store();
    write_json(store, &keys::unfinished(&export.name), &request.run_id).await?;
    let key = keys::of_run(&request.run_id, "run.json");
    if !write_json_if(store, &key, &record, Condition::IfAbsent).await? {
        // This very step, called twice at once, or its own writing that was made again: what was fixed first holds.
        record = read_json(store, &key).await?.unwrap_or(record);
    }
    if superseded {
        let report = Box::pin(finish(world, config, request, None)).await?;
        return Ok(Begun::Ended(Prepared::Done { outcome: report.outcome }));
    }
    Ok(Begun::Run(Box::new(record)))
}

/// Merges what an earlier run of this export had confirmed when it was stopped for good; `false` where that run's
/// connection, which may be another, is busy.
async fn finish_abandoned<W: World>(
    world: &W,
    config: &Config,
    connection: &Connection,
    request: &RunRequest,
) -> Result<bool> {
    let (store, run_id) = (world.store(), request.run_id.as_str());
    let unfinished = keys::unfinished(&request.export);
    let Some(earlier) = read_json::<String>(store, &unfinished).await? else { return Ok(true) };
    if earlier == run_id {
        return Ok(true);
    }
    let Some(mut record) = read_json::<RunRecord>(store, &keys::of_run(&earlier, "run.json")).await? else {
        store.delete(&unfinished).await?;
        return Ok(true);
    };
    if request.full && !record.request.full {
        // A state that fits no more must not keep the earlier run from its end, nor this one from beginning.
        record.request.full = true;
        write_json(store, &keys::of_run(&earlier, "run.json"), &record).await?;
    }
    let its_own = record.connection != connection.name;
    if its_own && !world.leases().take(&record.connection, run_id).await? {
        return Ok(false);
    }
    let error = Error::new(Kind::Interrupted, "finish", &earlier, "the run never reached its finish")
        .to_do("nothing: what it had confirmed is kept, the rest is sent by the next run");
    let finished = Box::pin(finish_under(world, config, &record.request, Some(Failure::of(&error)), run_id)).await;
    if its_own {
        world.leases().give_back(&record.connection, run_id).await?;
    }
    finished.map(|_| true)
}

fn may_run(export: &Export, connection: &Connection, request: &RunRequest) -> Result<()> {
    if let Some(unknown) = request.pass_guards.iter().find(|name| !guards::NAMES.contains(&name.as_str())) {
        return Err(Error::new(Kind::BadRequest, "prepare", unknown, "is no guard")
            .to_do(format!("name one of: {}", guards::NAMES.join(", "))));
    }
    connection.may_send(export)
}

async fn digester<W: World>(world: &W, connection: &Connection) -> Result<Digester> {
    let secrets = world.secrets().secrets(&connection.name, &connection.secret, false).await?;
    Digester::new(secrets.state_key.expose_secret())
}

/// The same up to the first request, without lease and without storing anything: what a run would do.
///
/// # Errors
/// As [`prepare`]. A guard that would stop the run is the second of the pair.
pub async fn plan<W: World>(world: &W, config: &Config, request: &RunRequest) -> Result<(RunRecord, Option<Error>)> {
    let (export, connection) = export_of(config, &request.export)?;
    may_run(export, connection, request)?;
    let digester = digester(world, connection).await?;
    let (segments, sources) = match choose(world, config, export, request).await? {
        Chosen::Drops(segments, sources) => (segments, sources),
        Chosen::Superseded(segments) => (segments, Vec::new()),
        Chosen::Wait(seconds, why) => {
            return Err(Error::new(Kind::Segment, "plan", &export.name, why).to_do(format!("ask again in {seconds} s")));
        }
    };
    let mut record = RunRecord::begin(
        request,
        &connection.name,
        config.digest(&export.name),
        segments,
        sources,
        world.clock().now(),
    );
    let looked = draw(world, export, &digester, &mut record, Keep::Counted).await?;
    let mut objections = guards::objections(&export.name, &export.guards, &looked);
    objections.retain(|(name, _)| !request.pass_guards.iter().any(|pass| pass == name));
    Ok((record, objections.into_iter().next().map(|(_, error)| error)))
}
