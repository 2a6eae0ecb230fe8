//! `reconcile`: the state beside what the account holds.

use super::code::Code;
use super::print;
use super::request::request;
use super::run::{execute, say_store};
use crate::config::{Config, export_of};
use crate::entry::args::{Common, ReconcileArgs, RunArgs};
use crate::entry::show::say;
use crate::error::{Error, Kind};
use crate::report::Outcome;
use crate::run::{Mode, Reconcile, RunRequest};
use crate::steps::environment::Environment;
use crate::steps::{Cancellation, has_drop, reconcile as compare};

/// Compares an export with its account, and puts right what differs where that is asked for.
pub(super) async fn reconcile<W: Environment>(
    env: &W,
    common: &Common,
    args: &ReconcileArgs,
    config: &Config,
    stop: &Cancellation,
) -> Code {
    say_store(env, common);
    let (export, connection) = export_of(config, &args.export)?;
    let run_args = RunArgs {
        export: args.export.clone(),
        files: args.files.clone(),
        drops: Vec::new(),
        full: false,
        pass_guards: args.pass_guards.clone(),
    };
    let repairing = request(env, export, &run_args)?;
    if args.repair {
        connection.may_send(export, env.clock().now())?;
        if !has_drop(env, config, &repairing).await? {
            return Err(Error::new(Kind::BadRequest, &export.name, "no drop found to repair from")
                .hint("name it: reconcile EXPORT FILE --repair"));
        }
    }
    let mode = match (args.adopt, args.repair) {
        (true, _) => Mode::Adopt,
        (false, true) => Mode::Repair,
        (false, false) => Mode::Look,
    };
    let looking = request(env, export, &RunArgs { files: Vec::new(), ..run_args })?;
    let asked = RunRequest { reconcile: Some(Reconcile { mode, segment: args.segment.clone() }), ..looking };
    let report = compare(env, config, &asked, stop).await?;
    if let Some(error) = &report.error {
        say(&error.message);
    }
    let goes_on = args.repair && report.outcome == Outcome::DifferencesFound;
    match common.json {
        // Of two reports the last counts.
        true if goes_on => {}
        true => print::json(&report)?,
        false => print::report(common, &report, print::RejectedRows::Kept),
    }
    if goes_on { execute(env, common, config, repairing, stop).await } else { Ok(report.exit_code()) }
}
