//! Runs on AWS: one execution of the workflow each.

use std::future::Future;

use crate::error::Result;

/// The workflow that carries runs out.
pub trait Executions: Send + Sync {
    /// Starts an execution named by the run's id with `input` as its JSON, and gives its full name. An execution of that
    /// name that was started before counts as started.
    fn start(&self, run_id: &str, input: &str) -> impl Future<Output = Result<String>> + Send;

    /// Whether there is an execution of that name.
    fn is_known(&self, run_id: &str) -> impl Future<Output = Result<bool>> + Send;
}
