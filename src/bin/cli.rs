//! `autopilot-export`: chooses adapters, carries the command out.

use std::process::ExitCode;

use autopilot_export::adapters::autopilot::Client;
use autopilot_export::adapters::aws::{Bucket, S3Leases, SecretsManager, StateMachine, s3, sdk_config};
use autopilot_export::adapters::local::{FileLeases, Folder, GivenSecrets, LocalSecrets, WithFiles, new_state_key};
use autopilot_export::config::Config;
use autopilot_export::entry::args::{Args, Command, Common};
use autopilot_export::entry::command::{self, Code};
use autopilot_export::entry::outside::Outside;
use autopilot_export::entry::show::{Shown, Silent};
use autopilot_export::error::{Error, Kind};
use autopilot_export::ports::{Clock, Secrets, Watcher};
use autopilot_export::steps::Stop;
use clap::Parser;
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;

// One thread: what wakes up for a slot is what sends in it.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    log(args.common.verbose);
    let stop = Stop::default();
    on_signal(stop.clone());
    let code = carry_out(args, &stop).await;
    ExitCode::from(code.unwrap_or_else(|error| {
        command::print_error(&error);
        error.kind.exit_code()
    }))
}

async fn carry_out(args: Args, stop: &Stop) -> Code {
    let Args { common, command } = args;
    match command {
        Command::Schema => return command::print_schema(),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(sandbox) => return command::serve_sandbox(&sandbox, stop).await,
        _ => {}
    }
    let config = match command::config(&common.config) {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    match command {
        Command::Connect { connection } => connect(&common, &config, &connection).await,
        Command::Start(args) => {
            let executions = StateMachine::new(&sdk_config().await, &args.workflow);
            command::start(&executions, &common, &args, &config).await
        }
        Command::Stop { run, workflow } => command::stop(&StateMachine::new(&sdk_config().await, workflow), &run).await,
        command => match common.store.strip_prefix("s3://") {
            Some(bucket) => in_bucket(bucket.trim_end_matches('/'), &common, command, &config, stop).await,
            None => in_folder(&common, command, &config, stop).await,
        },
    }
}

async fn in_bucket(bucket: &str, common: &Common, command: Command, config: &Config, stop: &Stop) -> Code {
    let sdk = sdk_config().await;
    let store = Bucket::new(s3(&sdk), bucket);
    let world = Outside {
        leases: S3Leases::new(store.clone()),
        store: WithFiles(store),
        secrets: SecretsManager::new(&sdk),
        autopilot: Client::new()?,
        clock: Clock::System,
        watcher: watcher(&command),
    };
    command::carry_out(&world, common, command, config, stop).await
}

async fn in_folder(common: &Common, command: Command, config: &Config, stop: &Stop) -> Code {
    let world = Outside {
        store: WithFiles(Folder::new(&common.store)),
        leases: FileLeases::new(&common.store),
        secrets: LocalSecrets::new(api_key(common)?, &common.store),
        autopilot: Client::new()?,
        clock: Clock::System,
        watcher: watcher(&command),
    };
    command::carry_out(&world, common, command, config, stop).await
}

/// Asks for a key, verifies it, and stores it beside the state key, which stays where there is one.
async fn connect(common: &Common, config: &Config, name: &str) -> Code {
    let mut connection = command::connection(config, name)?.clone();
    // As the function does: tests, and a sandbox.
    if let Ok(url) = std::env::var("AUTOPILOT_BASE_URL") {
        connection.base_url = Some(url);
    }
    if !common.store.starts_with("s3://") {
        return Err(command::on_aws_only());
    }
    let vault = SecretsManager::new(&sdk_config().await);
    let state_key = match vault.state_key(name, &connection.secret).await? {
        Some(key) => key,
        None => new_state_key()?.into(),
    };
    let secrets = Secrets { api_key: command::ask_key(name)?, state_key };
    let world = Outside {
        store: Folder::new(&common.store),
        leases: FileLeases::new(&common.store),
        secrets: GivenSecrets(secrets.clone()),
        autopilot: Client::new()?,
        clock: Clock::System,
        watcher: Box::new(Silent),
    };
    command::verify(&world, &connection).await?;
    vault.store(name, &connection.secret, &secrets).await?;
    eprintln!("{name} is connected: the key opens the account, and is stored as {}", connection.secret);
    Ok(0)
}

fn watcher(command: &Command) -> Box<dyn Watcher> {
    match command {
        Command::Run(_) | Command::Retry { .. } => Box::new(Shown::new()),
        _ => Box::new(Silent),
    }
}

/// The key from its file, else from the environment.
fn api_key(common: &Common) -> Result<Option<SecretString>, Error> {
    let given = match &common.api_key_file {
        Some(file) => Some(std::fs::read_to_string(file).map_err(|cause| {
            Error::new(Kind::Config, "secrets", file.display().to_string(), "cannot be read")
                .to_do("name a file that holds the key")
                .because(cause)
        })?),
        None => std::env::var("AUTOPILOT_API_KEY").ok(),
    };
    Ok(given.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty()).map(SecretString::from))
}

/// The first signal asks to stop, the second stops.
fn on_signal(stop: Stop) {
    tokio::spawn(async move {
        signal().await;
        eprintln!("stopping: what was confirmed is being saved; once more stops at once");
        stop.wish();
        signal().await;
        std::process::exit(i32::from(Kind::Interrupted.exit_code()));
    });
}

async fn signal() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut terminate) => terminate.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate => {}
    }
}

fn log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "autopilot_export=info",
        2 => "autopilot_export=debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
