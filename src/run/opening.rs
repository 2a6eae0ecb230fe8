//! What open found out and decided of a run: `open.json`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::delivery::lane::ListStrategy;
use crate::ledger::Sent;
use crate::plan::lanes::Range;
use crate::state::MembershipTarget;

/// How many joiners are looked at for one that exists and one that does not; no other is sent ahead.
pub const CANARY_ROWS: u32 = 6;

/// Ranges that count as begun with the first of them. Should the run die, rows that were not sent are taken for rows that
/// may have been; each range that is noted is an object written.
pub const BEGUN_TOGETHER: usize = 4;
/// What open found out and decided: `open.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenRecord {
    /// The account.
    pub account: String,
    /// How each segment's members are marked, in the configuration's order.
    pub marked: Vec<MembershipTarget>,
    /// How joiners get on a list.
    pub way: ListStrategy,
    /// The chunk whose first rows the canary sends ahead.
    pub canary: Option<usize>,
    /// Whether the rows are dealt to the lanes; before, the canary was at work.
    pub dealt: bool,
    /// The lanes and their ranges.
    pub lanes: Vec<Vec<Range>>,
    /// The lanes' shares of the rate.
    pub shares: Vec<u32>,
    /// When open's last requests left, as many as a window holds.
    pub last_sent: Vec<Timestamp>,
    /// What was asked.
    pub sent: Sent,
    /// What people should know.
    pub warnings: Vec<String>,
}
