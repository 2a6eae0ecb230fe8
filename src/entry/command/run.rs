//! `run`.

use std::path::Path;

use super::code::Code;
use super::request::request;
use super::{plan, print};
use crate::config::{Config, export_of};
use crate::entry::args::{Common, RunArgs};
use crate::entry::show::say;
use crate::error::Result;
use crate::ports::{Freshness, SecretSource, Store};
use crate::report::Report;
use crate::report::message::Origin;
use crate::run::RunRequest;
use crate::run::keys::of_run;
use crate::steps::environment::Environment;
use crate::steps::{Cancellation, guards_are_known, notify, resume, run as run_steps};

/// The exit code where rejects are all there is to report.
const WITH_REJECTS: u8 = 1;

/// How an export is run.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunOptions<'a> {
    pub(super) allow_rejects: bool,
    /// A plan to carry out.
    pub(super) plan: Option<&'a Path>,
    pub(super) limit: Option<u64>,
}

/// Says which store a command works on.
pub(super) fn say_store<W: Environment>(env: &W, common: &Common) {
    if !common.quiet {
        say(&format!("store: {}", env.store().location()));
    }
}

/// Says what a run is called.
pub(super) fn say_run(common: &Common, request: &RunRequest) {
    if !common.quiet {
        say(&format!("run: {}", request.run_id));
    }
}

/// Runs an export now.
pub(super) async fn run<W: Environment>(
    env: &W,
    common: &Common,
    args: &RunArgs,
    how: RunOptions<'_>,
    config: &Config,
    stop: &Cancellation,
) -> Code {
    say_store(env, common);
    let (export, connection) = export_of(config, &args.export)?;
    connection.may_send(export, env.clock().now())?;
    let mut request = request(env, export, args)?;
    request.terms.limit = how.limit;
    if let Some(path) = how.plan {
        plan::file::take(path, &mut request)?;
    }
    let code = execute(env, common, config, request, stop).await?;
    Ok(if how.allow_rejects && code == WITH_REJECTS { 0 } else { code })
}

/// Runs a request, or resumes the unfinished run that it repeats, and prints the report.
pub(super) async fn execute<W: Environment>(
    env: &W,
    common: &Common,
    config: &Config,
    request: RunRequest,
    stop: &Cancellation,
) -> Code {
    // Before the run begins: a typo or a missing key must not count as a failed run.
    guards_are_known(&request)?;
    let (_, connection) = export_of(config, &request.export)?;
    env.secrets().secrets(&connection.name, &connection.secret, Freshness::MayBeKept).await?;
    let request = match resume(env, config, &request).await? {
        Some(earlier) => {
            if !common.quiet {
                say(&format!("resuming {}", earlier.run_id));
            }
            earlier
        }
        None => {
            say_run(common, &request);
            request
        }
    };
    let report = run_steps(env, config, &request, stop).await?;
    notify_webhook(env, common, config, &report).await;
    show(common, &report)?;
    Ok(report.exit_code())
}

/// Notifies the export's webhook, where it has one. On AWS the function does. A run does not fail for it.
async fn notify_webhook<W: Environment>(env: &W, common: &Common, config: &Config, report: &Report) {
    let webhook = config.exports.get(&report.export).and_then(|export| export.notify.webhook.as_ref());
    if webhook.is_none() || common.store.starts_with("s3://") {
        return;
    }
    let origin = Origin { deployment: &common.deployment, again: "run", execution: None };
    if let Err(error) = notify(env, config, report, origin).await {
        say(&format!("note: {}", error.at("notify").chain()));
    }
}

fn show(common: &Common, report: &Report) -> Result<()> {
    if let Some(error) = &report.error {
        say(&error.message);
    }
    if common.json {
        return print::json(report);
    }
    print::report(common, report, print::RejectedRows::Kept);
    if !common.quiet {
        say(&format!("page: {}", print::openable(common, &of_run(&report.run_id, "report.html"))));
    }
    Ok(())
}
