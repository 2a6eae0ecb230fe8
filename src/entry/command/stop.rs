//! `stop`: marks a run as stopped, and waits for its report, or writes that of a run that nothing works on any more.

use std::time::Duration;

use super::code::Code;
use super::history::{is_dead, no_run};
use super::print;
use crate::entry::show::say;
use crate::error::Result;
use crate::report::Report;
use crate::run::{RunRecord, export_of_run, keys};
use crate::steps::environment::Environment;
use crate::steps::{config_of, finish, mark_stopped, read_json, with_lease};

/// How often, and at most how many times, `stop` looks for the report.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOKS: u32 = 60;
/// What becomes of the rows.
const REST: &str = "what was confirmed stays confirmed, and the next run of the export sends the rest";

/// Stops a run. `is_known` says whether there is such a run of which the store has nothing yet.
///
/// # Errors
/// Kind `bad_request`, where there is no such run; those of the store.
pub async fn stop<E: Environment>(env: &E, run: &str, is_known: impl AsyncFnOnce() -> Result<bool>) -> Code {
    export_of_run(run).ok_or_else(|| no_run(run))?;
    if let Some(report) = report(env, run).await? {
        say(&format!("{run} has ended already: {}", report.outcome.name()));
        return Ok(0);
    }
    let record = read_json::<RunRecord>(env.store(), &keys::of_run(run, "run.json")).await?;
    if record.is_none() && !is_known().await? {
        return Err(no_run(run));
    }
    let Some(record) = record else {
        mark_stopped(env, run).await?;
        print::line(&format!("{run}  stopped before it began; its report follows"));
        return Ok(0);
    };
    let is_dead = is_dead(env, &record).await?;
    mark_stopped(env, run).await?;
    if is_dead {
        match end(env, &record).await {
            Ok(report) => show(&report),
            // Who may stop runs need not be able to end one: that takes the state, and its key.
            Err(error) => {
                say(&format!("note: {}", error.at("stop").chain()));
                print::line(&format!(
                    "{run}  stopped; nothing was at work on it, and the next run of the export writes its report: {REST}"
                ));
            }
        }
        return Ok(0);
    }
    say(&format!("{run} sends nothing more within 15 seconds; waiting for its report"));
    for _ in 0..LOOKS {
        if let Some(report) = report(env, run).await? {
            show(&report);
            return Ok(0);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    print::line(&format!("{run}  stopped; its report follows: autopilot-export report {run}"));
    Ok(0)
}

/// Ends a run that nothing works on any more, under the configuration that it began with.
async fn end<E: Environment>(env: &E, record: &RunRecord) -> Result<Report> {
    let config = config_of(env.store(), &record.request.run_id).await?.unwrap_or_default();
    with_lease(env, &config, &record.request, finish(env, &config, &record.request, None)).await
}

fn show(report: &Report) {
    let Report { run_id, outcome, rows, .. } = report;
    let outcome = outcome.name();
    print::line(&format!("{run_id}  {outcome}: {} delivered, {} pending; {REST}", rows.delivered, rows.pending));
}

async fn report<E: Environment>(env: &E, run: &str) -> Result<Option<Report>> {
    read_json(env.store(), &keys::of_run(run, "report.json")).await
}
