//! What each command does; every one ends in an exit code.

mod check;
mod code;
mod connect;
mod executions;
mod explain;
mod forecast;
mod history;
mod init;
mod leaning;
mod migrate;
mod offline;
mod person;
mod plan;
mod print;
mod reconcile;
mod request;
mod retry;
mod run;
#[cfg(feature = "sandbox")]
mod sandbox;
mod shell;
mod status;
mod stop;
mod try_one;
mod watch;

use std::path::Path;

use super::args::{Command, Common};
use super::show::{Shown, Silent, say};
use crate::adapters::local::FILE;
use crate::config::{Config, export_of, parse, schema};
use crate::error::{Error, Kind};
use crate::ports::Observer;
use crate::steps::Cancellation;
use crate::steps::environment::Environment;

use history::View;

pub use code::Code;
pub use connect::{ask_key, connection, verify};
pub use executions::start;
pub use explain::explain;
pub use init::init;
pub use offline::check as check_offline;
pub use print::error as print_error;
#[cfg(feature = "sandbox")]
pub use sandbox::serve as serve_sandbox;
pub use shell::{completions, man};
pub use stop::stop;

/// Reads the configuration.
///
/// # Errors
/// The exit code, after every fault was printed.
pub fn config(path: &Path) -> Result<Config, u8> {
    let text = std::fs::read_to_string(path).map_err(|cause| {
        let error = Error::new(Kind::Config, path.display().to_string(), "cannot be read")
            .hint("name the configuration with --config FILE")
            .with_source(cause)
            .at("config");
        print::error(&error);
        error.kind.exit_code()
    })?;
    let mut config = parse(&text).map_err(|faults| {
        faults.iter().for_each(|fault| say(&fault.to_string()));
        Kind::Config.exit_code()
    })?;
    let full = std::fs::canonicalize(path).ok();
    config.folder = full.as_deref().and_then(Path::parent).map(|folder| format!("{FILE}{}/", folder.display()));
    Ok(config)
}

/// Carries a command out, in the env that the caller has put together.
///
/// # Errors
/// What ends a command early; the caller prints it.
pub async fn carry_out<W: Environment>(
    env: &W,
    common: &Common,
    command: Command,
    config: &Config,
    stop: &Cancellation,
) -> Code {
    match command {
        Command::Run { args, allow_rejects, plan, limit } => {
            let how = run::RunOptions { allow_rejects, plan: plan.as_deref(), limit };
            run::run(env, common, &args, how, config, stop).await
        }
        Command::Try { args, email } => try_one::try_one(env, common, &args, &email, config, stop).await,
        Command::Plan(args) => plan::plan(env, common, &args, config).await,
        Command::Explain { code, markdown } => explain(common, code.as_deref(), markdown),
        Command::Retry { what, export, pass_guards } => {
            retry::retry(env, common, &what, export.as_deref(), pass_guards, config, stop).await
        }
        Command::Reconcile(args) => reconcile::reconcile(env, common, &args, config, stop).await,
        Command::Check { .. } => check::check(env, common, config).await,
        Command::Migrate(args) => migrate::migrate(env, common, &args, config).await,
        Command::Runs { html: true, .. } => {
            print::whole(&history::index(env).await?);
            Ok(0)
        }
        Command::Runs { export, clean: true, .. } => history::clean(env, config, export.as_deref()).await,
        Command::Runs { export, .. } => history::runs(env, common, export.as_deref()).await,
        Command::Report { run, export, html } => {
            let run = history::id_of(env, &run, export.as_deref()).await?;
            history::report(env, common, &run, if html { View::Page } else { View::Text }).await
        }
        Command::Person(args) => person::person(env, common, &args, config).await,
        Command::Erase(args) => person::erase(env, common, &args, config).await,
        Command::Status => status::status(env, common, config).await,
        Command::Completions { shell } => completions(shell),
        Command::Man { command, out } => man(command.as_deref(), out.as_deref()),
        Command::Watch { run } => watch::watch(env, common, &run, stop).await,
        Command::Schema => print_schema(),
        Command::Init(args) => init(common, &args),
        Command::Stop { run, .. } => stop::stop(env, &run, async || Ok(false)).await,
        Command::Connect { .. } | Command::Start(_) => Err(on_aws_only()),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => sandbox::serve(&args, stop).await,
    }
}

/// Who looks on as the command works.
pub fn observer(command: &Command, common: &Common, config: &Config) -> Box<dyn Observer> {
    let rate_of = |export: &str| export_of(config, export).ok().map(|(_, connection)| connection.requests_per_second);
    match command {
        _ if common.quiet => Box::new(Silent),
        Command::Run { args, .. } => Box::new(Shown::new(rate_of(&args.export))),
        Command::Reconcile(args) => Box::new(Shown::new(rate_of(&args.export))),
        Command::Retry { .. } => Box::new(Shown::new(None)),
        _ => Box::new(Silent),
    }
}

/// The error of a command that a folder has no use for.
pub fn on_aws_only() -> Error {
    Error::new(Kind::BadRequest, "connect and start", "only work with a bucket; name it with --store s3://BUCKET")
        .hint("on one machine use run, with the key from --api-key-file or the environment's AUTOPILOT_API_KEY")
}

/// Prints the JSON Schema of the configuration.
///
/// # Errors
/// Never in practice.
pub fn print_schema() -> Code {
    print::json(&schema())?;
    Ok(0)
}
