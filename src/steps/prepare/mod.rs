//! prepare: the lease, an earlier run's results, the sources, the plan, the guards. No request to the destination.

use std::sync::{Mutex, PoisonError};

use secrecy::ExposeSecret;
mod addresses;
mod build_plan;
mod contents;
mod expected;
mod held;
mod listed;
mod planned_history;
mod reading;
pub(super) mod recovery;
mod rehearsal;
mod retried;
pub(super) mod select_drops;
mod sources;
mod storing;

use build_plan::build_plan;
use planned_history::PlannedHistory;
use recovery::{Recovery, finish_abandoned};
use select_drops::{Selection, select_drops};
use storing::PlanMode;

pub use rehearsal::{Cause, Rehearsal};

use crate::config::{Config, Connection, Export, export_of};
use crate::error::{AtStage, Error, Kind, Result};
use crate::plan::guards;
use crate::ports::{Event, Freshness, PutMode, SecretSource, Store};
use crate::report::{Outcome, Report};
use crate::run::{Expected, RunRecord, RunRequest, Stage, keys};
use crate::state::Digester;
use crate::steps::clean::{Keep, remove_leftovers};
use crate::steps::documents::{read_json, write_json, write_json_if};
use crate::steps::environment::Environment;
use crate::steps::failure::Failure;
use crate::steps::kept::keep;
use crate::steps::stop::{is_stopped, stopped};
use crate::steps::temporary::temporary;
use crate::steps::turn;

/// What there is to do after prepare.
#[derive(Debug)]
pub(super) enum Planned {
    /// Send what was planned.
    Ready,
    /// Ask again in this many seconds, for this reason.
    Wait(u64, String),
    /// End the run: there is nothing to send, or a guard stopped it.
    Over(Option<Failure>),
    /// Nothing: it has its report.
    Reported(Outcome),
}

/// Makes the plan of a run, or says what it waits for, or that there is nothing to do.
///
/// # Errors
/// Whatever keeps the run from going on; the caller ends the run with `finish`, which gives the lease back.
pub(super) async fn prepare<W: Environment>(env: &W, config: &Config, request: &RunRequest) -> Result<Planned> {
    let (export, connection) = export_of(config, &request.export)?;
    may_run(env, export, connection, request)?;
    // Found now, and not once everything is sent.
    drop(temporary(&export.name)?);
    let digester = digester(env, connection).await?;
    let run_id = request.run_id.as_str();
    let store = env.store();
    if let Some(report) = read_json::<Report>(store, &keys::of_run(run_id, "report.json")).await? {
        return Ok(Planned::Reported(report.outcome));
    }
    if is_stopped(store, run_id).await? {
        return Err(stopped(&export.name));
    }
    if !turn::take(env, &connection.name, run_id).await? {
        return Ok(busy(env, connection, run_id));
    }
    tracing::info!(run.id = run_id, connection = connection.name, "the lease is taken");
    let mut objects = store.list(&keys::runs(&export.name)).await?;
    let Recovery::Done { had_some, lost } = finish_abandoned(env, config, connection, request, &objects).await? else {
        return Ok(busy(env, connection, run_id));
    };
    lost.iter().for_each(|lost| env.observer().notify(Event::Warns(lost)));
    if had_some {
        objects = store.list(&keys::runs(&export.name)).await?;
    }
    let keep = Keep { run: Some(run_id), emails: true };
    remove_leftovers(env, &export.name, objects, keep, export.rejects_days).await?;
    let mut record = match read_json::<RunRecord>(store, &keys::of_run(run_id, "run.json")).await? {
        Some(record) if record.stage == Stage::Ready => return Ok(Planned::Ready),
        Some(record) => RunRecord { recovered: [record.recovered, lost].concat(), ..record },
        None => match begin(env, config, export, connection, request, lost).await? {
            Begun::Run(record) => *record,
            Begun::Ended(planned) => return Ok(planned),
        },
    };
    let history = Mutex::new(PlannedHistory::new(&record, export, &digester)?);
    let looked = build_plan(env, config, export, &digester, &mut record, PlanMode::Persist(&history)).await?;
    let violations = guards::violations(&export.name, &export.guards, &looked);
    let (passed, stopping): (Vec<_>, Vec<_>) =
        violations.into_iter().partition(|(name, _)| request.pass_guards.iter().any(|pass| pass == name));
    record.guards_passed_over = passed.into_iter().map(|(name, _)| name.to_owned()).collect();
    if record.passes_unreadable_rows {
        record.guards_passed_over.push(guards::UNREADABLE_ROWS.to_owned());
    }
    record.stopped_by = stopping.iter().map(|(name, _)| (*name).to_owned()).collect();
    let guard = guards::joined(stopping);
    let history = history.into_inner().unwrap_or_else(PoisonError::into_inner);
    record.recorded = Some(history.write(store).await?);
    record.conditions_digest = config.conditions_digest(&export.name);
    if guard.is_none() && !record.chunks.is_empty() {
        record.stage = Stage::Ready;
    }
    write_json(store, &keys::of_run(run_id, "run.json"), &record).await?;
    if record.stage == Stage::Ready {
        return Ok(Planned::Ready);
    }
    Ok(Planned::Over(guard.map(|error| Failure::of(&error.at("prepare")))))
}

fn busy<W: Environment>(env: &W, connection: &Connection, run_id: &str) -> Planned {
    Planned::Wait(turn::busy_seconds(env, run_id), turn::is_busy(&connection.title()))
}

enum Begun {
    Run(Box<RunRecord>),
    Ended(Planned),
}

/// Fixes what a new run reads.
async fn begin<W: Environment>(
    env: &W,
    config: &Config,
    export: &Export,
    connection: &Connection,
    request: &RunRequest,
    recovered: Vec<String>,
) -> Result<Begun> {
    let (segments, sources, superseded) = match select_drops(env, config, export, request).await? {
        Selection::Wait(seconds, why) => {
            // Others may use the connection meanwhile.
            turn::release(env, &connection.name, &request.run_id).await?;
            return Ok(Begun::Ended(Planned::Wait(seconds, why)));
        }
        Selection::Drops(segments, sources) => (segments, sources, false),
        Selection::Superseded(segments) => (segments, Vec::new(), true),
        Selection::NoDrop(error) => return Err(error),
    };
    let digest = config.digest(&export.name);
    let record = RunRecord::begin(request, &connection.name, digest, segments, sources, env.clock().now());
    let mut record = RunRecord { recovered, ..record };
    let store = env.store();
    expected::check(store, config, export, &record).await?;
    write_json(store, &keys::unfinished(&export.name), &request.run_id).await?;
    keep(store, config, &request.run_id).await?;
    let key = keys::of_run(&request.run_id, "run.json");
    if !write_json_if(store, &key, &record, PutMode::Create).await? {
        // This very step, called twice at once, or a write that was retried: what was fixed first holds.
        record = read_json(store, &key).await?.unwrap_or(record);
    }
    for note in record.segments.iter().flat_map(|segment| &segment.notes) {
        env.observer().notify(Event::Warns(note));
    }
    if superseded {
        return Ok(Begun::Ended(Planned::Over(None)));
    }
    Ok(Begun::Run(Box::new(record)))
}

fn may_run<E: Environment>(env: &E, export: &Export, connection: &Connection, request: &RunRequest) -> Result<()> {
    guards_are_known(request)?;
    connection.may_send(export, env.clock().now())
}

/// Whether the guards to pass over exist.
///
/// # Errors
/// Kind `bad_request` where one does not.
pub fn guards_are_known(request: &RunRequest) -> Result<()> {
    if let Some(unknown) = request.pass_guards.iter().find(|name| !guards::NAMES.contains(&name.as_str())) {
        return Err(Error::new(Kind::BadRequest, unknown, "unknown guard")
            .hint(format!("name one of: {}", guards::NAMES.join(", "))));
    }
    Ok(())
}

async fn digester<W: Environment>(env: &W, connection: &Connection) -> Result<Digester> {
    let secrets = env.secrets().secrets(&connection.name, &connection.secret, Freshness::MayBeKept).await?;
    Digester::new(secrets.state_key.expose_secret())
}

/// What a run would do.
#[derive(Debug)]
pub struct Rehearsed {
    /// Counts and chunks, as a run would have them.
    pub record: RunRecord,
    /// The guards that would stop it.
    pub guards: Vec<(&'static str, Error)>,
    /// What was kept of its rows.
    pub rehearsal: Rehearsal,
    /// What it was made of.
    pub expected: Expected,
}

impl Rehearsed {
    /// The error that a run would end with.
    pub fn guard(self) -> Option<Error> {
        guards::joined(self.guards).map(|error| error.at("plan"))
    }
}

/// The same up to the first request, without lease and without storing anything: what a run would do. It needs the state
/// key alone, and not even that where there is no state.
///
/// # Errors
/// As `prepare`, but for consent.
pub async fn plan<W: Environment>(
    env: &W,
    config: &Config,
    request: &RunRequest,
    rehearsal: Rehearsal,
) -> Result<Rehearsed> {
    plan_run(env, config, request, rehearsal).await.at("plan")
}

/// Whether there is a drop that `plan` would look at.
///
/// # Errors
/// Those of the store, and a drop that cannot be read.
pub async fn has_drop<W: Environment>(env: &W, config: &Config, request: &RunRequest) -> Result<bool> {
    let (export, _) = export_of(config, &request.export)?;
    Ok(!matches!(select_drops(env, config, export, request).await.at("plan")?, Selection::NoDrop(_)))
}

async fn plan_run<W: Environment>(
    env: &W,
    config: &Config,
    request: &RunRequest,
    rehearsal: Rehearsal,
) -> Result<Rehearsed> {
    let (export, connection) = export_of(config, &request.export)?;
    guards_are_known(request)?;
    let digester = match env.secrets().state_key(&connection.name, &connection.secret).await? {
        Some(key) => Digester::new(key.expose_secret())?,
        // Nothing is compared with these digests but themselves.
        None => Digester::new(&format!("{:032x}{:032x}", fastrand::u128(..), fastrand::u128(..)))?,
    };
    let (segments, sources) = match select_drops(env, config, export, request).await? {
        Selection::Drops(segments, sources) => (segments, sources),
        Selection::Superseded(segments) => (segments, Vec::new()),
        Selection::NoDrop(error) => return Err(error),
        Selection::Wait(seconds, why) => {
            return Err(Error::new(Kind::Segment, &export.name, why).hint(format!("ask again in {seconds} s")));
        }
    };
    let mut record =
        RunRecord::begin(request, &connection.name, config.digest(&export.name), segments, sources, env.clock().now());
    let expected = expected::expected(env.store(), config, export, &record.sources).await?;
    let rehearsal = Mutex::new(rehearsal);
    let looked = build_plan(env, config, export, &digester, &mut record, PlanMode::DryRun(&rehearsal)).await?;
    let mut guards = guards::violations(&export.name, &export.guards, &looked);
    guards.retain(|(name, _)| !request.pass_guards.iter().any(|pass| pass == name));
    let rehearsal = rehearsal.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Rehearsed { record, guards, rehearsal, expected })
}
