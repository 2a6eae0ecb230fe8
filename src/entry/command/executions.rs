//! `start`: runs on AWS.

use super::code::Code;
use super::print;
use crate::config::Config;
use crate::config::export_of;
use crate::entry::args::{Common, StartArgs};
use crate::entry::show::say;
use crate::ports::{Clock, Executions};
use crate::run::{Reconcile, RunRequest, Trigger, run_id};

/// Starts a run of one export, or of all that are enabled.
///
/// # Errors
/// Kind `bad_request` or `config` for the export; those of AWS.
pub async fn start<X: Executions>(executions: &X, common: &Common, args: &StartArgs, config: &Config) -> Code {
    let mut names: Vec<&str> = args.export.as_deref().into_iter().collect();
    if args.all {
        let now = Clock::System.now();
        let may_send = |name: &&str| export_of(config, name).is_ok_and(|(export, by)| by.may_send(export, now).is_ok());
        names = config.exports.keys().map(String::as_str).filter(may_send).collect();
    }
    let mut started = Vec::new();
    for name in names {
        let (export, connection) = export_of(config, name)?;
        let now = Clock::System.now();
        connection.may_send(export, now)?;
        let id = run_id(now, name, &format!("{now} {} {}", std::process::id(), fastrand::u64(..)));
        let request = RunRequest {
            full: args.full,
            pass_guards: args.pass_guards.clone(),
            reconcile: args.reconcile.then(Reconcile::default),
            ..RunRequest::new(id, name, Trigger::OnDemand)
        };
        let execution = executions.start(&request.run_id, &request.execution_input()).await?;
        if !common.json {
            print::line(&format!("{}  started; follow it with autopilot-export watch {0}", request.run_id));
        }
        started.push(serde_json::json!({ "run_id": request.run_id, "execution": execution }));
    }
    if common.json {
        print::json(&started)?;
    } else if started.is_empty() {
        say("no export is enabled");
    }
    Ok(0)
}
