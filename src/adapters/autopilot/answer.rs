//! An HTTP response as an answer. Read leniently: extra keys, other types of error, empty bodies.
//!
//! What is not needed of an answer is not kept: its parts stay text until they are asked for.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::client::{is_success, stands_in_a_path};
use crate::delivery::call::{Call, CustomField, List, Payload, Response};
use crate::error::escaped;
use crate::state::ContactId;

/// The longest wait that an answer may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// The largest answer that holds an id or nothing, and room for keys that nobody has told of.
const ID_BYTES: usize = 256 * 1024;
/// The largest answer that is one contact: with all its fields, lists, and what was mailed to it.
const CONTACT_BYTES: usize = 1024 * 1024;
/// The largest answer to a bulk call. A hundred emails, each with its id twice, are less than a tenth of it; what is
/// left holds the batch itself, should the server ever leave it in.
/// Source: AUTOPILOT_API 1.4, an answer names internal keys that were to be removed, `proposedContacts` among them.
const BULK_BYTES: usize = 1024 * 1024;
/// The largest answer that tells all of an account: its lists, its fields. Neither is paged; that of a big account is
/// far smaller.
const ACCOUNT_BYTES: usize = 16 * 1024 * 1024;

/// How many bytes of a call's answer are read at most: many calls are in flight at a time, and a server that answers
/// without end must not fill the memory.
pub(super) fn most_bytes(call: &Call) -> usize {
    match call {
        Call::Lists | Call::CustomFields => ACCOUNT_BYTES,
        Call::UpsertMany { .. } => BULK_BYTES,
        Call::Contact { .. } => CONTACT_BYTES,
        Call::Account
        | Call::CreateList { .. }
        | Call::Member { .. }
        | Call::UpsertOne { .. }
        | Call::AddMember { .. }
        | Call::RemoveMember { .. } => ID_BYTES,
    }
}

/// What the response to `call` means: its status, its `Retry-After` and its body, however odd they are.
pub fn read(call: &Call, status: u16, retry_after: Option<&str>, body: &[u8]) -> Response {
    match status {
        status if is_success(status) => {
            success(call, body).map_or(Response::Failed("an unreadable answer"), Response::Done)
        }
        401 => Response::Unauthorized,
        403 if call.speaks_for_the_account() => Response::Unauthorized,
        // A gateway's page says nothing of the contact, which "not found" would take for gone.
        404 if is_blank_or_json(body) => Response::NotFound,
        404 => Response::Failed("404 with a page that is not Autopilot's"),
        409 => Response::Conflict,
        429 => Response::RateLimited(retry_after.and_then(wait)),
        408 => Response::Failed("408, the server timed out"),
        500..=599 => Response::Failed("5xx, the server failed"),
        400..=499 => Response::Refused(reason(status, body)),
        _ => Response::Failed("an unexpected status"),
    }
}

/// `Retry-After` in seconds or as a date; none is attested of Autopilot, should it ever come. No time at all is no wait
/// that is asked for.
fn wait(text: &str) -> Option<Duration> {
    let seconds = match text.trim().parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
            at.timestamp().duration_since(jiff::Timestamp::now()).as_secs_f64()
        }
    };
    let wait = Duration::try_from_secs_f64(seconds.clamp(0.0, LONGEST_WAIT.as_secs_f64())).ok()?;
    Some(wait).filter(|wait| !wait.is_zero())
}

/// Autopilot's own words for a refusal: `message`, else `error` (a text or an object), else the status.
fn reason(status: u16, body: &[u8]) -> String {
    let body = object(body).unwrap_or_default();
    let inner = || text(object(body.error?.get().as_bytes())?.message);
    let said = text(body.message).or_else(inner).or_else(|| text(body.error)).or_else(|| text(body.code));
    let said = escaped(&said.unwrap_or_default(), 300);
    if said.is_empty() { format!("refused with status {status}") } else { said }
}

/// A part of an answer, as its text.
type Part<'a> = Option<&'a RawValue>;

/// Every key that an answer, or a part of one, is read for. What type it has is seen when it is asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Object<'a> {
    #[serde(borrow, rename = "instanceId")]
    instance_id: Part<'a>,
    #[serde(borrow)]
    contact_id: Part<'a>,
    #[serde(borrow, rename = "Email")]
    email: Part<'a>,
    #[serde(borrow)]
    lists: Part<'a>,
    #[serde(borrow)]
    list_id: Part<'a>,
    #[serde(borrow)]
    title: Part<'a>,
    #[serde(borrow)]
    name: Part<'a>,
    #[serde(borrow, rename = "fieldType")]
    field_type: Part<'a>,
    #[serde(borrow)]
    message: Part<'a>,
    #[serde(borrow)]
    error: Part<'a>,
    #[serde(borrow)]
    code: Part<'a>,
}

/// The same of the answer to a bulk call, of which there is much: it is read once.
#[derive(Deserialize)]
struct Upserted<'a> {
    #[serde(borrow)]
    contact_ids: Part<'a>,
    email_contact_map: Option<HashMap<String, String>>,
}

fn object(json: &[u8]) -> Option<Object<'_>> {
    read_object(json)
}

fn read_object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    let json = simdutf8::basic::from_utf8(json).ok()?;
    // An array would be taken for the values of the keys.
    json.trim_start().starts_with('{').then(|| serde_json::from_str(json).ok())?
}

fn text(part: Part<'_>) -> Option<String> {
    serde_json::from_str(part?.get()).ok()
}

/// The parts of an array.
fn parts(array: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(array).ok()
}

/// Empty, or JSON; an HTML page is not Autopilot's answer.
fn is_blank_or_json(body: &[u8]) -> bool {
    body.iter().all(u8::is_ascii_whitespace) || serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

/// The map with its emails in lower case: what case Autopilot writes them in is unknown.
fn in_lower_case(map: HashMap<String, String>) -> HashMap<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase();
    if map.keys().all(|email| email.bytes().all(is_plain)) {
        return map;
    }
    map.into_iter().map(|(email, id)| (email.trim().to_lowercase(), id)).collect()
}

fn success(call: &Call, body: &[u8]) -> Option<Payload> {
    Some(match call {
        Call::Member { .. } | Call::AddMember { .. } | Call::RemoveMember { .. } => {
            is_blank_or_json(body).then_some(Payload::Nothing)?
        }
        Call::CustomFields => {
            let body = simdutf8::basic::from_utf8(body).ok()?;
            Payload::CustomFields(parts(body)?.into_iter().filter_map(custom_field).collect())
        }
        Call::Account => Payload::Account(text(object(body)?.instance_id)?),
        Call::Lists => Payload::Lists(parts(object(body)?.lists?.get())?.into_iter().filter_map(list).collect()),
        Call::CreateList { .. } => Payload::List(list_id(object(body)?.list_id)?),
        Call::Contact { .. } => {
            let body = object(body)?;
            let lists = body.lists.and_then(|lists| parts(lists.get()));
            Payload::Contact {
                id: contact_id(body.contact_id)?,
                email: text(body.email),
                lists: lists.map(|lists| lists.into_iter().filter_map(|id| list_id(Some(id))).collect()),
            }
        }
        Call::UpsertOne { .. } => Payload::Written(contact_id(object(body)?.contact_id)?),
        Call::UpsertMany { .. } => upserted(read_object(body)?)?,
    })
}

fn upserted(body: Upserted<'_>) -> Option<Payload> {
    if let Some(mut map) = body.email_contact_map {
        map.retain(|_, id| is_contact(id));
        return Some(Payload::Upserted { map: Some(in_lower_case(map)), ids: Vec::new() });
    }
    // Read only where there is no map.
    let ids: Vec<String> = serde_json::from_str(body.contact_ids?.get()).ok()?;
    ids.iter().all(|id| is_contact(id)).then_some(Payload::Upserted { map: None, ids })
}

/// Whether a text can name a contact, in a path and in the state.
fn is_contact(id: &str) -> bool {
    stands_in_a_path(id) && !ContactId::from(id).is_unknown()
}

fn contact_id(part: Part<'_>) -> Option<String> {
    text(part).filter(|id| is_contact(id))
}

fn list_id(part: Part<'_>) -> Option<String> {
    text(part).filter(|id| stands_in_a_path(id))
}

fn list(part: &RawValue) -> Option<List> {
    let list = object(part.get().as_bytes())?;
    Some(List { id: list_id(list.list_id)?, title: text(list.title)? })
}

fn custom_field(part: &RawValue) -> Option<CustomField> {
    let field = object(part.get().as_bytes())?;
    Some(CustomField { name: text(field.name)?, kind: text(field.field_type).unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn bulk() -> Call {
        Call::UpsertMany { body: Bytes::new(), rows: 1 }
    }

    #[test]
    fn the_map_is_compared_without_case() {
        let body = br#"{"contact_ids":["person_1"],"email_contact_map":{"Ann@Example.org":"person_1"},"_x":[]}"#;
        let Response::Done(Payload::Upserted { map: Some(map), .. }) = read(&bulk(), 200, None, body) else { panic!() };
        assert_eq!(map.get("ann@example.org").map(String::as_str), Some("person_1"));
    }

    #[test]
    fn what_cannot_be_read_is_unclear_and_is_asked_again() {
        for body in [&b"<html>"[..], b"", b"{}", b"{\"contact_ids\":", b"[1,2]", br#"{"contact_ids":[1]}"#] {
            assert!(matches!(read(&bulk(), 200, None, body), Response::Failed(_)));
        }
        assert!(matches!(read(&Call::Account, 200, None, b"{\"instanceId\":5}"), Response::Failed(_)));
        for status in [408, 500, 502, 503, 302] {
            assert!(matches!(read(&bulk(), status, None, b""), Response::Failed(_)), "{status}");
        }
    }

    #[test]
    fn what_cannot_name_a_contact_is_no_id() {
        let one = Call::UpsertOne { body: Bytes::new() };
        let get = Call::Contact { contact: "c".into() };
        for id in ["", ".", "..", "?", &"x".repeat(255)] {
            let body = serde_json::json!({ "contact_id": id }).to_string();
            assert!(matches!(read(&one, 200, None, body.as_bytes()), Response::Failed(_)), "{id}");
            assert!(matches!(read(&get, 200, None, body.as_bytes()), Response::Failed(_)), "{id}");
            let body = serde_json::json!({ "contact_ids": [id], "email_contact_map": { "a@b.c": id } }).to_string();
            let nobody = Payload::Upserted { map: Some(HashMap::new()), ids: vec![] };
            assert_eq!(read(&bulk(), 200, None, body.as_bytes()), Response::Done(nobody), "{id}");
        }
    }

    #[test]
    fn what_cannot_name_a_list_is_no_id() {
        let make = Call::CreateList { title: "t".into() };
        for id in ["", ".", ".."] {
            let body = serde_json::json!({ "list_id": id }).to_string();
            assert!(matches!(read(&make, 200, None, body.as_bytes()), Response::Failed(_)), "{id}");
            let body = serde_json::json!({ "lists": [{ "list_id": id, "title": "t" }, 5, [1]] }).to_string();
            assert_eq!(read(&Call::Lists, 200, None, body.as_bytes()), Response::Done(Payload::Lists(vec![])), "{id}");
        }
    }

    #[test]
    fn not_found_is_autopilots_word_and_not_a_gateways() {
        for call in calls() {
            for body in [&b""[..], b" \r\n", b"{}", br#"{"error":"Not Found","message":"no such"}"#] {
                assert_eq!(read(&call, 404, None, body), Response::NotFound);
            }
            for body in [&b"<html>Not Found</html>"[..], b"404 page not found", b"{\"error\":"] {
                assert!(matches!(read(&call, 404, None, body), Response::Failed(_)));
            }
        }
    }

    #[test]
    fn types_that_nobody_expects_are_passed_over() {
        let body = br#"{"lists":[{"list_id":"l","title":"T","x":{}},{"list_id":7,"title":"T"},null,"text"]}"#;
        let lists = Response::Done(Payload::Lists(vec![List { id: "l".into(), title: "T".into() }]));
        assert_eq!(read(&Call::Lists, 200, None, body), lists);
        let body = br#"[{"name":"A","fieldType":"date"},{"name":"B","fieldType":5},{"fieldType":"date"},5]"#;
        let field = |name: &str, kind: &str| CustomField { name: name.into(), kind: kind.into() };
        let fields = Response::Done(Payload::CustomFields(vec![field("A", "date"), field("B", "")]));
        assert_eq!(read(&Call::CustomFields, 200, None, body), fields);
        let body = br#"{"contact_id":"c","Email":5,"lists":["l",7,".."],"mail_opened":{"a":[1]}}"#;
        let contact = Payload::Contact { id: "c".into(), email: None, lists: Some(vec!["l".into()]) };
        assert_eq!(read(&Call::Contact { contact: "c".into() }, 200, None, body), Response::Done(contact));
        // The values of all keys in their order, but no keys.
        let body = serde_json::json!(["i", "c", "e", [], "l", "t", "n", "f", "m", "e", "c"]).to_string();
        assert!(matches!(read(&Call::Account, 200, None, body.as_bytes()), Response::Failed(_)));
    }

    #[test]
    fn refusals_say_what_autopilot_said() {
        for (body, reason) in [
            (&br#"{"message":"two\nlines\u001b[2J"}"#[..], r"two\u{a}lines\u{1b}[2J"),
            (br#"{"error":"Bad Request","message":"too many"}"#, "too many"),
            (br#"{"error":"Bad Request","message":5}"#, "Bad Request"),
            (br#"{"error":{"message":"inner"}}"#, "inner"),
            (br#"{"code":"E1"}"#, "E1"),
            (b"", "refused with status 400"),
        ] {
            assert_eq!(read(&bulk(), 400, None, body), Response::Refused(reason.into()));
        }
    }

    #[test]
    fn access_is_the_accounts_or_the_rows() {
        let one = Call::UpsertOne { body: Bytes::new() };
        assert_eq!(read(&one, 401, None, b""), Response::Unauthorized);
        assert_eq!(read(&bulk(), 403, None, b""), Response::Unauthorized);
        assert!(matches!(read(&one, 403, None, b""), Response::Refused(_)));
    }

    #[test]
    fn a_wait_is_heeded_in_both_forms_and_bounded() {
        assert_eq!(read(&bulk(), 429, None, b""), Response::RateLimited(None));
        assert_eq!(read(&bulk(), 429, Some("7"), b""), Response::RateLimited(Some(Duration::from_secs(7))));
        assert_eq!(wait("99999"), Some(LONGEST_WAIT));
        assert_eq!(wait("1e300"), Some(LONGEST_WAIT));
        assert_eq!(["soon", "nan", ""].map(wait), [None; 3]);
    }

    #[test]
    fn no_time_at_all_is_no_wait_that_is_asked_for() {
        assert_eq!(["0", "-1", "0.0", "Tue, 12 May 2015 10:00:00 GMT"].map(wait), [None; 4]);
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
                        Response::Done(_) if !is_success(status) => panic!("{status} is no success"),
                        Response::Done(Payload::Upserted { map, ids }) => {
                            ids.into_iter().chain(map.unwrap_or_default().into_values()).collect()
                        }
                        Response::Done(Payload::Written(id) | Payload::List(id) | Payload::Account(id)) => vec![id],
                        Response::Done(Payload::Contact { id, .. }) => vec![id],
                        Response::Refused(text) => {
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
