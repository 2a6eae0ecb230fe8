//! From a sample and what was answered to a configuration, and what is left to be said.

use std::collections::BTreeSet;

use serde_json::json;

use super::answers::Answers;
use super::file::{self, Json, Parts, object, plain};
use super::kinds::{Doubt, Guess, Habits, is_day_first, judge, truth};
use super::names;
use super::sample::Sample;
use crate::contact::email;
use crate::destination::{self, Destination};
use crate::entry::command::leaning::{Leaning, leaning};
use crate::error::{Error, Kind, Result};
use crate::value::{Decimal, FieldType, content, nearest};

/// What only a person can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Which of these columns holds the address.
    Email(Vec<String>),
    /// What a column of consent means.
    Consent(String, Leaning),
    /// How a column is to be read.
    Reading(String, Doubt),
}

/// A configuration that is proposed.
pub(super) struct Proposal {
    /// The text of the file.
    pub(super) text: String,
    /// Each column and what becomes of it.
    pub(super) columns: Vec<(String, String)>,
    pub(super) questions: Vec<Question>,
}

/// Proposes a configuration for a drop.
///
/// # Errors
/// Kind `bad_request`, where a flag names a column that the drop lacks or that does not say yes or no; kind `segment`,
/// where no column holds addresses.
pub(super) fn propose(sample: &Sample, answers: &Answers) -> Result<Proposal> {
    let mut proposing = Proposing {
        sample,
        answers,
        destination: destination::of(answers.api),
        habits: answers.habits,
        taken: BTreeSet::new(),
        standard: Vec::new(),
        custom: Vec::new(),
        true_words: Vec::new(),
        false_words: Vec::new(),
        columns: Vec::new(),
        questions: Vec::new(),
    };
    proposing.check_names()?;
    let email = proposing.email()?;
    proposing.learn_habits();
    let id = (0..sample.columns.len()).find(|at| *at != email && proposing.is_id(*at));
    for at in 0..sample.columns.len() {
        let said = match at {
            _ if at == email => "email".to_owned(),
            _ if Some(at) == id => "id, the stable customer id".to_owned(),
            _ => proposing.column(at)?,
        };
        let name = sample.columns.get(at).cloned().unwrap_or_default();
        proposing.columns.push((name, said));
    }
    let column = |at: Option<usize>| at.and_then(|at| sample.columns.get(at)).cloned();
    let Proposing { standard, custom, true_words, false_words, columns, questions, .. } = proposing;
    let email = column(Some(email)).unwrap_or_default();
    let text = file::text(sample, answers, Parts { email, id: column(id), standard, custom, true_words, false_words })?;
    Ok(Proposal { text, columns, questions })
}

struct Proposing<'a> {
    sample: &'a Sample,
    answers: &'a Answers,
    destination: &'static dyn Destination,
    habits: Habits,
    /// Fields that are filled, by the destination's name for them, and custom ones in small letters.
    taken: BTreeSet<String>,
    standard: Vec<(String, Json)>,
    custom: Vec<(String, Json)>,
    true_words: Vec<String>,
    false_words: Vec<String>,
    columns: Vec<(String, String)>,
    questions: Vec<Question>,
}

impl Proposing<'_> {
    /// Every column that a flag names must be there.
    fn check_names(&self) -> Result<()> {
        let Answers { email, opt_out, suppress, require, left_out, .. } = self.answers;
        let named = email.iter().chain(opt_out).chain(suppress).chain(require).chain(left_out);
        let mut unknown = named.filter(|name| self.sample.place(name).is_none());
        let Some(name) = unknown.next() else { return Ok(()) };
        let columns = self.sample.columns.iter().map(String::as_str);
        let error = Error::new(Kind::BadRequest, name, "unknown column");
        Err(match nearest(name, columns) {
            Some(nearest) => error.hint(format!("the nearest is {nearest}")),
            None => error.hint("name a column of its first line"),
        })
    }

    /// The column of the address: the one that is named, else the one whose cells are addresses.
    fn email(&mut self) -> Result<usize> {
        if let Some(at) = self.answers.email.as_deref().and_then(|name| self.sample.place(name)) {
            return Ok(at);
        }
        let name = |at: usize| self.sample.columns.get(at).map(String::as_str).unwrap_or_default();
        let is_named = |at: &usize| names::is_email(name(*at));
        let all = 0..self.sample.columns.len();
        let holds: Vec<usize> = match self.sample.rows.is_empty() {
            true => all.filter(is_named).collect(),
            false => all.filter(|at| self.holds_addresses(*at)).collect(),
        };
        let named: Vec<usize> = holds.iter().copied().filter(is_named).collect();
        match (holds.as_slice(), named.as_slice()) {
            ([], _) => Err(Error::new(Kind::Segment, "the file", "no column of it holds email addresses")
                .hint("name the column with --email COLUMN")),
            ([only], _) | (_, [only]) => Ok(*only),
            ([first, ..], _) => {
                let several = holds.iter().map(|at| name(*at).to_owned()).collect();
                let first = *first;
                self.questions.push(Question::Email(several));
                Ok(first)
            }
        }
    }

    /// Whether at least half of a column's cells are addresses.
    fn holds_addresses(&self, at: usize) -> bool {
        let (mut address, mut normal) = (String::new(), String::new());
        let filled = self.sample.cells(at).filter(|cell| !content(cell).is_empty());
        let (all, valid) = filled.fold((0, 0), |(all, valid), cell| {
            (all + 1, valid + usize::from(email::read(cell, &mut address, &mut normal).is_ok()))
        });
        valid > 0 && valid * 2 >= all
    }

    /// What columns that can be read one way tell of those that can be read two ways.
    fn learn_habits(&mut self) {
        for at in 0..self.sample.columns.len() {
            let Guess { kind, decimal, format, .. } = self.guess(at);
            if kind == Some(FieldType::Float) || kind == Some(FieldType::Integer) && decimal == Decimal::Comma {
                self.habits.decimal = self.habits.decimal.or(Some(decimal));
            }
            let order = format.filter(|format| format.contains("%m")).map(|format| is_day_first(&format));
            self.habits.day_first = self.habits.day_first.or(order);
        }
    }

    fn guess(&self, at: usize) -> Guess {
        let name = self.sample.columns.get(at).map(String::as_str).unwrap_or_default();
        judge(self.sample.cells(at), self.habits, names::is_date(name))
    }

    /// Whether a column is named like a customer's id, and tells every row from every other.
    fn is_id(&self, at: usize) -> bool {
        let is_named = self.sample.columns.get(at).is_some_and(|name| names::is_id(name));
        if !is_named || self.sample.rows.is_empty() || self.is_named_by_a_flag(at) {
            return false;
        }
        let mut seen = BTreeSet::new();
        self.sample.cells(at).map(content).all(|cell| !cell.is_empty() && seen.insert(cell))
    }

    fn is_in(&self, at: usize, names: &[String]) -> bool {
        names.iter().any(|name| self.sample.place(name) == Some(at))
    }

    fn is_named_by_a_flag(&self, at: usize) -> bool {
        let Answers { opt_out, suppress, require, left_out, .. } = self.answers;
        [opt_out.as_slice(), suppress, require, left_out].iter().any(|names| self.is_in(at, names))
    }

    /// Proposes what becomes of a column; says it in words.
    fn column(&mut self, at: usize) -> Result<String> {
        let name = self.sample.columns.get(at).cloned().unwrap_or_default();
        if name.is_empty() {
            return Ok("left out: it has no name".to_owned());
        }
        if self.sample.columns.iter().filter(|other| **other == name).count() > 1 {
            return Ok("left out: several columns have this name".to_owned());
        }
        if self.is_in(at, &self.answers.left_out) {
            return Ok("left out".to_owned());
        }
        let roles = [
            (self.answers.opt_out.as_slice(), "unsubscribed: true is sent as an opt-out"),
            (&self.answers.suppress, "suppress: rows where it is true are not sent"),
            (&self.answers.require, "require: only rows where it is true are sent"),
        ];
        if let Some((_, role)) = roles.iter().find(|(names, _)| self.is_in(at, names)) {
            return self.consent(at, &name).map(|()| (*role).to_owned());
        }
        if let Some(leaning) = leaning(&name) {
            // Its words are needed whatever it comes to mean.
            let is_readable = self.consent(at, &name).is_ok();
            self.questions.push(Question::Consent(name, leaning));
            return Ok(match is_readable {
                true => "not mapped yet: it looks like consent, and nobody said what it means".to_owned(),
                false => "not mapped: it looks like consent, and holds more than yes and no".to_owned(),
            });
        }
        let guess = self.guess(at);
        self.questions.extend(guess.doubt.map(|doubt| Question::Reading(name.clone(), doubt)));
        self.words(&guess);
        Ok(self.standard_field(&name, &guess).unwrap_or_else(|| self.custom_field(&name, &guess)))
    }

    /// Takes over the words of a column that says yes or no.
    fn consent(&mut self, at: usize, name: &str) -> Result<()> {
        let guess = truth(self.sample.cells(at)).ok_or_else(|| {
            Error::new(Kind::BadRequest, name, "holds more than words for yes and no")
                .hint("leave it out with --leave-out, and add a condition on its values by hand")
        })?;
        self.words(&guess);
        Ok(())
    }

    fn words(&mut self, guess: &Guess) {
        let add = |words: &mut Vec<String>, more: &[String]| {
            for word in more {
                if !words.iter().any(|known| known.to_lowercase() == word.to_lowercase()) {
                    words.push(word.clone());
                }
            }
        };
        add(&mut self.true_words, &guess.true_words);
        add(&mut self.false_words, &guess.false_words);
    }

    fn standard_field(&mut self, name: &str, guess: &Guess) -> Option<String> {
        let field = names::standard_field(name)?;
        let known = self.destination.standard_fields().iter().find(|known| known.name == field)?;
        let fits = match known.field_type {
            FieldType::String => true,
            FieldType::Day => guess.kind == Some(FieldType::Date),
            other => guess.kind == Some(other),
        };
        if !fits || !self.taken.insert(known.label.to_owned()) {
            return None;
        }
        let typed = if known.field_type == FieldType::String { Guess::default() } else { guess.clone() };
        let how = match (&typed.format, typed.decimal) {
            (None, Decimal::Point) => Json::Plain(json!(name)),
            _ => object([
                ("column", plain(name)),
                ("format", typed.format.clone().and_then(plain)),
                ("decimal", comma(&typed)),
            ]),
        };
        self.standard.push((field.to_owned(), how));
        Some(format!("{field}{}", in_words(&typed)))
    }

    fn custom_field(&mut self, name: &str, guess: &Guess) -> String {
        let Some(field) = self.custom_name(name) else {
            return "left out: its name cannot be that of a field; map it under custom".to_owned();
        };
        let kind = guess.kind.unwrap_or(FieldType::String);
        let types = self.destination.field_types();
        let of = |kind| types.iter().find(|(_, known)| *known == kind).map(|(name, _)| *name);
        // A day is a day where the destination knows days.
        let day = || of(FieldType::Day).filter(|_| guess.format.as_ref().is_none_or(|format| !format.contains("%H")));
        let type_name = if kind == FieldType::Date { day().or_else(|| of(kind)) } else { of(kind) };
        let type_name = type_name.unwrap_or("string");
        let said = format!("custom \"{field}\", {type_name}{}", in_words(guess));
        let how = object([
            ("column", plain(name)),
            ("type", plain(type_name)),
            ("format", guess.format.clone().and_then(plain)),
            ("decimal", comma(guess)),
        ]);
        self.custom.push((field, how));
        said
    }

    /// A name for a custom field that no other has.
    fn custom_name(&mut self, name: &str) -> Option<String> {
        let spaced: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut plain = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
        while plain.contains("--") {
            plain = plain.replace("--", "-");
        }
        let plain = plain.replace(" - ", " ").replace("- ", " ").replace(" -", " ");
        let plain = plain.trim_matches(['-', ' ']).to_owned();
        let fits = !plain.is_empty() && self.destination.custom_name_fault(&plain).is_none();
        (fits && self.taken.insert(format!("custom {}", plain.to_lowercase()))).then_some(plain)
    }
}

fn comma(guess: &Guess) -> Option<Json> {
    if guess.decimal == Decimal::Comma { plain(",") } else { None }
}

/// How a column is read, where that needs saying.
fn in_words(guess: &Guess) -> String {
    let format = guess.format.as_ref().map(|format| format!(", written as {format}"));
    let decimal = (guess.decimal == Decimal::Comma).then(|| ", with a decimal comma".to_owned());
    format.into_iter().chain(decimal).collect()
}
