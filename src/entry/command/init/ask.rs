//! The questions that only a person can answer, on a terminal. A wrong answer is asked again, and never guessed at.

use std::io::{IsTerminal, Write, stderr, stdin};

use jiff::civil::Date;

use super::answers::{Answers, Ask, TRIES, is_yes, word_of};
use super::choice;
use super::kinds::Doubt;
use super::proposal::{Proposal, Question, propose};
use super::sample::Sample;
use crate::error::{Result, escaped};
use crate::value::Decimal;

/// Answers to who agreed that say nobody.
const NOBODY: [&str; 12] =
    ["no", "n", "nobody", "none", "noone", "nein", "niemand", "keiner", "non", "personne", "nessuno", "nadie"];
/// Days before this year are typing errors.
const FIRST_YEAR: i16 = 2000;

/// Who answers: nobody, where there is no terminal.
pub(super) fn terminal() -> Option<impl FnMut(&str) -> Option<String>> {
    let is_there = stdin().is_terminal() && stderr().is_terminal();
    is_there.then_some(|question: &str| {
        let lines: Vec<String> = question.lines().map(|line| escaped(line, usize::MAX)).collect();
        let _ = write!(stderr(), "{} ", lines.join("\n"));
        let mut line = String::new();
        match stdin().read_line(&mut line) {
            Ok(read) if read > 0 => Some(line.trim().to_owned()),
            _ => None,
        }
    })
}

/// Asks until nothing is open; what is not answered stays as it is.
///
/// # Errors
/// Those of the proposal.
pub(super) fn settle(sample: &Sample, answers: &mut Answers, proposal: &mut Proposal, ask: &mut Ask<'_>) -> Result<()> {
    let mut passed: Vec<Question> = Vec::new();
    loop {
        let open = proposal.questions.iter().find(|question| !passed.contains(question)).cloned();
        let Some(question) = open else { break };
        let is_answered = match &question {
            Question::Consent(column) => choice::ask_for(column, answers, ask),
            other => put(other, answers, ask),
        };
        if !is_answered {
            passed.push(question);
        }
        *proposal = propose(sample, answers)?;
    }
    if answers.consent.is_none() {
        agreement(answers, ask);
        *proposal = propose(sample, answers)?;
    }
    Ok(())
}

/// Puts a question until it is answered; whether it was.
fn put(question: &Question, answers: &mut Answers, ask: &mut Ask<'_>) -> bool {
    let (mut text, accepted) = match question {
        Question::Email(columns) => {
            let columns = columns.join(", ");
            (format!("Which column holds the address to send to? {columns}:"), format!("one of {columns}"))
        }
        Question::Consent(_) => return false,
        Question::Reading(column, Doubt::DayOrMonth) => (
            format!("The dates of {column} fit both: [d]ay first or [m]onth first? (empty: send them as text)"),
            "d, day, m or month".to_owned(),
        ),
        Question::Reading(column, Doubt::Decimal) => (
            format!("A point in {column}: before the [f]raction or between [t]housands? (empty: send it as text)"),
            "f, fraction, t or thousands".to_owned(),
        ),
    };
    for _ in 0..TRIES {
        let Some(said) = ask(&text).filter(|said| !said.is_empty()) else { return false };
        if take(question, &said, answers) {
            return true;
        }
        text = format!("That is not {accepted} (empty: decide later):");
    }
    false
}

/// Takes an answer; whether it was one.
fn take(question: &Question, said: &str, answers: &mut Answers) -> bool {
    let word = word_of(said);
    match question {
        Question::Email(columns) => {
            let is_said = |column: &&String| column.to_lowercase() == said.to_lowercase();
            answers.email = columns.iter().find(is_said).cloned();
            return answers.email.is_some();
        }
        Question::Consent(_) => return false,
        Question::Reading(_, Doubt::DayOrMonth) => match word.as_str() {
            "d" | "day" | "dayfirst" => answers.habits.day_first = Some(true),
            "m" | "month" | "monthfirst" => answers.habits.day_first = Some(false),
            _ => return false,
        },
        Question::Reading(_, Doubt::Decimal) => match word.as_str() {
            "f" | "fraction" => answers.habits.decimal = Some(Decimal::Point),
            "t" | "thousands" => answers.habits.decimal = Some(Decimal::Comma),
            _ => return false,
        },
    }
    true
}

/// Asks who agreed that data leaves, and when. Without a day it is not written.
fn agreement(answers: &mut Answers, ask: &mut Ask<'_>) {
    let mut text =
        "Who agreed that this data leaves for the account? A name or an address (empty: nobody yet)".to_owned();
    let mut by = None;
    for _ in 0..TRIES {
        let said = ask(&text).filter(|said| !said.is_empty() && !NOBODY.contains(&word_of(said).as_str()));
        let Some(said) = said else { return };
        if word_of(&said).chars().count() > 1 && !is_yes(&said) && word_of(&said) != "ok" {
            by = Some(said);
            break;
        }
        text = "Say who: a name or an address (empty: nobody yet)".to_owned();
    }
    let Some(by) = by else { return };
    answers.agreed_by = Some(by.clone());
    let accepted = "as 2026-11-20 or 20.11.2026";
    let mut text = format!("On which day, {accepted}?");
    for _ in 0..TRIES {
        let Some(said) = ask(&text).filter(|said| !said.is_empty()) else { return };
        let day = said.parse::<Date>().or_else(|_| Date::strptime("%d.%m.%Y", &said)).ok();
        // Somewhere on earth it is tomorrow.
        let latest = answers.today.and_then(|today| today.tomorrow().ok());
        match day.filter(|day| day.year() >= FIRST_YEAR) {
            Some(day) if latest.is_some_and(|latest| day > latest) => {
                text = format!("That day is in the future. On which day, {accepted}? (empty: decide later)");
            }
            Some(day) => {
                answers.consent = Some((by, day.to_string()));
                return;
            }
            None => text = format!("That is not a day {accepted}. On which day? (empty: decide later)"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    const COLUMNS: [&str; 4] = ["E-Mail", "Abmeldung", "Tag", "Umsatz"];
    const CELLS: [&str; 4] = ["ann@example.com", "Nein", "3/4/2024", "1.234"];

    fn settled_of(columns: &[&str], cells: &[&str], said: &[&str]) -> (Answers, String, Vec<String>) {
        let texts = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let sample = Sample { columns: texts(columns), rows: vec![texts(cells)], is_whole: true, ..Sample::default() };
        let today = Some(jiff::civil::date(2026, 11, 26));
        let mut answers = Answers { export: "kunden".into(), segment: "Kunden".into(), today, ..Answers::default() };
        let mut proposal = propose(&sample, &answers).unwrap();
        let mut said = said.iter().map(|text| (*text).to_owned());
        let mut asked = Vec::new();
        let mut ask = |question: &str| {
            asked.push(question.to_owned());
            said.next()
        };
        settle(&sample, &mut answers, &mut proposal, &mut ask).unwrap();
        (answers, proposal.text, asked)
    }

    fn settled(said: &[&str]) -> (Answers, String) {
        let (answers, text, _) = settled_of(&COLUMNS, &CELLS, said);
        (answers, text)
    }

    #[test]
    fn what_a_person_says_is_written() {
        let (answers, text) = settled(&["optout", "d", "t", "dpo@example.com", "20.11.2026"]);
        assert_eq!(answers.opt_out.as_deref(), Some("Abmeldung"));
        for part in [
            "\"unsubscribed\": \"Abmeldung\"",
            "\"format\": \"%d/%m/%Y\"",
            "\"decimal\": \",\"",
            "\"agreed_on\": \"2026-11-20\"",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_consent_that_nobody_gave_is_never_written() {
        for said in [
            &[][..],
            &["", "", "", ""],
            &["skip", "m", "f", "dpo@example.com", "yesterday"],
            &["skip", "m", "f", "nein"],
            &["skip", "m", "f", "ja", "y", "", ""],
            &["skip", "m", "f", "dpo@example.com", "2027-01-01", "20.11.26", "heute", "1.1.2026x"],
        ] {
            let (answers, text) = settled(said);
            assert!(answers.consent.is_none() && !text.contains("consent") && !text.contains("unsubscribed"), "{text}");
        }
    }

    #[test]
    fn a_bad_date_is_asked_again_and_keeps_the_name() {
        let (answers, _) = settled(&["skip", "m", "f", "dpo@example.com", "heute"]);
        assert_eq!((answers.agreed_by.as_deref(), answers.consent), (Some("dpo@example.com"), None));
        let (answers, _) = settled(&["skip", "m", "f", "dpo@example.com", "heute", "2026-11-20"]);
        assert_eq!(answers.consent, Some(("dpo@example.com".to_owned(), "2026-11-20".to_owned())));
    }

    #[test]
    fn wrong_answers_are_asked_again_three_times() {
        let (answers, _) = settled(&["vielleicht", "o", "n", "never", "quatsch", "day", "x", "f"]);
        assert_eq!((answers.suppress, answers.opt_out), (vec!["Abmeldung".to_owned()], None));
        assert_eq!((answers.habits.day_first, answers.habits.decimal), (Some(true), Some(Decimal::Point)));
        let (answers, _) = settled(&["a", "b", "c", "d", "d"]);
        assert_eq!(answers.habits.day_first, Some(true), "after four wrong ones comes the next question");
        let (answers, ..) = settled_of(&["A", "B"], &["ann@example.com", "bea@example.com"], &["C", "", "b"]);
        assert_eq!(answers.email, None);
        let (answers, ..) = settled_of(&["A", "B"], &["ann@example.com", "bea@example.com"], &["C", "b"]);
        assert_eq!(answers.email.as_deref(), Some("B"));
    }

    #[test]
    fn consent_is_not_taken_for_an_opt_out_by_a_letter() {
        let columns = ["E-Mail", "Newsletter"];
        let cells = ["ann@example.com", "Ja"];
        let (answers, text, asked) = settled_of(&columns, &cells, &["o", "only"]);
        assert_eq!((answers.opt_out, answers.require), (None, vec!["Newsletter".to_owned()]));
        assert!(text.contains("\"require\"") && asked[0].contains("(1 \"Ja\")"), "{asked:?}");
        let at = |part: &str| asked[0].find(part).unwrap();
        assert!(at("\n  only    rows with \"Ja\" are sent") < at("\n  never") && at("\n  never") < at("\n  optout"));
        // The opposite of its name is asked back.
        let (answers, _, asked) = settled_of(&columns, &cells, &["optout", "only"]);
        assert_eq!((answers.opt_out, answers.require.len()), (None, 1));
        assert!(asked[1].contains("says the opposite: people with \"Ja\" are opted out"), "{asked:?}");
        for said in [&["optout"][..], &["optout", ""], &["optout", "nein", "n", "o"]] {
            let (answers, text, _) = settled_of(&columns, &cells, said);
            assert!(answers.opt_out.is_none() && !text.contains("unsubscribed"), "{said:?}");
        }
        let (answers, ..) = settled_of(&columns, &cells, &["opt-out", "yes"]);
        assert_eq!(answers.opt_out.as_deref(), Some("Newsletter"));
        let (answers, _, asked) = settled_of(&COLUMNS, &CELLS, &["only", "never"]);
        assert!(asked[1].contains("says the opposite") && answers.require.is_empty(), "{asked:?}");
    }

    #[test]
    fn a_second_opt_out_is_asked_back_and_not_lost() {
        let columns = ["E-Mail", "Abmeldung", "Robinson"];
        let cells = ["ann@example.com", "Ja", "x"];
        let (answers, text, asked) = settled_of(&columns, &cells, &["optout", "optout", "never"]);
        assert_eq!((answers.opt_out.as_deref(), answers.suppress), (Some("Abmeldung"), vec!["Robinson".to_owned()]));
        assert!(asked[2].contains("Only one column can be sent as an opt-out, and Abmeldung is"), "{asked:?}");
        assert!(text.contains("\"unsubscribed\": \"Abmeldung\"") && text.contains("\"suppress\""), "{text}");
    }
}
