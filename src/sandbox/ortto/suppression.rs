//! The email suppression list.

use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::parse;
use super::store::Store;
use crate::sandbox::options::{OrttoOptions, SuppressionEntries};
use crate::sandbox::response::Response;

/// Source: `docs/ORTTO_API.md` 6.
const MOST: usize = 500;
const LIMIT: usize = 50;

#[derive(Deserialize, Default)]
struct GetSuppressed {
    limit: Option<usize>,
    #[serde(default)]
    offset: usize,
}

/// Source: `docs/ORTTO_API.md` 6.
pub(super) fn get(store: &Store, body: &[u8], options: &OrttoOptions) -> Result<Response, Response> {
    let get: GetSuppressed = parse(body, options)?;
    let limit = get.limit.filter(|limit| (1..=MOST).contains(limit)).unwrap_or(LIMIT).min(options.page_size);
    let page = store.suppressed.iter().skip(get.offset).take(limit);
    let page: Vec<Value> = match options.suppression_entries {
        SuppressionEntries::Objects => page.map(|email| json!({ "email": email })).collect(),
        SuppressionEntries::Strings => page.map(|email| email.as_str().into()).collect(),
    };
    let (total, more) = (store.suppressed.len(), get.offset + page.len() < store.suppressed.len());
    let emails = if page.is_empty() { Value::Null } else { page.into() };
    let mut page = json!({ "emails": emails, "meta": { "total": total, "total_active": total } });
    if let (true, Some(page)) = (options.suppression_has_more, page.as_object_mut()) {
        page.insert("has_more".to_owned(), more.into());
    }
    Ok(Response::ok(&page))
}

#[derive(Deserialize)]
struct Emails {
    emails: Vec<String>,
}

/// Adds to the suppression list, or removes from it.
pub(super) fn change(store: &mut Store, body: &[u8], add: bool, options: &OrttoOptions) -> Result<Response, Response> {
    let Emails { emails } = parse(body, options)?;
    for email in emails {
        let email = email.to_lowercase();
        if add {
            store.suppressed.insert(email);
        } else {
            store.suppressed.remove(&email);
        }
    }
    Ok(Response::ok(&json!({})))
}
