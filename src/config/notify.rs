//! When people are told of an export's runs.

use schemars::JsonSchema;
use serde::Serialize;

use super::reader::Entry;

/// When to send notifications, besides runs that fail or are stopped by a guard.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Notify {
    /// Notify even of a successful run if more than this share of its rows, 0 to 1, is rejected. Default 0.05.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_reject_share: f64,
}

impl Default for Notify {
    fn default() -> Self {
        Self { max_reject_share: 0.05 }
    }
}

impl Notify {
    pub(super) fn read(entry: &Entry<'_>) -> Option<Self> {
        let mut object = entry.object()?;
        let told = object.get("max_reject_share").and_then(|entry| entry.share());
        object.done();
        Some(Self { max_reject_share: told.unwrap_or(Self::default().max_reject_share) })
    }
}
