//! What the workflow caught, as a failure that finish understands.

use serde::Deserialize;
use serde_json::Value;

use crate::error::Kind;
use crate::steps::Failure;

/// Longest message that goes into a report.
const LONGEST: usize = 1000;

/// `$.error` of the workflow: a name, ours or AWS's, and a text.
#[derive(Debug, Deserialize)]
pub(super) struct Caught {
    #[serde(rename = "Error")]
    error: String,
    #[serde(rename = "Cause", default)]
    cause: String,
}

/// Our own errors keep their words; those of AWS are attributed to the workflow.
pub(super) fn of(caught: Caught) -> Failure {
    let Caught { error, cause } = caught;
    // Lambda reports its errors as JSON in a text.
    let payload: Value = serde_json::from_str(&cause).unwrap_or_default();
    let message = payload.get("errorMessage").and_then(Value::as_str).unwrap_or(&cause);
    let message: String = message.chars().take(LONGEST).collect();
    if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == error) {
        return Failure { kind, message };
    }
    let kind = match error.as_str() {
        "States.Timeout" | "Sandbox.Timedout" => Kind::OutOfTime,
        name if name.starts_with("Lambda.") || name.starts_with("Runtime.") => Kind::Unavailable,
        "States.Permissions" => Kind::Access,
        _ => Kind::Bug,
    };
    Failure { kind, message: format!("workflow: {error}: {message}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caught(error: &str, cause: &str) -> Failure {
        of(Caught { error: error.into(), cause: cause.into() })
    }

    #[test]
    fn our_errors_come_back_as_they_were_and_awss_as_the_workflows() {
        let failure = caught("access", r#"{"errorType":"access","errorMessage":"open: Autopilot: refuses the key"}"#);
        assert_eq!((failure.kind, failure.message.as_str()), (Kind::Access, "open: Autopilot: refuses the key"));
        assert_eq!(caught("guard", "plain").message, "plain");
        for (error, kind) in [
            ("States.Timeout", Kind::OutOfTime),
            ("Sandbox.Timedout", Kind::OutOfTime),
            ("Runtime.ExitError", Kind::Unavailable),
            ("Lambda.TooManyRequestsException", Kind::Unavailable),
            ("States.Permissions", Kind::Access),
            ("States.DataLimitExceeded", Kind::Bug),
        ] {
            assert_eq!(caught(error, "x").kind, kind, "{error}");
        }
        assert_eq!(caught("Runtime.ExitError", r#"{"errorMessage":"x"}"#).message, "workflow: Runtime.ExitError: x");
    }

    /// The kinds are what the workflow matches on; every other name is AWS's own, with a dot.
    #[test]
    fn the_workflow_matches_on_kinds_that_exist() {
        let workflow: Value =
            serde_json::from_str(include_str!("../../../infra/workflow.asl.json")).unwrap_or_default();
        let mut names = Vec::new();
        collect(&workflow, &mut names);
        assert!(names.iter().any(|name| name == "unavailable"), "{names:?}");
        for name in names {
            assert!(name.contains('.') || Kind::ALL.iter().any(|kind| kind.name() == name), "{name}");
        }
    }

    fn collect(value: &Value, names: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    if key == "ErrorEquals" {
                        let all = value.as_array().into_iter().flatten();
                        names.extend(all.filter_map(|name| name.as_str().map(str::to_owned)));
                    }
                    collect(value, names);
                }
            }
            Value::Array(all) => all.iter().for_each(|value| collect(value, names)),
            _ => {}
        }
    }
}
