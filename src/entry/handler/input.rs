//! What the function is called with: a step of a run, or an event that starts runs.

use serde::Deserialize;
use serde_json::Value;

use super::failure::Caught;
use crate::error::{Error, Kind, Result};
use crate::run::RunRequest;

/// A call's input.
pub(super) enum Input {
    Event(Value),
    Prepare { run: RunRequest },
    Reconcile { run: RunRequest },
    Open { run_id: String },
    Deliver { run_id: String, lane: u32 },
    Finish { run_id: String, error: Option<Caught>, run: Option<RunRequest> },
    GiveUp { run_id: String, error: Caught, execution: String },
}

impl Input {
    /// What an error of the call is an error of.
    pub(super) fn stage(&self) -> &'static str {
        match self {
            Self::Event(_) => "start",
            Self::Prepare { .. } => "prepare",
            Self::Reconcile { .. } => "reconcile",
            Self::Open { .. } => "open",
            Self::Deliver { .. } => "deliver",
            Self::Finish { .. } | Self::GiveUp { .. } => "finish",
        }
    }

    /// The run that a step belongs to.
    pub(super) fn run_id(&self) -> Option<&str> {
        match self {
            Self::Event(_) => None,
            Self::Prepare { run } | Self::Reconcile { run } => Some(&run.run_id),
            Self::Open { run_id }
            | Self::Deliver { run_id, .. }
            | Self::Finish { run_id, .. }
            | Self::GiveUp { run_id, .. } => Some(run_id),
        }
    }
}

#[derive(Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    Prepare { run: RunRequest },
    Reconcile { run: RunRequest },
    Open { run_id: String },
    Deliver { run_id: String, lane: u32 },
    Finish { run_id: String, error: Option<Caught>, run: Option<RunRequest> },
    GiveUp { run_id: String, error: Caught, execution: String },
}

/// Reads a call's input.
pub(super) fn read(event: Value) -> Result<Input> {
    if event.get("step").is_none() {
        return Ok(Input::Event(event));
    }
    let step = Step::deserialize(event)
        .map_err(|cause| Error::new(Kind::BadRequest, "step", "has an unexpected form").with_source(cause))?;
    Ok(match step {
        Step::Prepare { run } => Input::Prepare { run },
        Step::Reconcile { run } => Input::Reconcile { run },
        Step::Open { run_id } => Input::Open { run_id },
        Step::Deliver { run_id, lane } => Input::Deliver { run_id, lane },
        Step::Finish { run_id, error, run } => Input::Finish { run_id, error, run },
        Step::GiveUp { run_id, error, execution } => Input::GiveUp { run_id, error, execution },
    })
}
