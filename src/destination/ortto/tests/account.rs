//! What an account says of itself, in the forms in which it may.

use serde_json::json;

use super::*;
use crate::chunk::FieldSpec;
use crate::destination::Account;
use crate::destination::ortto::account::survey;
use crate::destination::ortto::response::BAN;
use crate::destination::ortto::setup::Setup;
use crate::value::FieldType;

const SUPPRESSED: &str = "/suppression-list/email/get";
const PEOPLE: &str = "/person/get";
const FIELDS: &str = "/person/custom-field/get";
const CREATE: &str = "/person/custom-field/create";

/// What a usual account says where nothing else is asked about.
fn usual(path: &str) -> (u16, Value) {
    (
        200,
        match path {
            "/tags/get" => json!([]),
            SUPPRESSED => json!({ "emails": null, "has_more": false }),
            PEOPLE => json!({ "contacts": null }),
            _ => json!({ "fields": null }),
        },
    )
}

/// How many people are withheld and archived, by the account's answers.
async fn away(answer: impl FnMut(&str, &Value) -> (u16, Value) + Send) -> Result<(usize, usize)> {
    let account = survey(&mut scripted(answer)).await?;
    let setup = Setup::read(&account.setup(&[], &[], None)).unwrap();
    Ok((setup.withheld.keys().len(), setup.archived.keys().len()))
}

/// How a page of the list is written.
type Form<'f> = &'f (dyn Fn(&Value) -> Value + Sync);

#[tokio::test]
async fn the_suppression_list_is_read_to_its_end_in_every_form() {
    let page = |body: &Value, most: usize, entry: &dyn Fn(usize) -> Value| -> Vec<Value> {
        let from = body["offset"].as_u64().unwrap() as usize;
        (from..1203).take(most.min(body["limit"].as_u64().unwrap() as usize)).map(entry).collect()
    };
    let text = |n: usize| json!(format!("{n}@example.com"));
    let object = |n: usize| json!({ "id": n, "email": format!("{n}@example.com"), "reason": "Manual" });
    let forms: [(&str, Form<'_>); 6] = [
        ("with has_more", &|body| {
            let page = page(body, 50, &object);
            json!({ "emails": page, "has_more": body["offset"].as_u64().unwrap() as usize + page.len() < 1203 })
        }),
        ("without", &|body| json!({ "emails": page(body, 500, &text) })),
        ("always false", &|body| json!({ "emails": page(body, 500, &object), "has_more": false })),
        ("a bare list", &|body| page(body, 500, &text).into()),
        ("another key", &|body| json!({ "suppression_list": page(body, 500, &object), "offset": body["offset"] })),
        ("a key nobody knows", &|body| json!({ "rows": page(body, 500, &text), "total": 1203 })),
    ];
    for (name, form) in forms {
        let withheld = away(|path, body| if path == SUPPRESSED { (200, form(body)) } else { usual(path) }).await;
        assert_eq!(withheld.unwrap(), (1203, 0), "{name}");
    }
}

#[tokio::test]
async fn a_list_that_always_says_the_same_is_read_twice() {
    let mut asked = 0;
    let all: Vec<String> = (0..500).map(|n| format!("{n}@example.com")).collect();
    let withheld = away(|path, _| {
        asked += usize::from(path == SUPPRESSED);
        if path == SUPPRESSED { (200, json!({ "emails": all, "has_more": true })) } else { usual(path) }
    })
    .await;
    assert_eq!((withheld.unwrap(), asked), ((500, 0), 2));
}

#[tokio::test]
async fn what_lists_nobody_is_not_taken_for_an_empty_list() {
    for (wanted, odd) in [
        (SUPPRESSED, json!({})),
        (SUPPRESSED, json!("none")),
        (SUPPRESSED, json!({ "emails": 7 })),
        (SUPPRESSED, json!({ "emails": [{ "id": 1 }] })),
        (PEOPLE, json!({})),
        (PEOPLE, json!({ "contacts": {} })),
        (PEOPLE, json!([])),
    ] {
        let error = away(|path, _| if path == wanted { (200, odd.clone()) } else { usual(path) }).await.unwrap_err();
        assert_eq!(error.kind, Kind::Unavailable, "{odd}");
    }
}

#[tokio::test]
async fn archived_people_are_read_to_the_last_page() {
    let person = |n: usize| json!({ "id": n, "fields": { "str::email": format!("{n}@example.com"), "bol::p": n.is_multiple_of(2) } });
    for says_more in [true, false] {
        let away = away(|path, body| {
            let from = body["offset"].as_u64().unwrap_or_default() as usize;
            let all: Vec<Value> = (from..701).take(500).map(person).collect();
            let mut page = json!({ "contacts": if all.is_empty() { Value::Null } else { all.into() } });
            if says_more {
                page["next_offset"] = json!(from + 500);
                page["has_more"] = json!(from + 500 < 701);
            }
            if path == PEOPLE { (200, page) } else { usual(path) }
        });
        assert_eq!(away.await.unwrap(), (350, 701), "{says_more}");
    }
}

#[tokio::test]
async fn a_call_that_is_refused_is_made_once_more_after_a_ban() {
    let mut refuses = 1;
    let mut session = scripted(|path, _| match path {
        SUPPRESSED if refuses > 0 => {
            refuses -= 1;
            (400, json!({ "error": "too many requests at once" }))
        }
        path => usual(path),
    });
    survey(&mut session).await.unwrap();
    assert_eq!((&session.waits[..], session.count(SUPPRESSED)), (&[BAN][..], 2));
    let mut session = scripted(|path, _| if path == FIELDS { (400, json!({})) } else { usual(path) });
    assert_eq!(survey(&mut session).await.unwrap_err().kind, Kind::Access);
    assert_eq!(session.count(FIELDS), 2);
}

#[tokio::test]
async fn a_forbidden_key_is_tried_once_more_after_a_ban() {
    let mut session = scripted(|_, _| (403, json!({})));
    let error = survey(&mut session).await.unwrap_err();
    assert_eq!((error.kind, &session.waits[..], session.calls.len()), (Kind::Access, &[BAN][..], 2));
    assert!(error.to_string().contains("key") && error.to_string().contains("region"), "{error}");
}

/// Makes twenty fields in an account that answers with `answer`; the calls that made fields or tried to.
async fn making(answer: impl FnMut(&str, &Value) -> (u16, Value) + Send) -> (Result<usize>, usize, usize) {
    let specs: Vec<FieldSpec> = (0..20).map(|n| FieldSpec::custom(&format!("F{n}"), FieldType::String)).collect();
    let mut session = scripted(answer);
    let mut account = survey(&mut session).await.unwrap();
    let made = account.make_fields(&mut session, &specs, &[]).await;
    let known = Setup::read(&account.setup(&specs, &[], None)).unwrap().ortto_fields.len();
    (made.map(|()| known), session.count(CREATE), session.count(FIELDS))
}

#[tokio::test]
async fn fields_are_made_one_after_the_other_and_known_by_the_answers() {
    let made = making(|path, body| match path {
        CREATE => (200, json!({ "name": body["name"], "field_id": "str:cm:x", "display_type": "text" })),
        path => usual(path),
    });
    let (known, calls, listings) = made.await;
    assert_eq!((known.unwrap(), calls, listings), (20, 20, 1), "a list that lags behind is not asked");
}

#[tokio::test]
async fn the_first_field_that_cannot_be_made_ends_it() {
    let (made, calls, listings) =
        making(|path, _| if path == CREATE { (400, json!({ "error": "limit" })) } else { usual(path) }).await;
    let expected = (Kind::Access, 2, 3);
    assert_eq!(
        (made.unwrap_err().kind, calls, listings),
        expected,
        "once more after a ban, listed again, and after the lag"
    );
}

#[tokio::test]
async fn fields_that_somebody_else_makes_are_read_from_the_list() {
    for status in [400, 409, 423] {
        let mut there = 0;
        let made = making(|path, _| match path {
            CREATE => {
                there += 5;
                (status, json!({ "error": "field already exists" }))
            }
            FIELDS => {
                let field = |n| json!({ "field": { "id": format!("str:cm:f{n}"), "name": format!("F{n}"), "display_type": "text" } });
                (200, json!({ "fields": (0..there).map(field).collect::<Vec<_>>() }))
            }
            path => usual(path),
        });
        let (known, calls, _) = made.await;
        assert_eq!((known.unwrap(), calls), (20, 4), "{status}");
    }
}
