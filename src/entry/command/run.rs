//! `run` and `plan`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::code::Code;
use super::forecast::{Forecast, forecast, forms, print_forecast};
use super::print;
use crate::adapters::local::file_metas;
use crate::config::export_of;
use crate::config::{Config, Export};
use crate::entry::args::{Common, RunArgs};
use crate::entry::show::say;
use crate::error::{Error, Kind, Result};
use crate::ports::Store;
use crate::report::{Members, Report};
use crate::run::{RequestedDrop, RunRequest, Trigger, run_id};
use crate::steps::environment::Environment;
use crate::steps::{Cancellation, plan as build_plan, resume, run as run_steps};

/// The exit code where rejects are all there is to report.
const WITH_REJECTS: u8 = 1;

/// The request that the command line makes.
pub(super) fn request<W: Environment>(env: &W, export: &Export, args: &RunArgs) -> Result<RunRequest> {
    let drops = args.drops.iter().chain(&args.files).map(|drop| asked(export, drop));
    let drops = drops.collect::<Result<Vec<RequestedDrop>>>()?;
    let now = env.clock().now();
    Ok(RunRequest {
        run_id: run_id(now, &export.name, &format!("{now} {} {}", std::process::id(), fastrand::u64(..))),
        export: export.name.clone(),
        trigger: Trigger::Command,
        drops,
        full: args.full,
        keep_leavers: false,
        pass_guards: args.pass_guards.clone(),
    })
}

/// `PATH` or `SEGMENT=PATH`.
fn asked(export: &Export, drop: &str) -> Result<RequestedDrop> {
    let named = drop
        .split_once('=')
        .filter(|(segment, _)| export.segments.iter().any(|known| known.name == *segment) || !Path::new(drop).exists());
    let (segment, path) = match (named, export.segments.as_slice()) {
        (Some((segment, path)), _) => (segment.to_owned(), path),
        (None, [only]) => (only.name.clone(), drop),
        (None, _) => {
            return Err(
                Error::new(Kind::BadRequest, drop, "does not say which segment it is").hint("write SEGMENT=PATH")
            );
        }
    };
    let (metas, is_folder) = file_metas(Path::new(path))?;
    let full = std::fs::canonicalize(path).unwrap_or_else(|_| Path::new(path).to_path_buf());
    let key = match metas.first() {
        Some(file) if !is_folder => file.key.clone(),
        _ => format!("file:{}/", full.display()),
    };
    Ok(RequestedDrop { segment, key, version: None, is_empty: false })
}

/// Runs an export now.
pub(super) async fn run<W: Environment>(
    env: &W,
    common: &Common,
    (args, allow_rejects): (&RunArgs, bool),
    config: &Config,
    stop: &Cancellation,
) -> Code {
    say(&format!("store: {}", env.store().location()));
    let (export, connection) = export_of(config, &args.export)?;
    connection.may_send(export, env.clock().now())?;
    let request = request(env, export, args)?;
    let code = execute(env, common, config, request, stop).await?;
    Ok(if allow_rejects && code == WITH_REJECTS { 0 } else { code })
}

/// Runs a request, or resumes the unfinished run that it repeats, and prints the report.
pub(super) async fn execute<W: Environment>(
    env: &W,
    common: &Common,
    config: &Config,
    request: RunRequest,
    stop: &Cancellation,
) -> Code {
    let request = match resume(env, config, &request).await? {
        Some(earlier) => {
            say(&format!("resuming {}", earlier.run_id));
            earlier
        }
        None => request,
    };
    let report = run_steps(env, config, &request, stop).await?;
    show(common, &report)?;
    Ok(report.exit_code())
}

fn show(common: &Common, report: &Report) -> Result<()> {
    if let Some(error) = &report.error {
        say(&error.message);
    }
    if common.json {
        return print::json(report);
    }
    print::report(report);
    Ok(())
}

/// What a run would do.
#[derive(Debug, Serialize)]
struct Plan {
    export: String,
    read: u64,
    unchanged: u64,
    rejected: u64,
    suppressed: u64,
    members: Members,
    profiles: u64,
    #[serde(flatten)]
    forecast: Forecast,
    /// The most people who may be new to the account, and billed.
    new_people_at_most: u64,
    /// The same with each way to mark members, where there is a choice.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    forms: BTreeMap<&'static str, Forecast>,
    /// What joiners mean in the account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remarks: Vec<&'static str>,
}

/// Says what a run would do; sends nothing.
pub(super) async fn plan<W: Environment>(env: &W, common: &Common, args: &RunArgs, config: &Config) -> Code {
    let (export, connection) = export_of(config, &args.export)?;
    let (record, guard) = build_plan(env, config, &request(env, export, args)?).await?;
    let counts = record.counts();
    let destination = env.destination(connection.api);
    let plan = Plan {
        export: export.name.clone(),
        read: counts.read,
        unchanged: counts.unchanged,
        rejected: counts.rejected(),
        suppressed: counts.suppressed,
        members: Members {
            joiners: counts.joiners,
            changed: counts.changed,
            leavers: counts.leavers,
            leavers_withheld: counts.leavers_withheld,
        },
        profiles: record.profiles,
        forecast: forecast(destination, (export, connection), &record.chunks),
        new_people_at_most: counts.joiners.min(record.profiles),
        forms: forms(destination, (export, connection), &record.chunks),
        remarks: if counts.joiners > 0 { destination.first_fill().to_vec() } else { Vec::new() },
    };
    if common.json {
        print::json(&plan)?;
    } else {
        print_plan(&plan);
    }
    match guard {
        None => Ok(0),
        Some(guard) => Err(guard),
    }
}

fn print_plan(plan: &Plan) {
    let members = &plan.members;
    print::line(&format!("{}: nothing is sent by a plan", plan.export));
    print::line(&format!(
        "  rows      {} read: {} joiners, {} changed, {} unchanged, {} rejected, {} suppressed",
        plan.read, members.joiners, members.changed, plan.unchanged, plan.rejected, plan.suppressed
    ));
    print::line(&format!("  leavers   {}, {} withheld", members.leavers, members.leavers_withheld));
    print_forecast(&plan.forecast);
    for (form, forecast) in &plan.forms {
        print::line(&format!("  by {form:<6} {}", forecast.in_short()));
    }
    if !plan.remarks.is_empty() {
        print::line(&format!("  people    at most {} are new to the account, and billed", plan.new_people_at_most));
    }
    plan.remarks.iter().for_each(|remark| print::line(&format!("  note      {remark}")));
}
