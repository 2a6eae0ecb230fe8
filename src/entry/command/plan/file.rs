//! A plan as a file, which `run --plan` takes.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::outline::Plan;
use crate::error::{Error, Kind, Result};
use crate::run::{Expected, RequestedDrop, RunRequest};
use crate::steps::Rehearsed;

/// The form of the file.
const FORMAT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct PlanFile<P> {
    format: u32,
    export: String,
    drops: Vec<RequestedDrop>,
    full: bool,
    pass_guards: Vec<String>,
    expected: Expected,
    /// What it says to people.
    plan: P,
}

/// Whether a file holds a plan.
pub(super) fn is_plan(bytes: &[u8]) -> bool {
    serde_json::from_slice::<PlanFile<serde::de::IgnoredAny>>(bytes).is_ok()
}

/// Writes a plan.
///
/// # Errors
/// Kind `bad_request`, where the file cannot be written.
pub(super) fn write(path: &Path, planned: &Rehearsed, plan: &Plan) -> Result<()> {
    let RunRequest { export, drops, full, pass_guards, .. } = planned.record.request.clone();
    let file = PlanFile { format: FORMAT, export, drops, full, pass_guards, expected: planned.expected.clone(), plan };
    let text = serde_json::to_string_pretty(&file)
        .map_err(|cause| Error::new(Kind::Bug, "JSON", "cannot be written").with_source(cause))?;
    std::fs::write(path, text + "\n").map_err(|cause| {
        Error::new(Kind::BadRequest, path.display().to_string(), "cannot be written")
            .hint("name another file with --out")
            .with_source(cause)
    })
}

/// Makes a request one for exactly what a file plans.
///
/// # Errors
/// Kind `bad_request`, where the file is not a plan, or one of another export.
pub(in crate::entry::command) fn take(path: &Path, request: &mut RunRequest) -> Result<()> {
    let wrong = |problem: &str| {
        Error::new(Kind::BadRequest, path.display().to_string(), problem)
            .hint(format!("write one with autopilot-export plan {} --out FILE", request.export))
    };
    let text = std::fs::read_to_string(path).map_err(|cause| wrong("cannot be read").with_source(cause))?;
    let file: PlanFile<serde::de::IgnoredAny> = serde_json::from_str(&text).map_err(|_| wrong("is not a plan"))?;
    if file.format != FORMAT {
        return Err(wrong("is a plan of another version of this program"));
    }
    if file.export != request.export {
        return Err(wrong("is a plan of another export"));
    }
    request.drops = file.drops;
    request.full = file.full;
    request.pass_guards.extend(file.pass_guards);
    request.terms.expected = Some(file.expected);
    Ok(())
}
