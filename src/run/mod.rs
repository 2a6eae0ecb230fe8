//! A run: what was asked for, what it works on, and where its objects lie.

pub mod keys;
pub mod opening;
mod reconcile;

use std::cmp::Reverse;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::chunk::FieldSpec;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::membership::MembershipTarget;
use crate::plan::Counts;
use crate::plan::corrections::{Correction, NewCorrection};
use crate::plan::lanes::Chunk;
use crate::state::hex;

pub use reconcile::{Mode, Reconcile};

/// What started a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// An object dropped in S3.
    S3,
    /// EventBridge.
    Schedule,
    /// A person or program, on AWS.
    OnDemand,
    /// The command line, on one machine.
    Command,
}

/// A drop that is named in the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestedDrop {
    /// The segment's name.
    pub segment: String,
    /// The object's key; of a folder drop, any object of the folder, or the folder with a `/` at its end.
    pub key: String,
    /// The object's version, where the event tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether the event is about an object without a byte: what is written over it has an event of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_empty: bool,
}

/// What a person wants of a run besides: less than the whole, or nothing unless all is as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Terms {
    /// What must be as it was when the run was planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
    /// How many rows are sent; the run removes nobody then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The one profile that is sent, by its key in hexadecimal digits; unchanged, it is sent all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
}

impl Terms {
    /// Whether not all rows are sent.
    pub fn is_narrow(&self) -> bool {
        self.limit.is_some() || self.only.is_some()
    }

    fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What a plan was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Digest of the configuration.
    pub config_digest: String,
    /// Digest of the export's state, and of the suppression file.
    pub state: String,
    /// The sources: their keys and versions.
    pub sources: Vec<(String, String)>,
}

/// A request for a run; the same request again is the same run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// The run's id.
    pub run_id: String,
    pub export: String,
    /// What started it.
    pub trigger: Trigger,
    /// The drops to take; where empty, the newest of each segment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drops: Vec<RequestedDrop>,
    /// Send every row as if there were no state.
    #[serde(default)]
    pub full: bool,
    /// Remove nobody: the drop is not the whole segment.
    #[serde(default)]
    pub keep_leavers: bool,
    /// Guards to pass over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pass_guards: Vec<String>,
    /// What else is wanted.
    #[serde(default, skip_serializing_if = "Terms::are_none")]
    pub terms: Terms,
    /// The comparison that it is; none of a run that sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconcile: Option<Reconcile>,
}

impl RunRequest {
    /// A request for the newest drop of each segment, compared with the state, under all guards.
    pub fn new(run_id: impl Into<String>, export: impl Into<String>, trigger: Trigger) -> Self {
        Self {
            run_id: run_id.into(),
            export: export.into(),
            trigger,
            drops: Vec::new(),
            full: false,
            keep_leavers: false,
            terms: Terms::default(),
            pass_guards: Vec::new(),
            reconcile: None,
        }
    }

    /// Whether the run is for some rows only: what was applied of the segment stays as it was.
    pub fn is_partial(&self) -> bool {
        self.keep_leavers || self.terms.is_narrow()
    }

    /// The input of the workflow's execution that carries the run out.
    pub fn execution_input(&self) -> String {
        serde_json::json!({ "run": self }).to_string()
    }
}

/// `<UTC time>-<export>-<8 hex>`; `seed` makes the hex, so that an event's run has one id however often it comes.
pub fn run_id(at: Timestamp, export: &str, seed: &str) -> String {
    use sha2::Digest;
    let digest: [u8; 32] = sha2::Sha256::digest(seed.as_bytes()).into();
    let short: String = hex(&digest).chars().take(8).collect();
    // No event is so old; a year below zero would begin with the dash that ends the time.
    let at = at.max(Timestamp::UNIX_EPOCH);
    format!("{}-{export}-{short}", at.strftime("%Y%m%dT%H%M%SZ"))
}

/// The export that a run id names.
pub fn export_of_run(run_id: &str) -> Option<&str> {
    let (_, rest) = run_id.split_once('-')?;
    let (export, hex) = rest.rsplit_once('-')?;
    (hex.len() == 8 && !export.is_empty()).then_some(export)
}

/// The time that a run id names: when it was started, or its event happened.
pub fn time_of(run_id: &str) -> Option<Timestamp> {
    let (at, _) = run_id.split_once('-')?;
    let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", at).ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(at).ok()
}

/// One file or object that a run reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    pub key: String,
    pub version: String,
    /// Its size.
    pub bytes: u64,
    /// When it was written.
    pub modified: Timestamp,
    /// Which segment of the export it belongs to.
    pub segment: usize,
    /// Its columns, once it was read.
    #[serde(default)]
    pub columns: Vec<String>,
}

/// One segment of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRecord {
    pub name: String,
    /// The drop's name; none where this segment takes no part in the run.
    pub drop: Option<String>,
    /// The drop's version.
    pub version: String,
    /// The drop's time; none where a person named it, which counts as the newest.
    pub time: Option<Timestamp>,
    /// The key of the `model.json` that describes it.
    pub model: Option<String>,
    /// Parts that `model.json` names and the folder lacks.
    #[serde(default)]
    pub missing_parts: u64,
    /// What people should know of the drop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Whether the state knows the segment.
    #[serde(default)]
    pub has_state: bool,
    /// How its members were marked before the run; none where the state has none.
    #[serde(default)]
    pub target: Option<MembershipTarget>,
    /// What was counted.
    pub counts: Counts,
    /// How many people and ids the drop suppresses or opts out; none where it was not read.
    #[serde(default, rename = "noes", skip_serializing_if = "Option::is_none")]
    pub objections: Option<u64>,
    /// The corrections of rejected rows that last; none where there is nothing to change of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrections: Option<Vec<Correction>>,
    /// The corrections that the run makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrected: Vec<NewCorrection>,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Its sources are fixed, its plan is not made.
    Preparing,
    /// Its plan is made.
    Ready,
}

/// `run.json`: everything that the steps of one run share. No personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// What was asked for.
    pub request: RunRequest,
    pub connection: String,
    /// When the run began.
    pub started_at: Timestamp,
    /// How far it has come.
    pub stage: Stage,
    /// Digest of the configuration it works by.
    pub config_digest: String,
    /// Digest of what kept rows from being planned.
    #[serde(default)]
    pub conditions_digest: String,
    /// What it reads.
    pub sources: Vec<SourceRecord>,
    /// The export's segments, in the configuration's order.
    pub segments: Vec<SegmentRecord>,
    /// The fields of its rows.
    pub fields: Vec<FieldSpec>,
    /// What it sends.
    pub chunks: Vec<Chunk>,
    /// How many contacts have a new address in it.
    #[serde(default, skip_serializing_if = "is_none")]
    pub address_changes: u64,
    /// Objects of rejects found in prepare.
    pub reject_parts: u32,
    /// How many records of people its plan has; none of a run by a version that kept none.
    #[serde(default)]
    pub recorded: Option<u64>,
    /// The guards that stopped it before anything was sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stopped_by: Vec<String>,
    /// Guards that were passed over.
    pub guards_passed_over: Vec<String>,
    /// Whether leavers are removed although more rows than the rule allows are unreadable.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub passes_unreadable_rows: bool,
    /// How many entries the suppression file has; none where the export names no file.
    #[serde(default)]
    pub suppression_entries: Option<u64>,
    /// Distinct profiles of the export after the run, over all its segments.
    pub profiles: u64,
    /// The account that the state belongs to; none where there was no state.
    #[serde(default)]
    pub account: Option<String>,
    /// What can no longer be known of runs that this one brought to their end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recovered: Vec<String>,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

impl RunRecord {
    /// A run that begins at `at`: its sources are fixed, its plan is not made.
    pub fn begin(
        request: &RunRequest,
        connection: &str,
        config_digest: String,
        segments: Vec<SegmentRecord>,
        sources: Vec<SourceRecord>,
        at: Timestamp,
    ) -> Self {
        Self {
            request: request.clone(),
            connection: connection.to_owned(),
            started_at: at,
            stage: Stage::Preparing,
            config_digest,
            conditions_digest: String::new(),
            sources,
            segments,
            fields: Vec::new(),
            chunks: Vec::new(),
            address_changes: 0,
            reject_parts: 0,
            recorded: Some(0),
            stopped_by: Vec::new(),
            guards_passed_over: Vec::new(),
            passes_unreadable_rows: false,
            suppression_entries: None,
            profiles: 0,
            account: None,
            recovered: Vec::new(),
        }
    }

    /// Checks that no planned row may have to stay unsent by what the configuration says since.
    ///
    /// # Errors
    /// Kind `config`, where `suppress` or `require` has changed.
    pub fn check_conditions(&self, config: &Config) -> Result<()> {
        let known = self.conditions_digest.as_str();
        if known.is_empty() || config.conditions_digest(&self.request.export) == known {
            return Ok(());
        }
        let problem = "suppress or require has changed since the run was prepared";
        let hint = "run it again: what was confirmed is kept, the other rows are judged anew";
        Err(Error::new(Kind::Config, &self.request.export, problem).hint(hint))
    }

    /// The numbers of the segments that take part, the one with the newest drop first: of a profile that is in several, its
    /// fields are sent. A drop that a person named counts as the newest.
    pub fn newest_first(&self) -> Vec<usize> {
        let taken = self.segments.iter().enumerate().filter(|(_, segment)| segment.drop.is_some());
        let mut numbers: Vec<usize> = taken.map(|(number, _)| number).collect();
        numbers.sort_by_key(|number| self.segments.get(*number).and_then(|segment| segment.time).map(Reverse));
        numbers
    }

    /// All segments' counts together.
    pub fn counts(&self) -> Counts {
        let mut all = Counts::default();
        self.segments.iter().for_each(|segment| all.add(&segment.counts));
        all
    }
}

/// A segment's last applied drop: `state/<export>/<segment>/order.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedDrop {
    /// The drop's time.
    pub time: Timestamp,
    /// The drop's name.
    pub drop: String,
    pub version: String,
    /// How many members the state holds after it.
    pub members: u64,
    /// How many of them a run may have sent, or taken off, without an answer.
    #[serde(default)]
    pub unconfirmed: u64,
    /// The run that applied it.
    #[serde(default)]
    pub run_id: Option<String>,
    /// Rows without a readable identity in the last drop whose leavers were removed, or that had none.
    #[serde(default)]
    pub unreadable_rows: u64,
}

/// What was learned of an account: `state/accounts/<digest>.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearnedStrategy {
    pub account: String,
    /// What the destination found out of it.
    pub setup: serde_json::Value,
    /// When it was learned.
    pub at: Timestamp,
}

/// Which run made the last request through a connection, or to an account: `state/connections/<connection>.spoke.json`,
/// `state/accounts/<digest>.spoke.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionActivity {
    pub run_id: String,
    /// When it had ended; none while it may still make requests.
    pub ended_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_names_its_export_and_sorts_by_time() {
        let id = run_id("2026-11-23T06:00:00Z".parse().unwrap(), "news-letter", "x");
        assert!(id.starts_with("20261123T060000Z-news-letter-"), "{id}");
        assert_eq!(export_of_run(&id), Some("news-letter"));
        assert_eq!(time_of(&id), "2026-11-23T06:00:00Z".parse().ok());
        assert_eq!(id, run_id("2026-11-23T06:00:00.9Z".parse().unwrap(), "news-letter", "x"));
        assert!(run_id(Timestamp::MAX, &"e".repeat(32), "x").len() <= 80);
        assert_eq!(export_of_run(&run_id(Timestamp::MIN, "news-letter", "x")), Some("news-letter"));
        assert_eq!(keys::of_run(&id, "run.json"), format!("runs/news-letter/{id}/run.json"));
    }
}
