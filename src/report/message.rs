//! Notifications of an export: one message for each change of its condition.

use serde::{Deserialize, Serialize};

use super::{Outcome, Report};
use crate::error::Kind;

/// What a run says of its export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Its runs succeed.
    #[default]
    Well,
    /// They succeed, with more rejects than the configuration allows without a word.
    Rejects,
    /// A guard stops them.
    Guard,
    /// They fail, for this reason where one is known.
    Failed(Option<Kind>),
    /// The account holds something else than the state says, of this many people.
    Differs { missing: u64, deleted: u64, extra: u64 },
}

/// A message to people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// At most 100 characters, all of them plain: what SNS takes.
    pub subject: String,
    /// A few sentences.
    pub body: String,
}

impl Message {
    /// The message of an object that lies where nothing is read.
    pub fn of_place(deployment: &str, key: &str, why: &str) -> Self {
        let body = format!(
            "The object {key} started no run: it {why}.\n\nIf it is a segment's file, put it under the segment's prefix, as exports.json has it; the \
             answer to each event, and the function's log, name such objects. This message comes once. Remove state/misplaced.json to be notified of \
             the next.\n"
        );
        Self { subject: format!("{deployment}: a file is where nothing is read"), body }
    }
}

/// Where a run was.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'o> {
    /// The deployment's name.
    pub deployment: &'o str,
    /// The command that runs an export again.
    pub again: &'o str,
    /// The execution of a run that could not be finished, and has no report.
    pub execution: Option<&'o str>,
}

/// What a run says of its export; nothing where a person stopped it, or a newer drop had been applied.
pub fn condition(report: &Report, max_reject_share: f64) -> Option<Condition> {
    match report.outcome {
        Outcome::Stopped | Outcome::Superseded | Outcome::DifferencesFound => None,
        Outcome::StoppedByGuard => Some(Condition::Guard),
        Outcome::Failed | Outcome::Interrupted => {
            Some(Condition::Failed(report.error.as_ref().map(|error| error.kind)))
        }
        Outcome::Succeeded | Outcome::SucceededWithRejects | Outcome::NothingToDo => {
            let rejected = report.rows.rejected as f64;
            let is_within = rejected <= max_reject_share * report.rows.read as f64;
            Some(if is_within { Condition::Well } else { Condition::Rejects })
        }
    }
}

/// The message of a run that changed its export's condition. `page` is where its report is.
pub fn message(report: &Report, now: Condition, origin: Origin<'_>, page: &str) -> Message {
    let (run, export, rows) = (&report.run_id, &report.export, &report.rows);
    let Origin { deployment, again, execution } = origin;
    let (outcome, what, to_do) = match now {
        Condition::Well => ("recovered", "has recovered: its last run succeeded", "There is nothing to do.".to_owned()),
        Condition::Rejects => (
            "many rows rejected",
            "succeeded, but rejected more rows than usual",
            format!(
                "Correct the rows in rejects.csv, which is beside the report, and send them again: autopilot-export retry {run}"
            ),
        ),
        Condition::Guard => (
            "stopped by a guard",
            "was stopped by a guard",
            format!(
                "Check the drop and deliver it again, or pass over the guard once, as the reason says: autopilot-export {again} {export}"
            ),
        ),
        Condition::Failed(_) | Condition::Differs { .. } => {
            ("failed", "failed", format!("Remove the cause, then run it again: autopilot-export {again} {export}"))
        }
    };
    let reason = report.error.as_ref().map(|error| format!("The reason: {}.\n\n", error.message)).unwrap_or_default();
    let (so_far, more) = match execution {
        Some(execution) => (
            format!("The run {run} could not be finished, and has no report yet: the next run finishes it first."),
            format!("The execution {execution} says more."),
        ),
        None => (
            format!(
                "Of {} rows {} were delivered, {} were unchanged, {} rejected and {} suppressed; {} are pending, and the next run sends them.",
                rows.read, rows.delivered, rows.unchanged, rows.rejected, rows.suppressed, rows.pending,
            ),
            format!("The report is {page}; autopilot-export report {run} shows it."),
        ),
    };
    let body = format!("The export {export} of {deployment} {what}.\n\n{reason}{so_far}\n\n{to_do}\n\n{more}\n");
    Message { subject: format!("{deployment}: {export}: {outcome}"), body }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(outcome: &str, rejected: u64) -> Report {
        let mut report = json!({
            "run_id": "20261123T060000Z-newsletter-00000000", "export": "newsletter", "connection": "eu",
            "outcome": outcome, "started_at": "2026-11-23T06:00:00Z", "finished_at": "2026-11-23T06:01:30Z",
            "trigger": "s3",
            "rows": { "read": 100, "delivered": 100 - rejected, "unchanged": 0, "rejected": rejected, "suppressed": 0, "pending": 0 },
            "members": { "joiners": 4, "changed": 0, "leavers": 0, "leavers_withheld": 0 },
            "rejects": {}, "requests": { "total": 7, "throttled": 1 }, "sources": [], "config_digest": "",
            "guards_passed_over": []
        });
        if outcome == "failed" {
            report["error"] = json!({ "kind": "access", "message": "open: Autopilot: the account refuses the key" });
        }
        serde_json::from_value(report).unwrap()
    }

    #[test]
    fn a_run_says_what_condition_its_export_is_in() {
        for (outcome, rejected, expected) in [
            ("succeeded", 0, Some(Condition::Well)),
            ("nothing_to_do", 0, Some(Condition::Well)),
            ("succeeded_with_rejects", 5, Some(Condition::Well)),
            ("succeeded_with_rejects", 6, Some(Condition::Rejects)),
            ("stopped_by_guard", 0, Some(Condition::Guard)),
            ("failed", 0, Some(Condition::Failed(Some(Kind::Access)))),
            ("interrupted", 0, Some(Condition::Failed(None))),
            ("stopped", 0, None),
            ("superseded", 0, None),
        ] {
            assert_eq!(condition(&report(outcome, rejected), 0.05), expected, "{outcome}");
        }
    }

    #[test]
    fn a_message_names_export_outcome_report_and_what_to_do() {
        let (page, origin) = ("s3://b/runs/p.html", Origin { deployment: "trial", again: "start", execution: None });
        for (outcome, now, subject, to_do) in [
            ("failed", Condition::Failed(None), "trial: newsletter: failed", "autopilot-export start newsletter"),
            ("stopped_by_guard", Condition::Guard, "trial: newsletter: stopped by a guard", "pass over the guard"),
            ("succeeded", Condition::Rejects, "trial: newsletter: many rows rejected", "autopilot-export retry 2026"),
            ("succeeded", Condition::Well, "trial: newsletter: recovered", "nothing to do"),
        ] {
            let Message { subject: found, body } = message(&report(outcome, 10), now, origin, page);
            assert_eq!(found, subject);
            assert!(body.contains(to_do) && body.contains(page), "{body}");
        }
        let long = Origin { deployment: &"d".repeat(30), ..origin };
        let longest = message(&report("failed", 0), Condition::Rejects, long, page);
        assert!(longest.subject.len() - "newsletter".len() + 32 <= 100 && longest.subject.is_ascii());
        let without = Origin { execution: Some("arn:e"), ..origin };
        let Message { body, .. } = message(&report("failed", 0), Condition::Failed(None), without, page);
        assert!(body.contains("execution arn:e") && !body.contains(page) && body.contains("refuses the key"), "{body}");
    }
}
