//! From a sample and what was answered to a configuration, and what is left to be said.

use std::collections::BTreeSet;

use super::answers::Answers;
use super::file::{self, Json, Parts};
use super::kinds::{Doubt, Guess, Habits, is_day_first};
use super::names;
use super::near::{judge, truth};
use super::open::OpenColumn;
use super::remarks;
use super::sample::Sample;
use crate::contact::email;
use crate::destination::{self, Destination};
use crate::entry::command::leaning::{Leaning, leaning};
use crate::error::{Error, Kind, Result};
use crate::value::{Cell, Decimal, FieldType, Reader, Reading, content, nearest};

/// What only a person can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Which of these columns holds the address.
    Email(Vec<String>),
    /// What a column of consent means.
    Consent(OpenColumn),
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
    /// What else there is to do, a line each.
    pub(super) remarks: Vec<String>,
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
        remarks: Vec::new(),
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
    let Proposing { standard, custom, true_words, false_words, columns, questions, remarks, .. } = proposing;
    let email = column(Some(email)).unwrap_or_default();
    let text = file::text(sample, answers, Parts { email, id: column(id), standard, custom, true_words, false_words })?;
    Ok(Proposal { text, columns, questions, remarks })
}

pub(super) struct Proposing<'a> {
    pub(super) sample: &'a Sample,
    pub(super) answers: &'a Answers,
    pub(super) destination: &'static dyn Destination,
    pub(super) habits: Habits,
    /// Fields that are filled, by the destination's name for them, and custom ones in small letters.
    pub(super) taken: BTreeSet<String>,
    pub(super) standard: Vec<(String, Json)>,
    pub(super) custom: Vec<(String, Json)>,
    pub(super) true_words: Vec<String>,
    pub(super) false_words: Vec<String>,
    pub(super) columns: Vec<(String, String)>,
    pub(super) questions: Vec<Question>,
    pub(super) remarks: Vec<String>,
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
        let twice = named.first().or(holds.first()).map(|at| name(*at)).filter(|name| self.sample.count(name) > 1);
        if let Some(name) = twice {
            return Err(self.two_of_one_name(name));
        }
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

    /// The error of addresses in a column whose name others have too.
    fn two_of_one_name(&self, name: &str) -> Error {
        let all = self.sample.columns.iter().enumerate().filter(|(_, column)| *column == name);
        let places: Vec<String> = all.map(|(at, _)| (at + 1).to_string()).collect();
        let problem = format!("columns {} of the file have the same name", places.join(" and "));
        Error::new(Kind::Segment, name, problem)
            .hint(format!("rename all but the one with the addresses, or use the first with --email {name}"))
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
        if self.sample.count(&name) > 1 {
            self.remarks.extend(leaning(&name).map(|leaning| remarks::several_columns(&name, leaning)));
            return Ok("left out: several columns have this name".to_owned());
        }
        if self.is_in(at, &self.answers.left_out) {
            return Ok("left out".to_owned());
        }
        let roles = [
            (self.answers.opt_out.as_slice(), Leaning::OptOut, "unsubscribed: true is sent as an opt-out"),
            (&self.answers.suppress, Leaning::OptOut, "suppress: rows where it is true are not sent"),
            (&self.answers.require, Leaning::Consent, "require: only rows where it is true are sent"),
        ];
        if let Some((_, meaning, said)) = roles.iter().find(|(names, ..)| self.is_in(at, names)) {
            self.remarks.extend(remarks::opposite(&name, leaning(&name), *meaning, said));
            let guess = self.truth(at, leaning(&name).unwrap_or(*meaning)).ok_or_else(|| self.unreadable(at, &name))?;
            self.remarks.extend(remarks::neither(self.sample, &name, &guess.misfits));
            return Ok((*said).to_owned());
        }
        if let Some(leaning) = leaning(&name) {
            return Ok(self.open_column(at, name, leaning));
        }
        let mut guess = self.guess(at);
        if let Some(said) = self.two_digit_years(at, &name, &guess) {
            return Ok(said);
        }
        if !self.words(&guess) {
            guess = Guess::default();
        }
        self.questions.extend(guess.doubt.map(|doubt| Question::Reading(name.clone(), doubt)));
        Ok(self.standard_field(at, &name, &guess).unwrap_or_else(|| self.custom_field(at, &name, &guess)))
    }

    /// Leaves a column of consent open that nobody has said the meaning of.
    fn open_column(&mut self, at: usize, name: String, leaning: Leaning) -> String {
        let is_empty = self.sample.cells(at).all(|cell| content(cell).is_empty());
        // Its words are needed whatever it comes to mean.
        let guess = if is_empty && names::is_moment(&name) { None } else { self.truth(at, leaning) };
        let Some(guess) = guess else {
            let is_date = is_empty || self.guess(at).kind == Some(FieldType::Date);
            self.remarks.push(remarks::unreadable(self.answers, &name, leaning, is_date));
            let holds = if is_date { "dates" } else { "more than yes and no" };
            return format!("not mapped: it looks like {}, and holds {holds}", leaning.seems());
        };
        self.remarks.extend(remarks::neither(self.sample, &name, &guess.misfits));
        self.questions.push(Question::Consent(OpenColumn::of(name, leaning, self.sample.cells(at))));
        format!("not mapped yet: it looks like {}, and nobody said what it means", leaning.seems())
    }

    /// Takes over the words of a column that says yes or no; none where it says something else, or says yes by a word
    /// that is a no in another column.
    fn truth(&mut self, at: usize, leaning: Leaning) -> Option<Guess> {
        let guess = truth(self.sample.cells(at), leaning)?;
        self.words(&guess).then_some(guess)
    }

    /// The error of a column that was named for what it does not say.
    fn unreadable(&self, at: usize, name: &str) -> Error {
        let error = Error::new(Kind::BadRequest, name, "holds more than words for yes and no");
        match self.guess(at).kind {
            Some(FieldType::Date) => error.hint("it holds dates: deliver a column that says yes where there is one"),
            _ => error.hint("leave it out with --leave-out, and add a condition on its values by hand"),
        }
    }

    /// Says what years of two digits mean, and what becomes of a birthday that would lie in the future.
    fn two_digit_years(&mut self, at: usize, name: &str, guess: &Guess) -> Option<String> {
        let format = guess.format.as_ref().filter(|format| format.contains("%y"))?;
        let reader = Reader::new(FieldType::Date, Some(format.clone()), &Reading::default());
        let today = self.answers.today.map(|today| today.to_string()).unwrap_or_else(|| "9999".to_owned());
        let is_later = |cell: &&str| {
            let mut json = String::new();
            let is_value = reader.read(cell, &mut json) == Ok(Cell::Value);
            is_value && json.trim_matches('"').get(..10).is_some_and(|day| day > today.as_str())
        };
        let is_birth = names::is_birth(name);
        let later = if is_birth { self.sample.cells(at).filter(is_later).count() } else { 0 };
        self.remarks.push(remarks::two_digits(name, is_birth, later));
        (later > 0).then(|| "left out: years of two digits put birthdays into the future".to_owned())
    }

    /// Adds words for yes and no to the export's; false where one of them has the other meaning already.
    fn words(&mut self, guess: &Guess) -> bool {
        let holds =
            |words: &[String], word: &String| words.iter().any(|known| known.to_lowercase() == word.to_lowercase());
        if guess.true_words.iter().any(|word| holds(&self.false_words, word))
            || guess.false_words.iter().any(|word| holds(&self.true_words, word))
        {
            return false;
        }
        let add = |words: &mut Vec<String>, more: &[String]| {
            for word in more {
                if !holds(words, word) {
                    words.push(word.clone());
                }
            }
        };
        add(&mut self.true_words, &guess.true_words);
        add(&mut self.false_words, &guess.false_words);
        true
    }
}
