//! reconcile: compares the state with what the account holds, segment by segment; takes it over where that is asked for.
//!
//! What the account answers is kept as it comes, and what is found before anything follows from it: a comparison that is cut
//! off, by its time limit or by force, goes on where it was. All that is kept goes with its end.

mod adopt;
mod answer_log;
mod chosen;
mod compare;
mod files;
mod found;
mod found_history;
mod index;
mod missing;
mod progress;
mod questions;
mod reading;
mod spool;

use std::future::pending;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use answer_log::AnswerLog;
use chosen::{asked, chosen};
use found::Found;
use progress::Progress;
use reading::read_all;

use crate::config::{Config, Connection, Export, export_of};
use crate::error::{AtStage, Error, Kind, Result};
use crate::ports::{Event, Freshness, ObjectMeta, PutMode, SecretSource, Store};
use crate::report::{self, Failed, Outcome, Report, html};
use crate::run::{Mode, RunRecord, RunRequest, Trigger, keys};
use crate::state::Digester;
use crate::steps::cancel::Cancellation;
use crate::steps::documents::{read_json, write_json_if};
use crate::steps::environment::Environment;
use crate::steps::failure::Failure;
use crate::steps::kept::keep;
use crate::steps::lease::with_lease;
use crate::steps::prepare::recovery::{Recovery, finish_abandoned};
use crate::steps::stop::{unless_stopped, watching_for_stop};
use crate::steps::turn;
use crate::steps::unfinished::unfinished_in;

/// Left of the time limit to keep what was read, and to answer.
const RESERVE: Duration = Duration::from_secs(5);

/// What a call came to.
#[derive(Debug)]
pub enum Compared {
    /// Ask again in this many seconds, for this reason.
    Wait(u64, String),
    /// Its time is up: another call goes on.
    Again,
    /// It has ended.
    Done(Box<Report>),
}

/// Compares an export's state with its account on one machine, in the turn and at the pace of its connection: goes on with
/// such a comparison that was cut off. Gives the report, which is written.
///
/// # Errors
/// Kind `bad_request` for a name that is unknown; `unavailable`, where a run has the connection; `interrupted`; those of the
/// store. What goes wrong later is in the report.
pub async fn reconcile<E: Environment>(
    env: &E,
    config: &Config,
    request: &RunRequest,
    stop: &Cancellation,
) -> Result<Report> {
    in_turn(env, config, request, stop).await.at("reconcile")
}

async fn in_turn<E: Environment>(
    env: &E,
    config: &Config,
    request: &RunRequest,
    stop: &Cancellation,
) -> Result<Report> {
    let (export, connection) = export_of(config, &request.export)?;
    chosen(export, asked(request)?)?;
    let objects = env.store().list(&keys::runs(&export.name)).await?;
    let request = &Progress::resumed(env, config, request, &objects).await?;
    if !turn::take(env, &connection.name, &request.run_id).await? {
        let problem = "a run has the connection, or its account";
        return Err(Error::new(Kind::Unavailable, connection.title(), problem).hint("try again once it has ended"));
    }
    let done = match call(env, config, request, None, stop).await {
        Ok(Some(report)) => Ok(report),
        Ok(None) => Err(Error::new(Kind::Interrupted, &export.name, "interrupted")
            .hint("the same command goes on where it was, within 24 hours")),
        Err(error) => {
            let error = Failure::of(&error.at("reconcile")).into();
            end(env, config, connection, request, Found::default(), Some(error), env.clock().now()).await
        }
    };
    turn::release(env, &connection.name, &request.run_id).await?;
    done
}

/// The same as a call of the function, which ends before its time limit; another goes on. The turn is kept between them, and
/// given back with the report.
///
/// # Errors
/// As [`reconcile`], and whatever ends the comparison; the caller ends its run with [`finish`](crate::steps::finish).
pub async fn compare<E: Environment>(
    env: &E,
    config: &Config,
    request: &RunRequest,
    until: Timestamp,
) -> Result<Compared> {
    let (_, connection) = export_of(config, &request.export)?;
    if !turn::take(env, &connection.name, &request.run_id).await? {
        let why = turn::is_busy(&connection.title());
        return Ok(Compared::Wait(turn::busy_seconds(env, &request.run_id), why));
    }
    keep(env.store(), config, &request.run_id).await?;
    let Some(report) = call(env, config, request, Some(until), &Cancellation::default()).await.at("reconcile")? else {
        return Ok(Compared::Again);
    };
    turn::release(env, &connection.name, &request.run_id).await?;
    Ok(Compared::Done(Box::new(report)))
}

/// Goes on until everything is compared; none where its time is up, or a person interrupts it.
async fn call<E: Environment>(
    env: &E,
    config: &Config,
    request: &RunRequest,
    until: Option<Timestamp>,
    interrupted: &Cancellation,
) -> Result<Option<Report>> {
    let (export, connection) = export_of(config, &request.export)?;
    let (store, run_id) = (env.store(), request.run_id.as_str());
    if request.trigger != Trigger::Command && !(export.enabled && connection.enabled) {
        return Err(Error::new(Kind::Stopped, &export.name, "is disabled").hint("enable it, and reconcile again"));
    }
    if let Some(report) = read_json::<Report>(store, &keys::of_run(run_id, "report.json")).await? {
        clear(store, run_id).await?;
        return Ok(Some(report));
    }
    let objects = store.list(&keys::runs(&export.name)).await?;
    let warnings = end_earlier_run(env, config, connection, request, &objects).await?;
    let own = keys::census(run_id);
    for meta in objects.iter().filter(|meta| keys::is_census(&meta.key) && !meta.key.starts_with(&own)) {
        store.delete(&meta.key).await?;
    }
    let mut progress = Progress::begin(env, config, connection, request, &warnings).await?;
    let mut log = AnswerLog::open(store, run_id, env.clock().now()).await?;
    let parts = log.parts();
    if parts > 0 {
        env.observer().notify(Event::Warns("a comparison that was cut off goes on where it was"));
    }
    let expires = until.and_then(|until| until.checked_sub(SignedDuration::try_from(RESERVE).ok()?).ok());
    let is_over = async {
        match expires {
            Some(expires) => env.clock().sleep_until(expires).await,
            None => pending().await,
        }
    };
    let replaced = async { if until.is_some() { progress.replaced(env).await } else { pending().await } };
    let stopped = Cancellation::default();
    let comparing = async {
        if let Some(until) = until {
            progress.calls.let_predecessor_end(env, until).await;
        }
        whole(env, config, export, connection, request, &progress, &mut log).await
    };
    let comparing = unless_stopped(request, &stopped, with_lease(env, config, request, comparing));
    let compared = tokio::select! {
        biased;
        () = interrupted.cancelled() => Ok(None),
        () = is_over => Ok(None),
        error = replaced => return Err(error),
        compared = watching_for_stop(env, run_id, &stopped, comparing) => compared.map(Some),
    };
    // Who has lost the lease keeps nothing: it may be for nobody to remove.
    if !matches!(compared, Ok(Some(_))) && turn::renew(env, &connection.name, run_id).await? {
        log.save(env.clock().now()).await?;
        turn::note_end(env, connection, run_id).await?;
        progress.end(store, log.parts() > parts).await?;
    }
    compared
}

/// Reads what is not read yet, does what follows from it, and writes the report.
async fn whole<E: Environment>(
    env: &E,
    config: &Config,
    export: &Export,
    connection: &Connection,
    request: &RunRequest,
    progress: &Progress,
    log: &mut AnswerLog<'_, E::Store>,
) -> Result<Report> {
    let (store, run_id) = (env.store(), request.run_id.as_str());
    let secrets = env.secrets().secrets(&connection.name, &connection.secret, Freshness::MayBeKept).await?;
    let fingerprint = Digester::new(secrets.state_key.expose_secret())?.fingerprint();
    let found = match Found::stored(store, run_id).await? {
        Some(found) => found,
        None => read_all(env, config, connection, request, &fingerprint, progress, log).await?,
    };
    found.apply(store, &connection.name, &fingerprint, &export.name, run_id, progress).await?;
    end(env, config, connection, request, found, None, progress.began).await
}

/// Writes the report, and removes all that was kept for it.
async fn end<E: Environment>(
    env: &E,
    config: &Config,
    connection: &Connection,
    request: &RunRequest,
    found: Found,
    error: Option<Failed>,
    began: Timestamp,
) -> Result<Report> {
    let (store, run_id) = (env.store(), request.run_id.as_str());
    let digest = config.digest(&request.export);
    let run = RunRecord::begin(request, &connection.name, digest, Vec::new(), Vec::new(), began);
    let Found { reconciled, warnings, requests, .. } = found;
    let sums = report::Confirmed { warnings, requests, ..report::Confirmed::default() };
    let mut report = Report::of(&run, sums, error, env.clock().now());
    report.reconciled = reconciled;
    if report.error.is_none() {
        let differences: u64 = report.reconciled.iter().map(report::Reconciled::differences).sum();
        report.outcome = match asked(request)?.mode {
            Mode::Adopt => Outcome::Succeeded,
            _ if differences > 0 => Outcome::DifferencesFound,
            _ => Outcome::NothingToDo,
        };
    }
    let page = html::page(&report);
    store.put(&keys::of_run(run_id, "report.html"), page.into(), PutMode::Overwrite).await?;
    write_json_if(store, &keys::of_run(run_id, "report.json"), &report, PutMode::Create).await?;
    clear(store, run_id).await?;
    Ok(report)
}

/// Removes what was kept of a comparison that has ended.
async fn clear(store: &impl Store, run_id: &str) -> Result<()> {
    for meta in store.list(&keys::census(run_id)).await? {
        store.delete(&meta.key).await?;
    }
    Ok(())
}

/// Sees to it that the state holds what an earlier run confirmed that never reached its end. Gives what can no longer be
/// known of it.
async fn end_earlier_run<E: Environment>(
    env: &E,
    config: &Config,
    connection: &Connection,
    request: &RunRequest,
    objects: &[ObjectMeta],
) -> Result<Vec<String>> {
    let export = &request.export;
    match asked(request)?.mode {
        Mode::Look => {
            let Some(run) = unfinished_in(env.store(), export, objects).await?.run else { return Ok(Vec::new()) };
            let problem = "has not reached its end: what it confirmed is not in the state";
            Err(Error::new(Kind::Unavailable, run, problem).hint("run the export first"))
        }
        Mode::Adopt | Mode::Repair => {
            if let Recovery::Done { lost, .. } = finish_abandoned(env, config, connection, request, objects).await? {
                return Ok(lost);
            }
            let problem = "another run has the connection of a run that never reached its end";
            Err(Error::new(Kind::Unavailable, export, problem).hint("try again once it has ended"))
        }
    }
}
