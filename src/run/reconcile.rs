//! A comparison with the account, as it is asked for: a run that reads what the account holds and sends no profile.

use serde::{Deserialize, Serialize};

/// What becomes of differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They are reported.
    #[default]
    Look,
    /// What is there is taken over into the state.
    Adopt,
    /// The same, except for people added by others, where they are left alone: the next run then puts right what
    /// differs.
    Repair,
}

/// What is compared, and for what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reconcile {
    pub mode: Mode,
    /// Only this segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
}
