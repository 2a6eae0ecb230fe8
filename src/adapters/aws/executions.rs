//! Step Functions: one execution for one run, named by the run's id.

use aws_config::SdkConfig;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_sfn::Client;

use super::failed;
use crate::error::Result;
use crate::ports::Executions;

/// The workflow on AWS.
#[derive(Clone, Debug)]
pub struct StateMachine {
    client: Client,
    arn: String,
}

impl StateMachine {
    /// The workflow of this ARN.
    pub fn new(config: &SdkConfig, arn: impl Into<String>) -> Self {
        Self { client: Client::new(config), arn: arn.into() }
    }

    /// The ARN of a run's execution.
    fn execution(&self, run_id: &str) -> String {
        format!("{}:{run_id}", self.arn.replacen(":stateMachine:", ":execution:", 1))
    }
}

impl Executions for StateMachine {
    async fn start(&self, run_id: &str, input: &str) -> Result<String> {
        let start = self.client.start_execution().state_machine_arn(&self.arn).name(run_id).input(input);
        match start.send().await {
            Ok(answer) => Ok(answer.execution_arn().to_owned()),
            // A name is good for one execution in 90 days: the same run was started before.
            Err(cause) if cause.as_service_error().and_then(|e| e.code()) == Some("ExecutionAlreadyExists") => {
                Ok(self.execution(run_id))
            }
            Err(cause) => Err(failed(run_id, "started", &cause)),
        }
    }

    async fn is_known(&self, run_id: &str) -> Result<bool> {
        match self.client.describe_execution().execution_arn(self.execution(run_id)).send().await {
            Ok(_) => Ok(true),
            Err(cause) if cause.as_service_error().and_then(|e| e.code()) == Some("ExecutionDoesNotExist") => Ok(false),
            Err(cause) => Err(failed(run_id, "looked up", &cause)),
        }
    }
}
