//! What open found out and decided of a run: `open.json`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ledger::Sent;
use crate::membership::MembershipTarget;
use crate::plan::lanes::Range;

/// Ranges that count as begun with the first of them. Should the run die, rows that were not sent are taken for rows that
/// may have been; each range that is noted is an object written.
pub const BEGUN_TOGETHER: usize = 4;

/// How far open has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenPhase {
    /// The canary may be at work: its rows may have been sent.
    Canary,
    /// The rows are assigned to lanes.
    Assigned,
}

/// What open found out and decided: `open.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenRecord {
    pub account: String,
    /// What the state may call the same account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub same_accounts: Vec<String>,
    /// Tells the key that opened it from every other.
    #[serde(default)]
    pub key: String,
    /// How each segment's members are marked, in the configuration's order.
    pub targets: Vec<MembershipTarget>,
    /// What the destination's protocol needs to know.
    pub setup: Value,
    /// The rows that the canary sends ahead.
    pub canary: Option<Range>,
    /// How far open has come.
    pub phase: OpenPhase,
    /// The lanes and their ranges.
    pub lanes: Vec<Vec<Range>>,
    /// The lanes' shares of the rate.
    pub shares: Vec<u32>,
    /// The rate that was shared.
    pub rate: f64,
    /// When open's last requests left, as many as a window holds.
    pub last_sent: Vec<Timestamp>,
    /// When the clock was read that they are by.
    #[serde(default)]
    pub clock: Option<Timestamp>,
    /// What was sent.
    pub sent: Sent,
    /// What people should know.
    pub warnings: Vec<String>,
    /// Whether joiners are sent once more, as the account stopped marking them: rows without a verdict may have been sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sends_again: bool,
}

impl OpenRecord {
    /// Whether lanes can work by it.
    pub fn is_assigned(&self) -> bool {
        self.phase == OpenPhase::Assigned
    }
}
