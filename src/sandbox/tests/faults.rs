use super::*;

async fn faulty(faults: &str) -> Sandbox {
    sandbox(Options { faults: Fault::parse_list(faults).unwrap(), ..Options::default() }).await
}

async fn sent(sandbox: &Sandbox) -> Vec<u8> {
    let body = json!({"contacts": [{"Email": "a@b.c"}, {"Email": "b@b.c"}]}).to_string();
    raw(sandbox, "POST", "/v1/contacts", "autopilotapikey: k\r\n", &body).await
}

#[tokio::test]
async fn a_status_strikes_the_request_it_was_meant_for() {
    let sandbox = faulty("500@2,408@3,429@4").await;
    let mut statuses = Vec::new();
    let mut held = Vec::new();
    for n in 0..5 {
        statuses.push(bulk(&sandbox, json!([{"Email": format!("{n}@b.c")}])).await.status);
        held.push(sandbox.contact_count());
    }
    assert_eq!(statuses, [200, 500, 408, 429, 200]);
    assert_eq!(held, [1, 1, 2, 2, 3], "a timed-out request is completed, the other two are not");
    assert_eq!((sandbox.counters().faulted, sandbox.counters().throttled, sandbox.counters().writes), (3, 1, 3));
}

#[tokio::test]
async fn cut_before_closes_without_applying() {
    let sandbox = faulty("cut-before@1").await;
    assert!(sent(&sandbox).await.is_empty());
    assert_eq!((sandbox.contact_count(), sandbox.counters().unanswered), (0, 1));
    assert_eq!(received(&sent(&sandbox).await).unwrap().status, 200);
}

#[tokio::test]
async fn cut_after_applies_and_closes() {
    let sandbox = faulty("cut-after@1").await;
    assert!(sent(&sandbox).await.is_empty());
    assert_eq!((sandbox.contact_count(), sandbox.counters().writes), (2, 1));
}

#[tokio::test]
async fn a_kept_connection_is_cut_as_well() {
    let sandbox = faulty("cut-before@2").await;
    let mut stream = TcpStream::connect(sandbox.address).await.unwrap();
    let request = "GET /v1/account HTTP/1.1\r\nhost: x\r\nautopilotapikey: k\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 4096];
    assert!(stream.read(&mut answer).await.unwrap() > 0);
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(stream.read(&mut answer).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_truncated_answer_is_shorter_than_it_says() {
    let sandbox = faulty("truncate@1").await;
    let answer = received(&sent(&sandbox).await).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.len(), answer.content_length() / 2);
    assert!(serde_json::from_slice::<Value>(&answer.body).is_err());
    assert_eq!(sandbox.contact_count(), 2);
}

#[tokio::test]
async fn a_stalled_request_is_applied_and_never_answered() {
    let sandbox = faulty("stall@1").await;
    let waited = tokio::time::timeout(Duration::from_millis(200), sent(&sandbox)).await;
    assert!(waited.is_err());
    assert_eq!((sandbox.contact_count(), sandbox.counters().unanswered), (2, 1));
}

#[tokio::test]
async fn html_and_garbage_are_200_and_cannot_be_read() {
    let sandbox = faulty("html@1,garbage@2").await;
    for held in [0, 2] {
        let answer = received(&sent(&sandbox).await).unwrap();
        assert_eq!(answer.status, 200);
        assert!(serde_json::from_slice::<Value>(&answer.body).is_err());
        assert_eq!(sandbox.contact_count(), held);
    }
}

#[tokio::test]
async fn dropped_rows_are_neither_kept_nor_in_the_map() {
    let sandbox = faulty("drop-rows@1").await;
    let answer = bulk(&sandbox, numbered(0, 100)).await.json();
    let mapped = answer["email_contact_map"].as_object().unwrap();
    assert!(mapped.len() < 100 && mapped.len() > 50, "{}", mapped.len());
    assert_eq!(sandbox.contact_count(), mapped.len());
    assert!(mapped.keys().all(|email| sandbox.contents().by_email(email).is_some()));
}

#[tokio::test]
async fn refused_rows_are_missing_in_bulk_and_400_alone() {
    let sandbox = faulty("refuse-rows:Bad.").await;
    let answer = bulk(&sandbox, json!([{"Email": "a@b.c"}, {"Email": "X@BAD.example"}])).await;
    assert_eq!((answer.status, answer.json()["contact_ids"].as_array().unwrap().len()), (200, 1));
    assert_eq!(upsert(&sandbox, json!({"Email": "x@bad.example"})).await.status, 400);
    sandbox.clear_faults();
    assert_eq!(upsert(&sandbox, json!({"Email": "x@bad.example"})).await.status, 200);
}

#[tokio::test]
async fn a_refused_batch_is_400_whole_and_400_alone() {
    let sandbox = faulty("refuse-batch:bad.").await;
    assert_eq!(bulk(&sandbox, json!([{"Email": "a@b.c"}, {"Email": "x@bad.example"}])).await.status, 400);
    assert_eq!(sandbox.contact_count(), 0);
    assert_eq!(bulk(&sandbox, json!([{"Email": "a@b.c"}])).await.status, 200);
    assert_eq!(upsert(&sandbox, json!({"Email": "x@bad.example"})).await.status, 400);
}

#[tokio::test]
async fn a_failing_row_is_500_in_every_request_that_names_it() {
    let sandbox = faulty("fail-rows:Bad.").await;
    assert_eq!(bulk(&sandbox, json!([{"Email": "a@b.c"}, {"Email": "x@BAD.example"}])).await.status, 500);
    assert_eq!(upsert(&sandbox, json!({"Email": "x@bad.example"})).await.status, 500);
    assert_eq!(get(&sandbox, "/contact/x%40bad.example").await.status, 500);
    assert_eq!(sandbox.contact_count(), 0);
    assert_eq!(bulk(&sandbox, json!([{"Email": "a@b.c"}])).await.status, 200);
    assert_eq!(get(&sandbox, "/contact/a%40b.c").await.status, 200);
}

#[tokio::test]
async fn every_request_is_answered_or_counted_and_seeds_repeat() {
    let faults = "429:0.1,500:0.1,cut-before:0.1,cut-after:0.1,truncate:0.1,html:0.1,garbage:0.1,drop-rows:0.1";
    let mut runs = Vec::new();
    for _ in 0..2 {
        let sandbox = faulty(faults).await;
        for _ in 0..100 {
            sent(&sandbox).await;
        }
        let counters = sandbox.counters();
        assert_eq!(counters.requests, 100);
        assert_eq!(counters.statuses.values().sum::<u64>() + counters.unanswered, 100);
        assert!(counters.faulted > 60 && counters.unanswered > 5, "{counters:?}");
        runs.push((counters.statuses, counters.unanswered, counters.writes));
    }
    assert_eq!(runs[0], runs[1]);
}
