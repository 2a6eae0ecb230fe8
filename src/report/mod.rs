//! What became of a run: `report.json`, the page, the rejects.

pub mod codes;
pub mod differing;
pub mod history;
pub mod html;
pub mod message;
pub mod metrics;
mod note;
mod outcome;
mod reconciled;
pub mod rejects;
pub mod timeline;
mod warnings;
pub mod webhook;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::contact::RejectCode;
use crate::destination::Usage;
use crate::error::Kind;
use crate::plan::{Counts, LeftOut, Unreadable, is_zero};
use crate::run::{Mode, RunRecord, SegmentRecord, Trigger};
use timeline::{Point, Traffic};
use warnings::warnings;

pub use note::Note;
pub use outcome::Outcome;
pub use reconciled::Reconciled;

/// Every row's outcome, counted. `read = delivered + unchanged + rejected + suppressed + pending`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Rows read.
    pub read: u64,
    /// Confirmed by the destination.
    pub delivered: u64,
    /// Known to be there already.
    pub unchanged: u64,
    /// Not deliverable, each with its reason.
    pub rejected: u64,
    /// Kept from being sent by the configuration, or by the destination.
    pub suppressed: u64,
    /// Not sent, or sent without a confirmation; the next run sends them.
    pub pending: u64,
}

impl Rows {
    /// Promise 1.
    pub fn add_up(&self) -> bool {
        self.read == self.delivered + self.unchanged + self.rejected + self.suppressed + self.pending
    }
}

/// Who came, changed and went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// New to the export.
    pub joiners: u64,
    /// With other mapped fields.
    pub changed: u64,
    /// With another address than before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub address_changed: u64,
    /// Gone from the drop.
    pub leavers: u64,
    /// Gone from the drop, but kept, because rows of it could not be read or it is not the whole segment.
    pub leavers_withheld: u64,
}

/// Rows that are rejected for one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// How many.
    pub rows: u64,
    /// The reason's class.
    pub code: RejectCode,
    /// The reason, which names field and column and never a value; empty where it is the account's, which may quote one.
    pub reason: String,
    /// The key of the source that the first is in.
    pub source: String,
    /// The line of the first.
    pub line: u64,
}

/// What became of one segment's rows before anything was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfSegment {
    pub name: String,
    /// Rows read.
    pub read: u64,
    /// New to the segment.
    pub joiners: u64,
    /// With other mapped fields.
    pub changed: u64,
    /// With another address than before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub address_changed: u64,
    /// As they were.
    pub unchanged: u64,
    /// Rejected by this program.
    pub rejected: u64,
    /// Not to be sent.
    pub suppressed: u64,
    /// Gone from the drop or suppressed.
    pub leavers: u64,
    /// Gone from the drop, but kept.
    pub leavers_withheld: u64,
}

impl OfSegment {
    fn of(segment: &SegmentRecord) -> Self {
        let counts = &segment.counts;
        Self {
            name: segment.name.clone(),
            read: counts.read,
            joiners: counts.joiners,
            changed: counts.changed,
            address_changed: counts.address_changed,
            unchanged: counts.unchanged,
            rejected: counts.rejected(),
            suppressed: counts.suppressed,
            leavers: counts.leavers,
            leavers_withheld: counts.leavers_withheld,
        }
    }
}

/// A file or object that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub key: String,
    pub version: String,
    /// Its size.
    pub bytes: u64,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Who must act.
    pub kind: Kind,
    /// What, where, what to do.
    pub message: String,
}

/// `report.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub run_id: String,
    pub export: String,
    /// The connection; empty where the run did not get that far.
    pub connection: String,
    /// How it ended.
    pub outcome: Outcome,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What started it.
    pub trigger: Trigger,
    /// What a comparison with the account was for; none of a run that sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconcile: Option<Mode>,
    pub rows: Rows,
    pub members: Members,
    /// Rejected rows by reason.
    pub rejects: BTreeMap<RejectCode, u64>,
    pub requests: Usage,
    /// What was read.
    pub sources: Vec<Source>,
    /// Digest of the configuration.
    pub config_digest: String,
    /// Guards that were passed over.
    pub guards_passed_over: Vec<String>,
    /// Of the suppressed rows, those without a required consent.
    #[serde(default)]
    pub no_consent: u64,
    /// Opt-outs that were sent for members whose rows were not.
    #[serde(default)]
    pub opt_outs_sent: u64,
    /// Cells that kept rows back without making rejects of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Rejected rows that were not sent again.
    #[serde(default, skip_serializing_if = "LeftOut::is_nothing")]
    pub left_out: LeftOut,
    /// What became of the segments that took part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<OfSegment>,
    /// The commonest causes of rejects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// Rows confirmed, by segment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub confirmed: BTreeMap<String, u64>,
    /// How joiners got on their lists.
    #[serde(default, rename = "list_way", skip_serializing_if = "Option::is_none")]
    pub list_strategy: Option<String>,
    /// What the account says at the end, and what its joiners mean there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// Requests over time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// The members after the last runs, this one included; oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trend: Vec<Point>,
    /// What the account holds beside the state, where the run compared them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reconciled: Vec<Reconciled>,
    /// Why the run failed or was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failed>,
    /// What people should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Those of them that say what can no longer be known of the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
}

/// What the destination confirmed or refused in a run.
#[derive(Clone, Debug, Default)]
pub struct Confirmed {
    /// Rows delivered.
    pub delivered: u64,
    /// The same by the segment's place in the export.
    pub by_segment: BTreeMap<usize, u64>,
    /// Rows refused.
    pub refused: u64,
    /// Rows that became suppressed since the plan was made.
    pub suppressed: u64,
    /// Leavers that have left, or could not.
    pub left: u64,
    /// Leavers that could not: the destination refused.
    pub stayed: u64,
    /// Opt-outs that were sent apart from their rows.
    pub opt_outs: u64,
    /// Opt-outs of rows that the destination refused.
    pub opt_outs_of_refused: u64,
    /// Opt-outs that were sent apart and refused.
    pub opt_outs_refused: u64,
    /// Opt-outs that were sent apart, of people whom the destination suppresses.
    pub opt_outs_suppressed: u64,
    pub requests: Usage,
    /// How joiners got on their lists.
    pub list_strategy: Option<String>,
    /// The commonest causes of rejects.
    pub causes: Vec<Cause>,
    /// What people should know.
    pub warnings: Vec<String>,
    /// What can no longer be known of the run.
    pub lost: Vec<String>,
}

impl Report {
    /// The report of a run that got as far as its record.
    pub fn of(run: &RunRecord, confirmed: Confirmed, error: Option<Failed>, finished_at: Timestamp) -> Self {
        let counts = run.counts();
        let to_send = counts.joiners + counts.changed + counts.address_changed;
        let rows = Rows {
            read: counts.read,
            delivered: confirmed.delivered,
            unchanged: counts.unchanged,
            rejected: counts.rejected() + confirmed.refused,
            suppressed: counts.suppressed + confirmed.suppressed,
            pending: to_send.saturating_sub(confirmed.delivered + confirmed.refused + confirmed.suppressed),
        };
        let mut rejects: BTreeMap<RejectCode, u64> = RejectCode::ALL.into_iter().map(|code| (code, 0)).collect();
        rejects.extend(counts.rejects.clone());
        *rejects.entry(RejectCode::Refused).or_default() += confirmed.refused;
        let by_segment = by_name(run, &confirmed);
        Self {
            run_id: run.request.run_id.clone(),
            export: run.request.export.clone(),
            connection: run.connection.clone(),
            outcome: outcome(run, &counts, &rows, &confirmed, error.as_ref()),
            started_at: run.started_at,
            finished_at,
            trigger: run.request.trigger,
            reconcile: run.request.reconcile.as_ref().map(|asked| asked.mode),
            rows,
            members: Members {
                joiners: counts.joiners,
                changed: counts.changed,
                address_changed: counts.address_changed,
                leavers: counts.leavers.saturating_sub(confirmed.stayed),
                leavers_withheld: counts.leavers_withheld + confirmed.stayed,
            },
            rejects,
            requests: confirmed.requests,
            sources: run
                .sources
                .iter()
                .map(|source| Source { key: source.key.clone(), version: source.version.clone(), bytes: source.bytes })
                .collect(),
            config_digest: run.config_digest.clone(),
            guards_passed_over: run.guards_passed_over.clone(),
            no_consent: counts.no_consent,
            opt_outs_sent: confirmed.opt_outs + confirmed.opt_outs_of_refused,
            left_out: counts.left_out,
            segments: run.segments.iter().filter(|segment| segment.drop.is_some()).map(OfSegment::of).collect(),
            causes: confirmed.causes,
            confirmed: by_segment,
            notes: run.segments.iter().filter_map(note).collect(),
            list_strategy: confirmed.list_strategy,
            remarks: Vec::new(),
            traffic: None,
            trend: Vec::new(),
            reconciled: Vec::new(),
            warnings: warnings(
                run,
                &counts,
                [confirmed.lost.clone(), confirmed.warnings].concat(),
                confirmed.opt_outs_refused,
                confirmed.stayed,
            ),
            lost: confirmed.lost,
            error,
        }
    }

    /// The exit code of the command line.
    pub fn exit_code(&self) -> u8 {
        match (self.outcome, &self.error) {
            (Outcome::Succeeded | Outcome::NothingToDo | Outcome::Superseded, _) => 0,
            (Outcome::SucceededWithRejects | Outcome::DifferencesFound, _) => 1,
            (Outcome::StoppedByGuard, _) => Kind::Guard.exit_code(),
            (Outcome::Stopped | Outcome::Interrupted, _) => Kind::Stopped.exit_code(),
            (Outcome::Failed, Some(error)) => error.kind.exit_code(),
            (Outcome::Failed, None) => Kind::Unavailable.exit_code(),
        }
    }
}

fn by_name(run: &RunRecord, confirmed: &Confirmed) -> BTreeMap<String, u64> {
    let name = |(at, rows): (&usize, &u64)| Some((run.segments.get(*at)?.name.clone(), *rows));
    confirmed.by_segment.iter().filter_map(name).collect()
}

fn note(segment: &SegmentRecord) -> Option<Note> {
    let Unreadable { rows: count, first_line } = segment.counts.unreadable_consent;
    (count > 0).then(|| Note { segment: segment.name.clone(), code: RejectCode::InvalidValue, count, first_line })
}

fn outcome(run: &RunRecord, counts: &Counts, rows: &Rows, confirmed: &Confirmed, error: Option<&Failed>) -> Outcome {
    let is_pending = rows.pending > counts.held_back
        || confirmed.left < counts.leavers
        || confirmed.opt_outs + confirmed.opt_outs_refused + confirmed.opt_outs_suppressed < counts.opt_outs;
    match error {
        Some(Failed { kind: Kind::Guard, .. }) => Outcome::StoppedByGuard,
        Some(Failed { kind: Kind::Stopped, .. }) => Outcome::Stopped,
        Some(Failed { kind: Kind::Interrupted, .. }) => Outcome::Interrupted,
        Some(_) => Outcome::Failed,
        None if run.sources.is_empty() => Outcome::Superseded,
        None if is_pending => Outcome::Failed,
        None if rows.rejected > 0 => Outcome::SucceededWithRejects,
        None if counts.to_do() == counts.held_back => Outcome::NothingToDo,
        None => Outcome::Succeeded,
    }
}
