//! The Lambda function: one handler for the events that start runs and for the steps of a run.
//!
//! The request of a run comes with `prepare`; the other steps know its id alone and read the request from `run.json`.
//! A run ends under the configuration that it began with; the deployed one is read for each call, as what makes a run more careful
//! holds from the next step on.

mod comparing;
mod ending;
mod failure;
mod input;
mod logged;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::config::{Api, Config, parse};
use crate::error::{AtStage, Error, Kind, Result, escaped};
use crate::ports::{Executions, PutMode, Store};
use crate::report::message::{Message, Origin};
use crate::report::{Outcome, Report, metrics};
use crate::run::{RunRecord, RunRequest, Trigger, export_of_run, keys, run_id};
use crate::steps::environment::Environment;
use crate::steps::{
    Cancellation, Failure, Limit, Prepared, config_of, deliver, notify, open, prepare, read_json, unless_stopped,
    watching_for_stop, with_lease, write_json, write_json_if,
};
use crate::trigger::{Ignored, Triggered, triggered};
use input::Input;

pub use logged::Logged;

/// What a function of one environment has.
#[derive(Debug)]
pub struct Function<W, X> {
    /// The outside world.
    pub env: W,
    /// The workflow.
    pub executions: X,
    /// The deployment's name, which its metrics carry.
    pub deployment: String,
    /// The bucket's name, for the workflow's own reading.
    pub bucket: String,
    /// Addresses in place of those of every connection of an API: tests, and a sandbox.
    pub base_urls: Vec<(Api, String)>,
}

/// Those addresses, as the environment names them.
///
/// # Errors
/// Kind `config`, where a key cannot be sent to it.
pub fn base_urls() -> Result<Vec<(Api, String)>> {
    let named = Api::ALL.iter().map(|(_, api)| Ok(super::address::base_url(*api)?.map(|url| (*api, url))));
    named.filter_map(Result::transpose).collect()
}

/// What Lambda says of a call.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The same when Lambda tries the same event again.
    pub request_id: String,
    /// When the call is cut off.
    pub until: Timestamp,
}

impl<W: Environment, X: Executions> Function<W, X> {
    /// Answers one event.
    ///
    /// # Errors
    /// Those of the step; the kind is the Lambda error type.
    pub async fn answer(&self, event: Value, invocation: &Invocation) -> Result<Value> {
        let input = input::read(event).at("start")?;
        let config = match input.run_id() {
            Some(run_id) => self.config_of(run_id).await,
            None => self.config().await,
        };
        let config = config.at("config")?;
        let stage = input.stage();
        let answer = match input {
            Input::Event(event) => self.start(&event, &config, invocation).await,
            Input::Prepare { run } => self.prepare(&config, &run).await,
            Input::Reconcile { run } => self.reconcile(&config, &run, invocation.until).await,
            Input::Open { run_id } => self.open(&config, &run_id).await,
            Input::Deliver { run_id, lane } => self.deliver(&config, &run_id, lane, invocation.until).await,
            Input::Finish { run_id, error, run } => self.finish(&config, &run_id, error.map(failure::of), run).await,
            Input::GiveUp { run_id, error, execution } => {
                self.give_up(&config, &run_id, failure::of(error), &execution).await
            }
        };
        answer.at(stage)
    }

    async fn config(&self) -> Result<Config> {
        let object = self
            .env
            .store()
            .get(keys::CONFIG)
            .await?
            .ok_or_else(|| Error::new(Kind::Config, keys::CONFIG, "is not in the bucket").hint("deploy it"))?;
        let config = parse(&String::from_utf8_lossy(&object.body)).map_err(|faults| {
            let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Error::new(Kind::Config, keys::CONFIG, lines.join("; "))
        })?;
        Ok(self.in_place(config))
    }

    /// The configuration that a run began with, as careful as the deployed one. One that cannot be read counts from the next run on.
    async fn config_of(&self, run_id: &str) -> Result<Config> {
        let now = self.config().await;
        let Some(kept) = config_of(self.env.store(), run_id).await?.map(|kept| self.in_place(kept)) else { return now };
        match now {
            Ok(now) => Ok(kept.as_careful_as(&now, export_of_run(run_id).unwrap_or_default())),
            Err(error) if error.kind == Kind::Config => Ok(kept),
            Err(error) => Err(error),
        }
    }

    /// A configuration as it lies in the bucket, with the function's own addresses.
    fn in_place(&self, mut config: Config) -> Config {
        for (api, base_url) in &self.base_urls {
            let of_api = config.connections.values_mut().filter(|connection| connection.api == *api);
            of_api.for_each(|connection| connection.base_url = Some(base_url.clone()));
        }
        config.folder = keys::CONFIG.rfind('/').and_then(|end| keys::CONFIG.get(..=end)).map(str::to_owned);
        config
    }

    async fn start(&self, event: &Value, config: &Config, invocation: &Invocation) -> Result<Value> {
        let now = self.env.clock().now();
        let mut triggered = triggered(event, config, now, &invocation.request_id)?;
        for segment in triggered.to_list(config) {
            let listing = self.env.store().list(segment.prefix.as_deref().unwrap_or_default()).await?;
            triggered.listed(segment, &listing);
        }
        let Triggered { requests, ignored, .. } = triggered;
        let mut started = Vec::new();
        for request in requests {
            let request = self.first_asked(request, &invocation.request_id).await?;
            let execution = self.executions.start(&request.run_id, &request.execution_input()).await?;
            tracing::info!(run.id = request.run_id, "started a run");
            started.push(json!({ "run_id": request.run_id, "execution": execution }));
        }
        for ignored in &ignored {
            tracing::info!(key = escaped(&ignored.key, KEY_CHARS), why = ignored.why, "started nothing");
        }
        if let Some(misplaced) = ignored.iter().find(|ignored| ignored.is_misplaced) {
            self.notify_of_place(misplaced, now).await?;
        }
        Ok(json!({ "started": started, "ignored": ignored }))
    }

    /// Notifies people of the first object that lies where nothing is read, by an execution that does nothing else: somebody may
    /// be waiting for that file.
    async fn notify_of_place(&self, misplaced: &Ignored, now: Timestamp) -> Result<()> {
        let key = escaped(&misplaced.key, KEY_CHARS);
        let mark = json!({ "key": key, "why": misplaced.why, "at": now });
        if !write_json_if(self.env.store(), keys::MISPLACED, &mark, PutMode::Create).await? {
            return Ok(());
        }
        let message = Message::of_place(&self.deployment, &key, &misplaced.why);
        let answer = json!({ "outcome": Outcome::NothingToDo, "deployment": self.deployment, "message": message });
        let input = json!({ "last": { "answer": answer } }).to_string();
        self.executions.start(&run_id(now, "misplaced", &key), &input).await.map(drop)
    }

    /// A request that Lambda delivers again is the run that it was the first time. A dropped object's run is named by the
    /// object; any other run by the time, which is another then.
    async fn first_asked(&self, request: RunRequest, request_id: &str) -> Result<RunRequest> {
        if request.trigger == Trigger::S3 {
            return Ok(request);
        }
        let key = keys::asked(&request.export, request_id);
        if write_json_if(self.env.store(), &key, &request.run_id, PutMode::Create).await? {
            return Ok(request);
        }
        let first = read_json(self.env.store(), &key).await?;
        Ok(RunRequest { run_id: first.unwrap_or_else(|| request.run_id.clone()), ..request })
    }

    async fn prepare(&self, config: &Config, request: &RunRequest) -> Result<Value> {
        let known = self.report(&request.run_id).await?.is_some();
        let prepared = with_lease(&self.env, config, request, prepare(&self.env, config, request)).await?;
        if !matches!(prepared, Prepared::Done { .. }) {
            return answer(&prepared);
        }
        let report = self
            .report(&request.run_id)
            .await?
            .ok_or_else(|| Error::new(Kind::Bug, &request.run_id, "is done without a report"))?;
        self.publish(&report, known);
        self.summary_of_done(config, &report).await
    }

    /// The summary of a run that ended in its first step.
    async fn summary_of_done(&self, config: &Config, report: &Report) -> Result<Value> {
        Ok(with_status("done", self.summary(config, report).await?))
    }

    async fn open(&self, config: &Config, run_id: &str) -> Result<Value> {
        let request = self.request(run_id).await?;
        let stop = Cancellation::default();
        let opening = with_lease(&self.env, config, &request, open(&self.env, config, &request));
        let opening = unless_stopped(&request, &stop, opening);
        let opened = watching_for_stop(&self.env, run_id, &stop, opening).await?;
        // A Map wants room for one child at least.
        let lanes = json!({ "bucket": self.bucket, "key": opened.key, "count": opened.count.max(1) });
        Ok(json!({ "run_id": run_id, "lanes": lanes }))
    }

    async fn deliver(&self, config: &Config, run_id: &str, lane: u32, until: Timestamp) -> Result<Value> {
        let request = self.request(run_id).await?;
        let stop = Cancellation::default();
        let limit = Limit { until: Some(until), stop: stop.clone(), goes_on: false };
        let failed = keys::failed_lane(run_id, lane);
        let delivering = deliver(&self.env, config, &request, lane, &limit);
        match watching_for_stop(&self.env, run_id, &stop, delivering).await {
            Ok(mut delivered) => {
                // There is nothing to call a stopped run's lane again for.
                delivered.done |= stop.is_cancelled();
                if delivered.done {
                    self.env.store().delete(&failed).await?;
                }
                answer(&delivered)
            }
            Err(error) => {
                // The Map tolerates lanes that fail, and does not say why they did; finish wants to know.
                write_json(self.env.store(), &failed, &Failure::of(&error)).await?;
                Err(error)
            }
        }
    }

    /// Prints a run's metrics, once: not for a report that was there before.
    fn publish(&self, report: &Report, known: bool) {
        if known {
            return;
        }
        println!("{}", metrics::line(report, &self.deployment));
        let outcome = report.outcome.name();
        match &report.error {
            None => tracing::info!(run.id = report.run_id, outcome, "the run has ended"),
            Some(error) => {
                let kind = error.kind.name();
                tracing::error!(run.id = report.run_id, outcome, error.kind = kind, "{}", error.message);
            }
        }
    }

    async fn summary(&self, config: &Config, report: &Report) -> Result<Value> {
        notify(&self.env, config, report, self.origin(None)).await
    }

    /// What a message says of where its run was; `execution` is that of a run without a report.
    fn origin<'o>(&'o self, execution: Option<&'o str>) -> Origin<'o> {
        Origin { deployment: &self.deployment, again: "start", execution }
    }

    async fn record(&self, run_id: &str) -> Result<Option<RunRecord>> {
        read_json(self.env.store(), &keys::of_run(run_id, "run.json")).await
    }

    async fn report(&self, run_id: &str) -> Result<Option<Report>> {
        read_json(self.env.store(), &keys::of_run(run_id, "report.json")).await
    }

    async fn request(&self, run_id: &str) -> Result<RunRequest> {
        let record = self.record(run_id).await?;
        record
            .map(|record| record.request)
            .ok_or_else(|| Error::new(Kind::BadRequest, run_id, "is not prepared").hint("start it with prepare"))
    }
}

/// The most characters of a key in the log: all that a key may have.
/// Source: the S3 user guide, "Naming objects": 1,024 bytes.
const KEY_CHARS: usize = 1024;

/// The request of a run of which nothing is stored but its name.
fn bare(run_id: &str) -> Result<RunRequest> {
    let export = export_of_run(run_id).ok_or_else(|| Error::new(Kind::BadRequest, run_id, "is not the id of a run"))?;
    Ok(RunRequest::new(run_id, export, Trigger::OnDemand))
}

/// An answer that says as well how the workflow goes on.
fn with_status(status: &str, mut answer: Value) -> Value {
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("status".into(), status.into());
    }
    answer
}

fn answer(value: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|cause| Error::new(Kind::Bug, "answer", "cannot be written").with_source(cause))
}

#[cfg(all(test, feature = "sandbox"))]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]
mod tests;
