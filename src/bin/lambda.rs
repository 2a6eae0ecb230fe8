//! `autopilot-export-lambda`: chooses adapters, answers the function's events.

use autopilot_export::adapters::aws::{Bucket, S3Leases, SecretsManager, StateMachine, s3, sdk_config};
use autopilot_export::adapters::http::HttpClient;
use autopilot_export::entry::environment::Adapters;
use autopilot_export::entry::handler::{Function, Invocation, Logged, base_urls};
use autopilot_export::entry::panics;
use autopilot_export::error::{Error, Kind};
use autopilot_export::ports::Clock;
use jiff::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use tokio::sync::OnceCell;
use tracing_subscriber::EnvFilter;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // The runtime would log each error once more, without its kind; a panic prints its own message.
    let filter = filter.add_directive("lambda_runtime::layers::panic=off".parse()?);
    tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).with_ansi(false).init();
    panics::are_reported_by_place(None);
    // Made with the first event: a function that is started ahead of need costs next to nothing.
    let function = &OnceCell::new();
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        Clock::read_again();
        let (event, context) = event.into_parts();
        let until = Timestamp::try_from(context.deadline()).unwrap_or_else(|_| Timestamp::now());
        let invocation = Invocation { request_id: context.request_id, until };
        let function = function.get_or_try_init(on_aws).await.map_err(|error| diagnostic(&error.at("function")))?;
        function.answer(event, &invocation).await.map_err(|error| diagnostic(&error))
    }))
    .await
}

type Environment = Adapters<Bucket, S3Leases, SecretsManager, HttpClient>;

/// The function with its adapters.
async fn on_aws() -> Result<Function<Environment, StateMachine>, Error> {
    let bucket = set("AUTOPILOT_EXPORT_BUCKET")?;
    let workflow = set("AUTOPILOT_EXPORT_WORKFLOW_ARN")?;
    // Set by Lambda itself.
    let deployment = set("AWS_LAMBDA_FUNCTION_NAME")?;
    let sdk = sdk_config().await?;
    let store = Bucket::new(s3(&sdk), bucket.as_str());
    Ok(Function {
        env: Adapters {
            leases: S3Leases::new(store.clone()),
            store,
            secrets: SecretsManager::new(&sdk, &deployment),
            http: HttpClient::default(),
            clock: Clock::System,
            observer: Box::new(Logged),
        },
        executions: StateMachine::new(&sdk, workflow),
        deployment,
        bucket,
        base_urls: base_urls()?,
    })
}

/// An error as Lambda reports it: the workflow matches on its type.
fn diagnostic(error: &Error) -> Diagnostic {
    let message = error.chain();
    tracing::error!(error.kind = error.kind.name(), "{message}");
    Diagnostic { error_type: error.kind.name().into(), error_message: message }
}

fn set(name: &'static str) -> Result<String, Error> {
    let error = || Error::new(Kind::Config, name, "is not set").hint("deploy with infra/");
    std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or_else(error)
}
