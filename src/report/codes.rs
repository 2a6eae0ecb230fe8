//! Every code that the program gives, explained: rejects, guards, kinds of errors, outcomes, exit codes. The page
//! `docs/ERRORS.md` and the command `explain` are made from here.

mod ends;

pub use ends::Texts;
use ends::{EXIT_CODES, OUTCOMES, of_outcome};

use crate::contact::RejectCode;
use crate::error::Kind;
use crate::plan::guards;

/// What a code is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A row that is not delivered.
    Reject,
    /// What stops a run before its first request.
    Guard,
    /// An error.
    Kind,
    /// How a run ended.
    Outcome,
    /// What the command line ends with.
    ExitCode,
}

impl Class {
    const ALL: [Self; 5] = [Self::Reject, Self::Guard, Self::Kind, Self::Outcome, Self::ExitCode];

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Guard => "guard",
            Self::Kind => "kind of error",
            Self::Outcome => "outcome",
            Self::ExitCode => "exit code",
        }
    }

    const fn heading(self) -> (&'static str, &'static str) {
        match self {
            Self::Reject => {
                ("Rejects", "Why a row was not delivered: `reject_code` in `rejects.csv`, `rejects` in the report.")
            }
            Self::Guard => {
                ("Guards", "What stops a run before its first request. `--pass-guard NAME` passes over one, once.")
            }
            Self::Kind => {
                ("Kinds of errors", "Who must act: the error type of the function, `error.kind` in logs and report.")
            }
            Self::Outcome => ("Outcomes", "How a run ended: `outcome` in the report."),
            Self::ExitCode => ("Exit codes", "What the command line ends with."),
        }
    }
}

/// A code and what to know of it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Code {
    /// What it is of.
    pub class: Class,
    /// As it stands in files and messages.
    pub name: String,
    /// What it means.
    pub meaning: &'static str,
    /// What it commonly comes from.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// What to know of a rejected row.
pub const fn of_reject(code: RejectCode) -> Texts {
    match code {
        RejectCode::MissingEmail => (
            "The cell of the email address is empty.",
            "Customers without an address are in the segment.",
            "Fill in the address, or leave such customers out of the segment.",
        ),
        RejectCode::InvalidEmail => (
            "The cell holds no address that mail can go to.",
            "A typing error, several addresses in one cell, or a name beside the address.",
            "Write one address alone into the cell, then retry the row.",
        ),
        RejectCode::DuplicateEmail => (
            "An earlier row of the drop has the same address, compared without case.",
            "One person is in the segment twice.",
            "Merge the two customers, or leave it: the first row was sent.",
        ),
        RejectCode::MalformedRow => (
            "The line cannot be read as a row.",
            "A quote that does not end, or more or fewer cells than there are columns.",
            "Correct what writes the file: quote cells that hold the delimiter, a quote or a line break.",
        ),
        RejectCode::InvalidValue => (
            "A cell does not fit its field's type.",
            "Dates or numbers are written in a way that the configuration does not say.",
            "Add what the reason proposes to the field: format, decimal, true or false; or correct the cell.",
        ),
        RejectCode::Refused => (
            "The account refused the contact.",
            "The account has rules of its own, which the reason quotes.",
            "Correct what the reason names, then retry the row.",
        ),
    }
}

/// What to know of a guard.
pub fn of_guard(name: &str) -> Texts {
    match name {
        "max_profiles" => (
            "The export would have more distinct profiles than guards.max_profiles allows.",
            "The segment has grown, or the drop is of another segment.",
            "Make the segment smaller, or raise max_profiles.",
        ),
        "max_leavers_share" => (
            "A larger share of the members would leave than guards.max_leavers_share allows.",
            "The drop holds only a part of the segment.",
            "Check that the drop is whole. If that many people did leave, pass over the guard once.",
        ),
        "max_reject_share" => (
            "A larger share of the rows is rejected than guards.max_reject_share allows. It also watches what the account \
             refuses while rows are sent.",
            "A column has changed its form, or the configuration does not say how it is written.",
            "See why rows are rejected with plan, and correct the configuration or the drop.",
        ),
        "allow_empty" => (
            "The drop has a header and no rows, so everybody would leave.",
            "The segment's query found nobody, or its file was written too early.",
            "Deliver the whole segment again, or set guards.allow_empty where a segment may be empty.",
        ),
        "unreadable_opt_outs" => (
            "The opt-out or consent of members cannot be read.",
            "The column holds words that are neither true nor false.",
            "Add its words to true and false of the export, or correct the column.",
        ),
        "suppression_shrunk" => (
            "The suppression file has fewer than half the entries that it had at the last applied run.",
            "The file was cut short or replaced.",
            "Put the whole file back. If it is meant to be shorter, pass over the guard once.",
        ),
        _ => (
            "A drop has more rows without a readable address than the last one. It never stops a run: the leavers of that \
             segment are withheld.",
            "Addresses were lost on the way, so people only seem to be missing.",
            "Correct the rows, raise guards.unreadable_rows, or pass over the guard once.",
        ),
    }
}

/// What to know of a kind of errors.
pub const fn of_kind(kind: Kind) -> Texts {
    match kind {
        Kind::BadRequest => (
            "What was asked for does not exist or makes no sense.",
            "A name is misspelled.",
            "Correct the command; the message suggests the closest name.",
        ),
        Kind::Config => (
            "The configuration, or the state that belongs to it, must be put right.",
            "A key is wrong, a column is not in the drop, nobody has given consent, or the state is of another account.",
            "Correct what the message names. check --offline finds the faults of the file.",
        ),
        Kind::Access => (
            "The account refuses the key, or takes no more.",
            "The key was renewed, or is that of another account; or a limit of the plan is reached, which the message then names.",
            "Store the new key with connect, or give it with --api-key-file; or raise the limit that the message names.",
        ),
        Kind::Segment => (
            "The drop cannot be read.",
            "The file is empty or binary, or has no header.",
            "Deliver it again; where it is as it should be, say so in segments[].format.",
        ),
        Kind::Guard => (
            "A guard stopped the run before its first request, or refusals passed the limit.",
            "The drop differs more from the last one than the guards allow.",
            "Look at the numbers in the message; see explain NAME for each guard.",
        ),
        Kind::Throttled => (
            "The account kept rate limiting for too long.",
            "Another program uses the same account.",
            "Run again later, or lower requests_per_second.",
        ),
        Kind::Unavailable => (
            "The account or the store does not answer.",
            "An outage, or the network.",
            "Run again later: what was confirmed is kept, the rest is sent then.",
        ),
        Kind::OutOfTime => (
            "The time limit of the function came before a step could stop in order.",
            "The account answers very slowly.",
            "Nothing: the workflow calls the step again. If it keeps happening, raise the function's time limit.",
        ),
        Kind::Stopped => (
            "A person stopped the run.",
            "stop, or enabled: false in the configuration.",
            "Run again when it may go on: what was confirmed is kept, the rest is sent then.",
        ),
        Kind::Interrupted => (
            "The run never reached its end.",
            "Ctrl-C, or a machine that went away.",
            "Run again: what was confirmed is kept, the rest is sent then.",
        ),
        Kind::Bug => (
            "A promise of this program was broken.",
            "A fault of the program.",
            "Please report the message; it holds no personal data.",
        ),
    }
}

/// Every code.
pub fn all() -> Vec<Code> {
    let code = |class, name: &str, (meaning, cause, remedy): Texts| Code {
        class,
        name: name.to_owned(),
        meaning,
        cause,
        remedy,
    };
    let rejects = RejectCode::ALL.into_iter().map(|reject| code(Class::Reject, reject.name(), of_reject(reject)));
    let guards = guards::NAMES.into_iter().map(|name| code(Class::Guard, name, of_guard(name)));
    let kinds = Kind::ALL.into_iter().map(|kind| code(Class::Kind, kind.name(), of_kind(kind)));
    let outcomes = OUTCOMES.into_iter().map(|outcome| code(Class::Outcome, outcome.name(), of_outcome(outcome)));
    let exits = EXIT_CODES.into_iter().map(|(exit, texts)| code(Class::ExitCode, &exit.to_string(), texts));
    rejects.chain(guards).chain(kinds).chain(outcomes).chain(exits).collect()
}

/// The page of all codes, in Markdown.
pub fn page() -> String {
    let mut page = String::from(
        "# Codes\n\nEvery code that the program gives: what it means, what it commonly comes from, what to do. \
         `autopilot-export explain CODE` says the same. This page is made by `autopilot-export explain --markdown`.\n",
    );
    let all = all();
    for class in Class::ALL {
        let (heading, text) = class.heading();
        page.push_str(&format!(
            "\n## {heading}\n\n{text}\n\n| code | meaning | cause | remedy |\n| --- | --- | --- | --- |\n"
        ));
        for Code { name, meaning, cause, remedy, .. } in all.iter().filter(|code| code.class == class) {
            page.push_str(&format!("| `{name}` | {meaning} | {cause} | {remedy} |\n"));
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_and_every_exit_code_is_known() {
        let all = all();
        for code in &all {
            assert!([code.meaning, code.cause, code.remedy].iter().all(|text| text.ends_with('.')), "{code:?}");
        }
        let of_guards = all.iter().filter(|code| code.class == Class::Guard);
        let meanings: std::collections::BTreeSet<_> = of_guards.map(|code| code.meaning).collect();
        assert_eq!(meanings.len(), guards::NAMES.len(), "each guard has a text of its own");
        let is_known = |exit: u8| EXIT_CODES.iter().any(|(known, _)| *known == exit);
        assert!(Kind::ALL.iter().all(|kind| is_known(kind.exit_code())));
    }
}
