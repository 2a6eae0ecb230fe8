//! What a proposal is made by, besides the file, and how answers are read.

use jiff::civil::Date;

use super::kinds::Habits;
use crate::config::Api;

/// What people say of a drop, by flags or when they are asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    pub(super) api: Api,
    pub(super) export: String,
    /// The segment's name, and that of its list or tag.
    pub(super) segment: String,
    pub(super) email: Option<String>,
    pub(super) opt_out: Option<String>,
    pub(super) suppress: Vec<String>,
    pub(super) require: Vec<String>,
    pub(super) left_out: Vec<String>,
    pub(super) habits: Habits,
    pub(super) base_url: Option<String>,
    /// Who agreed that data leaves, and on which day.
    pub(super) consent: Option<(String, String)>,
    /// Who agreed, where the day is not known.
    pub(super) agreed_by: Option<String>,
    /// The day on which a configuration is proposed.
    pub(super) today: Option<Date>,
}

/// Asks one question: the answer without the space around it; none at the end of the input.
pub(super) type Ask<'a> = dyn FnMut(&str) -> Option<String> + 'a;

/// How often a question is put: once, and three times more after wrong answers.
pub(super) const TRIES: usize = 4;
/// An answer without case and without what stands between its words.
pub(super) fn word_of(said: &str) -> String {
    said.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Whether an answer is a whole word for yes.
pub(super) fn is_yes(said: &str) -> bool {
    ["yes", "ja", "oui", "si"].contains(&word_of(said).as_str())
}
