//! `POST /person/merge`: parsed, judged row by row, applied, answered.

mod apply;
mod find;
mod judge;
mod order;
mod reply;

use axum::http::StatusCode;

use super::errors::{error, refused};
use super::merge_request::{self as request, MergeRequest, Rules};
use super::merge_row::QueuedMerge;
use super::store::Store;
use crate::sandbox::api::Request;
use crate::sandbox::options::{AsyncReply, MixedBatch, OrttoOptions, SkippedRows};
use crate::sandbox::response::Response;
use apply::Applied;
use judge::Verdict;
use reply::Entry;
use serde_json::json;
use tokio::time::Instant;

/// Answers a merge.
///
/// # Errors
/// The response that refuses the whole call.
pub(super) fn merge(store: &mut Store, request: &Request<'_>, options: &OrttoOptions) -> Result<Response, Response> {
    let MergeRequest { rows, rules, is_async } = request::parse(request.body, options)?;
    let faults = request.faults;
    if rows.iter().any(|row| faults.fails(row.email())) {
        return Err(error(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong (a fault of the sandbox)."));
    }
    if rows.iter().any(|row| faults.refuses_batch(row.email())) {
        return Err(error(StatusCode::BAD_REQUEST, "refused (a fault of the sandbox)"));
    }
    if !is_async && options.concurrent_merges.is_some_and(|most| request.in_flight > most) {
        // Source: docs/ORTTO_API.md 2.3, neither the limit nor its status is attested.
        return Err(refused(options.concurrency_status, "concurrency limit reached"));
    }
    let ids: Vec<bool> = rows.iter().map(|row| row.fields.contains_key(request::PERSON_ID)).collect();
    let dropped = faults.dropped(rows.len());
    let verdicts: Vec<Verdict> = rows
        .into_iter()
        .zip(dropped)
        .map(|(row, lost)| match lost {
            true => Verdict::Lost,
            false => judge::judge(store, row, &rules, faults, request.now, options),
        })
        .collect();
    if is_async {
        return enqueue(store, verdicts, &ids, rules, request.now, options);
    }
    let bad = reply::bad_rows(&verdicts, options);
    if bad.len() == verdicts.len() || (!bad.is_empty() && options.mixed_batch == MixedBatch::Refused) {
        return Err(reply::refused(&bad, options));
    }
    let entries = apply(store, verdicts, &rules, request.now, options)?;
    if !bad.is_empty() && options.mixed_batch == MixedBatch::RefusedButApplied {
        return Err(reply::refused(&bad, options));
    }
    Ok(reply::merged(&entries, options))
}

/// Queues the valid rows, and acknowledges each.
fn enqueue(
    store: &mut Store,
    verdicts: Vec<Verdict>,
    with_id: &[bool],
    rules: Rules,
    now: Instant,
    options: &OrttoOptions,
) -> Result<Response, Response> {
    let bad = reply::bad_rows(&verdicts, options);
    if options.async_validates && bad.len() == verdicts.len() {
        return Err(reply::refused(&bad, options));
    }
    let mut entries = Vec::with_capacity(verdicts.len());
    let mut rows = Vec::with_capacity(verdicts.len());
    for (verdict, with_id) in verdicts.into_iter().zip(with_id) {
        let id = match &verdict {
            Verdict::Valid(valid) if *with_id => valid.row.text(request::PERSON_ID).map(str::to_owned),
            _ => None,
        };
        match verdict {
            Verdict::Lost => continue,
            Verdict::Valid(valid) => rows.push(*valid),
            Verdict::Invalid(reason) if options.async_validates => {
                entries.push(Entry::Invalid(reason));
                continue;
            }
            Verdict::Invalid(_) | Verdict::Skipped | Verdict::Suppressed => {}
        }
        entries.push(Entry::Queued(id));
    }
    store.queue.push_back((now + options.async_delay(), QueuedMerge { rows, rules }));
    Ok(match options.async_reply {
        AsyncReply::Queued => reply::merged(&entries, options),
        AsyncReply::Bare => Response::ok(&json!({})),
    })
}

impl Store {
    /// Applies the asynchronous merges that are due. Their failures go nowhere.
    pub(super) fn apply_due(&mut self, now: Instant, options: &OrttoOptions) {
        while self.queue.front().is_some_and(|(due, _)| *due <= now) {
            let Some((due, merge)) = self.queue.pop_front() else { break };
            for row in &merge.rows {
                self.apply(row, &merge.rules, due, options);
            }
        }
    }
}

/// Applies the valid rows in the order in which the workers take them; the entries, in the order of the response.
fn apply(
    store: &mut Store,
    verdicts: Vec<Verdict>,
    rules: &Rules,
    now: Instant,
    options: &OrttoOptions,
) -> Result<Vec<Entry>, Response> {
    let order = order::Order::new(verdicts.len(), options.entry_order, &mut store.random);
    let acknowledges = options.acknowledges_rows && store.random.u8(..3) == 0;
    let valid =
        || verdicts.iter().filter_map(|verdict| if let Verdict::Valid(row) = verdict { Some(row) } else { None });
    let mut entries: Vec<Option<Entry>> = verdicts.iter().map(|verdict| entry(verdict, options)).collect();
    let full = || refused(507, "contact limit reached");
    if !options.contact_limit_applies_part && options.contact_limit.is_some() {
        let new = valid().filter(|row| find::existing(store, &row.row, rules, now, options).is_none()).count();
        if options.contact_limit.is_some_and(|most| new > 0 && store.people.count() + new > most) {
            return Err(full());
        }
    }
    for at in order.applied {
        let Some(Verdict::Valid(row)) = verdicts.get(at) else { continue };
        let applied = match store.apply(row, rules, now, options) {
            Applied::Created(id) => Entry::Created(id),
            Applied::Merged(id) => Entry::Merged(id),
            Applied::OverLimit => return Err(full()),
        };
        let applied = if acknowledges && store.random.bool() { Entry::Queued(None) } else { applied };
        if let Some(entry) = entries.get_mut(at) {
            *entry = Some(applied);
        }
    }
    Ok(order.listed.into_iter().filter_map(|at| entries.get_mut(at).and_then(Option::take)).collect())
}

/// The entry of a row that is not applied; `None` where it has none.
fn entry(verdict: &Verdict, options: &OrttoOptions) -> Option<Entry> {
    match verdict {
        Verdict::Valid(_) | Verdict::Lost => None,
        Verdict::Skipped if options.skipped_rows == SkippedRows::Listed => Some(Entry::Skipped),
        Verdict::Skipped if options.skipped_rows == SkippedRows::Omitted => None,
        Verdict::Skipped if options.skipped_rows == SkippedRows::Unnamed => Some(Entry::Unnamed),
        Verdict::Skipped if options.skipped_rows == SkippedRows::Merged => Some(Entry::Merged(String::new())),
        bad => reply::bad(bad, options).filter(|_| options.mixed_batch == MixedBatch::InPlace),
    }
}
