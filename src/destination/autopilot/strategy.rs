//! How joiners get on a list: what the canary learns of an account, and what a run's setup holds.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Kind, Result};

/// The ways onto a list, the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListStrategy {
    /// Bulk rows that name the list.
    Bulk,
    /// One call per joiner that names the list.
    Single,
    /// Bulk, then one list call per joiner.
    BulkThenList,
}

/// What the protocol of a run needs to know of its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Setup {
    /// How joiners get on a list.
    pub(super) list_strategy: ListStrategy,
}

impl Setup {
    /// Reads a setup.
    ///
    /// # Errors
    /// Kind `bug`, where it is another destination's.
    pub(super) fn read(setup: &Value) -> Result<Self> {
        Self::deserialize(setup)
            .map_err(|cause| Error::new(Kind::Bug, "setup", "does not belong to classic Autopilot").with_source(cause))
    }

    /// As it is stored.
    pub(super) fn write(self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// What an earlier run learned, or else the strategy that works with any account.
    pub(super) fn learned(learned: Option<&Value>) -> Self {
        let learned = learned.and_then(|learned| Self::deserialize(learned).ok());
        learned.unwrap_or(Self { list_strategy: ListStrategy::BulkThenList })
    }
}
