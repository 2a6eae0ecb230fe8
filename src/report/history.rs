//! The last runs of all exports.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::timeline::Point;
use super::{Outcome, Report, Rows};
use crate::run::export_of_run;

/// Runs in the trend at most.
const TREND: usize = 30;
/// Runs that the page of all lists.
const LISTED: usize = 200;

/// A run as the page of all lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    pub run_id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// When it began.
    pub started_at: Timestamp,
    pub rows: Rows,
    /// The members after it; none where it did not get so far.
    #[serde(default)]
    pub members: Option<u64>,
}

/// The last runs, newest first: `runs/index.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Runs(pub Vec<Listed>);

impl Runs {
    /// Enters a run that has ended, once.
    pub fn enter(&mut self, report: &Report, members: Option<u64>) {
        self.0.retain(|run| run.run_id != report.run_id);
        self.0.push(Listed {
            run_id: report.run_id.clone(),
            outcome: report.outcome,
            started_at: report.started_at,
            rows: report.rows.clone(),
            members,
        });
        self.0.sort_by(|one, other| (other.started_at, &other.run_id).cmp(&(one.started_at, &one.run_id)));
        self.0.truncate(LISTED);
    }

    /// The members after the last runs of an export that say so, oldest first.
    pub fn trend(&self, export: &str) -> Vec<Point> {
        let of_export = self.0.iter().filter(|run| export_of_run(&run.run_id) == Some(export));
        let points = of_export.filter_map(|run| Some(Point { at: run.started_at, members: run.members? }));
        let mut points: Vec<Point> = points.take(TREND).collect();
        points.reverse();
        points
    }
}
