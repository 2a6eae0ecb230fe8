//! Notifications of comparisons with the account: one message for each change of what they find. They are a matter of their own
//! beside those of runs that send.

use super::message::{Condition, Message, Origin};
use super::{Outcome, Reconciled, Report};
use crate::run::Mode;

/// What a comparison says of its export; nothing where a person stopped it, or a run follows that puts right what differs.
pub fn condition(report: &Report) -> Option<Condition> {
    match report.outcome {
        Outcome::Stopped => None,
        Outcome::Failed | Outcome::Interrupted => {
            Some(Condition::Failed(report.error.as_ref().map(|error| error.kind)))
        }
        Outcome::DifferencesFound if report.reconcile == Some(Mode::Repair) => None,
        Outcome::DifferencesFound => {
            let sum = |count: fn(&Reconciled) -> u64| report.reconciled.iter().map(count).sum();
            Some(Condition::Differs {
                missing: sum(|found| found.missing),
                deleted: sum(|found| found.deleted),
                extra: sum(|found| found.differences() - found.missing - found.deleted),
            })
        }
        _ => Some(Condition::Well),
    }
}

/// The message of a comparison that found something else than the one before. `page` is where its report is.
pub fn message(report: &Report, now: Condition, origin: Origin<'_>, page: &str) -> Message {
    let (run, export, deployment) = (&report.run_id, &report.export, origin.deployment);
    let (subject, what, to_do) = match now {
        Condition::Differs { missing, deleted, extra } => (
            "the account differs",
            format!(
                "differs from its state: {missing} members are missing there, {deleted} are deleted, and {extra} people are extra"
            ),
            format!(
                "Look at differences.csv, which is beside the report. autopilot-export reconcile {export} --repair puts it right. The same \
                 differences found again are not notified."
            ),
        ),
        Condition::Failed(_) => (
            "could not be compared",
            "could not be compared with its state".to_owned(),
            format!("Remove the cause, then compare it again: autopilot-export start {export} --reconcile"),
        ),
        _ => (
            "the account no longer differs",
            "holds what its state says".to_owned(),
            "There is nothing to do.".to_owned(),
        ),
    };
    let reason = report.error.as_ref().map(|error| format!("The reason: {}.\n\n", error.message)).unwrap_or_default();
    let body = format!(
        "The account of the export {export} of {deployment} {what}.\n\n{reason}{to_do}\n\nThe report is {page}; autopilot-export report \
         {run} shows it.\n"
    );
    Message { subject: format!("{deployment}: {export}: {subject}"), body }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::Kind;

    fn report(mode: &str, outcome: &str) -> Report {
        let mut report = json!({
            "run_id": "20261123T060000Z-newsletter-00000000", "export": "newsletter", "connection": "eu",
            "outcome": outcome, "started_at": "2026-11-23T06:00:00Z", "finished_at": "2026-11-23T06:01:30Z",
            "trigger": "schedule", "reconcile": mode,
            "rows": { "read": 0, "delivered": 0, "unchanged": 0, "rejected": 0, "suppressed": 0, "pending": 0 },
            "members": { "joiners": 0, "changed": 0, "leavers": 0, "leavers_withheld": 0 },
            "rejects": {}, "requests": { "total": 7 }, "sources": [], "config_digest": "", "guards_passed_over": [],
            "reconciled": [{
                "segment": "A", "members": 9, "there": 9, "missing": 2, "deleted": 1, "extra": 5, "unnamed": 0,
                "keeps_others": true, "opted_out": 1, "bounced": 0, "without_address": 0
            }],
        });
        if outcome == "failed" {
            report["error"] =
                json!({ "kind": "access", "message": "reconcile: Autopilot: the account refuses the key" });
        }
        serde_json::from_value(report).unwrap()
    }

    #[test]
    fn a_comparison_says_what_differs_and_what_to_do() {
        let (page, long) = ("s3://b/runs/p.html", "d".repeat(30));
        let origin = Origin { deployment: &long, again: "start", execution: None };
        let differs = Condition::Differs { missing: 2, deleted: 1, extra: 0 };
        for (mode, outcome, expected, words) in [
            ("look", "differences_found", Some(differs), "2 members are missing there, 1 are deleted, and 0 people"),
            ("repair", "differences_found", None, ""),
            ("look", "nothing_to_do", Some(Condition::Well), "There is nothing to do"),
            ("adopt", "succeeded", Some(Condition::Well), "holds what its state says"),
            ("look", "failed", Some(Condition::Failed(Some(Kind::Access))), "refuses the key"),
            ("look", "stopped", None, ""),
        ] {
            let report = report(mode, outcome);
            assert_eq!(condition(&report), expected, "{mode} {outcome}");
            let Some(now) = expected else { continue };
            let Message { subject, body } = message(&report, now, origin, page);
            assert!(body.contains(words) && body.contains(page), "{body}");
            assert!(subject.len() - "newsletter".len() + 32 <= 100 && subject.is_ascii(), "{subject}");
        }
    }
}
