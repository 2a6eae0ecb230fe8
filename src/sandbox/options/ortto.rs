//! How Ortto behaves where the service is not documented: an option for each way it might be.
//!
//! The defaults are what is attested best. Every option has its name on the command line too: `mixed_batch` is
//! `--assume mixed-batch=omitted`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

/// What a merge with good and bad rows answers, and whether its good rows are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MixedBatch {
    /// 200 with an entry for each row, bad ones with their reason. The good rows are applied.
    InPlace,
    /// 200 with entries for the good rows only, which are applied.
    Omitted,
    /// 400 with the reasons of the bad rows. Nothing is applied.
    Refused,
    /// 400 with the reasons of the bad rows. The good rows are applied all the same.
    RefusedButApplied,
}

/// In which order a merge lists its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryOrder {
    /// In the order of the rows.
    Rows,
    /// In the order in which four workers complete the rows of each slice.
    Completion,
    /// In any order.
    Shuffled,
}

/// What a merge answers for a row that `skip_non_existing` skips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkippedRows {
    /// An entry with the status `skipped`.
    Listed,
    /// No entry.
    Omitted,
    /// The status `invalid`, as for a bad row.
    Invalid,
    /// An entry with a status that no text names.
    Unnamed,
    /// An entry with the status `merged` and no id.
    Merged,
}

/// What an asynchronous merge answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AsyncReply {
    /// An entry with the status `queued` for each row.
    Queued,
    /// An empty object.
    Bare,
}

/// What a merge does with an archived person of the same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Archived {
    /// It is not found: a second person is created, and subscribed.
    Invisible,
    /// It is restored and merged.
    Restored,
    /// It is merged and stays archived.
    Merged,
}

/// What happens to a value that is not attested to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Odd {
    /// The row is invalid.
    Refuse,
    /// The value is left out, the rest of the row applied.
    Ignore,
    /// The value is stored, made to fit where it does not: cut, truncated, added to the choices.
    Accept,
}

/// What a wrong key is answered with. A key of another region may be a wrong one or an unknown account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WrongKey {
    /// 401 with the usual error body.
    Unauthorized,
    /// 401 without a body.
    Empty,
    /// 404.
    NotFound,
}

/// How the suppression list names its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuppressionEntries {
    /// Each is an object with an `email`.
    Objects,
    /// Each is a string.
    Strings,
}

/// How the account behaves, and what it holds at the start.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct OrttoOptions {
    /// The account's name in the API.
    pub instance_id: String,
    /// Names of text fields that belong to another data source.
    pub foreign_fields: Vec<String>,
    /// Custom fields, by their names, that people deleted in the account.
    pub deleted_fields: Vec<String>,
    /// Tags of organizations, which share their ids with tags of people.
    pub organization_tags: Vec<String>,

    /// What a merge with good and bad rows answers.
    pub mixed_batch: MixedBatch,
    /// In which order a merge lists its entries.
    pub entry_order: EntryOrder,
    /// Whether a merge's entries have the people's ids.
    pub person_ids: bool,
    /// What a merge answers for a skipped row.
    pub skipped_rows: SkippedRows,
    /// The status of a bad row.
    pub invalid_status: String,
    /// Whether a merge may acknowledge rows as an asynchronous one does, though it has merged them.
    pub acknowledges_rows: bool,
    /// What an asynchronous merge answers.
    pub async_reply: AsyncReply,
    /// Whether an asynchronous merge refuses bad rows at once. Else they are queued and lost.
    pub async_validates: bool,
    /// How long after its response an asynchronous merge is applied.
    pub async_delay_ms: u64,
    /// The fields that identify a person where a merge does not say. Older accounts have `phn::phone` as well.
    pub default_merge_by: Vec<String>,
    /// Whether a merge without a permission subscribes a person who opted out.
    pub resubscribes_by_omission: bool,
    /// What a merge does with an archived person.
    pub archived: Archived,
    /// Whether emails that differ in case are one person.
    pub folds_email_case: bool,
    /// How long after its creation other rows cannot find a person: meanwhile the same address creates a second one.
    pub match_lag_ms: u64,
    /// Most people of the account, archived ones not counted; above it merges that create people are answered 507.
    pub contact_limit: Option<usize>,
    /// Whether a merge that is answered 507 applies the rows before the limit.
    pub contact_limit_applies_part: bool,
    /// Most synchronous merges in flight; more are refused.
    pub concurrent_merges: Option<usize>,
    /// The status of a merge that is refused for concurrency.
    pub concurrency_status: u16,

    /// Strings longer than a field holds; to accept one is to cut it.
    pub long_strings: Odd,
    /// Numbers with a fraction in an integer field; to accept one is to truncate it.
    pub floats: Odd,
    /// Values that are not among the choices of a field.
    pub unknown_choices: Odd,
    /// Languages that are not on the list, such as `en-US`.
    pub unknown_languages: Odd,
    /// Places that are not names, such as `NO`.
    pub unknown_places: Odd,
    /// Phone numbers that cannot be parsed; one in the documented form is always accepted, an empty one refused.
    pub odd_phones: Odd,

    /// Whether tags that differ in case are one tag.
    pub folds_tag_case: bool,
    /// Whether spaces around a tag are dropped.
    pub trims_tags: bool,
    /// Longest tag, if there is a limit; longer ones are treated as long strings.
    pub tag_characters: Option<usize>,
    /// Whether a tag that is both set and unset is unset.
    pub unset_wins: bool,

    /// How long after a write the reading endpoints show it.
    pub read_lag_ms: u64,
    /// Whether `$str::is` compares without case.
    pub folds_filter_case: bool,
    /// Whether `$id_set_is` on `u4s::t` finds people by tag. Else it is an unknown operator.
    pub filters_by_tag: bool,
    /// Whether reading by id finds archived people.
    pub archived_by_id: bool,
    /// Whether an account without custom fields lists them as null.
    pub null_fields: bool,
    /// How the suppression list names its addresses.
    pub suppression_entries: SuppressionEntries,
    /// Whether a page of the suppression list says if there are more. A last page that is full does not show it else.
    pub suppression_has_more: bool,
    /// Most people or addresses of a page, however many are asked for.
    pub page_size: usize,

    /// What a wrong key is answered with.
    pub wrong_key: WrongKey,
    /// The status of creating a custom field that exists.
    pub existing_field_status: u16,
    /// Most custom fields.
    pub custom_field_limit: usize,
    /// The status of creating one more.
    pub custom_field_limit_status: u16,
    /// Whether a merge whose rows are all refused counts as a bad request.
    pub refused_merges_are_bad_requests: bool,
    /// Named in a 429; without it the 429 does not say how long to wait.
    pub try_in_seconds: Option<u32>,
}

impl Default for OrttoOptions {
    fn default() -> Self {
        Self {
            instance_id: "ortto-sandbox".to_owned(),
            foreign_fields: Vec::new(),
            deleted_fields: Vec::new(),
            organization_tags: Vec::new(),
            mixed_batch: MixedBatch::InPlace,
            entry_order: EntryOrder::Rows,
            person_ids: true,
            skipped_rows: SkippedRows::Listed,
            invalid_status: "invalid".to_owned(),
            acknowledges_rows: false,
            async_reply: AsyncReply::Queued,
            async_validates: true,
            async_delay_ms: 0,
            default_merge_by: vec!["str::email".to_owned()],
            resubscribes_by_omission: false,
            archived: Archived::Invisible,
            folds_email_case: true,
            match_lag_ms: 0,
            contact_limit: None,
            contact_limit_applies_part: false,
            concurrent_merges: None,
            concurrency_status: 503,
            long_strings: Odd::Refuse,
            floats: Odd::Refuse,
            unknown_choices: Odd::Refuse,
            unknown_languages: Odd::Refuse,
            unknown_places: Odd::Accept,
            odd_phones: Odd::Refuse,
            folds_tag_case: false,
            trims_tags: false,
            tag_characters: None,
            unset_wins: true,
            read_lag_ms: 0,
            folds_filter_case: true,
            filters_by_tag: false,
            archived_by_id: false,
            null_fields: true,
            suppression_entries: SuppressionEntries::Objects,
            suppression_has_more: true,
            page_size: 500,
            wrong_key: WrongKey::Unauthorized,
            existing_field_status: 423,
            custom_field_limit: 100,
            custom_field_limit_status: 400,
            refused_merges_are_bad_requests: true,
            try_in_seconds: Some(10),
        }
    }
}

impl OrttoOptions {
    /// Reads options as typed: `mixed-batch=omitted`, `read-lag-ms=200`.
    ///
    /// # Errors
    /// The first name or value that does not exist, and those that do.
    pub fn parse<'a>(assumptions: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut named = Map::new();
        for assumption in assumptions {
            let Some((name, value)) = assumption.split_once('=') else {
                return Err(format!("{assumption}: must be NAME=VALUE"));
            };
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            named.insert(name.to_owned(), value);
        }
        serde_json::from_value(named.into()).map_err(|error| error.to_string())
    }

    pub(in crate::sandbox) fn read_lag(&self) -> Duration {
        Duration::from_millis(self.read_lag_ms)
    }

    pub(in crate::sandbox) fn match_lag(&self) -> Duration {
        Duration::from_millis(self.match_lag_ms)
    }

    pub(in crate::sandbox) fn async_delay(&self) -> Duration {
        Duration::from_millis(self.async_delay_ms)
    }
}
