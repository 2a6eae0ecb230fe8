//! The command line as it is typed.

mod guide;
mod init;

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand};
use clap_complete::Shell;

#[cfg(feature = "sandbox")]
use crate::sandbox::{BanSign, BulkLists, Hosted};

use guide::GUIDE;
pub use init::{DateOrder, InitArgs};

/// Exports customer segments to Autopilot or Ortto: every row accounted for, at the rate the account allows.
#[derive(Debug, Parser)]
#[command(name = "autopilot-export", version, after_help = GUIDE)]
pub struct Args {
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// The configuration.
    #[arg(long, global = true, default_value = "exports.json", value_name = "FILE")]
    pub config: PathBuf,
    /// Where state, runs and reports are kept: a folder, or a bucket as s3://BUCKET.
    #[arg(long, global = true, default_value = ".autopilot-export", value_name = "DIR|s3://BUCKET", value_parser = store)]
    pub store: String,
    /// On AWS, the deployment's name: its secrets begin with it.
    #[arg(
        long,
        global = true,
        env = "AUTOPILOT_EXPORT_DEPLOYMENT",
        default_value = "autopilot-export",
        value_name = "NAME"
    )]
    pub deployment: String,
    /// A file that holds the account's API key; without it the environment's AUTOPILOT_API_KEY is used, for Ortto too.
    /// With a bucket the key comes from Secrets Manager.
    #[arg(long, global = true, value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
    /// On one machine, a file that holds the address of the webhook that an export's notify.webhook names; else the environment's
    /// AUTOPILOT_EXPORT_WEBHOOK.
    #[arg(long, global = true, value_name = "FILE")]
    pub webhook_file: Option<PathBuf>,
    /// Print only JSON to standard output.
    #[arg(long, global = true)]
    pub json: bool,
    /// Log what happens to standard error: each step, request, retry and lease, and never a person. Twice for more.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Print results and errors alone: no progress, no notes.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// When to print in colour. The environment's NO_COLOR switches it off as well.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", value_enum)]
    pub color: When,
}

/// When to do something that only a terminal shows well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum When {
    /// On a terminal.
    Auto,
    /// In any case.
    Always,
    /// Not at all.
    Never,
}

/// A store as it is named: what was meant to be a bucket is not taken for a folder.
fn store(text: &str) -> Result<String, String> {
    let is_bucket = text.strip_prefix("s3://").is_some_and(|bucket| !bucket.trim_matches('/').is_empty());
    let is_meant = text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("s3:"));
    match is_bucket || !is_meant {
        true if !text.is_empty() => Ok(text.to_owned()),
        _ => {
            Err("is neither a folder nor a bucket; write a bucket as s3://BUCKET, a folder of that name as ./s3:"
                .into())
        }
    }
}

/// What to run, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// The export, as named in the configuration.
    pub export: String,
    /// The drop: a file or a folder; SEGMENT=FILE where the export has several segments. Without it the newest drop
    /// under each segment's prefix in the store is taken.
    #[arg(value_name = "[SEGMENT=]FILE")]
    pub files: Vec<String>,
    /// The same as FILE.
    #[arg(long = "drop", value_name = "[SEGMENT=]PATH")]
    pub drops: Vec<String>,
    /// Send every row as if there were no state; removes nobody.
    #[arg(long)]
    pub full: bool,
    /// Pass over a guard for this run: max_profiles, max_leavers_share, max_reject_share, allow_empty,
    /// unreadable_opt_outs, unreadable_rows or suppression_shrunk.
    #[arg(long = "pass-guard", value_name = "NAME")]
    pub pass_guards: Vec<String>,
}

/// What to plan, and what to keep of it.
#[derive(Clone, Debug, clap::Args)]
pub struct PlanArgs {
    /// What to run.
    #[command(flatten)]
    pub run: RunArgs,
    /// Write the plan into a file, for run --plan.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write the rows that would be rejected into a file, with their reasons.
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// Show the form of some rows that would be sent, their values masked.
    #[arg(long)]
    pub sample: bool,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Propose a configuration for a file of profiles, from its header and a sample of its rows.
    Init(InitArgs),
    /// Run an export now. The same command resumes a run that was stopped.
    Run {
        /// What to run.
        #[command(flatten)]
        args: RunArgs,
        /// Exit with 0 even if some rows were rejected.
        #[arg(long)]
        allow_rejects: bool,
        /// Do exactly what plan --out has written; fails if the drop, the configuration or the state has changed since.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "drops", "full"])]
        plan: Option<PathBuf>,
        /// Send this many rows at most, the first of the drop, and remove nobody. The next run sends the rest.
        #[arg(long, value_name = "ROWS", conflicts_with = "plan", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
    },
    /// Send the row of one person, read it back, and show field by field what arrived. Removes nobody, and
    /// does not count as applying the drop. Prints personal data.
    Try {
        /// The export and the drop, as of run.
        #[command(flatten)]
        args: RunArgs,
        /// The person's address.
        #[arg(long, value_name = "ADDRESS")]
        email: String,
    },
    /// Explain a code: of a reject, guard, kind of error, outcome, or an exit code.
    Explain {
        /// The code; without it all are listed.
        code: Option<String>,
        /// All of them as a page.
        #[arg(long, hide = true)]
        markdown: bool,
    },
    /// Show what a run would do, without sending anything: rows, rejects with their causes, guards, requests, time and
    /// cost. Needs no key, no consent and no network.
    Plan(PlanArgs),
    /// Send only the rows that a run rejected, from its rejects.csv, corrected or not. Removes nobody.
    Retry {
        /// A run's id, or a file in the form of rejects.csv; latest stands for the newest run.
        what: String,
        /// With latest: of this export.
        export: Option<String>,
        /// Pass over a guard for this run.
        #[arg(long = "pass-guard", value_name = "NAME")]
        pass_guards: Vec<String>,
    },
    /// Compare the state with what the account holds: members who are missing there, extra there, deleted, opted out or
    /// bounced. Changes nothing, unless asked to.
    Reconcile(ReconcileArgs),
    /// Write an export's configuration for another destination: lists and tags, fields, what to do by hand, the first fill.
    Migrate(MigrateArgs),
    /// Check configuration, key, lists and custom fields against the live account. Changes nothing.
    Check {
        /// Only the configuration and its schema: needs no key and no network.
        #[arg(long)]
        offline: bool,
    },
    /// List the runs, newest first.
    Runs {
        /// Only of this export.
        export: Option<String>,
        /// Instead, remove personal data left by killed runs, and rejects older than the export's rejects_days.
        #[arg(long)]
        clean: bool,
        /// Instead, print the page of all runs; on one machine it is also in runs/index.html.
        #[arg(long, conflicts_with_all = ["clean", "export"])]
        html: bool,
    },
    /// Show what is held of one person: the exports and segments, the contact, what the account has now, and with
    /// --history what each run decided. Prints personal data.
    Person(PersonArgs),
    /// Take one person out of everything: state, rejects, what runs left behind, the lists; no later drop brings the person
    /// back. Deletes the drops in the store that hold the person.
    Erase(EraseArgs),
    /// Show the status of each export: its connection, its last run, its members, when it runs next.
    Status,
    /// Show one run's report.
    Report {
        /// The run's id; latest stands for the newest.
        run: String,
        /// With latest: of this export.
        export: Option<String>,
        /// As a page.
        #[arg(long)]
        html: bool,
    },
    /// Follow a run as it goes.
    Watch {
        /// The run's id.
        run: String,
    },
    /// Ask for a connection's API key, verify it, and store it in Secrets Manager.
    Connect {
        /// The connection, as named in the configuration.
        connection: String,
    },
    /// Start a run on AWS.
    Start(StartArgs),
    /// Stop a run, here or on AWS: nothing more is sent within 15 seconds, and what was confirmed stays confirmed.
    Stop {
        /// The run's id.
        run: String,
        /// On AWS, the ARN of the workflow, which knows of runs that have not begun yet.
        #[arg(long, env = "AUTOPILOT_EXPORT_WORKFLOW_ARN", value_name = "ARN")]
        workflow: Option<String>,
    },
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Print a shell completion script.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page of the program or of one command.
    Man {
        /// The command.
        command: Option<String>,
        /// Instead, write the pages of all into a folder.
        #[arg(long, value_name = "DIR", conflicts_with = "command")]
        out: Option<PathBuf>,
    },
    /// A faithful local account of Autopilot or Ortto, with faults on request. Its address shows what it holds.
    #[cfg(feature = "sandbox")]
    Sandbox(SandboxArgs),
}

impl Command {
    /// Its name, which its errors begin with.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Init(_) => "init",
            Self::Run { .. } => "run",
            Self::Plan(_) => "plan",
            Self::Retry { .. } => "retry",
            Self::Try { .. } => "try",
            Self::Explain { .. } => "explain",
            Self::Reconcile(_) => "reconcile",
            Self::Check { .. } => "check",
            Self::Migrate(_) => "migrate",
            Self::Runs { .. } => "runs",
            Self::Report { .. } => "report",
            Self::Watch { .. } => "watch",
            Self::Connect { .. } => "connect",
            Self::Start(_) => "start",
            Self::Stop { .. } => "stop",
            Self::Schema => "schema",
            Self::Status => "status",
            Self::Person(_) => "person",
            Self::Erase(_) => "erase",
            Self::Completions { .. } => "completions",
            Self::Man { .. } => "man",
            #[cfg(feature = "sandbox")]
            Self::Sandbox(_) => "sandbox",
        }
    }
}

/// The person to show.
#[derive(Clone, Debug, clap::Args)]
pub struct PersonArgs {
    /// The person's address.
    #[arg(value_name = "EMAIL")]
    pub email: String,
    /// Ask no account: needs no key and no network.
    #[arg(long)]
    pub offline: bool,
    /// Also show what each run of the last 400 days decided, and by which row, the newest first: why somebody is on a
    /// list, or is not.
    #[arg(long)]
    pub history: bool,
}

/// Whom to erase.
#[derive(Clone, Debug, clap::Args)]
pub struct EraseArgs {
    /// The person's address.
    #[arg(value_name = "EMAIL")]
    pub email: String,
    /// The address once more, in place of typing it.
    #[arg(long, value_name = "EMAIL")]
    pub yes: Option<String>,
    /// Delete the contact in the account as well, with all its history: where the law asks for it.
    #[arg(long)]
    pub delete_contact: bool,
}

/// What to compare with the account, and what to do about it.
#[derive(Clone, Debug, clap::Args)]
pub struct ReconcileArgs {
    /// The export, as named in the configuration.
    pub export: String,
    /// With --repair, the drop that is run: a file or a folder; SEGMENT=FILE where the export has several segments.
    #[arg(value_name = "[SEGMENT=]FILE", requires = "repair")]
    pub files: Vec<String>,
    /// Only this segment.
    #[arg(long, value_name = "SEGMENT")]
    pub segment: Option<String>,
    /// Take over who is there into the state. The next run sends the fields of those who are new to it once, and removes
    /// people who are not in its drop.
    #[arg(long)]
    pub adopt: bool,
    /// Put back who is missing and take off who is extra, by running the drop again under the guards.
    #[arg(long, conflicts_with = "adopt")]
    pub repair: bool,
    /// With --repair, pass over a guard for this run.
    #[arg(long = "pass-guard", value_name = "NAME", requires = "repair")]
    pub pass_guards: Vec<String>,
}

/// What to write for another destination.
#[derive(Clone, Debug, clap::Args)]
pub struct MigrateArgs {
    /// The export, as named in the configuration.
    pub export: String,
    /// The connection to migrate to. If its key is available, the account's fields are looked up.
    #[arg(long, value_name = "CONNECTION")]
    pub to: String,
    /// Name of the new export. Default: EXPORT-CONNECTION.
    #[arg(long = "as", value_name = "NAME")]
    pub name: Option<String>,
    /// The drop to estimate the first fill with. Default: the newest of each segment.
    #[arg(long = "drop", value_name = "[SEGMENT=]PATH")]
    pub drops: Vec<String>,
    /// Add the export to the configuration; all else in the file stays as it is.
    #[arg(long)]
    pub write: bool,
}

/// What to start on AWS, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct StartArgs {
    /// The export, as named in the configuration.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub export: Option<String>,
    /// Every export that is enabled.
    #[arg(long)]
    pub all: bool,
    /// Send every row as if there were no state; removes nobody.
    #[arg(long)]
    pub full: bool,
    /// Pass over a guard for this run.
    #[arg(long = "pass-guard", value_name = "NAME")]
    pub pass_guards: Vec<String>,
    /// Compare with the account instead, as reconcile does. Sends nothing.
    #[arg(long, conflicts_with_all = ["full", "pass_guards"])]
    pub reconcile: bool,
    /// The workflow's ARN.
    #[arg(long, env = "AUTOPILOT_EXPORT_WORKFLOW_ARN", value_name = "ARN")]
    pub workflow: String,
}

/// How the sandbox behaves.
#[cfg(feature = "sandbox")]
#[derive(Clone, Debug, clap::Args)]
pub struct SandboxArgs {
    /// The API that it serves.
    #[arg(long, default_value = "autopilot", value_enum)]
    pub api: Hosted,
    /// The port on this machine; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// The account's id. Sandboxes of one id are one account to the program, whose connections wait for each other.
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
    /// Answer 429 above this many requests in any second.
    #[arg(long, value_name = "PER_SECOND")]
    pub rate: Option<f64>,
    /// How long every response takes.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub latency_ms: u64,
    /// Ban clients for 15 seconds after this many bad requests within 15 seconds; 0 never does. Default: 15 for Ortto.
    #[arg(long, value_name = "REQUESTS")]
    pub ban_after: Option<usize>,
    /// What a banned client sees: a status, or cut.
    #[arg(long, default_value = "403", value_name = "STATUS")]
    pub ban_sign: BanSign,
    /// Autopilot: whether bulk rows that name a list are added to it.
    #[arg(long, default_value = "never", value_enum)]
    pub bulk_lists: BulkLists,
    /// Autopilot: whether a single contact that names a list is added to it.
    #[arg(long, default_value = "always", value_enum)]
    pub single_lists: BulkLists,
    /// Autopilot: answer 409 if a list's title exists, instead of creating a second list.
    #[arg(long)]
    pub conflict_on_duplicate_list: bool,
    /// Ortto: how it behaves where that is not documented, such as mixed-batch=omitted or read-lag-ms=500. A wrong name
    /// lists all.
    #[arg(long, value_name = "NAME=VALUE")]
    pub assume: Vec<String>,
    /// The only key that is accepted; without it, any key is.
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Faults, such as 429:0.05,500:0.02,cut-after:0.01,stall@7: a share of the requests, or the request of that number.
    #[arg(long, value_name = "LIST", default_value = "")]
    pub faults: String,
    /// Decides which requests a share hits.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}
