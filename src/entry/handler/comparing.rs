//! The step of a run that compares its export with the account.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Function;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::ports::Executions;
use crate::report::Outcome;
use crate::run::{Mode, RunRequest, run_id, time_of};
use crate::steps::environment::Environment;
use crate::steps::{Compared, compare, has_drop};

impl<W: Environment, X: Executions> Function<W, X> {
    /// Compares, until it is done or the call's time is up. Where differences are to be put right, a run of the newest drop is
    /// started once they are found.
    pub(super) async fn reconcile(&self, config: &Config, request: &RunRequest, until: Timestamp) -> Result<Value> {
        let repairs = request.reconcile.as_ref().is_some_and(|asked| asked.mode == Mode::Repair);
        let following = self.following(request);
        if repairs && !has_drop(&self.env, config, &following).await? {
            return Err(Error::new(Kind::BadRequest, &request.export, "no drop found to repair from")
                .hint("drop one, or compare without repair"));
        }
        let known = self.report(&request.run_id).await?.is_some();
        let report = match compare(&self.env, config, request, until).await? {
            Compared::Wait(seconds, why) => return Ok(json!({ "status": "wait", "seconds": seconds, "why": why })),
            Compared::Again => return Ok(json!({ "status": "again", "run_id": request.run_id })),
            Compared::Done(report) => report,
        };
        self.publish(&report, known);
        if repairs && report.outcome == Outcome::DifferencesFound {
            self.executions.start(&following.run_id, &following.execution_input()).await?;
            tracing::info!(run.id = following.run_id, "started a run");
        }
        self.summary_of_done(config, &report).await
    }

    /// The run that puts right what a comparison found; the same for the same comparison.
    fn following(&self, request: &RunRequest) -> RunRequest {
        let at = time_of(&request.run_id).unwrap_or_else(|| self.env.clock().now());
        let id = run_id(at, &request.export, &format!("repair/{}", request.run_id));
        RunRequest::new(id, &request.export, request.trigger)
    }
}
