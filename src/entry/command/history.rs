//! `runs` and `report`: what the store knows of runs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::code::Code;
use super::print;
use crate::config::Config;
use crate::entry::args::Common;
use crate::entry::show::say;
use crate::error::{Error, Kind, Result};
use crate::ports::{Leases, Store};
use crate::report::{Outcome, Report, html};
use crate::run::{RunRecord, export_of_run, keys, time_of};
use crate::steps::environment::Environment;
use crate::steps::{Cleaned, clean as clean_export, is_stopped, read_if_whole, read_json};

/// What stands for the newest run.
pub(super) const LATEST: &str = "latest";

/// A run and its report, or what is to be said of one without.
pub(super) struct Found {
    pub(super) id: String,
    /// When it began; none where it did not get so far.
    began: Option<Timestamp>,
    report: Result<Report, &'static str>,
}

impl Found {
    /// How it ended, as `runs` shows it.
    pub(super) fn outcome(&self) -> &str {
        self.report.as_ref().map_or_else(|state| *state, |report| report.outcome.name())
    }
}

/// The ids of the runs, newest first; those of the same second are in no order.
async fn ids<W: Environment>(env: &W, export: Option<&str>) -> Result<Vec<String>> {
    let prefix = export.map_or_else(|| "runs/".to_owned(), |export| format!("runs/{export}/"));
    let metas = env.store().list(&prefix).await?;
    let folders = metas.iter().filter_map(|meta| {
        let (folder, _) = meta.key.rsplit_once('/').filter(|(_, name)| NAMES.contains(name))?;
        Some(folder.rsplit_once('/').map_or(folder, |(_, id)| id).to_owned())
    });
    let ids: BTreeSet<String> = folders.collect();
    Ok(ids.into_iter().rev().collect())
}

async fn found<W: Environment>(env: &W, id: String) -> Result<Found> {
    let report: Option<Report> = read_if_whole(env.store(), &keys::of_run(&id, "report.json")).await?;
    let (began, report) = match report {
        Some(report) => (Some(report.started_at), Ok(report)),
        None => {
            let run: Option<RunRecord> = read_if_whole(env.store(), &keys::of_run(&id, "run.json")).await?;
            (run.map(|run| run.started_at), Err(without_report(env, &id).await?))
        }
    };
    Ok(Found { id, began, report })
}

/// The runs of these ids, newest first: an id names the second only.
async fn all_found<W: Environment>(env: &W, ids: impl IntoIterator<Item = String>) -> Result<Vec<Found>> {
    let mut all = Vec::new();
    for id in ids {
        all.push(found(env, id).await?);
    }
    all.sort_by_cached_key(|found| std::cmp::Reverse((time_of(&found.id), found.began, found.id.clone())));
    Ok(all)
}

/// The newest run.
pub(super) async fn newest<W: Environment>(env: &W, export: Option<&str>) -> Result<Option<Found>> {
    let ids = ids(env, export).await?;
    let second = ids.first().and_then(|id| time_of(id));
    let alike = ids.into_iter().take_while(|id| time_of(id) == second);
    Ok(all_found(env, alike).await?.into_iter().next())
}

/// The page of all runs.
pub(super) async fn index<W: Environment>(env: &W) -> Result<String> {
    Ok(html::index(&read_if_whole(env.store(), keys::LISTED).await?.unwrap_or_default()))
}

/// Lists the runs, newest first.
pub(super) async fn runs<W: Environment>(env: &W, common: &Common, export: Option<&str>) -> Code {
    let all = all_found(env, ids(env, export).await?).await?;
    if common.json {
        let shown: Vec<_> = all
            .iter()
            .map(|Found { id, report, .. }| match report {
                Ok(report) => serde_json::json!(report),
                Err(UNFINISHED) => serde_json::json!({ "run_id": id, "outcome": null }),
                Err(state) => serde_json::json!({ "run_id": id, "outcome": state }),
            })
            .collect();
        print::json(&shown)?;
        return Ok(0);
    }
    let width = all.iter().map(|found| found.id.len()).max().unwrap_or_default();
    match all.is_empty() {
        true => say("no runs yet"),
        // Beside the lines, for scripts that cut them.
        false if !common.quiet => {
            say(&format!("{:<width$}  {:<22}  {:<73}  {}", "run, newest first", "outcome", "rows", "began"));
        }
        false => {}
    }
    for Found { id, report, .. } in all {
        let began = print::date_of(&id);
        match report {
            Ok(report) => print::line(&format!(
                "{id}  {:<22}  {:>9} delivered  {:>9} unchanged  {:>7} rejected  {:>7} pending  {began}",
                report.outcome.name(),
                report.rows.delivered,
                report.rows.unchanged,
                report.rows.rejected,
                report.rows.pending
            )),
            Err(state) => print::line(&format!("{id}  {state:<22}  {:<73}  {began}", "")),
        }
    }
    Ok(0)
}

/// The objects that a run's folder has from its beginning, or its end.
const NAMES: [&str; 3] = ["run.json", "report.json", "stop.json"];

/// What a run without a report is called that never reached its end.
const INTERRUPTED: &str = Outcome::Interrupted.name();
/// What it is called while it may be at work.
const UNFINISHED: &str = "unfinished";

/// What is to be said of a run without a report.
async fn without_report<W: Environment>(env: &W, id: &str) -> Result<&'static str> {
    if is_stopped(env.store(), id).await? {
        return Ok(Outcome::Stopped.name());
    }
    let Some(run) = read_json::<RunRecord>(env.store(), &keys::of_run(id, "run.json")).await? else {
        return Ok(UNFINISHED);
    };
    Ok(if is_dead(env, &run).await? { INTERRUPTED } else { UNFINISHED })
}

/// Whether a run never reaches its end: it is at work only while it has its connection. Who may only read cannot tell.
pub(super) async fn is_dead<W: Environment>(env: &W, run: &RunRecord) -> Result<bool> {
    let holder = format!("runs-{:016x}", fastrand::u64(..));
    if !env.leases().take(&run.connection, &holder).await.unwrap_or_default() {
        return Ok(false);
    }
    env.leases().release(&run.connection, &holder).await?;
    // It may have given the connection back because it has just ended.
    Ok(env.store().head(&keys::of_run(&run.request.run_id, "report.json")).await?.is_none())
}

/// The error of who waits for the report of a dead run.
pub(super) fn dead(kind: Kind, run: &str) -> Error {
    Error::new(kind, run, "never reached its end, and has no report yet")
        .hint(format!("autopilot-export stop {run} ends it; so does the next run of its export"))
}

/// Removes what runs that were killed left behind, and old rejects: of one export, else of all that have runs.
pub(super) async fn clean<W: Environment>(env: &W, config: &Config, export: Option<&str>) -> Code {
    let mut exports: BTreeMap<String, Option<String>> = BTreeMap::new();
    for meta in env.store().list("runs/").await? {
        if [keys::INDEX, keys::LISTED].contains(&meta.key.as_str()) {
            continue;
        }
        let Some(name) = meta.key.split('/').nth(1).filter(|name| export.is_none_or(|export| export == *name)) else {
            continue;
        };
        let connection = exports.entry(name.to_owned()).or_default();
        if let Some(known) = config.exports.get(name) {
            *connection = Some(known.connection.clone());
        } else if meta.key.ends_with("/run.json") {
            // An export that the configuration no longer has keeps its connection.
            *connection = read_json::<RunRecord>(env.store(), &meta.key).await?.map(|run| run.connection);
        }
    }
    for (name, connection) in exports {
        let days = config.exports.get(&name).map(|export| export.rejects_days);
        let text = match clean_export(env, connection.as_deref(), &name, days).await? {
            Cleaned::Busy => "the connection is in use by a run; nothing was removed".to_owned(),
            Cleaned::Done(removed, None) => format!("{removed} objects removed"),
            Cleaned::Done(removed, Some(run)) => {
                format!("{removed} objects removed; {run} is unfinished and keeps its own until the export runs again")
            }
        };
        print::line(&format!("{name}: {text}"));
    }
    Ok(0)
}

pub(super) fn no_run(run: &str) -> Error {
    Error::new(Kind::BadRequest, run, "unknown run")
        .hint("autopilot-export runs lists them; name the store with --store")
}

/// How a report is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// As lines, or JSON where that is asked for.
    Text,
    Page,
}

/// The id of a run, of which `latest` is the newest: of an export, where one is named.
pub(super) async fn id_of<W: Environment>(env: &W, run: &str, export: Option<&str>) -> Result<String> {
    match run {
        LATEST => Ok(newest(env, export).await?.ok_or_else(|| no_run(run))?.id),
        _ => Ok(run.to_owned()),
    }
}

/// Shows one report.
pub(super) async fn report<W: Environment>(env: &W, common: &Common, run: &str, view: View) -> Code {
    export_of_run(run).ok_or_else(|| no_run(run))?;
    let Some(report) = read_json::<Report>(env.store(), &keys::of_run(run, "report.json")).await? else {
        if let Some(record) = read_json::<RunRecord>(env.store(), &keys::of_run(run, "run.json")).await? {
            if is_dead(env, &record).await? {
                return Err(dead(Kind::BadRequest, run));
            }
            return Err(Error::new(Kind::BadRequest, run, "is not finished")
                .hint(format!("follow it with autopilot-export watch {run}")));
        }
        return Err(no_run(run));
    };
    if view == View::Page {
        print::whole(&html::page(&report));
    } else if common.json {
        print::json(&report)?;
    } else {
        if let Some(error) = &report.error {
            print::line(&error.message);
        }
        // People who may not read it are not shown that it is gone.
        let is_gone = matches!(env.store().head(&keys::of_run(run, "rejects.csv")).await, Ok(None));
        print::report(common, &report, if is_gone { print::RejectedRows::Gone } else { print::RejectedRows::Kept });
    }
    Ok(0)
}
