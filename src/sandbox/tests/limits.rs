use std::time::Instant;

use super::*;

#[tokio::test]
async fn a_missing_key_is_400_and_a_wrong_one_401() {
    let sandbox = sandbox(Options { api_key: Some("right".into()), ..Options::default() }).await;
    let missing = seen(&raw(&sandbox, "GET", "/v1/account", "", "").await).unwrap();
    assert_eq!((missing.status, &missing.json()["error"]), (400, &json!("Bad Request")));
    let wrong = get(&sandbox, "/account").await;
    assert_eq!((wrong.status, &wrong.json()["error"]), (401, &json!("Unauthorized")));
    sandbox.set_api_key(Some("key".into()));
    assert_eq!(get(&sandbox, "/account").await.status, 200);
}

#[tokio::test]
async fn above_the_rate_it_answers_429_as_the_service_words_it() {
    let sandbox = sandbox(Options { rate: Some(5.0), ..Options::default() }).await;
    for _ in 0..5 {
        assert_eq!(get(&sandbox, "/account").await.status, 200);
    }
    let refused = get(&sandbox, "/account").await;
    assert_eq!(refused.status, 429);
    assert_eq!(
        refused.json(),
        json!({"error": "Too Many Requests", "message": "You have exceeded your request rate of 5 r/s."})
    );
    assert!(!refused.head.contains("retry-after"));
    sandbox.change(|options| options.retry_after = Some(2));
    assert!(get(&sandbox, "/account").await.head.contains("retry-after: 2"));
    let counters = sandbox.counters();
    assert_eq!((counters.requests, counters.throttled, counters.answered(200), counters.writes), (7, 2, 5, 0));
    assert_eq!(counters.peak_per_second, 7);
    assert_eq!(counters.of("GET /account"), 7);
    sandbox.set_rate(None);
    assert_eq!(get(&sandbox, "/account").await.status, 200);
}

#[tokio::test]
async fn latency_is_waited_after_the_write() {
    let sandbox = sandbox(Options { latency: Duration::from_millis(150), ..Options::default() }).await;
    let start = Instant::now();
    let (answer, held) = tokio::join!(upsert(&sandbox, json!({"Email": "a@b.c"})), async {
        tokio::time::sleep(Duration::from_millis(75)).await;
        sandbox.contact_count()
    });
    assert_eq!((answer.status, held), (200, 1));
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn it_stops_and_lets_nobody_in_afterwards() {
    let sandbox = sandbox(Options::default()).await;
    upsert(&sandbox, json!({"Email": "a@b.c"})).await;
    let mut idle = TcpStream::connect(sandbox.address).await.unwrap();
    sandbox.set_faults(Fault::parse_list("stall@1").unwrap());
    let (stalled, ()) = tokio::join!(raw(&sandbox, "GET", "/v1/account", "autopilotapikey: k\r\n", ""), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        sandbox.clone().stop().await;
    });
    assert!(stalled.is_empty());
    assert_eq!(idle.read(&mut [0; 8]).await.unwrap_or(0), 0);
    assert!(TcpStream::connect(sandbox.address).await.is_err());
    assert_eq!(sandbox.contents().contacts.len(), 1);
}
