//! How a run ended.

use serde::{Deserialize, Serialize};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every row that was to be sent was confirmed.
    Succeeded,
    /// Every row was confirmed or rejected.
    SucceededWithRejects,
    /// The account already holds everything.
    NothingToDo,
    /// A newer drop was applied before.
    Superseded,
    /// A guard stopped the run.
    StoppedByGuard,
    /// A person stopped the run.
    Stopped,
    /// The run never reached its end; a later one finished it.
    Interrupted,
    /// Something else stopped it, or rows are pending.
    Failed,
}

impl Outcome {
    /// Its name, as it stands in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::SucceededWithRejects => "succeeded_with_rejects",
            Self::NothingToDo => "nothing_to_do",
            Self::Superseded => "superseded",
            Self::StoppedByGuard => "stopped_by_guard",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}
