//! What is left to a person beside the questions, a line each. None shows a cell but words for nothing.

use super::answers::Answers;
use super::kinds::Guess;
use super::near::is_nothing;
use super::sample::Sample;
use crate::entry::command::leaning::Leaning;
use crate::value::{FieldType, content};

/// Cells that are not of the type that nearly all others of their column have.
pub(super) fn misfits(sample: &Sample, at: usize, name: &str, guess: &Guess, setting: &str) -> Option<String> {
    let first = sample.line(*guess.misfits.first()?);
    let kind = match guess.kind? {
        FieldType::Integer | FieldType::Float => "a number",
        FieldType::Boolean => "yes or no",
        FieldType::Date | FieldType::Day => "a date of this format",
        FieldType::String | FieldType::MultiSelect => return None,
    };
    let mut nothing: Vec<&str> = Vec::new();
    for cell in guess.misfits.iter().filter_map(|row| sample.rows.get(*row)?.get(at)).map(|cell| content(cell)) {
        if is_nothing(cell) && !nothing.contains(&cell) {
            nothing.push(cell);
        }
    }
    let words = serde_json::to_string(&nothing).unwrap_or_default();
    let remedy = match nothing.is_empty() {
        true => "correct them, or make its type string".to_owned(),
        false => {
            format!("correct them, or let words for nothing count as empty: add \"null_values\": {words} to {setting}")
        }
    };
    Some(format!(
        "to do: {} not {kind}, first in line {first}, and plan rejects these rows; {remedy}",
        cells_are(guess.misfits.len(), name)
    ))
}

/// Cells of a column of consent that are neither yes nor no.
pub(super) fn neither(sample: &Sample, name: &str, misfits: &[usize]) -> Option<String> {
    let first = sample.line(*misfits.first()?);
    Some(format!(
        "to do: {} neither yes nor no, first in line {first}; once it is used, these rows are not sent: correct them",
        cells_are(misfits.len(), name)
    ))
}

fn cells_are(count: usize, name: &str) -> String {
    if count == 1 { format!("1 cell of {name} is") } else { format!("{count} cells of {name} are") }
}

/// A column of consent that says more than yes and no.
pub(super) fn unreadable(answers: &Answers, name: &str, leaning: Leaning, is_date: bool) -> String {
    let (export, seems) = (&answers.export, leaning.seems());
    let flag = match (leaning, &answers.opt_out) {
        (Leaning::Consent, _) => "--require",
        (Leaning::OptOut, None) => "--opt-out",
        (Leaning::OptOut, Some(_)) => "--suppress",
    };
    match is_date {
        true => format!(
            "to do: {name} looks like {seems} and is not used: it holds dates, and a condition needs yes or no. Deliver a \
             column that says yes where there is a date, and name it with {flag}"
        ),
        false => {
            let (key, what) = match leaning {
                Leaning::OptOut => ("suppress", "each value that must not be sent"),
                Leaning::Consent => ("require", "the value that may be sent"),
            };
            format!(
                "to do: {name} looks like {seems} and is not used: it holds more than yes and no. Add {what} to \
                 exports.{export}.{key}: {{ \"column\": \"{name}\", \"equals\": VALUE }}"
            )
        }
    }
}

/// Columns of consent that share a name.
pub(super) fn several_columns(name: &str, leaning: Leaning) -> String {
    format!(
        "to do: {name} looks like {} and is not used: several columns have this name. Rename them in the file, and run init \
         again",
        leaning.seems()
    )
}

/// A column that is used for the opposite of what its name says.
pub(super) fn opposite(name: &str, seems: Option<Leaning>, used: Leaning, said: &str) -> Option<String> {
    let seems = seems.filter(|seems| *seems != used)?.seems();
    Some(format!("note: {name} looks like {seems}; it is used as {said}"))
}

/// What years of two digits are read as.
pub(super) fn two_digits(name: &str, is_birth: bool, later: usize) -> String {
    let rule = "%y reads 69 to 99 as 1969 to 1999, and 00 to 68 as 2000 to 2068";
    match (is_birth, later) {
        (true, 1..) => format!(
            "to do: {name} is left out: its years have two digits, {rule}, so {later} of its dates would lie in the future. \
             Deliver years of four digits"
        ),
        (true, 0) => format!("to do: the years of {name} have two digits: {rule}. Older birthdays need four digits"),
        (false, _) => format!("note: the years of {name} have two digits: {rule}"),
    }
}
