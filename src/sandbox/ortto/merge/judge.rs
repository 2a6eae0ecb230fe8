//! What is to become of a row, before anything is applied.

use serde_json::Value;
use tokio::time::Instant;

use super::super::store::Store;
use super::super::tags;
use super::super::value;
use super::find;
use crate::sandbox::faults::InjectedFaults;
use crate::sandbox::options::{Odd, OrttoOptions};
use crate::sandbox::ortto::merge_request::{PERSON_ID, Row, Rules};
use crate::sandbox::ortto::merge_row::ValidRow;

/// What is to become of a row.
#[derive(Debug)]
pub(super) enum Verdict {
    Valid(Box<ValidRow>),
    Skipped,
    Suppressed,
    Invalid(String),
    /// A fault loses it without a trace.
    Lost,
}

/// Judges a row against the account as it is now.
pub(super) fn judge(
    store: &Store,
    row: Row,
    rules: &Rules,
    faults: &InjectedFaults,
    now: Instant,
    options: &OrttoOptions,
) -> Verdict {
    if faults.refuses_row(row.email()) || faults.refuses_batch(row.email()) {
        return Verdict::Invalid("refused (a fault of the sandbox)".to_owned());
    }
    let valid = match validate(store, row, options) {
        Ok(valid) => valid,
        Err(reason) => return Verdict::Invalid(reason),
    };
    if find::existing(store, &valid.row, rules, now, options).is_some() {
        return Verdict::Valid(Box::new(valid));
    }
    if rules.skip_non_existing {
        return Verdict::Skipped;
    }
    let suppressed = rules.suppression_field.as_deref().and_then(|field| valid.row.text(field));
    if suppressed.is_some_and(|email| store.is_suppressed(email)) {
        return Verdict::Suppressed;
    }
    if valid.row.fields.contains_key(PERSON_ID) {
        return Verdict::Invalid(format!("{PERSON_ID}: Object not found"));
    }
    // Source: docs/ORTTO_API.md 2.1, a person without email needs an external id.
    if valid.row.text("str::email").is_none() && valid.row.text("str::ei").is_none() {
        return Verdict::Invalid("str::email or str::ei is required".to_owned());
    }
    Verdict::Valid(Box::new(valid))
}

/// Checks every field and tag.
fn validate(store: &Store, mut row: Row, options: &OrttoOptions) -> Result<ValidRow, String> {
    let number = |id: &str| {
        let unknown = || format!("failed to validate field {id} in schema: {id}: Object not found");
        store.fields.find_kept(id, options).ok_or_else(unknown)
    };
    let mut changes = Vec::with_capacity(row.fields.len());
    for (id, value) in &row.fields {
        if matches!(id.as_str(), PERSON_ID | "str::id") {
            continue;
        }
        let number = number(id)?;
        if let Some(field) = store.fields.get(number) {
            changes.push((number, value::check(field, value.clone(), options)?));
        }
    }
    let wanted = row.clear_fields.iter().filter(|(_, clear)| **clear == Value::Bool(true));
    let cleared = wanted.map(|(id, _)| number(id)).collect::<Result<_, _>>()?;
    let is_long = |tag: &String| tags::is_long(tag, options);
    match options.long_strings {
        Odd::Refuse if row.tags.iter().any(is_long) => return Err("tag is too long".to_owned()),
        Odd::Ignore => row.tags.retain(|tag| !is_long(tag)),
        Odd::Refuse | Odd::Accept => {}
    }
    Ok(ValidRow { row, changes, cleared })
}
