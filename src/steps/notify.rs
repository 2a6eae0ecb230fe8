//! Notifies people of a run that changed its export's condition: a message for the caller, and the export's webhook.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::{Config, Notify, Webhook};
use crate::delivery::backoff;
use crate::delivery::pace::after;
use crate::error::{Error, Kind, Result};
use crate::ports::{Http, NoResponse, SecretSource, Store};
use crate::report::message::{Condition, Message, Origin, condition, message};
use crate::report::webhook::body;
use crate::report::{Report, differing};
use crate::run::keys;
use crate::steps::documents::{read_if_whole, write_json};
use crate::steps::environment::Environment;

/// Attempts to reach a webhook, and how long one may take: a run's end waits for them.
const ATTEMPTS: u32 = 4;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The most bytes of an answer; nobody reads it.
const ANSWER_BYTES: usize = 64 << 10;

/// The last notification of an export: `state/<export>/told.json`.
#[derive(Default, Deserialize, Serialize)]
struct Notified {
    condition: Condition,
    /// The run that changed the condition, and its message: the same step again says the same.
    run_id: String,
    message: Option<Message>,
    /// Whether the export's webhook has yet to take it.
    #[serde(default)]
    is_due: bool,
}

/// Returns a run's summary, with a message where the run changed its export's condition; the export's webhook gets it as well. The
/// first run of an export notifies only if it does not succeed.
///
/// # Errors
/// Those of the store. A webhook that fails is logged; the export's next run tries it again.
pub async fn notify<E: Environment>(env: &E, config: &Config, report: &Report, origin: Origin<'_>) -> Result<Value> {
    let (store, compares) = (env.store(), report.reconcile.is_some());
    let key = if compares { keys::notified_of_differences } else { keys::notified }(&report.export);
    let settings = config.exports.get(&report.export).map_or_else(Notify::default, |export| export.notify.clone());
    let mut notified: Notified = read_if_whole(store, &key).await?.unwrap_or_default();
    let now = if compares { differing::condition(report) } else { condition(report, settings.max_reject_share) };
    let changed = now.filter(|now| *now != notified.condition);
    if let Some(now) = changed.filter(|_| notified.run_id != report.run_id) {
        let page = format!("{}/{}", store.location(), keys::of_run(&report.run_id, "report.html"));
        let message = if compares { differing::message } else { message }(report, now, origin, &page);
        let is_due = settings.webhook.is_some();
        notified = Notified { condition: now, run_id: report.run_id.clone(), message: Some(message), is_due };
        write_json(store, &key, &notified).await?;
    }
    let message = notified.message.as_ref();
    if let (Some(webhook), Some(message)) = (settings.webhook.filter(|_| notified.is_due), message) {
        let body = body(webhook.kind, message, &summary(report, origin, Some(message)));
        match send(env, &webhook, body).await {
            Ok(()) => {
                notified.is_due = false;
                write_json(store, &key, &notified).await?;
            }
            Err(error) => {
                let error = error.at("notify");
                tracing::warn!(run.id = report.run_id, error.kind = error.kind.name(), "{}", error.chain());
            }
        }
    }
    Ok(summary(report, origin, notified.message.as_ref().filter(|_| notified.run_id == report.run_id)))
}

/// The summary of a run: what the workflow decides by, and what EventBridge gets.
fn summary(report: &Report, origin: Origin<'_>, message: Option<&Message>) -> Value {
    let mut summary = json!({
        "deployment": origin.deployment, "export": report.export, "run_id": report.run_id, "outcome": report.outcome,
    });
    if let Some(summary) = summary.as_object_mut() {
        // Without a report nobody has counted.
        summary.extend(origin.execution.is_none().then(|| ("rows".to_owned(), json!(report.rows))));
        let compared = &report.reconciled;
        summary.extend((!compared.is_empty()).then(|| ("reconciled".to_owned(), json!(compared))));
        summary.extend(report.error.as_ref().map(|error| ("error".to_owned(), json!(error))));
        summary.extend(message.map(|message| ("message".to_owned(), json!(message))));
    }
    summary
}

/// Sends a webhook's request. Its address is a secret: no error repeats it.
async fn send<E: Environment>(env: &E, webhook: &Webhook, body: Value) -> Result<()> {
    let failed = |why: String| {
        Error::new(Kind::Unavailable, "the webhook", format!("was not notified: {why}"))
            .hint("check its address; other notifications were sent")
    };
    let Some(address) = env.secrets().webhook(&webhook.secret).await? else {
        return Err(failed("nobody has stored its address".into()));
    };
    let body = Bytes::from(body.to_string());
    let mut last = String::new();
    for attempt in 1..=ATTEMPTS {
        let request = http::Request::post(address.expose_secret().trim()).header(CONTENT_TYPE, "application/json");
        let request = request.body(body.clone()).map_err(|_| failed("its address is none".into()))?;
        last = match env.http().send(request, ANSWER_WITHIN, ANSWER_BYTES).await {
            Ok(response) if response.status().is_success() => return Ok(()),
            Ok(response) => format!("it answered {}", response.status().as_u16()),
            Err(NoResponse(why)) => why.to_owned(),
        };
        if attempt < ATTEMPTS {
            let until = after(env.clock().now(), backoff::wait(attempt, fastrand::f64()));
            env.clock().sleep_until(until).await;
        }
    }
    Err(failed(last))
}
