//! How runs and commands end.

use crate::report::Outcome;

/// Meaning, cause and remedy.
pub type Texts = (&'static str, &'static str, &'static str);

/// What to know of an outcome.
pub(super) const fn of_outcome(outcome: Outcome) -> Texts {
    match outcome {
        Outcome::Succeeded => ("Every row that was to be sent was confirmed.", "All went well.", "Nothing."),
        Outcome::SucceededWithRejects => (
            "Every row was confirmed or rejected.",
            "Some rows cannot be sent as they are.",
            "Correct rejects.csv and send it with retry, or correct the drop's source.",
        ),
        Outcome::NothingToDo => {
            ("The account holds everything already.", "The drop is the same as the last one.", "Nothing.")
        }
        Outcome::DifferencesFound => (
            "The account holds something else than the state says.",
            "Contacts were deleted, or taken off a list or put on it, by somebody else.",
            "Look at differences.csv in the run's folder. reconcile --repair puts it right.",
        ),
        Outcome::Superseded => (
            "A newer drop was applied before, so nothing was sent.",
            "An event came late, or drops came out of order.",
            "Nothing. To send an older drop all the same, name it on the command line.",
        ),
        Outcome::StoppedByGuard => (
            "A guard stopped the run.",
            "The drop differs more from the last one than the guards allow.",
            "Look at the guard that the report names; see explain NAME.",
        ),
        Outcome::Stopped => (
            "A person stopped the run.",
            "stop, or enabled: false in the configuration.",
            "Run again when it may go on. What was confirmed is kept; the next run sends the rest.",
        ),
        Outcome::Interrupted => (
            "The run never reached its end; a later one finished it.",
            "Ctrl-C, or a machine that went away.",
            "Nothing. What was confirmed is kept; the next run sends the rest.",
        ),
        Outcome::Failed => (
            "Something else stopped the run, or rows are pending.",
            "See the report's error: its kind says who must act.",
            "Do what the message says. The next run sends what is pending.",
        ),
    }
}

pub(super) const OUTCOMES: [Outcome; 9] = [
    Outcome::Succeeded,
    Outcome::SucceededWithRejects,
    Outcome::NothingToDo,
    Outcome::DifferencesFound,
    Outcome::Superseded,
    Outcome::StoppedByGuard,
    Outcome::Stopped,
    Outcome::Interrupted,
    Outcome::Failed,
];

pub(super) const EXIT_CODES: [(u8, Texts); 8] = [
    (0, ("Done; also nothing to do, or superseded.", "All went well.", "Nothing.")),
    (
        1,
        (
            "Done, with rejects.",
            "Some rows cannot be sent as they are.",
            "Correct them and retry. run --allow-rejects ends with 0 instead.",
        ),
    ),
    (
        2,
        (
            "Usage or configuration: bad_request, config.",
            "A wrong flag, a fault of exports.json, no consent, no key.",
            "Correct what the message names.",
        ),
    ),
    (
        3,
        (
            "Access refused: access.",
            "The account refuses the key, or a limit of the plan is reached.",
            "Renew the key, or raise the limit that the message names.",
        ),
    ),
    (
        4,
        (
            "Stopped by a guard, or the segment cannot be read: guard, segment.",
            "The drop is not what it should be.",
            "Look at the drop, and at the numbers in the message.",
        ),
    ),
    (
        5,
        (
            "Unavailable, with rows pending: throttled, unavailable, out_of_time.",
            "The account or the store does not answer.",
            "Run again later.",
        ),
    ),
    (70, ("A bug.", "A fault of the program.", "Please report the message; it holds no personal data.")),
    (130, ("Interrupted.", "A person stopped it.", "Run again: it goes on where it was.")),
];
