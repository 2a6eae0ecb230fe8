#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::destination::autopilot::request::Membership;

fn bulk() -> Endpoint {
    Endpoint::UpsertMany(Bytes::new())
}

fn respond(endpoint: &Endpoint, status: u16, body: &[u8]) -> Reply {
    read(endpoint, &http::Response::builder().status(status).body(Bytes::copy_from_slice(body)).unwrap())
}

#[test]
fn the_map_is_compared_without_case() {
    let body = br#"{"contact_ids":["person_1"],"email_contact_map":{"Ann@Example.org":"person_1"},"_x":[]}"#;
    let Reply::Done(Payload::Upserted { map: Some(map), .. }) = respond(&bulk(), 200, body) else { panic!() };
    assert_eq!(map.get("ann@example.org").map(String::as_str), Some("person_1"));
}

#[test]
fn what_cannot_be_read_is_unclear_and_is_asked_again() {
    for body in [&b"<html>"[..], b"", b"{}", b"{\"contact_ids\":", b"[1,2]", br#"{"contact_ids":[1]}"#] {
        assert!(matches!(respond(&bulk(), 200, body), Reply::Failed(_)));
    }
    assert!(matches!(respond(&Endpoint::Account, 200, b"{\"instanceId\":5}"), Reply::Failed(_)));
    for status in [408, 500, 502, 503, 302] {
        assert!(matches!(respond(&bulk(), status, b""), Reply::Failed(_)), "{status}");
    }
}

#[test]
fn what_cannot_name_a_contact_is_not_an_id() {
    let one = Endpoint::UpsertOne(Bytes::new());
    let get = Endpoint::Contact("c".into());
    for id in ["", ".", "..", &"x".repeat(255)] {
        let body = serde_json::json!({ "contact_id": id }).to_string();
        assert!(matches!(respond(&one, 200, body.as_bytes()), Reply::Failed(_)), "{id}");
        assert!(matches!(respond(&get, 200, body.as_bytes()), Reply::Failed(_)), "{id}");
        let body = serde_json::json!({ "contact_ids": [id], "email_contact_map": { "a@b.c": id } }).to_string();
        let nobody = Payload::Upserted { map: Some(HashMap::new()), ids: vec![] };
        assert_eq!(respond(&bulk(), 200, body.as_bytes()), Reply::Done(nobody), "{id}");
    }
}

#[test]
fn a_success_with_an_error_in_its_body_is_a_refusal() {
    for call in calls().into_iter().filter(Endpoint::may_answer_nothing) {
        for body in
            [&br#"{"error":"Bad Request","message":"no such list"}"#[..], br#"{"error":{"message":"no such list"}}"#]
        {
            assert_eq!(respond(&call, 200, body), Reply::Refused("no such list".into()));
        }
        for body in [&b""[..], b"{}", br#"{"error":null}"#, br#"{"error":false}"#, br#"{"error":""}"#] {
            assert_eq!(respond(&call, 200, body), Reply::Done(Payload::Nothing));
        }
    }
    for call in calls().into_iter().filter(|call| !call.may_answer_nothing() && !matches!(call, Endpoint::CustomFields))
    {
        assert!(matches!(respond(&call, 200, br#"{"error":"Bad Request"}"#), Reply::Failed(_)));
    }
}

#[test]
fn a_contact_beside_an_error_is_not_known_to_be_written() {
    let one = Endpoint::UpsertOne(Bytes::new());
    for beside in [r#""error":"limit""#, r#""errors":["limit"]"#, r#""error":{"message":"limit"}"#] {
        let body = format!(r#"{{"contact_id":"person_1",{beside}}}"#);
        assert!(matches!(respond(&one, 200, body.as_bytes()), Reply::Failed(_)), "{body}");
    }
    for beside in [r#""error":null"#, r#""error":"""#, r#""errors":[]"#] {
        let body = format!(r#"{{"contact_id":"person_1",{beside}}}"#);
        assert!(matches!(respond(&one, 200, body.as_bytes()), Reply::Done(_)), "{body}");
    }
}

#[test]
fn what_cannot_name_a_list_is_not_an_id() {
    let make = Endpoint::CreateList("t".into());
    for id in ["", ".", ".."] {
        let body = serde_json::json!({ "list_id": id }).to_string();
        assert!(matches!(respond(&make, 200, body.as_bytes()), Reply::Failed(_)), "{id}");
        let body = serde_json::json!({ "lists": [{ "list_id": id, "title": "t" }, 5, [1]] }).to_string();
        assert_eq!(respond(&Endpoint::Lists, 200, body.as_bytes()), Reply::Done(Payload::Lists(vec![])), "{id}");
    }
}

#[test]
fn not_found_is_autopilots_word_and_not_a_gateways() {
    for call in calls() {
        for body in [&b""[..], b" \r\n", b"{}", br#"{"error":"Not Found","message":"no such"}"#] {
            assert_eq!(respond(&call, 404, body), Reply::NotFound);
        }
        for body in [&b"<html>Not Found</html>"[..], b"404 page not found", b"{\"error\":"] {
            assert!(matches!(respond(&call, 404, body), Reply::Failed(_)));
        }
    }
}

#[test]
fn types_that_nobody_expects_are_passed_over() {
    let body = br#"{"lists":[{"list_id":"l","title":"T","x":{}},{"list_id":7,"title":"T"},null,"text"]}"#;
    let lists = Reply::Done(Payload::Lists(vec![List { id: "l".into(), title: "T".into() }]));
    assert_eq!(respond(&Endpoint::Lists, 200, body), lists);
    let body = br#"[{"name":"A","fieldType":"date"},{"name":"B","fieldType":5},{"fieldType":"date"},5]"#;
    let field = |name: &str, kind: &str| CustomField { name: name.into(), kind: kind.into() };
    let fields = Reply::Done(Payload::CustomFields(vec![field("A", "date"), field("B", "")]));
    assert_eq!(respond(&Endpoint::CustomFields, 200, body), fields);
    let body = br#"{"contact_id":"c","Email":5,"lists":["l",7,".."],"mail_opened":{"a":[1]}}"#;
    let contact = Payload::Contact { id: "c".into(), email: None, lists: Some(vec!["l".into()]) };
    assert_eq!(respond(&Endpoint::Contact("c".into()), 200, body), Reply::Done(contact));
    // The values of all keys in their order, but no keys.
    let body = serde_json::json!(["i", "c", "e", [], "l", "t", "n", "f", "m", "e", "c"]).to_string();
    assert!(matches!(respond(&Endpoint::Account, 200, body.as_bytes()), Reply::Failed(_)));
}

// Source: AUTOPILOT_API 1.7, errors have two shapes.
#[test]
fn a_success_that_holds_an_error_is_none() {
    let membership = Membership { list: "l".into(), contact: "c".into() };
    let empty = [Endpoint::AddMember(membership.clone()), Endpoint::RemoveMember(membership.clone())];
    let member = Endpoint::Member(membership);
    for error in [
        r#""error":"Internal","message":"failed""#,
        r#""code":"500","message":"failed""#,
        r#""errors":[{"message":"failed"}]"#,
        r#""success":false"#,
    ] {
        let body = format!("{{{error}}}");
        for endpoint in empty.iter().chain([&member]) {
            assert!(matches!(respond(endpoint, 200, body.as_bytes()), Reply::Refused(_)), "{body}");
        }
        let beside = format!(r#"{{{error},"contact_id":"c","contact_ids":["c"],"email_contact_map":{{"a@b.c":"c"}}}}"#);
        for endpoint in [bulk(), Endpoint::UpsertOne(Bytes::new())] {
            assert!(matches!(respond(&endpoint, 200, beside.as_bytes()), Reply::Failed(_)), "{beside}");
        }
    }
    for body in ["", "{}", r#"{"not_modified":true}"#, r#"{"error":null,"message":""}"#] {
        let all = empty.iter().map(|endpoint| respond(endpoint, 200, body.as_bytes()));
        assert!(all.into_iter().all(|reply| reply == Reply::Done(Payload::Nothing)), "{body}");
    }
    assert!(matches!(respond(&empty[1], 200, br#"{"message":"failed"}"#), Reply::Refused(_)));
    for body in ["null", " false\n"] {
        assert_eq!(respond(&member, 200, body.as_bytes()), Reply::NotFound, "{body}");
    }
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
        assert_eq!(respond(&bulk(), 400, body), Reply::Refused(reason.into()));
    }
}

#[test]
fn access_is_the_accounts_or_the_rows() {
    let one = Endpoint::UpsertOne(Bytes::new());
    assert_eq!(respond(&one, 401, b""), Reply::Unauthorized);
    assert_eq!(respond(&bulk(), 403, b""), Reply::Unauthorized);
    assert!(matches!(respond(&one, 403, b""), Reply::Refused(_)));
}

fn calls() -> [Endpoint; 10] {
    let member = Membership { list: "l".into(), contact: "c".into() };
    [
        Endpoint::Account,
        Endpoint::Lists,
        Endpoint::CreateList("t".into()),
        Endpoint::CustomFields,
        Endpoint::Contact("c".into()),
        Endpoint::Member(member.clone()),
        bulk(),
        Endpoint::UpsertOne(Bytes::new()),
        Endpoint::AddMember(member.clone()),
        Endpoint::RemoveMember(member),
    ]
}

/// JSON in the manner of the account's answers, with values of any type in every place.
fn answers() -> impl Strategy<Value = Value> {
    let names =
        "contact_ids|email_contact_map|contact_id|list_id|lists|title|Email|instanceId|name|fieldType|message|error";
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
                let ids = match respond(&call, status, body) {
                    Reply::Done(_) if !(200..300).contains(&status) => panic!("{status} is not a success"),
                    Reply::Done(Payload::Upserted { map, ids }) => {
                        ids.into_iter().chain(map.unwrap_or_default().into_values()).collect()
                    }
                    Reply::Done(Payload::Written(id) | Payload::List(id) | Payload::Account(id)) => vec![id],
                    Reply::Done(Payload::Contact { id, .. }) => vec![id],
                    Reply::Refused(text) => {
                        prop_assert!(text.chars().count() <= 10 * 300 + 1);
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
    fn no_bytes_make_a_panic(body: Vec<u8>, status in 100u16..1000) {
        for call in calls() {
            let _ = respond(&call, status, &body);
        }
    }
}
