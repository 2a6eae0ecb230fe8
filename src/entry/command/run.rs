//! `run`.

use std::path::Path;

use super::code::Code;
use super::{plan, print};
use crate::adapters::local::file_metas;
use crate::config::{Config, Export, export_of};
use crate::entry::args::{Common, RunArgs};
use crate::entry::show::say;
use crate::error::{Error, Kind, Result};
use crate::ports::Store;
use crate::report::Report;
use crate::run::{RequestedDrop, RunRequest, Trigger, run_id};
use crate::steps::environment::Environment;
use crate::steps::{Cancellation, resume, run as run_steps};

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
        terms: Default::default(),
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
    (args, allow_rejects, planned): (&RunArgs, bool, Option<&Path>),
    config: &Config,
    stop: &Cancellation,
) -> Code {
    say(&format!("store: {}", env.store().location()));
    let (export, connection) = export_of(config, &args.export)?;
    connection.may_send(export, env.clock().now())?;
    let mut request = request(env, export, args)?;
    if let Some(path) = planned {
        plan::file::take(path, &mut request)?;
    }
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
