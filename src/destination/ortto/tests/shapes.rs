//! The shapes of answers that were recorded or are documented, read. Source: ORTTO_API 2.2, 2.3, 3, 4, 5, 7.

use serde_json::json;

use super::*;
use crate::destination::ortto::asking::{named, tags_of_people};
use crate::destination::ortto::custom_fields::read_fields;
use crate::destination::ortto::response::{Entry, Reply, entries, people, people_by_id, read};

fn done(body: &str) -> Value {
    match read(&http(200, body)) {
        Reply::Done(body) => body,
        other => panic!("{other:?}"),
    }
}

#[test]
fn merges() {
    let body = done(r#"{"people":[{"person_id":"00ab1200000000000000ab00","status":"created"},{"status":"queued"}]}"#);
    assert_eq!(entries(&body), [Entry::Created(Some("00ab1200000000000000ab00".into())), Entry::Queued]);
    assert_eq!(entries(&done(r#"{"people":null}"#)), []);
}

#[test]
fn merges_of_bad_rows_alone() {
    let body = r#"{"request_id":"0","code":400,"error":"No valid contacts provided (Email is suppressed)",
        "details":[{"status":"suppressed","error":"Email is suppressed"},
        {"status":"invalid","error":"failed to validate field str:cm:x in schema: str:cm:x: Object not found"},
        {"status":"invalid","error":"empty phone value for phn::phone"},
        {"status":"invalid","error":"can not apply mutation for str:st:x"}]}"#;
    let Reply::Bad(entries) = read(&http(400, body)) else { panic!() };
    assert_eq!(entries[0], Entry::Suppressed);
    assert_eq!(entries[2], Entry::Invalid("empty phone value for phn::phone".into()));
    assert_eq!(entries.iter().filter_map(Entry::reason).count(), 3);
}

#[test]
fn refusals_that_speak_of_no_row() {
    for (status, body, wanted) in [
        (400, r#"{"request_id":"0","code":400,"error":"a: Failed to parse request"}"#, "a: Failed to parse request"),
        (
            400,
            r#"{"error":"incorrect size 0 of fields, minimum 1 and maximum 100"}"#,
            "incorrect size 0 of fields, minimum 1 and maximum 100",
        ),
        (405, "<html>", "refused with status 405"),
        (400, r#"{"details":[],"error":{"message":"m"}}"#, "m"),
    ] {
        assert_eq!(read(&http(status, body)), Reply::Refused(status, wanted.to_owned()), "{body}");
    }
}

#[test]
fn rate_limits_in_every_form() {
    let ten = Reply::RateLimited(Some(Duration::from_secs(10)));
    for body in [
        r#"{"error":{"code":"rate-limit","message":"rate limit","try-in-seconds":10}}"#,
        r#"{"error":{"try-in-seconds":"10"}}"#,
        r#"{"error":"rate limit","try-in-seconds":10}"#,
        r#"{"try-in-seconds":" 10 "}"#,
    ] {
        assert_eq!(read(&http(429, body)), ten, "{body}");
    }
    for name in ["try-in-seconds", "retry-after"] {
        let response = http::Response::builder().status(429).header(name, "10").body(Bytes::new()).unwrap();
        assert_eq!(read(&response), ten, "{name}");
    }
    assert_eq!(read(&http(429, "")), Reply::RateLimited(None));
}

#[test]
fn statuses() {
    assert_eq!(read(&http(401, "")), Reply::Unauthorized);
    assert_eq!(read(&http(403, "{}")), Reply::Forbidden);
    assert_eq!(read(&http(507, "{}")), Reply::Full);
    assert!(matches!(read(&http(501, "")), Reply::Refused(501, _)), "repeating does not help");
    for status in [408, 409, 423, 500, 502, 503, 504, 302] {
        assert!(matches!(read(&http(status, "<html>")), Reply::Failed(_)), "{status}");
    }
    for body in ["", "<html>", "{\"people\":["] {
        assert!(matches!(read(&http(200, body)), Reply::Failed(_)), "{body}");
    }
}

#[test]
fn people_by_page_and_by_id() {
    let page = done(
        r#"{"contacts":[{"id":"00ab1200000000000000ab00","fields":{"str::email":"a@b.org"}}],"meta":{"total_contacts":1},
        "offset":0,"next_offset":1,"cursor_id":"c","has_more":false}"#,
    );
    assert_eq!(people(&page).unwrap()[0].email, "a@b.org");
    assert_eq!(people(&done(r#"{"contacts":null,"offset":0}"#)), Some(Vec::new()));
    assert_eq!(people(&json!({})), None);
    for body in [
        r#"{"contacts":{"00ab1200000000000000ab00":{"id":"00ab1200000000000000ab00","fields":{"str::email":"a@b.org"}}}}"#,
        r#"{"contacts":{"00ab1200000000000000ab00":{"fields":{"str::email":"a@b.org"}}}}"#,
        r#"{"contacts":[{"id":"00ab1200000000000000ab00","fields":{"str::email":"a@b.org"}}]}"#,
    ] {
        assert_eq!(people_by_id(&done(body)).unwrap()["00ab1200000000000000ab00"].email, "a@b.org", "{body}");
    }
}

#[test]
fn fields_and_tags() {
    let fields = read_fields(&done(
        r#"{"fields":[{"field":{"id":"str:cm:x","name":"X","display_type":"single_select",
        "liquid_name":"people.custom.x","dic_items":["a","b"]},"tracked_value":false}]}"#,
    ));
    assert_eq!((fields[0].id.as_str(), fields[0].choices.len()), ("str:cm:x", 2));
    assert!(read_fields(&done(r#"{"fields":null}"#)).is_empty());
    let tags = done(
        r#"[{"id":1,"instance_id":"i","name":"T","count":3,"created_at":"","last_used":"","type":""},
        {"id":1,"instance_id":"i","name":"T","count":9,"type":"organization"}]"#,
    );
    assert_eq!((named(&tags).unwrap().as_str(), tags_of_people(&tags)), ("i", vec![("T".to_owned(), 3)]));
}
