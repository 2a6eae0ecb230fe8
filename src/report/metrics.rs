//! A run's metrics as one line of CloudWatch's embedded metric format: printed to the log, no call to AWS.
//! Source: the CloudWatch user guide, "Specification: Embedded metric format".

use serde_json::{Map, Value, json};

use super::{Outcome, Report};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "AutopilotExport";
/// The dimensions: the deployment's name and the export's.
pub const DIMENSIONS: [&str; 2] = ["deployment", "export"];

/// A metric: its name, its unit, and what it is of a run.
type Metric = (&'static str, &'static str, fn(&Report) -> f64);

/// Every metric. Alarms and dashboard name them.
pub const METRICS: [Metric; 10] = [
    ("RunsSucceeded", "Count", |report| f64::from(u8::from(has_succeeded(report)))),
    ("RunsFailed", "Count", |report| f64::from(u8::from(!has_succeeded(report)))),
    ("ProfilesDelivered", "Count", |report| report.rows.delivered as f64),
    ("ProfilesRejected", "Count", |report| report.rows.rejected as f64),
    ("ProfilesUnchanged", "Count", |report| report.rows.unchanged as f64),
    ("ProfilesPending", "Count", |report| report.rows.pending as f64),
    ("Requests", "Count", |report| report.requests.total as f64),
    ("Throttles", "Count", |report| report.requests.throttled as f64),
    ("RunSeconds", "Seconds", |report| report.finished_at.duration_since(report.started_at).as_secs_f64()),
    ("RejectShare", "None", |report| report.rows.rejected as f64 / report.rows.read.max(1) as f64),
];

/// Those of a comparison with the account: it has no rows, and its end is not that of a run that should have come.
const OF_COMPARISONS: [&str; 4] = ["RunsSucceeded", "RunsFailed", "Requests", "Throttles"];

/// A run that had nothing to do has succeeded too: silence means that no run came to its end.
fn has_succeeded(report: &Report) -> bool {
    use Outcome::{Failed, Interrupted, Stopped, StoppedByGuard};
    !matches!(report.outcome, StoppedByGuard | Stopped | Interrupted | Failed)
}

/// The line to print for a run of a deployment.
pub fn line(report: &Report, deployment: &str) -> String {
    let is_of_it = |(name, ..): &&Metric| report.reconcile.is_none() || OF_COMPARISONS.contains(name);
    let of_it = || METRICS.iter().filter(is_of_it);
    let metrics: Vec<Value> = of_it().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    let mut line = Map::new();
    line.insert(
        "_aws".into(),
        json!({
            "Timestamp": report.finished_at.as_millisecond(),
            "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [DIMENSIONS], "Metrics": metrics }],
        }),
    );
    line.extend(DIMENSIONS.map(str::to_owned).into_iter().zip([json!(deployment), json!(report.export)]));
    line.insert("run_id".into(), json!(report.run_id));
    line.insert("outcome".into(), json!(report.outcome));
    line.extend(of_it().map(|(name, _, of)| ((*name).to_owned(), json!(of(report)))));
    Value::Object(line).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]
mod tests {
    use super::*;

    fn report(outcome: &str) -> Report {
        serde_json::from_value(json!({
            "run_id": "20261123T060000Z-newsletter-00000000", "export": "newsletter", "connection": "eu",
            "outcome": outcome, "started_at": "2026-11-23T06:00:00Z", "finished_at": "2026-11-23T06:01:30.5Z",
            "trigger": "s3",
            "rows": { "read": 10, "delivered": 4, "unchanged": 3, "rejected": 2, "suppressed": 1, "pending": 0 },
            "members": { "joiners": 4, "changed": 0, "leavers": 0, "leavers_withheld": 0 },
            "rejects": {}, "requests": { "total": 7, "throttled": 1 }, "sources": [], "config_digest": "",
            "guards_passed_over": []
        }))
        .unwrap()
    }

    #[test]
    fn one_line_holds_a_runs_metrics() {
        let line: Value = serde_json::from_str(&line(&report("succeeded_with_rejects"), "eu")).unwrap();
        for (name, value) in [("RunsSucceeded", 1.0), ("RunsFailed", 0.0), ("RejectShare", 0.2), ("RunSeconds", 90.5)] {
            assert_eq!(line[name], json!(value), "{name}");
        }
        assert_eq!((&line["deployment"], &line["export"]), (&json!("eu"), &json!("newsletter")));
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["deployment", "export"]]));
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap().len(), METRICS.len());
    }

    // Else the alarm for silence would take a comparison for the run that never came.
    #[test]
    fn a_comparison_is_not_counted_as_a_run_that_sends() {
        let mut report = report("differences_found");
        report.reconcile = Some(crate::run::Mode::Look);
        let line: Value = serde_json::from_str(&line(&report, "eu")).unwrap();
        assert_eq!((&line["RunsFailed"], &line["RunSeconds"]), (&json!(0.0), &Value::Null));
        let metrics = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        assert!(metrics.len() == OF_COMPARISONS.len() && !metrics.iter().any(|it| it["Name"] == "RunSeconds"));
    }

    #[test]
    fn a_run_counts_as_succeeded_or_as_failed() {
        for (outcome, succeeded) in [
            ("succeeded", 1.0),
            ("nothing_to_do", 1.0),
            ("superseded", 1.0),
            ("stopped_by_guard", 0.0),
            ("stopped", 0.0),
            ("interrupted", 0.0),
            ("failed", 0.0),
        ] {
            let line: Value = serde_json::from_str(&line(&report(outcome), "eu")).unwrap();
            assert_eq!(line["RunsSucceeded"], json!(succeeded), "{outcome}");
            assert_eq!(line["RunsFailed"], json!(1.0 - succeeded), "{outcome}");
        }
    }

    #[test]
    fn alarms_and_dashboard_name_these_metrics_and_no_others() {
        let terraform = include_str!("../../infra/main.tf");
        let (_, list) = terraform.split_once("metric_names = [").unwrap();
        let (list, _) = list.split_once(']').unwrap();
        let theirs: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
        assert_eq!(theirs, METRICS.map(|(name, ..)| name));
        let (_, namespace) = terraform.split_once("metric_namespace = \"").unwrap();
        assert!(namespace.starts_with(&format!("{NAMESPACE}\"")));
    }
}
