//! What a proposal is made by, besides the file.

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
}
