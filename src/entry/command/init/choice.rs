//! What a column of consent is to be used for, as a person is asked.

use super::answers::{Answers, Ask, TRIES, is_yes, word_of};
use super::open::OpenColumn;
use crate::entry::command::leaning::Leaning;

/// What becomes of rows where a column of consent says yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// Only they are sent.
    Only,
    /// They are not sent.
    Never,
    /// They are opted out in the account.
    OptOut,
    /// The column is not used.
    Skip,
}

use Choice::{Never, Only, OptOut, Skip};

impl Choice {
    /// The choices, the likely one first.
    fn all(column: &OpenColumn, opt_out: Option<&String>) -> Vec<Self> {
        match (column.leaning, opt_out) {
            (Leaning::Consent, None) => vec![Only, Never, OptOut, Skip],
            (Leaning::Consent, Some(_)) => vec![Only, Never, Skip],
            (Leaning::OptOut, None) => vec![OptOut, Never, Only, Skip],
            (Leaning::OptOut, Some(_)) => vec![Never, Only, Skip],
        }
    }

    fn word(self) -> &'static str {
        match self {
            Only => "only",
            Never => "never",
            OptOut => "optout",
            Skip => "skip",
        }
    }

    /// What it means for the rows that say yes.
    fn meaning(self, leaning: Leaning, yes: &str) -> String {
        match self {
            Only => format!("rows with {yes} are sent, all others are not"),
            Never => format!("rows with {yes} are not sent, others are"),
            OptOut => format!("people with {yes} are opted out in the account, others are sent"),
            Skip => {
                let word = if leaning == Leaning::Consent { "without" } else { "with" };
                format!("the column is not used: rows {word} {yes} are sent too")
            }
        }
    }

    /// Whether it says the opposite of the column's name.
    fn contradicts(self, leaning: Leaning) -> bool {
        match leaning {
            Leaning::Consent => matches!(self, Never | OptOut),
            Leaning::OptOut => self == Only,
        }
    }

    fn take(self, column: &str, answers: &mut Answers) {
        let column = column.to_owned();
        match self {
            Only => answers.require.push(column),
            Never => answers.suppress.push(column),
            OptOut => answers.opt_out = Some(column),
            Skip => answers.left_out.push(column),
        }
    }
}

/// Asks what a column is for; whether somebody said it. What contradicts the column's name is asked back.
pub(super) fn ask_for(column: &OpenColumn, answers: &mut Answers, ask: &mut Ask<'_>) -> bool {
    let OpenColumn { name, leaning, .. } = column;
    let choices = Choice::all(column, answers.opt_out.as_ref());
    let yes = column.yes();
    let words: Vec<&str> = choices.iter().map(|choice| choice.word()).collect();
    let words = words.join(", ");
    let mut text = format!("{name} looks like {}{}. Choose by a word:", leaning.seems(), column.counts());
    for choice in &choices {
        text.push_str(&format!("\n  {:<7} {}", choice.word(), choice.meaning(*leaning, &yes)));
    }
    if let Some(other) = &answers.opt_out {
        text.push_str(&format!(
            "\n  Only one column can be sent as an opt-out: {other} is; never keeps its rows back."
        ));
    }
    text.push_str("\n(empty: decide later; until then it is not used)");
    let mut doubted: Option<Choice> = None;
    for _ in 0..TRIES {
        let Some(said) = ask(&text).filter(|said| !said.is_empty()) else { return false };
        if let Some(choice) = doubted.take()
            && is_yes(&said)
        {
            choice.take(name, answers);
            return true;
        }
        let word = word_of(&said);
        match choices.iter().find(|choice| choice.word() == word) {
            None if word == OptOut.word() => {
                let other = answers.opt_out.as_deref().unwrap_or_default();
                text = format!("Only one column can be sent as an opt-out, and {other} is. Say one of {words}:");
            }
            None => text = format!("That is not one of {words}. Type the whole word (empty: decide later):"),
            Some(choice) if choice.contradicts(*leaning) => {
                let (seems, meaning) = (leaning.seems(), choice.meaning(*leaning, &yes));
                text = format!(
                    "{name} looks like {seems}, and {} says the opposite: {meaning}. Type yes if that is so, or one of {words}:",
                    choice.word()
                );
                doubted = Some(*choice);
            }
            Some(choice) => {
                choice.take(name, answers);
                return true;
            }
        }
    }
    false
}
