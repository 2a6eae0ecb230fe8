//! prepare: the lease, an earlier run's results, the sources, the plan, the guards. No request to Autopilot.

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

mod build_plan;
pub(super) mod select_drops;

use build_plan::{PlanMode, build_plan};
use select_drops::{Selection, select_drops};

use crate::config::{Config, Connection, Export, export_of};
use crate::error::{Error, Kind, Result};
use crate::plan::guards;
use crate::ports::{Environment, Leases, PutMode, SecretSource, Store};
use crate::report::{Outcome, Report};
use crate::run::{RunRecord, RunRequest, Stage, keys, time_of};
use crate::state::Digester;
use crate::steps::documents::{read_json, write_json, write_json_if};
use crate::steps::finish::{Failure, finish, finish_under};

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
pub async fn prepare<W: Environment>(env: &W, config: &Config, request: &RunRequest) -> Result<Prepared> {
    let (export, connection) = export_of(config, &request.export)?;
    may_run(env, export, connection, request)?;
    let digester = digester(env, connection).await?;
    let run_id = request.run_id.as_str();
    let store = env.store();
    if let Some(report) = read_json::<Report>(store, &keys::of_run(run_id, "report.json")).await? {
        return Ok(Prepared::Done { outcome: report.outcome });
    }
    if !env.leases().take(&connection.name, run_id).await? {
        return Ok(busy(env, &connection.name, run_id));
    }
    if !finish_abandoned(env, config, connection, request).await? {
        return Ok(busy(env, &connection.name, run_id));
    }
    let mut record = match read_json::<RunRecord>(store, &keys::of_run(run_id, "run.json")).await? {
        Some(record) if record.stage == Stage::Ready => return Ok(Prepared::Ready { run_id: run_id.into() }),
        // Its segments go by their places in the configuration.
        Some(record) => {
            record.check_configuration(config, "prepare")?;
            record
        }
        None => match begin(env, config, export, connection, request).await? {
            Begun::Run(record) => *record,
            Begun::Ended(prepared) => return Ok(prepared),
        },
    };
    let looked = build_plan(env, export, &digester, &mut record, PlanMode::Persist).await?;
    let violations = guards::violations(&export.name, &export.guards, &looked);
    let (passed, stopping): (Vec<_>, Vec<_>) =
        violations.into_iter().partition(|(name, _)| request.pass_guards.iter().any(|pass| pass == name));
    record.guards_passed_over = passed.into_iter().map(|(name, _)| name.to_owned()).collect();
    let guard = stopping.into_iter().next().map(|(_, error)| error);
    if guard.is_none() && !record.chunks.is_empty() {
        record.stage = Stage::Ready;
    }
    write_json(store, &keys::of_run(run_id, "run.json"), &record).await?;
    if record.stage == Stage::Ready {
        return Ok(Prepared::Ready { run_id: run_id.into() });
    }
    let report = Box::pin(finish(env, config, request, guard.as_ref().map(Failure::of))).await?;
    Ok(Prepared::Done { outcome: report.outcome })
}

fn busy<W: Environment>(env: &W, connection: &str, run_id: &str) -> Prepared {
    let waited = time_of(run_id).map_or(0, |at| env.clock().now().duration_since(at).as_secs());
    let seconds = u64::try_from(waited / 10).unwrap_or_default().clamp(*BUSY_SECONDS.start(), *BUSY_SECONDS.end());
    Prepared::Wait { seconds, why: format!("connection {connection} is busy with another run") }
}

enum Begun {
    Run(Box<RunRecord>),
    Ended(Prepared),
}

/// Fixes what a new run reads.
async fn begin<W: Environment>(
    env: &W,
    config: &Config,
    export: &Export,
    connection: &Connection,
    request: &RunRequest,
) -> Result<Begun> {
    let (segments, sources, superseded) = match select_drops(env, config, export, request).await? {
        Selection::Wait(seconds, why) => {
            // Others may use the connection meanwhile.
            env.leases().release(&connection.name, &request.run_id).await?;
            return Ok(Begun::Ended(Prepared::Wait { seconds, why }));
        }
        Selection::Drops(segments, sources) => (segments, sources, false),
        Selection::Superseded(segments) => (segments, Vec::new(), true),
    };
    let mut record =
        RunRecord::begin(request, &connection.name, config.digest(&export.name), segments, sources, env.clock().now());
    let store = env.store();
    write_json(store, &keys::unfinished(&export.name), &request.run_id).await?;
    let key = keys::of_run(&request.run_id, "run.json");
    if !write_json_if(store, &key, &record, PutMode::Create).await? {
        // This very step, called twice at once, or its own writing that was made again: what was fixed first holds.
        record = read_json(store, &key).await?.unwrap_or(record);
    }
    if superseded {
        let report = Box::pin(finish(env, config, request, None)).await?;
        return Ok(Begun::Ended(Prepared::Done { outcome: report.outcome }));
    }
    Ok(Begun::Run(Box::new(record)))
}

/// Merges what an earlier run of this export had confirmed when it was stopped for good; `false` where that run's
/// connection, which may be another, is busy.
async fn finish_abandoned<W: Environment>(
    env: &W,
    config: &Config,
    connection: &Connection,
    request: &RunRequest,
) -> Result<bool> {
    let (store, run_id) = (env.store(), request.run_id.as_str());
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
    if its_own && !env.leases().take(&record.connection, run_id).await? {
        return Ok(false);
    }
    let error = Error::new(Kind::Interrupted, "finish", &earlier, "the run never reached its finish")
        .hint("nothing: what it had confirmed is kept, the rest is sent by the next run");
    let finished = Box::pin(finish_under(env, config, &record.request, Some(Failure::of(&error)), run_id)).await;
    if its_own {
        env.leases().release(&record.connection, run_id).await?;
    }
    finished.map(|_| true)
}

fn may_run<W: Environment>(env: &W, export: &Export, connection: &Connection, request: &RunRequest) -> Result<()> {
    if let Some(unknown) = request.pass_guards.iter().find(|name| !guards::NAMES.contains(&name.as_str())) {
        return Err(Error::new(Kind::BadRequest, "prepare", unknown, "is no guard")
            .hint(format!("name one of: {}", guards::NAMES.join(", "))));
    }
    connection.may_send(export, env.clock().now())
}

async fn digester<W: Environment>(env: &W, connection: &Connection) -> Result<Digester> {
    let secrets = env.secrets().secrets(&connection.name, &connection.secret, false).await?;
    Digester::new(secrets.state_key.expose_secret())
}

/// The same up to the first request, without lease and without storing anything: what a run would do.
///
/// # Errors
/// As [`prepare`]. A guard that would stop the run is the second of the pair.
pub async fn plan<W: Environment>(
    env: &W,
    config: &Config,
    request: &RunRequest,
) -> Result<(RunRecord, Option<Error>)> {
    let (export, connection) = export_of(config, &request.export)?;
    may_run(env, export, connection, request)?;
    let digester = digester(env, connection).await?;
    let (segments, sources) = match select_drops(env, config, export, request).await? {
        Selection::Drops(segments, sources) => (segments, sources),
        Selection::Superseded(segments) => (segments, Vec::new()),
        Selection::Wait(seconds, why) => {
            return Err(Error::new(Kind::Segment, "plan", &export.name, why).hint(format!("ask again in {seconds} s")));
        }
    };
    let mut record =
        RunRecord::begin(request, &connection.name, config.digest(&export.name), segments, sources, env.clock().now());
    let looked = build_plan(env, export, &digester, &mut record, PlanMode::DryRun).await?;
    let mut violations = guards::violations(&export.name, &export.guards, &looked);
    violations.retain(|(name, _)| !request.pass_guards.iter().any(|pass| pass == name));
    Ok((record, violations.into_iter().next().map(|(_, error)| error)))
}
