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
    /// The destination or the store does not answer; trying later helps.
    Unavailable,
    /// The time limit came before the step could stop in order.
    OutOfTime,
    /// A person stopped the run.
    Stopped,
    /// The run never reached its end.
    Interrupted,
    /// A promise of this program was broken.
    Bug,
}

impl Kind {
    /// Every kind, for the tests that hold other files against this list.
    pub const ALL: [Kind; 11] = [
        Kind::BadRequest,
        Kind::Config,
        Kind::Access,
        Kind::Segment,
        Kind::Guard,
        Kind::Throttled,
        Kind::Unavailable,
        Kind::OutOfTime,
        Kind::Stopped,
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
            Kind::Stopped => "stopped",
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
            Kind::Stopped | Kind::Interrupted => 130,
            Kind::Bug => 70,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a step ended early. Its text is `<stage>: <subject>: <problem>[; <hint>]`, [`escaped`], never with an email, a
/// cell's value or a key in it; the cause is apart, in [`std::error::Error::source`].
#[derive(Debug, thiserror::Error)]
#[error("{}", message(.stage, .subject, .problem, .hint))]
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

fn message(stage: &Option<&'static str>, subject: &str, problem: &str, hint: &Option<String>) -> String {
    let stage = stage.map(|stage| format!("{stage}: ")).unwrap_or_default();
    let hint = hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
    escaped(&format!("{stage}{subject}: {problem}{hint}"), usize::MAX)
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
            text.push_str(&escaped(&error.to_string(), usize::MAX));
            cause = error.source();
        }
        text
    }
}

/// Text from outside (a file, a key, an event, the account) as a message may show it: at most `max_chars` characters,
/// with control and invisible ones as `\u{..}`.
pub fn escaped(text: &str, max_chars: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(max_chars));
    for (taken, c) in text.chars().enumerate() {
        if taken == max_chars {
            shown.push('…');
            break;
        }
        if is_plain(c) { shown.push(c) } else { shown.extend(c.escape_unicode()) }
    }
    shown
}

/// JSON text for a terminal: the same value, with control and invisible characters of its texts as `\uXXXX`.
pub fn escaped_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || is_plain(c) {
            shown.push(c);
        } else {
            let mut units = [0; 2];
            shown.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    shown
}

/// Whether a reader sees the character as what it is. The standard library knows what has no shape of its own, but for
/// the letters and marks in [`is_invisible`].
fn is_plain(c: char) -> bool {
    // The first character of a text is judged more strictly: a combining accent would have nothing to stand on.
    let after_a_letter = || String::from_iter(['x', c]).escape_debug().count();
    matches!(c, ' '..='~') || !is_invisible(c) && after_a_letter() == 2
}

/// Whether the character takes no room and is not a control character: zero-width characters, byte-order and bidi marks,
/// soft hyphens, fillers, variation selectors.
/// Source: Unicode 16, the property Default_Ignorable_Code_Point.
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaping_shows_what_would_not_be_seen() {
        let text = "a\u{7}\n\u{1b}[31m\u{feff}\u{200b}\u{202e}\u{a0}\u{ad}\u{3164}\u{2028}\u{9b}\u{fe0f}";
        let shown = r"a\u{7}\u{a}\u{1b}[31m\u{feff}\u{200b}\u{202e}\u{a0}\u{ad}\u{3164}\u{2028}\u{9b}\u{fe0f}";
        assert_eq!(escaped(text, 99), shown);
        assert_eq!(escaped(shown, 99).len(), shown.len(), "once is enough");
    }

    #[test]
    fn escaping_leaves_what_people_write_and_cuts_it() {
        for text in ["E-Mail \"x\" 'y' \\ <b>", "Prénom", "Pre\u{301}nom", "名前", "ชื่อ", "имя", "😀"]
        {
            assert_eq!(escaped(text, 40), text);
        }
        assert_eq!(escaped("abcdef", 3), "abc…");
        assert_eq!(escaped("abc", 3), "abc");
    }

    #[test]
    fn escaped_json_is_the_same_value() {
        let value = serde_json::json!({ "key": "a\u{1b}\u{9b}\u{202e}\u{e0001} é\n\"" });
        let shown = escaped_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(shown.contains(r#"a\u001b\u009b\u202e\udb40\udc01 é\n\""#), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    #[test]
    fn no_part_of_an_error_reaches_a_terminal_as_it_came() {
        let error = Error::new(Kind::Segment, "a\u{1b}b.csv", "has \u{7f}").hint("do \u{202e}");
        let error = error.at("segment").with_source(Error::new(Kind::Bug, "y", "z\r").at("x"));
        assert_eq!(error.chain(), r"segment: a\u{1b}b.csv: has \u{7f}; do \u{202e}: x: y: z\u{d}");
    }
}
