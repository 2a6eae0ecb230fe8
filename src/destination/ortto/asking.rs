//! Calls outside of the lanes and what they bring, and the account's tags.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::fields::is_same_tag;
use super::request;
use super::response::{BAN, Reply, read};
use crate::destination::{Call, HttpResponse, Judgement, Session};
use crate::error::{Error, Kind, Result};
use crate::membership::MembershipTarget;

/// Makes calls at once and reads what they brought. A call that is forbidden is made once more after a ban's time: where
/// it still is, the account refuses the key.
pub(super) async fn call_all(session: &mut dyn Session, calls: Vec<Call>) -> Result<Vec<Reply>> {
    call(session, calls, false).await
}

/// The same of calls that must bring something: a refusal may be a limit's, so that it is waited for as well.
pub(super) async fn ask_all(session: &mut dyn Session, calls: Vec<Call>) -> Result<Vec<Reply>> {
    call(session, calls, true).await
}

async fn call(session: &mut dyn Session, calls: Vec<Call>, waits_for_refusals: bool) -> Result<Vec<Reply>> {
    let has_waited: Vec<AtomicBool> = calls.iter().map(|_| AtomicBool::new(false)).collect();
    let is_first = |n: usize| has_waited.get(n).is_some_and(|has| !has.swap(true, Ordering::Relaxed));
    let judge = |n: usize, response: &HttpResponse| match read(response) {
        Reply::Forbidden if !is_first(n) => Judgement::Unauthorized,
        Reply::Refused(400, _) | Reply::Bad(_) if waits_for_refusals && is_first(n) => {
            Judgement::Paused(BAN, "400, the call was refused")
        }
        reply => reply.judgement(),
    };
    let responses = session.call_all(calls, &judge).await.map_err(|error| match error.kind {
        Kind::Access => Error::new(Kind::Access, "Ortto", "the account refuses the key").hint(
            "check the key, and that the connection's region is the account's; a key is worth nothing in another",
        ),
        _ => error,
    })?;
    Ok(responses.iter().map(read).collect())
}

pub(super) async fn ask(session: &mut dyn Session, what: &'static str, request: Call) -> Result<Value> {
    let mut replies = ask_all(session, vec![request]).await?;
    done(replies.pop().unwrap_or(Reply::Failed("no answer")), what)
}

pub(super) fn done(reply: Reply, what: &'static str) -> Result<Value> {
    match reply {
        Reply::Done(body) => Ok(body),
        _ => Err(Error::new(Kind::Access, "Ortto", format!("does not list {what}"))
            .hint("check base_url, and that the key belongs to an Ortto account")),
    }
}

/// What is asked with [`request::tags`].
pub(super) const TAGS: &str = "its tags";

/// Asks how many people carry each of these tags.
pub(super) async fn count(session: &mut dyn Session, targets: &[MembershipTarget]) -> Result<Vec<Option<u64>>> {
    let tags = ask(session, TAGS, request::tags()).await?;
    let tags = tags_of_people(&tags);
    let count = |target: &MembershipTarget| {
        let MembershipTarget::Tag(name) = target else { return None };
        let exact = tags.iter().find(|(known, _)| known == name);
        let found = exact.or_else(|| tags.iter().find(|(known, _)| is_same_tag(known, name)));
        Some(found.map_or(0, |(_, count)| *count))
    };
    Ok(targets.iter().map(count).collect())
}

/// The account's name. Where there is no tag, nothing tells it. Source: ORTTO_API 5.
pub(super) fn named(tags: &Value) -> Option<String> {
    tags.as_array().into_iter().flatten().find_map(|tag| text(tag, "instance_id"))
}

pub(super) fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

pub(super) fn tags_of_people(tags: &Value) -> Vec<(String, u64)> {
    let tags = tags.as_array().map(Vec::as_slice).unwrap_or_default();
    tags.iter().filter(|tag| text(tag, "type").is_none()).filter_map(tag).collect()
}

fn tag(tag: &Value) -> Option<(String, u64)> {
    Some((text(tag, "name")?, tag.get("count").and_then(Value::as_u64).unwrap_or_default()))
}
