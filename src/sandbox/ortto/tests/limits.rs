use std::time::Duration;

use super::*;
use crate::sandbox::{BanRule, BanSign, Options, WrongKey};

fn bad(sandbox: &Sandbox) -> u16 {
    merge(sandbox, json!([{ "fields": { "str::email": "a@b.example", "str:cm:none": 1 } }])).0
}

// ORTTO_API 3
#[tokio::test(start_paused = true)]
async fn fifteen_bad_requests_in_fifteen_seconds_ban_for_fifteen() {
    let sandbox = ortto();
    for _ in 0..14 {
        assert_eq!(bad(&sandbox), 400);
    }
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!((bad(&sandbox), sandbox.counters().bans), (400, 0), "the window slides");
    for _ in 0..14 {
        bad(&sandbox);
    }
    assert_eq!(sandbox.counters().bans, 1);
    assert_eq!(merge(&sandbox, numbered(0, 1)).0, 403);
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(merge(&sandbox, numbered(0, 1)).0, 200);
}

// ORTTO_API 10, whether a refused merge counts and what a ban looks like
#[test]
fn refused_merges_may_not_count_and_a_ban_may_cut() {
    let ortto = OrttoOptions { refused_merges_are_bad_requests: false, ..OrttoOptions::default() };
    let ban = Some(BanRule { requests: 2, window: Duration::from_secs(15), sign: BanSign::Cut });
    let sandbox = Sandbox::unserved(Options { ban, ..ortto.into() });
    assert_eq!([bad(&sandbox), bad(&sandbox), bad(&sandbox)], [400; 3]);
    for _ in 0..2 {
        assert_eq!(call(&sandbox, "POST", "person/get", &json!({})).0, 400);
    }
    assert!(sandbox.ask("POST", "person/merge", "key", b"{}").is_none());
}

// ORTTO_API 3
#[test]
fn above_the_rate_429_says_how_long_to_wait() {
    let sandbox = Sandbox::unserved(Options { rate: Some(1.0), ..OrttoOptions::default().into() });
    assert_eq!(merge(&sandbox, numbered(0, 1)).0, 200);
    let error = json!({ "code": "rate-limit", "message": "rate limit", "try-in-seconds": 10 });
    assert_eq!(merge(&sandbox, numbered(0, 1)), (429, json!({ "error": error })));
    sandbox.change(|options| options.ortto.try_in_seconds = None);
    assert_eq!(
        merge(&sandbox, numbered(0, 1)),
        (429, json!({ "error": { "code": "rate-limit", "message": "rate limit" } }))
    );
    let Counters { throttled, bans, .. } = sandbox.counters();
    assert_eq!((throttled, bans), (2, 0), "a rate-limited request is not a bad one");
}

// ORTTO_API 2.3
#[tokio::test(start_paused = true)]
async fn synchronous_merges_above_the_concurrency_limit_are_refused() {
    let ortto = OrttoOptions { concurrent_merges: Some(1), concurrency_status: 409, ..OrttoOptions::default() };
    let sandbox = Sandbox::unserved(Options { latency: Duration::from_secs(1), ..ortto.into() });
    let body = |asynchronous: bool| {
        json!({ "people": numbered(0, 1), "async": asynchronous, "merge_by": ["str::email"] }).to_string().into_bytes()
    };
    let (sync, queued) = (body(false), body(true));
    let send = |body| sandbox.ask_slowly("POST", "person/merge", "key", body);
    let (first, second, third) = tokio::join!(send(&sync), send(&sync), send(&queued));
    assert_eq!([first, second, third].map(|answer| answer.unwrap().0), [200, 409, 200]);
    assert_eq!(send(&sync).await.unwrap().0, 200);
}

// ORTTO_API 3
#[test]
fn above_the_contact_limit_a_merge_is_507() {
    for (applies_part, held) in [(false, 2), (true, 3)] {
        let ortto = OrttoOptions {
            contact_limit: Some(3),
            contact_limit_applies_part: applies_part,
            ..OrttoOptions::default()
        };
        let sandbox = assuming(ortto);
        assert_eq!(merge(&sandbox, numbered(0, 2)).0, 200);
        assert_eq!((merge(&sandbox, numbered(2, 4)).0, sandbox.contact_count()), (507, held));
        assert_eq!(merge(&sandbox, numbered(0, 2)).0, 200, "those who exist are merged");
    }
}

// ORTTO_API 1
#[test]
fn a_wrong_key_is_401_or_404() {
    for (wrong_key, status, has_body) in
        [(WrongKey::Unauthorized, 401, true), (WrongKey::Empty, 401, false), (WrongKey::NotFound, 404, true)]
    {
        let ortto = OrttoOptions { wrong_key, ..OrttoOptions::default() };
        let sandbox = Sandbox::unserved(Options { api_key: Some("right".into()), ..ortto.into() });
        let (answered, answer) = call(&sandbox, "POST", "person/custom-field/get", &json!({}));
        assert_eq!((answered, answer.is_object()), (status, has_body));
    }
}

#[test]
fn options_are_read_as_typed() {
    let typed =
        ["mixed-batch=omitted", "read-lag-ms=200", "contact-limit=5", "instance-id=abc", "foreign-fields=[\"x\"]"];
    let options = OrttoOptions::parse(typed).unwrap();
    assert_eq!((options.read_lag_ms, options.contact_limit, options.instance_id.as_str()), (200, Some(5), "abc"));
    assert_eq!((options.mixed_batch, options.foreign_fields.len()), (crate::sandbox::MixedBatch::Omitted, 1));
    assert!(OrttoOptions::parse(["mixed-batch=some"]).unwrap_err().contains("expected one of `in-place`, `omitted`"));
    assert!(OrttoOptions::parse(["mixed=omitted"]).unwrap_err().contains("expected one of `instance-id`"));
    assert_eq!(OrttoOptions::parse(["read-lag-ms"]).unwrap_err(), "read-lag-ms: must be NAME=VALUE");
}

// ORTTO_API 10
#[test]
fn every_open_question_is_an_option_that_the_page_names() {
    let page = include_str!("../../../../docs/ORTTO_API.md");
    let error = OrttoOptions::parse(["none=1"]).unwrap_err();
    let names: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        let holds = ["instance-id", "foreign-fields", "deleted-fields", "organization-tags"].contains(&name);
        assert!(holds || page.contains(&format!("`{name}`")), "{name}");
    }
}
