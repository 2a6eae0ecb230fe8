//! An HTTP response as an answer. Read leniently: extra keys, other types of error, empty bodies.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::client::is_success;
use crate::delivery::call::{Answer, Call, CustomField, List, Reply};
use crate::state::ContactId;

/// The longest wait that an answer may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// What the response to `call` means: its status, its `Retry-After` and its body, however odd they are.
pub fn read(call: &Call, status: u16, retry_after: Option<&str>, body: &[u8]) -> Answer {
    match status {
        status if is_success(status) => {
            success(call, body).map_or(Answer::Unclear("an unreadable answer"), Answer::Done)
        }
        401 => Answer::Denied,
        403 if call.speaks_for_the_account() => Answer::Denied,
        // A page is a gateway's, and says nothing of a contact.
        404 if is_blank(body) || serde_json::from_slice::<IgnoredAny>(body).is_ok() => Answer::NotFound,
        404 => Answer::Unclear("a 404 that is not Autopilot's"),
        409 => Answer::Conflict,
        429 => Answer::Throttled(retry_after.and_then(wait)),
        408 => Answer::Unclear("408, the server timed out"),
        500..=599 => Answer::Unclear("5xx, the server failed"),
        400..=499 => Answer::Refused(reason(status, body)),
        _ => Answer::Unclear("an unexpected status"),
    }
}

/// `Retry-After` in seconds or as a date; none is attested of Autopilot, should it ever come.
fn wait(text: &str) -> Option<Duration> {
    let seconds = match text.trim().parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
            at.timestamp().duration_since(jiff::Timestamp::now()).as_secs_f64()
        }
    };
    Duration::try_from_secs_f64(seconds.max(0.0)).ok().map(|wait| wait.min(LONGEST_WAIT))
}

/// Autopilot's own words for a refusal: `message`, else `error` (a text or an object), else the status.
fn reason(status: u16, body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let places = ["/message", "/error/message", "/error", "/code"];
    let text = places.iter().find_map(|place| body.pointer(place)?.as_str()).unwrap_or_default();
    let text: String = text.chars().filter(|c| !c.is_control()).take(300).collect();
    if text.is_empty() { format!("refused with status {status}") } else { text }
}

#[derive(Deserialize)]
struct Upserted<'a> {
    /// Read only where there is no map.
    #[serde(borrow)]
    contact_ids: Option<&'a RawValue>,
    email_contact_map: Option<HashMap<String, String>>,
}

/// The map with its emails in lower case: what case Autopilot writes them in is unknown.
fn in_lower_case(map: HashMap<String, String>) -> HashMap<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase();
    if map.keys().all(|email| email.bytes().all(is_plain)) {
        return map;
    }
    map.into_iter().map(|(email, id)| (email.trim().to_lowercase(), id)).collect()
}

fn success(call: &Call, body: &[u8]) -> Option<Reply> {
    match call {
        Call::UpsertMany { .. } => {
            let read: Upserted = serde_json::from_slice(body).ok()?;
            Some(match read.email_contact_map {
                Some(mut map) => {
                    map.retain(|_, id| is_contact(id));
                    Reply::Upserted { map: Some(in_lower_case(map)), ids: Vec::new() }
                }
                None => {
                    let ids: Vec<String> = serde_json::from_str(read.contact_ids?.get()).ok()?;
                    ids.iter().all(|id| is_contact(id)).then_some(Reply::Upserted { map: None, ids })?
                }
            })
        }
        Call::Member { .. } | Call::AddMember { .. } | Call::RemoveMember { .. } => {
            // Empty, or an object; an HTML page is not Autopilot's answer.
            (is_blank(body) || serde_json::from_slice::<IgnoredAny>(body).is_ok()).then_some(Reply::Nothing)
        }
        _ => {
            let body: Value = serde_json::from_slice(body).ok()?;
            value(call, &body)
        }
    }
}

fn value(call: &Call, body: &Value) -> Option<Reply> {
    let text = |key: &str| body.get(key)?.as_str().map(str::to_owned);
    let contact = || text("contact_id").filter(|id| is_contact(id));
    Some(match call {
        Call::Account => Reply::Account(text("instanceId")?),
        Call::Lists => Reply::Lists(body.get("lists")?.as_array()?.iter().filter_map(list).collect()),
        Call::CreateList { .. } => Reply::List(text("list_id").filter(|id| is_path_part(id))?),
        Call::CustomFields => Reply::CustomFields(body.as_array()?.iter().filter_map(custom_field).collect()),
        Call::Contact { .. } => Reply::Contact {
            id: contact()?,
            email: text("Email"),
            lists: body
                .get("lists")
                .and_then(Value::as_array)
                .map(|lists| lists.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect()),
        },
        Call::UpsertOne { .. } => Reply::Written(contact()?),
        _ => Reply::Nothing,
    })
}

fn is_blank(body: &[u8]) -> bool {
    body.iter().all(u8::is_ascii_whitespace)
}

/// Whether a text can name a contact, in a path and in the state.
fn is_contact(id: &str) -> bool {
    is_path_part(id) && !ContactId::from(id).is_unknown()
}

/// Whether a text is a part of a path, whatever it is encoded to: addresses lose the others, so that what takes a contact
/// off the list `..` would be what deletes it.
fn is_path_part(id: &str) -> bool {
    !matches!(id, "" | "." | "..")
}

fn list(value: &Value) -> Option<List> {
    let id = value.get("list_id")?.as_str().filter(|id| is_path_part(id))?;
    Some(List { id: id.into(), title: value.get("title")?.as_str()?.into() })
}

fn custom_field(value: &Value) -> Option<CustomField> {
    Some(CustomField {
        name: value.get("name")?.as_str()?.into(),
        kind: value.get("fieldType").and_then(Value::as_str).unwrap_or_default().into(),
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn bulk() -> Call {
        Call::UpsertMany { body: Bytes::new(), rows: 1 }
    }

    #[test]
    fn the_map_is_compared_without_case() {
        let body = br#"{"contact_ids":["person_1"],"email_contact_map":{"Ann@Example.org":"person_1"},"_x":[]}"#;
        let Answer::Done(Reply::Upserted { map: Some(map), .. }) = read(&bulk(), 200, None, body) else { panic!() };
        assert_eq!(map.get("ann@example.org").map(String::as_str), Some("person_1"));
    }

    #[test]
    fn what_cannot_be_read_is_unclear_and_is_asked_again() {
        for body in [&b"<html>"[..], b"", b"{}", b"{\"contact_ids\":", b"[1,2]", br#"{"contact_ids":[1]}"#] {
            assert!(matches!(read(&bulk(), 200, None, body), Answer::Unclear(_)));
        }
        assert!(matches!(read(&Call::Account, 200, None, b"{\"instanceId\":5}"), Answer::Unclear(_)));
        for status in [408, 500, 502, 503, 302] {
            assert!(matches!(read(&bulk(), status, None, b""), Answer::Unclear(_)), "{status}");
        }
    }

    #[test]
    fn what_cannot_name_a_contact_is_no_id() {
        let one = Call::UpsertOne { body: Bytes::new() };
        let lists =
            br#"{"lists":[{"list_id":"..","title":"a"},{"list_id":"","title":"b"},{"list_id":".","title":"c"}]}"#;
        assert_eq!(read(&Call::Lists, 200, None, lists), Answer::Done(Reply::Lists(vec![])));
        for id in ["", "?", ".", "..", &"x".repeat(255)] {
            let body = serde_json::json!({ "contact_id": id }).to_string();
            assert!(matches!(read(&one, 200, None, body.as_bytes()), Answer::Unclear(_)), "{id}");
            let body = serde_json::json!({ "contact_ids": [id], "email_contact_map": { "a@b.c": id } }).to_string();
            let nobody = Reply::Upserted { map: Some(HashMap::new()), ids: vec![] };
            assert_eq!(read(&bulk(), 200, None, body.as_bytes()), Answer::Done(nobody), "{id}");
        }
    }

    #[test]
    fn a_page_with_status_404_is_not_autopilots_word() {
        let leaves = Call::RemoveMember { list: "l".into(), contact: "c".into() };
        for body in [&b""[..], b" ", br#"{"error":"Not Found"}"#] {
            assert_eq!(read(&leaves, 404, None, body), Answer::NotFound);
        }
        assert!(matches!(read(&leaves, 404, None, b"<html>no such host</html>"), Answer::Unclear(_)));
    }

    #[test]
    fn refusals_say_what_autopilot_said() {
        for (body, reason) in [
            (&br#"{"error":"Bad Request","message":"too many"}"#[..], "too many"),
            (br#"{"error":{"message":"inner"}}"#, "inner"),
            (br#"{"code":"E1"}"#, "E1"),
            (b"", "refused with status 400"),
        ] {
            assert_eq!(read(&bulk(), 400, None, body), Answer::Refused(reason.into()));
        }
    }

    #[test]
    fn access_is_the_accounts_or_the_rows() {
        let one = Call::UpsertOne { body: Bytes::new() };
        assert_eq!(read(&one, 401, None, b""), Answer::Denied);
        assert_eq!(read(&bulk(), 403, None, b""), Answer::Denied);
        assert!(matches!(read(&one, 403, None, b""), Answer::Refused(_)));
    }

    #[test]
    fn a_wait_is_heeded_in_both_forms_and_bounded() {
        assert_eq!(read(&bulk(), 429, None, b""), Answer::Throttled(None));
        assert_eq!(read(&bulk(), 429, Some("7"), b""), Answer::Throttled(Some(Duration::from_secs(7))));
        assert_eq!(wait("99999"), Some(LONGEST_WAIT));
        assert_eq!(wait("Tue, 12 May 2015 10:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
    }

    fn calls() -> [Call; 10] {
        let (list, contact) = (String::from("l"), String::from("c"));
        [
            Call::Account,
            Call::Lists,
            Call::CreateList { title: "t".into() },
            Call::CustomFields,
            Call::Contact { contact: contact.clone() },
            Call::Member { list: list.clone(), contact: contact.clone() },
            bulk(),
            Call::UpsertOne { body: Bytes::new() },
            Call::AddMember { list: list.clone(), contact: contact.clone() },
            Call::RemoveMember { list, contact },
        ]
    }

    /// JSON in the manner of the account's answers, with values of any type in every place.
    fn answers() -> impl Strategy<Value = Value> {
        let names = "contact_ids|email_contact_map|contact_id|list_id|lists|title|Email|instanceId|name|fieldType|message|error";
        let leaf = proptest::prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            proptest::prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(names, inner, 0..6).prop_map(|map| serde_json::json!(map)),
            ]
        })
    }

    proptest::proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_answer_makes_a_panic_or_an_id_that_is_not_in_it(value in answers(), status in 100u16..700, cut: usize) {
            let whole = value.to_string().into_bytes();
            for body in [&whole[..], &whole[..cut % (whole.len() + 1)]] {
                for call in calls() {
                    let ids = match read(&call, status, None, body) {
                        Answer::Done(_) if !is_success(status) => panic!("{status} is no success"),
                        Answer::Done(Reply::Upserted { map, ids }) => {
                            ids.into_iter().chain(map.unwrap_or_default().into_values()).collect()
                        }
                        Answer::Done(Reply::Written(id) | Reply::List(id) | Reply::Account(id)) => vec![id],
                        Answer::Done(Reply::Contact { id, .. }) => vec![id],
                        Answer::Refused(text) => {
                            prop_assert!(text.chars().count() <= 300);
                            continue;
                        }
                        _ => continue,
                    };
                    let text = String::from_utf8_lossy(body);
                    for id in ids {
                        prop_assert!(text.contains(&Value::from(id).to_string()), "{text}");
                    }
                }
            }
        }

        #[test]
        fn no_bytes_make_a_panic(body: Vec<u8>, status: u16, wait in ".{0,30}") {
            for call in calls() {
                let _ = read(&call, status, Some(&wait), &body);
            }
        }
    }
}
