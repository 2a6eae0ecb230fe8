//! The steps that end a run: finish, and what stands in for one that failed for good.

use serde_json::Value;

use super::{Function, bare, with_status};
use crate::config::Config;
use crate::error::Result;
use crate::ports::{Executions, Store};
use crate::report::{Confirmed, Report};
use crate::run::{RunRecord, RunRequest, keys};
use crate::steps::environment::Environment;
use crate::steps::{Failure, LookedBack, finish, look_back, notify, read_if_whole, read_json, release, with_lease};

/// How a run's last step came out.
enum Ended {
    /// Joiners are sent again, which look back took the verdicts from.
    LanesAgain,
    Finished {
        report: Box<Report>,
        was_known: bool,
    },
}

impl<W: Environment, X: Executions> Function<W, X> {
    /// Ends a run, unless its lanes are to be called once more.
    pub(super) async fn finish(
        &self,
        config: &Config,
        run_id: &str,
        failure: Option<Failure>,
        run: Option<RunRequest>,
    ) -> Result<Value> {
        let request = match (self.record(run_id).await?, run) {
            (Some(record), _) => record.request,
            (None, Some(run)) if run.run_id == run_id => run,
            (None, _) => bare(run_id)?,
        };
        // The lease is kept over all of it: a slow store may take long for each of these.
        let ending = with_lease(&self.env, config, &request, self.end(config, &request, failure));
        match ending.await? {
            // The lanes are still those that open assigned.
            Ended::LanesAgain => Ok(with_status("again", self.open(config, run_id).await?)),
            Ended::Finished { report, was_known } => {
                self.publish(&report, was_known);
                self.summary(config, &report).await
            }
        }
    }

    async fn end(&self, config: &Config, request: &RunRequest, failure: Option<Failure>) -> Result<Ended> {
        let run_id = request.run_id.as_str();
        let mut failure = match failure {
            None => self.lanes_failure(run_id).await?,
            known => known,
        };
        if failure.is_none() {
            match look_back(&self.env, config, request).await? {
                LookedBack::Well => {}
                LookedBack::Again(_) => return Ok(Ended::LanesAgain),
                LookedBack::Failed(error) => failure = Some(Failure::of(&error)),
            }
        }
        let was_known = self.report(run_id).await?.is_some();
        let report = finish(&self.env, config, request, failure).await?;
        Ok(Ended::Finished { report: Box::new(report), was_known })
    }

    /// Gives up a run whose finish failed for good: the connection is free, and people are notified. The next run of the export
    /// finishes this one first.
    pub(super) async fn give_up(
        &self,
        config: &Config,
        run_id: &str,
        failure: Failure,
        execution: &str,
    ) -> Result<Value> {
        let store = self.env.store();
        if let Some(report) = read_if_whole(store, &keys::of_run(run_id, "report.json")).await? {
            return self.summary(config, &report).await;
        }
        let request = bare(run_id)?;
        let connection =
            config.exports.get(&request.export).map(|export| export.connection.as_str()).unwrap_or_default();
        let now = self.env.clock().now();
        let record = RunRecord::begin(&request, connection, String::new(), Vec::new(), Vec::new(), now);
        let report = Report::of(&record, Confirmed::default(), Some(failure.into()), now);
        self.publish(&report, false);
        let summary = notify(&self.env, config, &report, self.origin(Some(execution))).await?;
        if !connection.is_empty() {
            release(&self.env, connection, run_id).await?;
        }
        Ok(summary)
    }

    /// Why a lane failed, of the first that did.
    async fn lanes_failure(&self, run_id: &str) -> Result<Option<Failure>> {
        let store = self.env.store();
        for meta in store.list(&keys::failed_lanes(run_id)).await? {
            if let Some(failure) = read_json(store, &meta.key).await? {
                return Ok(Some(failure));
            }
        }
        Ok(None)
    }
}
