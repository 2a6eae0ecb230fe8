//! What a plan says, as `--json` prints it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::contact::RejectCode;
use crate::entry::command::forecast::Forecast;
use crate::plan::is_zero;
use crate::report::Members;

/// What a run would do.
#[derive(Debug, Serialize)]
pub(super) struct Plan {
    pub(super) export: String,
    pub(super) read: u64,
    pub(super) unchanged: u64,
    pub(super) rejected: u64,
    pub(super) suppressed: u64,
    pub(super) members: Members,
    pub(super) profiles: u64,
    #[serde(flatten)]
    pub(super) forecast: Forecast,
    /// What a deployment of the configuration costs on AWS, beside its runs.
    pub(super) dollars_a_month: f64,
    /// The most people who may be new to the account, and billed.
    pub(super) new_people_at_most: u64,
    /// The same with each way to mark members, where there is a choice.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) forms: BTreeMap<&'static str, Forecast>,
    /// Another way to mark members that is far faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) advice: Option<String>,
    /// What joiners mean in the account, and what leavers may cost there beside the forecast.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) remarks: Vec<&'static str>,
    pub(super) segments: Vec<OfSegment>,
    /// Rejected rows by reason.
    pub(super) rejects: BTreeMap<RejectCode, u64>,
    pub(super) causes: Vec<Cause>,
    pub(super) guards: Vec<Guard>,
    /// Why a run would not begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
    /// Masked rows by their segment.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) sample: BTreeMap<String, Vec<BTreeMap<String, String>>>,
}

#[derive(Debug, Serialize)]
pub(super) struct OfSegment {
    pub(super) name: String,
    pub(super) read: u64,
    pub(super) joiners: u64,
    pub(super) changed: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) address_changed: u64,
    pub(super) unchanged: u64,
    pub(super) leavers: u64,
    pub(super) leavers_withheld: u64,
    pub(super) rejected: u64,
    pub(super) suppressed: u64,
}

/// A common cause of rejects.
#[derive(Debug, Serialize)]
pub(super) struct Cause {
    pub(super) rows: u64,
    pub(super) code: RejectCode,
    pub(super) reason: String,
    /// The line of the first row.
    pub(super) first_line: u64,
    pub(super) remedy: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Guard {
    pub(super) name: &'static str,
    pub(super) message: String,
}
