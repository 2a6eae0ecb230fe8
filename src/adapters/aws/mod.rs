//! A bucket, lease objects in it, Secrets Manager and Step Functions. Adapters decide nothing.

mod executions;
mod leases;
mod secrets;
mod store;
#[cfg(test)]
mod tests;
mod whole;

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{ProvideCredentials, SharedHttpClient};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use crate::error::{Error, Kind, Result};

pub use executions::StateMachine;
pub use leases::S3Leases;
pub use secrets::SecretsManager;
pub use store::{Bucket, ObjectReader};

/// Tries of one call, the first included.
const TRIES: u32 = 5;

fn http() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

fn tries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(TRIES)
}

/// What the clients share: region, credentials and endpoint from the environment or the profile, one HTTP client.
///
/// # Errors
/// Kind `config`, where there is no region, or there are no credentials.
pub async fn sdk_config() -> Result<SdkConfig> {
    let timeouts =
        TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).read_timeout(Duration::from_secs(20)).build();
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http())
        .retry_config(tries())
        .timeout_config(timeouts)
        .load()
        .await;
    if config.region().is_none() {
        return Err(Error::new(Kind::Config, "AWS", "no region is set")
            .hint("set AWS_REGION, or AWS_PROFILE to a profile that has one"));
    }
    let provider = config.credentials_provider();
    let found = match &provider {
        Some(provider) => provider.provide_credentials().await.is_ok(),
        None => false,
    };
    if !found {
        return Err(Error::new(Kind::Config, "AWS", "no credentials were found, or they have expired")
            .hint("log in, or set AWS_PROFILE to a profile that has some"));
    }
    Ok(config)
}

/// A client for S3. Emulators know buckets by path only.
pub fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    let is_emulator = config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL").is_some();
    let config = aws_sdk_s3::config::Builder::from(config).force_path_style(is_emulator).build();
    aws_sdk_s3::Client::from_conf(config)
}

/// Codes that say that the caller may not do this.
const DENIED: [&str; 11] = [
    "AccessDenied",
    "AccessDeniedException",
    "AllAccessDisabled",
    "DecryptionFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "KMS.AccessDeniedException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];
/// Codes that say that a name is wrong.
const ABSENT: [&str; 4] = ["NoSuchBucket", "StateMachineDoesNotExist", "InvalidArn", "InvalidName"];

fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// The error of a call to AWS, with AWS's own code and message and never a body.
fn failed<E>(subject: &str, what: &str, cause: &SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let code = cause.as_service_error().and_then(|error| error.code()).unwrap_or_default();
    let denied = DENIED.contains(&code) || status(cause) == Some(403);
    let error = |kind| Error::new(kind, subject, format!("cannot be {what}")).with_source(words(code, cause));
    if denied {
        error(Kind::Access).hint("check the credentials, and what their role may do")
    } else if ABSENT.contains(&code) {
        error(Kind::Config).hint("check its name, the account and the region")
    } else {
        error(Kind::Unavailable)
    }
}

/// What went wrong, in a few words.
fn words<E>(code: &str, cause: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    if let Some(error) = cause.as_service_error() {
        return match (code, error.message(), status(cause)) {
            ("", _, Some(status)) => format!("AWS answered {status}"),
            (code, Some(message), _) => format!("{code}: {message}"),
            (code, None, _) => code.to_owned(),
        };
    }
    // The last of the chain is the plainest: "connection refused", "no credentials".
    let mut last: &dyn std::error::Error = cause;
    while let Some(next) = last.source() {
        last = next;
    }
    format!("{cause}: {last}")
}
