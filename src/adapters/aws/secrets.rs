//! Secrets Manager: a connection's key and state key, as JSON, kept for a few minutes. The state key is also in a secret of
//! its own, for who plans and must not read the API key.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_config::SdkConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::types::Tag;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::failed;
use crate::error::{Error, Kind, Result};
use crate::ports::{Freshness, SecretSource, Secrets};

/// Seconds that a secret is kept. Source: the default of AWS's own caching extension.
const KEPT_SECONDS: i64 = 300;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    api_key: SecretString,
    state_key: SecretString,
}

#[derive(Debug)]
pub struct SecretsManager {
    client: Client,
    deployment: String,
    kept: Mutex<HashMap<String, (Timestamp, Secrets)>>,
}

impl SecretsManager {
    /// The secrets of this deployment, in this account and region.
    pub fn new(config: &SdkConfig, deployment: &str) -> Self {
        Self { client: Client::new(config), deployment: deployment.to_owned(), kept: Mutex::default() }
    }

    /// The name under which a configured secret is stored.
    pub fn name_of(&self, secret: &str) -> String {
        name_in(&self.deployment, secret)
    }

    /// The secret's text; none where there is no secret, or one without a value.
    async fn text(&self, connection: &str, secret: &str) -> Result<Option<SecretString>> {
        match self.client.get_secret_value().secret_id(self.name_of(secret)).send().await {
            Ok(answer) => Ok(Some(answer.secret_string().unwrap_or_default().to_owned().into())),
            Err(cause) if is_absent(&cause) => Ok(None),
            Err(cause) => Err(failed(connection, "read from Secrets Manager", &cause)),
        }
    }

    /// The state key beside the API key, where there is one: it must stay, or the state cannot be compared any more.
    async fn key_beside(&self, connection: &str, secret: &str) -> Result<Option<SecretString>> {
        let text = self.text(connection, secret).await?;
        Ok(text.and_then(|text| state_key(text.expose_secret())))
    }

    /// The state key in the secret of its own. A deployment or a role from before it has none.
    async fn key_alone(&self, connection: &str, secret: &str) -> Result<Option<SecretString>> {
        match self.text(connection, &own_secret(secret)).await {
            Ok(text) => Ok(text.filter(|key| is_long_enough(key.expose_secret()))),
            Err(Error { kind: Kind::Access, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The state key that is stored, where there is one. What the runs use comes first.
    ///
    /// # Errors
    /// Kind `access`, `unavailable`.
    pub async fn stored_state_key(&self, connection: &str, secret: &str) -> Result<Option<SecretString>> {
        match self.key_beside(connection, secret).await? {
            Some(key) => Ok(Some(key)),
            None => self.key_alone(connection, secret).await,
        }
    }

    /// Stores a connection's secrets; makes a secret where there is none.
    ///
    /// # Errors
    /// Kind `access`, `unavailable`.
    pub async fn store(&self, connection: &str, secret: &str, secrets: &Secrets) -> Result<()> {
        let text = serde_json::json!({
            "api_key": secrets.api_key.expose_secret(),
            "state_key": secrets.state_key.expose_secret(),
        })
        .to_string();
        self.put(connection, secret, &text, "The account's API key, and the key of this program's state").await?;
        self.keep(secret, secrets);
        Ok(())
    }

    /// Stores the state key in the secret of its own.
    ///
    /// # Errors
    /// Kind `access`, `unavailable`.
    pub async fn store_state_key(&self, connection: &str, secret: &str, key: &SecretString) -> Result<()> {
        self.put(connection, &own_secret(secret), key.expose_secret(), "The key of this program's state").await
    }

    async fn put(&self, connection: &str, secret: &str, text: &str, description: &str) -> Result<()> {
        let name = self.name_of(secret);
        match self.client.put_secret_value().secret_id(&name).secret_string(text).send().await {
            Ok(_) => Ok(()),
            Err(cause) if is_absent(&cause) => {
                // As the deployment tags what it makes: it takes over no secret but its own.
                let tag = Tag::builder().key("application").value(&self.deployment).build();
                let create = self.client.create_secret().name(name).secret_string(text).description(description);
                create.tags(tag).send().await.map(drop).map_err(|cause| failed(connection, "stored", &cause))
            }
            Err(cause) => Err(failed(connection, "stored", &cause)),
        }
    }

    fn keep(&self, secret: &str, secrets: &Secrets) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(secret.to_owned(), (Timestamp::now(), secrets.clone()));
    }

    fn kept(&self, secret: &str) -> Option<Secrets> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, secrets) = kept.get(secret)?;
        let age = Timestamp::now().duration_since(*at).as_secs();
        (0..KEPT_SECONDS).contains(&age).then(|| secrets.clone())
    }
}

/// The program's name at the beginning of a secret's name stands for the deployment's: so deployments of one configuration
/// have each their own.
fn name_in(deployment: &str, secret: &str) -> String {
    match secret.strip_prefix("autopilot-export/") {
        Some(rest) => format!("{deployment}/{rest}"),
        None => secret.to_owned(),
    }
}

/// The secret of the state key alone.
fn own_secret(secret: &str) -> String {
    format!("{secret}/state-key")
}

/// Whether a state key can be one: `connect` makes 64 digits.
fn is_long_enough(key: &str) -> bool {
    key.len() >= 32
}

fn is_absent<E: ProvideErrorMetadata>(cause: &SdkError<E>) -> bool {
    cause.as_service_error().and_then(|error| error.code()) == Some("ResourceNotFoundException")
}

/// The state key in a secret's text, whatever else may be amiss with it.
fn state_key(text: &str) -> Option<SecretString> {
    let stored: serde_json::Value = serde_json::from_str(text).ok()?;
    let key = stored.get("state_key")?.as_str()?;
    is_long_enough(key).then(|| key.to_owned().into())
}

/// Reads a secret's text. The error repeats nothing of it.
fn read(connection: &str, text: &str) -> Result<Secrets> {
    let connect = format!("complete it with autopilot-export connect {connection}");
    let stored: Stored = serde_json::from_str(text).map_err(|_| {
        let what = "the secret is not JSON with api_key and state_key alone";
        Error::new(Kind::Config, connection, what).hint(connect.clone())
    })?;
    let Stored { api_key, state_key } = stored;
    if api_key.expose_secret().trim().is_empty() || !is_long_enough(state_key.expose_secret()) {
        let what = "the secret's api_key is empty or its state_key too short";
        return Err(Error::new(Kind::Config, connection, what).hint(connect));
    }
    Ok(Secrets { api_key, state_key })
}

impl SecretSource for SecretsManager {
    async fn secrets(&self, connection: &str, secret: &str, freshness: Freshness) -> Result<Secrets> {
        if freshness == Freshness::MayBeKept
            && let Some(kept) = self.kept(secret)
        {
            return Ok(kept);
        }
        let text = self.text(connection, secret).await?.ok_or_else(|| {
            Error::new(Kind::Config, connection, "the key is not in Secrets Manager")
                .hint(format!("store it with autopilot-export connect {connection}"))
        })?;
        let secrets = read(connection, text.expose_secret())?;
        self.keep(secret, &secrets);
        Ok(secrets)
    }

    async fn state_key(&self, connection: &str, secret: &str) -> Result<Option<SecretString>> {
        match self.key_alone(connection, secret).await? {
            Some(key) => Ok(Some(key)),
            None => self.key_beside(connection, secret).await,
        }
    }

    async fn webhook(&self, secret: &str) -> Result<Option<SecretString>> {
        self.text("the webhook", secret).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn two_deployments_have_each_their_own_secrets() {
        assert_eq!(name_in("autopilot-export", "autopilot-export/eu"), "autopilot-export/eu");
        assert_eq!(name_in("trial", "autopilot-export/eu"), "trial/eu");
        assert_eq!(name_in("trial", "marketing/eu"), "marketing/eu", "what is named otherwise is shared on purpose");
    }

    #[test]
    fn an_incomplete_secret_is_refused_and_names_the_command() {
        let whole = format!(r#"{{"api_key":"k","state_key":"{}"}}"#, "0".repeat(64));
        assert_eq!(read("eu", &whole).unwrap().api_key.expose_secret(), "k");
        for text in ["abcdef0123456789", "", "{}", r#"{"api_key":"k"}"#, r#"{"api_key":"k","state_key":"abcdef01"}"#] {
            let error = read("eu", text).unwrap_err();
            assert_eq!(error.kind, Kind::Config);
            assert!(error.to_string().ends_with("complete it with autopilot-export connect eu"));
            assert!(!error.chain().contains("abcdef01"), "nothing of the secret");
        }
    }
}
