//! `stop`: marks a run as stopped, and waits for its report.

use std::time::Duration;

use super::code::Code;
use super::history::{INTERRUPTED, no_run, without_report};
use super::print;
use crate::entry::show::say;
use crate::error::Result;
use crate::report::Report;
use crate::run::{RunRecord, export_of, keys};
use crate::steps::environment::Environment;
use crate::steps::{mark_stopped, read_json};

/// How often, and at most how many times, `stop` looks for the report.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOKS: u32 = 60;

/// Stops a run. `is_known` says whether there is such a run of which the store has nothing yet.
///
/// # Errors
/// Kind `bad_request`, where there is no such run; those of the store.
pub async fn stop<E: Environment>(env: &E, run: &str, is_known: impl AsyncFnOnce() -> Result<bool>) -> Code {
    export_of(run).ok_or_else(|| no_run(run))?;
    if let Some(report) = report(env, run).await? {
        say(&format!("{run} has ended already: {}", report.outcome.name()));
        return Ok(0);
    }
    let record = read_json::<RunRecord>(env.store(), &keys::of_run(run, "run.json")).await?;
    if record.is_none() && !is_known().await? {
        return Err(no_run(run));
    }
    // Who may only read cannot tell whether its process is gone; then the report is waited for.
    let is_dead = record.is_some() && without_report(env, run).await? == INTERRUPTED;
    mark_stopped(env, run).await?;
    let rest = "what was confirmed stays confirmed, and the next run of the export sends the rest";
    if is_dead {
        print::line(&format!("{run}  stopped; nothing was at work on it: {rest}"));
        return Ok(0);
    }
    if record.is_none() {
        print::line(&format!("{run}  stopped before it began; its report follows"));
        return Ok(0);
    }
    say(&format!("{run} sends nothing more within 15 seconds; waiting for its report"));
    for _ in 0..LOOKS {
        if let Some(report) = report(env, run).await? {
            let (delivered, pending) = (report.rows.delivered, report.rows.pending);
            let outcome = report.outcome.name();
            print::line(&format!("{run}  {outcome}: {delivered} delivered, {pending} pending; {rest}"));
            return Ok(0);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    print::line(&format!("{run}  stopped; its report follows: autopilot-export report {run}"));
    Ok(0)
}

async fn report<E: Environment>(env: &E, run: &str) -> Result<Option<Report>> {
    read_json(env.store(), &keys::of_run(run, "report.json")).await
}
