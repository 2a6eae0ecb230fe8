//! `run` and `plan`.

use std::path::Path;

use serde::Serialize;

use super::code::Code;
use super::print;
use crate::adapters::local::file_metas;
use crate::config::export_of;
use crate::config::{Config, Export, Membership};
use crate::delivery::pace;
use crate::destination::Assumption;
use crate::entry::args::{Common, RunArgs};
use crate::entry::show::say;
use crate::error::{Error, Kind, Result};
use crate::plan::lanes::{Costs, lanes_for, requests};
use crate::ports::Store;
use crate::report::{Members, Report};
use crate::run::{RequestedDrop, RunRequest, Trigger, run_id};
use crate::steps::environment::Environment;
use crate::steps::{Cancellation, plan as build_plan, resume, run as run_steps};

/// Requests of `open`: account, lists, custom fields.
const OPEN_REQUESTS: u64 = 3;
/// What the canary and a new list may take on top.
const CANARY_REQUESTS: u64 = 24;

/// The exit code where rejects are all there is to report.
const WITH_REJECTS: u8 = 1;

/// The request that the command line makes.
fn request<W: Environment>(env: &W, export: &Export, args: &RunArgs) -> Result<RunRequest> {
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
    requests: u64,
    /// Where the canary has yet to learn: the requests of the dearest way.
    requests_at_most: u64,
    seconds: f64,
    seconds_at_most: f64,
    dollars: f64,
}

/// Seconds beside the requests' slots: reading the drop, the account's first answer and its last, the state.
/// Source: measured by `benches/run forecast`, with answers of 300 ms.
const BESIDE_SLOTS: f64 = 1.0;

/// The dollars of a run of so many seconds on AWS: one function of 256 MB on arm64, all lanes waiting together, its
/// workflow's transitions (a task and a choice for each call, the Map, the ends), its objects: a checkpoint a second and
/// lane, five for each four thousand rows, and a few. `make bench-cost` measures it.
/// Source: list prices of us-east-1: $0.0000133334 per GB-second, $0.025 per 1,000 transitions, $0.005 per 1,000 PUTs.
fn dollars(seconds: f64, lanes: u32, requests: u64, rows: u64) -> f64 {
    let (lanes, requests, rows) = (f64::from(lanes), requests as f64, rows as f64);
    let compute = seconds * lanes * 0.25 * 0.000_013_333_4;
    let calls = 3.0 + lanes * (seconds / 890.0).ceil();
    let transitions = 2.0 * calls + lanes + 2.0;
    let objects = requests.min(seconds * lanes) + rows * 5.0 / 4000.0 + 30.0;
    compute + transitions * 0.025 / 1000.0 + objects * 0.005 / 1000.0
}

/// Says what a run would do; sends nothing.
pub(super) async fn plan<W: Environment>(env: &W, common: &Common, args: &RunArgs, config: &Config) -> Code {
    let (export, connection) = export_of(config, &args.export)?;
    let (record, guard) = build_plan(env, config, &request(env, export, args)?).await?;
    let memberships: Vec<Membership> = export.segments.iter().map(|segment| segment.membership.clone()).collect();
    let counts = record.counts();
    let destination = env.destination(connection.api);
    let costs = |assumption| Costs { destination, memberships: &memberships, assumption };
    let fewest = requests(&record.chunks, costs(Assumption::Cheapest));
    let most = requests(&record.chunks, costs(Assumption::Dearest));
    let opening = if record.chunks.is_empty() { 0 } else { OPEN_REQUESTS };
    let canary = if most > fewest { CANARY_REQUESTS } else { 0 };
    let slot = pace::interval(connection.requests_per_second).as_secs_f64();
    let seconds = |requests: u64| if requests == 0 { 0.0 } else { requests as f64 * slot + BESIDE_SLOTS };
    let (fewest, most) = (fewest + opening, most + opening + canary);
    let lanes = lanes_for(&record.chunks, costs(Assumption::Dearest), connection.lanes);
    let rows = record.chunks.iter().map(|chunk| u64::from(chunk.rows)).sum();
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
        requests: fewest,
        requests_at_most: most,
        seconds: seconds(fewest),
        seconds_at_most: seconds(most),
        dollars: dollars(seconds(most), lanes, most, rows),
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
    let range = |fewest: String, most: String| if fewest == most { fewest } else { format!("{fewest} to {most}") };
    print::line(&format!("  requests  {}", range(plan.requests.to_string(), plan.requests_at_most.to_string())));
    let time = |seconds: f64| format!("{seconds:.0} s");
    print::line(&format!("  time      {}", range(time(plan.seconds), time(plan.seconds_at_most))));
    print::line(&format!("  cost      at most ${:.4} on AWS, beside what Autopilot bills for contacts", plan.dollars));
}
