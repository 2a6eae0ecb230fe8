//! prepare: the lease, an earlier run's results, the sources, the plan, the guards. No request to Autopilot.

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::draw::{Keep, draw};
use super::drops::{Chosen, choose};
use super::finish::{Failure, finish};
use super::{export_of, read_json, write_json};
use crate::config::{Config, Connection, Export};
use crate::error::{Error, Kind, Result};
use crate::plan::guards;
use crate::ports::{Leases, SecretSource, Store, World};
use crate::report::{Outcome, Report};
use crate::run::{RunRecord, RunRequest, Stage, keys};
use crate::state::Digester;

/// Seconds to wait while another run has the connection.
const BUSY_SECONDS: u64 = 10;

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
        let why = format!("connection {} is busy with another run", connection.name);
        return Ok(Prepared::Wait { seconds: BUSY_SECONDS, why });
    }
    finish_abandoned(world, config, export, connection, request).await?;
    let mut record = match read_json::<RunRecord>(store, &keys::of_run(run_id, "run.json")).await? {
        Some(record) if record.stage == Stage::Ready => return Ok(Prepared::Ready { run_id: run_id.into() }),
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
    let report = finish(world, config, request, guard.as_ref().map(Failure::of)).await?;
    Ok(Prepared::Done { outcome: report.outcome })
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
    let record = RunRecord::begin(
        request,
        &connection.name,
        config.digest(&export.name),
        segments,
        sources,
        world.clock().now(),
    );
    let store = world.store();
    write_json(store, &keys::unfinished(&export.name), &request.run_id).await?;
    write_json(store, &keys::of_run(&request.run_id, "run.json"), &record).await?;
    if superseded {
        let report = finish(world, config, request, None).await?;
        return Ok(Begun::Ended(Prepared::Done { outcome: report.outcome }));
    }
    Ok(Begun::Run(Box::new(record)))
}

/// Merges what an earlier run of this export had confirmed when it was stopped for good.
async fn finish_abandoned<W: World>(
    world: &W,
    config: &Config,
    export: &Export,
    connection: &Connection,
    request: &RunRequest,
) -> Result<()> {
    let (store, run_id) = (world.store(), request.run_id.as_str());
    let Some(earlier) = read_json::<String>(store, &keys::unfinished(&export.name)).await? else { return Ok(()) };
    if earlier == run_id {
        return Ok(());
    }
    let Some(mut record) = read_json::<RunRecord>(store, &keys::of_run(&earlier, "run.json")).await? else {
        return store.delete(&keys::unfinished(&export.name)).await;
    };
    if request.full && !record.request.full {
        // A state that fits no more must not keep the earlier run from its end, nor this one from beginning.
        record.request.full = true;
        write_json(store, &keys::of_run(&earlier, "run.json"), &record).await?;
    }
    // The lease changes hands within this process, so that finish finds it as its own.
    world.leases().give_back(&connection.name, run_id).await?;
    let error = Error::new(Kind::Interrupted, "finish", &earlier, "the run never reached its finish")
        .to_do("nothing: what it had confirmed is kept, the rest is sent by the next run");
    finish(world, config, &record.request, Some(Failure::of(&error))).await?;
    if !world.leases().take(&connection.name, run_id).await? {
        return Err(
            Error::new(Kind::Unavailable, "prepare", &connection.name, "was taken by another run").to_do("run again")
        );
    }
    Ok(())
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
