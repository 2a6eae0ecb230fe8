use super::*;
use crate::sandbox::{AsyncReply, EntryOrder, MixedBatch, SkippedRows};

const BAD: &str = "failed to validate field str:cm:none in schema: str:cm:none: Object not found";

/// Two good rows and a bad one between.
fn mixed() -> Value {
    json!([
        { "fields": { "str::email": "a@b.example" } },
        { "fields": { "str::email": "bad@b.example", "str:cm:none": "x" } },
        { "fields": { "str::email": "c@b.example" } },
    ])
}

// ORTTO_API 2.2
#[test]
fn a_batch_of_bad_rows_is_400_with_details() {
    let sandbox = ortto();
    let (status, answer) = merge(&sandbox, json!([mixed()[1], mixed()[1]]));
    assert_eq!((status, &answer["code"]), (400, &json!(400)));
    assert_eq!(answer["error"], format!("No valid contacts provided ({BAD})"));
    let detail = json!({ "status": "invalid", "error": BAD });
    assert_eq!(answer["details"], json!([detail, detail]));
    assert_eq!(answer["request_id"].as_str().unwrap().len(), 36);
}

// ORTTO_API 10, mixed batch
#[test]
fn a_mixed_batch_may_be_answered_in_four_ways() {
    for (mixed_batch, status, entries, held) in [
        (MixedBatch::InPlace, 200, Some(vec!["created", "invalid", "created"]), 2),
        (MixedBatch::Omitted, 200, Some(vec!["created", "created"]), 2),
        (MixedBatch::Refused, 400, None, 0),
        (MixedBatch::RefusedButApplied, 400, None, 2),
    ] {
        let sandbox = assuming(OrttoOptions { mixed_batch, ..OrttoOptions::default() });
        let (answered, answer) = merge(&sandbox, mixed());
        assert_eq!((answered, sandbox.contact_count()), (status, held), "{mixed_batch:?}");
        match entries {
            Some(entries) => assert_eq!(statuses(&answer), entries),
            None => assert_eq!(answer["details"], json!([{ "status": "invalid", "error": BAD }])),
        }
    }
}

// ORTTO_API 10, status of a skipped row
#[test]
fn a_skipped_row_creates_nobody_whatever_the_answer_says() {
    for (skipped_rows, status, people) in [
        (SkippedRows::Listed, 200, json!([{ "status": "skipped" }])),
        (SkippedRows::Omitted, 200, Value::Null),
        (SkippedRows::Invalid, 400, Value::Null),
        (SkippedRows::Unnamed, 200, json!([{ "status": "unchanged" }])),
        (SkippedRows::Merged, 200, json!([{ "person_id": "", "status": "merged" }])),
    ] {
        let sandbox = assuming(OrttoOptions { skipped_rows, ..OrttoOptions::default() });
        let (answered, answer) = leave(&sandbox, "gone@b.example", "t");
        assert_eq!((answered, &answer["people"]), (status, &people), "{skipped_rows:?}");
        assert_eq!(sandbox.contact_count(), 0);
        merge_one(&sandbox, json!({ "str::email": "here@b.example" }));
        assert_eq!(statuses(&leave(&sandbox, "here@b.example", "t").1), ["merged"]);
    }
}

// ORTTO_API 10, statuses
#[test]
fn merged_rows_may_be_acknowledged_and_bad_ones_be_errors() {
    let invalid_status = "error".to_owned();
    let sandbox = assuming(OrttoOptions { acknowledges_rows: true, invalid_status, ..OrttoOptions::default() });
    let answers: Vec<Value> = (0..20).map(|n| merge(&sandbox, numbered(n * 2, n * 2 + 2)).1).collect();
    let all: Vec<&str> = answers.iter().flat_map(statuses).collect();
    assert!(all.contains(&"queued") && all.contains(&"created"), "{all:?}");
    assert_eq!(sandbox.contact_count(), 40);
    let (status, answer) = merge(&sandbox, json!([{ "fields": { "str::email": "no address" } }]));
    assert_eq!((status, &answer["details"][0]["status"]), (400, &json!("error")));
}

// ORTTO_API 10, entry order
#[test]
fn entries_may_be_in_any_order_and_ids_rise_in_runs() {
    for (entry_order, in_order) in
        [(EntryOrder::Rows, true), (EntryOrder::Completion, false), (EntryOrder::Shuffled, false)]
    {
        let sandbox = assuming(OrttoOptions { entry_order, ..OrttoOptions::default() });
        let (_, answer) = merge(&sandbox, numbered(0, 54));
        let ids: Vec<&str> =
            answer["people"].as_array().unwrap().iter().map(|one| one["person_id"].as_str().unwrap()).collect();
        assert!(!ids.is_sorted(), "{entry_order:?}");
        let read = post(&sandbox, "person/get-by-ids", json!({ "contact_ids": ids, "fields": ["str::email"] }));
        let emails: Vec<&Value> = ids.iter().map(|id| &read["contacts"][id]["fields"]["str::email"]).collect();
        let sent: Vec<Value> = (0..54).map(|n| json!(format!("{n}@example.org"))).collect();
        assert_eq!(emails.iter().zip(&sent).all(|(read, sent)| *read == sent), in_order, "{entry_order:?}");
    }
}

// ORTTO_API 2.1
#[test]
fn a_merge_takes_one_to_a_hundred_people_and_two_megabytes() {
    let sandbox = ortto();
    assert_eq!(merge(&sandbox, numbered(0, 101)).0, 400);
    assert_eq!(merge(&sandbox, json!([])).0, 400);
    let large = json!([{ "fields": { "str::email": "a@b.example", "str::first": "x".repeat(2 << 20) } }]);
    assert_eq!(merge(&sandbox, large).0, 413);
    assert_eq!(sandbox.contact_count(), 0);
    assert_eq!(statuses(&merge(&sandbox, numbered(0, 100)).1).len(), 100);
    let (status, answer) = call(&sandbox, "POST", "person/merge", &json!({ "people": 1 }));
    assert_eq!((status, answer.get("details")), (400, None));
}

// ORTTO_API 2.3
#[tokio::test(start_paused = true)]
async fn an_asynchronous_merge_is_queued_and_applied_later() {
    for (async_reply, people) in
        [(AsyncReply::Queued, json!([{ "status": "queued" }])), (AsyncReply::Bare, Value::Null)]
    {
        let sandbox = assuming(OrttoOptions { async_reply, async_delay_ms: 2000, ..OrttoOptions::default() });
        let answer = merge_with(&sandbox, numbered(0, 1), json!({ "async": true }));
        assert_eq!((answer.0, &answer.1["people"]), (200, &people));
        assert_eq!(sandbox.contents().contacts.len(), 0);
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        assert_eq!(sandbox.contents().contacts.len(), 1);
    }
}

// ORTTO_API 2.3
#[test]
fn async_merge_refuses_bad_rows_at_once_or_loses_them() {
    let bad = || json!([mixed()[1]]);
    assert_eq!(merge_with(&ortto(), bad(), json!({ "async": true })).0, 400);
    let sandbox = assuming(OrttoOptions { async_validates: false, ..OrttoOptions::default() });
    let (status, answer) = merge_with(&sandbox, mixed(), json!({ "async": true }));
    assert_eq!((status, statuses(&answer)), (200, vec!["queued"; 3]));
    assert_eq!(sandbox.contents().contacts.len(), 2);
}

#[test]
fn faults_refuse_drop_and_fail_rows() {
    let faulty = |faults: &str| {
        let sandbox = ortto();
        sandbox.set_faults(Fault::parse_list(faults).unwrap());
        sandbox
    };
    let rows = || json!([numbered(0, 1)[0], { "fields": { "str::email": "x@BAD.example" } }]);
    let sandbox = faulty("refuse-rows:bad.");
    assert_eq!(statuses(&merge(&sandbox, rows()).1), ["created", "invalid"]);
    for (faults, status) in [("refuse-batch:bad.", 400), ("fail-rows:bad.", 500)] {
        let sandbox = faulty(faults);
        let (answered, answer) = merge(&sandbox, rows());
        assert_eq!((answered, answer.get("details"), sandbox.contact_count()), (status, None, 0));
        assert_eq!(merge(&sandbox, numbered(0, 1)).0, 200);
    }
    let sandbox = faulty("drop-rows@1");
    let entries = statuses(&merge(&sandbox, numbered(0, 100)).1).len();
    assert!((50..100).contains(&entries), "{entries}");
    assert_eq!(sandbox.contact_count(), entries);
}
