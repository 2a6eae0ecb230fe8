//! The questions that only a person can answer, on a terminal.

use std::io::{IsTerminal, Write, stderr, stdin};

use super::answers::Answers;
use super::kinds::Doubt;
use super::proposal::{Proposal, Question, propose};
use super::sample::Sample;
use crate::entry::command::leaning::Leaning;
use crate::error::{Result, escaped};
use crate::value::Decimal;

/// Asks one question: the answer without the space around it; none at the end of the input.
pub(super) type Ask<'a> = dyn FnMut(&str) -> Option<String> + 'a;

/// Who answers: nobody, where there is no terminal.
pub(super) fn terminal() -> Option<impl FnMut(&str) -> Option<String>> {
    let is_there = stdin().is_terminal() && stderr().is_terminal();
    is_there.then_some(|question: &str| {
        let _ = write!(stderr(), "{} ", escaped(question, usize::MAX));
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
        let said = ask(&text(&question));
        if !said.is_some_and(|said| take(&question, &said, answers)) {
            passed.push(question);
        }
        *proposal = propose(sample, answers)?;
    }
    if answers.consent.is_none() {
        let by = ask("Who agreed that this data leaves for the account? (empty: nobody yet)");
        if let Some(by) = by.filter(|by| !by.is_empty()) {
            let on = ask("On which day, as YYYY-MM-DD?").unwrap_or_default();
            if on.parse::<jiff::civil::Date>().is_ok() {
                answers.consent = Some((by, on));
            }
        }
        *proposal = propose(sample, answers)?;
    }
    Ok(())
}

fn text(question: &Question) -> String {
    match question {
        Question::Email(columns) => format!("Which column holds the address to send to? {}:", columns.join(", ")),
        Question::Consent(column, leaning) => {
            let seems = if *leaning == Leaning::OptOut { "an opt-out" } else { "consent" };
            format!(
                "{column} looks like {seems}. Where it says yes: [o]pt out in the account, [n]ever send, send [only] those, \
                 or [l]eave it out? (empty: decide later)"
            )
        }
        Question::Reading(column, Doubt::DayOrMonth) => {
            format!("The dates of {column} fit both: [d]ay first or [m]onth first? (empty: send them as text)")
        }
        Question::Reading(column, Doubt::Decimal) => {
            format!("A point in {column}: before the [f]raction or between [t]housands? (empty: send it as text)")
        }
    }
}

/// Takes an answer; whether it was one.
fn take(question: &Question, said: &str, answers: &mut Answers) -> bool {
    let said = said.to_lowercase();
    match question {
        Question::Email(columns) => {
            answers.email = columns.iter().find(|column| column.to_lowercase() == said).cloned();
            return answers.email.is_some();
        }
        Question::Consent(column, _) => match said.as_str() {
            "o" | "opt out" if answers.opt_out.is_none() => answers.opt_out = Some(column.clone()),
            "n" | "never" => answers.suppress.push(column.clone()),
            "only" => answers.require.push(column.clone()),
            "l" | "leave" => answers.left_out.push(column.clone()),
            _ => return false,
        },
        Question::Reading(_, Doubt::DayOrMonth) => match said.as_str() {
            "d" | "day" => answers.habits.day_first = Some(true),
            "m" | "month" => answers.habits.day_first = Some(false),
            _ => return false,
        },
        Question::Reading(_, Doubt::Decimal) => match said.as_str() {
            "f" | "fraction" => answers.habits.decimal = Some(Decimal::Point),
            "t" | "thousands" => answers.habits.decimal = Some(Decimal::Comma),
            _ => return false,
        },
    }
    true
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    fn sample() -> Sample {
        let texts = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        Sample {
            columns: texts(&["E-Mail", "Abmeldung", "Tag", "Umsatz"]),
            rows: vec![texts(&["ann@example.com", "Nein", "3/4/2024", "1.234"])],
            encoding: None,
            is_whole: true,
        }
    }

    fn settled(said: &[&str]) -> (Answers, String) {
        let sample = sample();
        let mut answers = Answers { export: "kunden".into(), segment: "Kunden".into(), ..Answers::default() };
        let mut proposal = propose(&sample, &answers).unwrap();
        let mut said = said.iter().map(|text| (*text).to_owned());
        settle(&sample, &mut answers, &mut proposal, &mut |_| said.next()).unwrap();
        (answers, proposal.text)
    }

    #[test]
    fn what_a_person_says_is_written() {
        let (answers, text) = settled(&["o", "d", "t", "dpo@example.com", "2026-11-23"]);
        assert_eq!(answers.opt_out.as_deref(), Some("Abmeldung"));
        for part in ["\"unsubscribed\": \"Abmeldung\"", "\"format\": \"%d/%m/%Y\"", "\"decimal\": \",\"", "agreed_by"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_consent_that_nobody_gave_is_never_written() {
        for said in [&[][..], &["", "", "", ""], &["l", "m", "f", "dpo@example.com", "yesterday"]] {
            let (answers, text) = settled(said);
            assert!(answers.consent.is_none() && !text.contains("consent") && !text.contains("unsubscribed"), "{text}");
        }
    }
}
