//! The commands for AWS: a bucket as the store, the key in Secrets Manager, runs as executions.

use super::address::base_url;
use super::args::{Command, Common};
use super::command::{self, Code};
use super::environment::Adapters;
use super::show::{Silent, say};
use crate::adapters::aws::{Bucket, S3Leases, SecretsManager, StateMachine, s3, sdk_config};
use crate::adapters::http::HttpClient;
use crate::adapters::local::{FileLeases, Folder, GivenSecrets, WithFiles, new_state_key};
use crate::config::{Config, Connection};
use crate::error::{Error, Kind, Result};
use crate::ports::{Clock, Executions, Leases, Secrets, Store};
use crate::steps::Cancellation;

/// How a bucket is named as the store.
const BUCKET: &str = "s3://";

/// Whether a command is for AWS.
pub fn is_meant(common: &Common, command: &Command) -> bool {
    common.store.starts_with(BUCKET) || matches!(command, Command::Start(_))
}

/// Carries a command out.
///
/// # Errors
/// Those of the command.
pub async fn carry_out(common: &Common, command: Command, config: &Config, stop: &Cancellation) -> Code {
    match command {
        Command::Connect { connection } => connect(common, config, &connection).await,
        Command::Start(args) => {
            let executions = StateMachine::new(&sdk_config().await?, &args.workflow);
            command::start(&executions, common, &args, config).await
        }
        command => in_bucket(common, command, config, stop).await,
    }
}

async fn in_bucket(common: &Common, command: Command, config: &Config, stop: &Cancellation) -> Code {
    let sdk = sdk_config().await?;
    let store = Bucket::new(s3(&sdk), bucket(common));
    let env = Adapters {
        leases: S3Leases::of_process(store.clone()),
        store: WithFiles(store),
        secrets: SecretsManager::new(&sdk, &common.deployment),
        http: HttpClient::default(),
        clock: Clock::System,
        observer: command::observer(&command, common, config),
    };
    match command {
        Command::Stop { run, workflow } => {
            let workflow = workflow.map(|arn| StateMachine::new(&sdk, arn));
            let is_known = async || match &workflow {
                Some(workflow) => workflow.is_known(&run).await,
                None => Ok(false),
            };
            command::stop(&env, &run, is_known).await
        }
        command => command::carry_out(&env, common, command, config, stop).await,
    }
}

fn bucket(common: &Common) -> &str {
    common.store.trim_start_matches(BUCKET).trim_end_matches('/')
}

async fn verify(
    leases: impl Leases,
    store: impl Store,
    config: &Config,
    secrets: &Secrets,
    connection: &Connection,
) -> Result<()> {
    let env = Adapters {
        leases,
        store,
        secrets: GivenSecrets(secrets.clone()),
        http: HttpClient::default(),
        clock: Clock::System,
        observer: Box::new(Silent),
    };
    command::verify(&env, config, connection).await
}

/// Asks for a key, verifies it, and stores it beside the state key, which stays where there is one.
async fn connect(common: &Common, config: &Config, name: &str) -> Code {
    let mut connection = command::connection(config, name)?.clone();
    // As the function does: tests, and a sandbox.
    if let Some(url) = base_url(connection.api)? {
        connection.base_url = Some(url);
    }
    let sdk = sdk_config().await?;
    let vault = SecretsManager::new(&sdk, &common.deployment);
    let state_key = match vault.stored_state_key(name, &connection.secret).await? {
        Some(key) => key,
        None => new_state_key()?.into(),
    };
    let secrets = Secrets { api_key: command::ask_key(&connection.title())?, state_key };
    let store = Bucket::new(s3(&sdk), bucket(common));
    if store.is_there().await? {
        verify(S3Leases::of_process(store.clone()), store, config, &secrets, &connection).await?;
    } else {
        // Before the first deployment nothing else uses the connection.
        say(&format!("note: {} is not there yet", common.store));
        let own = tempfile::tempdir().map_err(|cause| {
            Error::new(Kind::Unavailable, "a temporary folder", "cannot be made").with_source(cause)
        })?;
        verify(FileLeases::new(own.path()), Folder::new(own.path()), config, &secrets, &connection).await?;
    }
    vault.store(name, &connection.secret, &secrets).await?;
    let title = connection.title();
    say(&format!(
        "{title} is connected: the key opens the account, and is stored as {}",
        vault.name_of(&connection.secret)
    ));
    // A deployment from before has no secret for it, and its roles may not make one.
    if let Err(error) = vault.store_state_key(name, &connection.secret, &secrets.state_key).await {
        say(&format!("note: only who may read the API key can plan: {}", error.at("connect").chain()));
    }
    Ok(0)
}
