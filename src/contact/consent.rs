//! What a row's columns say of consent: `suppress` and `require`.

use super::criterion::{Answer, Criterion};

/// A column and the value that counts there.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) place: usize,
    pub(super) column: String,
    pub(super) criterion: Criterion,
}

impl Condition {
    fn answer<'r>(&self, get: &impl Fn(usize) -> &'r str) -> Answer {
        self.criterion.matches(get(self.place))
    }
}

/// The conditions of an export, compiled for the columns of one file.
#[derive(Clone, Debug)]
pub(super) struct Conditions {
    pub(super) suppress: Vec<Condition>,
    pub(super) require: Vec<Condition>,
}

/// What a row's columns of consent say: a definite no counts before what cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// The row may be sent.
    Given,
    /// A suppression column says no.
    Suppressed,
    /// A required value is not there.
    Missing,
    /// A column is neither true nor false.
    Unreadable,
}

impl Conditions {
    pub(super) fn consent<'r>(&self, get: &impl Fn(usize) -> &'r str) -> Consent {
        let mut consent = Consent::Given;
        for condition in &self.suppress {
            match condition.answer(get) {
                Answer::Yes => return Consent::Suppressed,
                Answer::Unreadable => consent = Consent::Unreadable,
                Answer::No | Answer::Blank => {}
            }
        }
        for condition in &self.require {
            match condition.answer(get) {
                Answer::Yes => {}
                Answer::Unreadable => consent = Consent::Unreadable,
                Answer::No | Answer::Blank => return Consent::Missing,
            }
        }
        consent
    }

    /// The number of the condition by which a row is not to be sent, those of `suppress` first.
    pub(super) fn deciding<'r>(&self, get: &impl Fn(usize) -> &'r str) -> Option<usize> {
        let suppressing = self.suppress.iter().position(|condition| condition.answer(get) == Answer::Yes);
        let is_missing = |answer| matches!(answer, Answer::No | Answer::Blank);
        let missing = || self.require.iter().position(|condition| is_missing(condition.answer(get)));
        suppressing.or_else(|| missing().map(|at| self.suppress.len() + at))
    }

    /// The columns that cannot be read.
    pub(super) fn unreadable<'r>(&self, get: &impl Fn(usize) -> &'r str) -> impl Iterator<Item = &str> {
        let conditions = self.suppress.iter().chain(&self.require);
        conditions.filter(|condition| condition.answer(get) == Answer::Unreadable).map(|found| found.column.as_str())
    }
}
