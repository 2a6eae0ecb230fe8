//! The request that `run` and `plan` make.

use std::path::Path;

use crate::adapters::local::file_metas;
use crate::config::Export;
use crate::entry::args::RunArgs;
use crate::error::{Error, Kind, Result};
use crate::run::{RequestedDrop, RunRequest, Trigger, run_id};
use crate::steps::environment::Environment;

/// The request that the command line makes.
pub(super) fn request<W: Environment>(env: &W, export: &Export, args: &RunArgs) -> Result<RunRequest> {
    let drops = args.drops.iter().chain(&args.files).map(|drop| asked(export, drop));
    let drops = drops.collect::<Result<Vec<RequestedDrop>>>()?;
    let now = env.clock().now();
    let id = run_id(now, &export.name, &format!("{now} {} {}", std::process::id(), fastrand::u64(..)));
    Ok(RunRequest {
        drops,
        full: args.full,
        pass_guards: args.pass_guards.clone(),
        ..RunRequest::new(id, &export.name, Trigger::Command)
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
