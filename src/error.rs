//! What can go wrong with a step, and who must act on it.
//!
//! A bad row is never an [`Error`]: it is a reject, with its place. An `Error` ends a step. Its [`Kind`] is the
//! Lambda error type, the workflow's `ErrorEquals`, the log field `error.kind` and, on one machine, the exit code.

use std::fmt;

/// Who must act on an error, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The caller asked for something that does not exist or makes no sense.
    BadRequest,
    /// The configuration (or the state that belongs to it) must be put right.
    Config,
    /// The key or the account refuses; somebody must renew access.
    Access,
    /// The drop cannot be read.
    Segment,
    /// A guard stopped the run before the first request, or refusals passed the limit.
    Guard,
    /// Somebody else uses up the account's rate.
    Throttled,
    /// Autopilot or the store does not answer; trying later helps.
    Unavailable,
    /// The time limit came before the step could stop in order.
    OutOfTime,
    /// A person stopped the run.
    Interrupted,
    /// A promise of this program was broken.
    Bug,
}

impl Kind {
    /// Every kind, for the tests that hold other files against this list.
    pub const ALL: [Kind; 10] = [
        Kind::BadRequest,
        Kind::Config,
        Kind::Access,
        Kind::Segment,
        Kind::Guard,
        Kind::Throttled,
        Kind::Unavailable,
        Kind::OutOfTime,
        Kind::Interrupted,
        Kind::Bug,
    ];

    /// The kind's name as it stands in logs, workflow and Lambda errors.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::BadRequest => "bad_request",
            Kind::Config => "config",
            Kind::Access => "access",
            Kind::Segment => "segment",
            Kind::Guard => "guard",
            Kind::Throttled => "throttled",
            Kind::Unavailable => "unavailable",
            Kind::OutOfTime => "out_of_time",
            Kind::Interrupted => "interrupted",
            Kind::Bug => "bug",
        }
    }

    /// The exit code of the command line for a run that ends with this kind.
    pub const fn exit_code(self) -> u8 {
        match self {
            Kind::BadRequest | Kind::Config => 2,
            Kind::Access => 3,
            Kind::Segment | Kind::Guard => 4,
            Kind::Throttled | Kind::Unavailable | Kind::OutOfTime => 5,
            Kind::Interrupted => 130,
            Kind::Bug => 70,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a step ended early. Its text is `<stage>: <subject>: <what is wrong>[; <what to do>]`, never with an email,
/// a value or a key in it; the cause is apart, in [`std::error::Error::source`].
#[derive(Debug, thiserror::Error)]
#[error("{}{subject}: {problem}{}", prefix(.stage), remedy(.hint))]
pub struct Error {
    /// Who must act.
    pub kind: Kind,
    /// The step or command that failed; set once, where it ends: see [`AtStage`].
    pub stage: Option<&'static str>,
    /// What it failed on: an export, a file, a list, a setting.
    pub subject: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it, where there is something.
    pub hint: Option<String>,
    /// The cause, joined to the message once, at the edge.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

fn prefix(stage: &Option<&'static str>) -> String {
    stage.map(|stage| format!("{stage}: ")).unwrap_or_default()
}

fn remedy(hint: &Option<String>) -> String {
    hint.as_ref().map(|text| format!("; {text}")).unwrap_or_default()
}

impl Error {
    /// An error of `kind`, without remedy and cause.
    pub fn new(kind: Kind, subject: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { kind, stage: None, subject: subject.into(), problem: problem.into(), hint: None, source: None }
    }

    /// The same error, saying what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error, with its cause.
    #[must_use]
    pub fn with_source(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// The same error, of this step or command; one that has a stage keeps it.
    #[must_use]
    pub fn at(mut self, stage: &'static str) -> Self {
        self.stage.get_or_insert(stage);
        self
    }

    /// The message with its chain of causes, for the edge: terminal, log, workflow, report.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source.as_deref().map(|cause| cause as &dyn std::error::Error);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

/// A name that others gave, for a message: short, and printable.
pub fn named(text: &str) -> String {
    printable(text, 40)
}

/// The words of others for a message: without control characters, and no more than `most` characters.
pub fn printable(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}

/// Says where an error happened, at the boundary of a step or command.
pub trait AtStage {
    /// The same result; an error without a stage gets this one.
    #[must_use]
    fn at(self, stage: &'static str) -> Self;
}

impl<T> AtStage for Result<T> {
    fn at(self, stage: &'static str) -> Self {
        self.map_err(|error| error.at(stage))
    }
}

/// A step's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
