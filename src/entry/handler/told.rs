//! What a run's last step answers the workflow: its summary, with the message that people are to be sent.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::{Config, Notify};
use crate::error::Result;
use crate::ports::Store;
use crate::report::Report;
use crate::report::message::{Condition, Message, Place, condition, message};
use crate::run::keys;
use crate::steps::{read_if_whole, write_json};

/// What people were last told of an export: `state/<export>/told.json`.
#[derive(Default, Deserialize, Serialize)]
struct Told {
    condition: Condition,
    /// The run that changed the condition, and its message: the same step again says the same.
    run_id: String,
    message: Option<Message>,
}

/// The message of a run; none where it changed nothing. The first run of an export is told of where it does not succeed.
pub(super) async fn message_of(
    store: &impl Store,
    config: &Config,
    report: &Report,
    (deployment, bucket): (&str, &str),
) -> Result<Option<Message>> {
    let key = keys::told(&report.export);
    let told: Told = read_if_whole(store, &key).await?.unwrap_or_default();
    if told.run_id == report.run_id {
        return Ok(told.message);
    }
    let notify = config.exports.get(&report.export).map_or_else(Notify::default, |export| export.notify.clone());
    let Some(now) = condition(report, notify.max_reject_share).filter(|now| *now != told.condition) else {
        return Ok(None);
    };
    let page = keys::of_run(&report.run_id, "report.html");
    let message = message(report, now, Place { deployment, bucket, page: &page });
    let told = Told { condition: now, run_id: report.run_id.clone(), message: Some(message) };
    write_json(store, &key, &told).await?;
    Ok(told.message)
}

/// The summary of a run: what the workflow decides by, and what EventBridge is told.
pub(super) fn summary(report: &Report, deployment: &str, message: Option<Message>) -> Value {
    let mut summary = json!({
        "deployment": deployment, "export": report.export, "run_id": report.run_id, "outcome": report.outcome,
        "rows": report.rows,
    });
    if let Some(summary) = summary.as_object_mut() {
        summary.extend(report.error.as_ref().map(|error| ("error".to_owned(), json!(error))));
        summary.extend(message.map(|message| ("message".to_owned(), json!(message))));
    }
    summary
}
