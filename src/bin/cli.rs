//! `autopilot-export`: chooses adapters, carries the command out.

use std::path::Path;
use std::process::ExitCode;

use autopilot_export::adapters::http::HttpClient;
use autopilot_export::adapters::local::{FileLeases, Folder, LocalSecrets, WithFiles};
use autopilot_export::config::Config;
use autopilot_export::entry::args::{Args, Command, Common};
use autopilot_export::entry::command::{self, Code};
use autopilot_export::entry::environment::Adapters;
#[cfg(feature = "aws")]
use autopilot_export::entry::on_aws;
use autopilot_export::entry::panics;
use autopilot_export::entry::show::say;
use autopilot_export::error::{AtStage, Error, Kind};
use autopilot_export::ports::Clock;
use autopilot_export::steps::Cancellation;
use clap::Parser;
use secrecy::SecretString;
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    panics::are_reported_by_place(Some(Kind::Bug.exit_code()));
    log(args.common.verbose);
    let command = args.command.name();
    let code = runtime(&args.command).and_then(|runtime| runtime.block_on(until_stopped(args))).at(command);
    ExitCode::from(code.unwrap_or_else(|error| {
        command::print_error(&error);
        error.kind.exit_code()
    }))
}

/// Carries a command out, unless somebody stops it.
async fn until_stopped(args: Args) -> Code {
    let stop = Cancellation::default();
    match &args.command {
        // While it asks for a key, a signal ends it at once, as the terminal must be put right by the shell.
        Command::Connect { .. } => return carry_out(args, &stop).await,
        Command::Run { .. } | Command::Retry { .. } | Command::Try { .. } => {
            on_signal(stop.clone(), "what was confirmed is being saved")
        }
        #[cfg(feature = "sandbox")]
        Command::Sandbox(_) => on_signal(stop.clone(), "the sandbox forgets everything"),
        Command::Watch { .. } => on_signal(stop.clone(), "the run goes on"),
        // Nothing is under way that could be left half done.
        _ => {
            on_signal(stop.clone(), "nothing is under way that must be saved");
            return tokio::select! {
                code = carry_out(args, &stop) => code,
                () = stop.cancelled() => Ok(Kind::Interrupted.exit_code()),
            };
        }
    }
    carry_out(args, &stop).await
}

/// Threads for work on files; each costs memory.
const FILES_AT_ONCE: usize = 4;

/// One thread: what wakes up for a slot is what sends in it. The sandbox takes requests in while it works on others.
fn runtime(command: &Command) -> Result<Runtime, Error> {
    let mut builder = match command {
        #[cfg(feature = "sandbox")]
        Command::Sandbox(_) => Builder::new_multi_thread(),
        _ => Builder::new_current_thread(),
    };
    let runtime = builder.enable_all().max_blocking_threads(FILES_AT_ONCE).build();
    runtime.map_err(|cause| Error::new(Kind::Bug, "runtime", "cannot be started").with_source(cause))
}

async fn carry_out(args: Args, stop: &Cancellation) -> Code {
    let Args { common, command } = args;
    match &command {
        Command::Schema => return command::print_schema(),
        Command::Init(args) => return command::init(&common, args),
        Command::Completions { shell } => return command::completions(*shell),
        Command::Man { command, out } => return command::man(command.as_deref(), out.as_deref()),
        Command::Explain { code, markdown } => return command::explain(&common, code.as_deref(), *markdown),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(sandbox) => return command::serve_sandbox(sandbox, stop).await,
        _ => {}
    }
    let config = match &command {
        // What is in the store does not depend on the configuration.
        Command::Runs { clean: false, .. } | Command::Report { .. } | Command::Watch { .. } | Command::Stop { .. } => {
            Config::default()
        }
        _ => match command::config(&common.config) {
            Ok(config) => config,
            Err(code) => return Ok(code),
        },
    };
    if matches!(command, Command::Check { offline: true }) {
        return command::check_offline(&common, &config, Clock::System.now());
    }
    #[cfg(feature = "aws")]
    if on_aws::is_meant(&common, &command) {
        return on_aws::carry_out(&common, command, &config, stop).await;
    }
    #[cfg(not(feature = "aws"))]
    if common.store.starts_with("s3://") {
        return Err(Error::new(Kind::Config, "--store", "names a bucket, and this program knows no AWS")
            .hint("build it with the default features"));
    }
    let env = Adapters {
        store: WithFiles(Folder::new(&common.store)),
        leases: FileLeases::new(&common.store),
        secrets: LocalSecrets::new(api_key(&common)?, &common.store)
            .with_key_file(common.api_key_file.clone())
            .with_webhook(webhook(&common)?),
        http: HttpClient::default(),
        clock: Clock::System,
        observer: command::observer(&command, &common, &config),
    };
    command::carry_out(&env, &common, command, &config, stop).await
}

/// The key from its file, else from the environment.
fn api_key(common: &Common) -> Result<Option<SecretString>, Error> {
    let given = given(common.api_key_file.as_deref(), "AUTOPILOT_API_KEY", "the key")?;
    if given.as_ref().is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err(Error::new(Kind::Config, "the API key", "holds more than a key")
            .hint("let the file or the variable hold the key alone, on one line"));
    }
    Ok(given.map(SecretString::from))
}

/// The address of a webhook from its file, else from the environment.
fn webhook(common: &Common) -> Result<Option<SecretString>, Error> {
    let given = given(common.webhook_file.as_deref(), "AUTOPILOT_EXPORT_WEBHOOK", "the address")?;
    Ok(given.map(SecretString::from))
}

/// A secret from a file, else from the environment.
fn given(file: Option<&Path>, variable: &str, what: &str) -> Result<Option<String>, Error> {
    let given = match file {
        Some(file) => Some({
            #[cfg(unix)]
            say_if_readable(file, what);
            std::fs::read_to_string(file).map_err(|cause| {
                Error::new(Kind::Config, file.display().to_string(), "cannot be read")
                    .hint(format!("name a file that holds {what}"))
                    .with_source(cause)
            })?
        }),
        None => std::env::var(variable).ok(),
    };
    Ok(given.map(|text| text.trim_start_matches('\u{feff}').trim().to_owned()).filter(|text| !text.is_empty()))
}

/// Says where others than the user may read a secret's file.
#[cfg(unix)]
fn say_if_readable(file: &Path, what: &str) {
    use std::os::unix::fs::PermissionsExt;
    // A pipe, as of `<(...)`, is nobody else's.
    let Some(data) = std::fs::metadata(file).ok().filter(std::fs::Metadata::is_file) else { return };
    if data.permissions().mode() & 0o077 != 0 {
        let file = file.display();
        say(&format!("note: {file} holds {what} and others may read it; chmod 600 makes it this user's alone"));
    }
}

/// The first signal asks to stop, the second stops.
fn on_signal(stop: Cancellation, what_follows: &'static str) {
    tokio::spawn(async move {
        signal().await;
        say(&format!("stopping: {what_follows}; once more stops at once"));
        stop.cancel();
        signal().await;
        std::process::exit(i32::from(Kind::Interrupted.exit_code()));
    });
}

async fn signal() {
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    #[cfg(unix)]
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
        1 => "autopilot_export=debug",
        2 => "autopilot_export=trace",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    // The reader may have gone away: what cannot be logged is not worth a panic.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.log_internal_errors(false).init();
}
