use std::time::Instant;

use super::*;

#[tokio::test]
async fn a_missing_key_is_400_and_a_wrong_one_401() {
    let sandbox = sandbox(Options { api_key: Some("right".into()), ..Options::default() }).await;
    let missing = received(&raw(&sandbox, "GET", "/v1/account", "", "").await).unwrap();
    assert_eq!((missing.status, &missing.json()["error"]), (400, &json!("Bad Request")));
    let wrong = get(&sandbox, "/account").await;
    assert_eq!((wrong.status, &wrong.json()["error"]), (401, &json!("Unauthorized")));
    sandbox.set_api_key(Some("key".into()));
    assert_eq!(get(&sandbox, "/account").await.status, 200);
}

#[tokio::test]
async fn above_the_rate_it_answers_429() {
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
    sandbox.change(|options| options.autopilot.retry_after = Some(2));
    assert!(get(&sandbox, "/account").await.head.contains("retry-after: 2"));
    let counters = sandbox.counters();
    assert_eq!((counters.requests, counters.throttled, counters.answered(200), counters.writes), (7, 2, 5, 0));
    assert_eq!(counters.peak_per_second, 7);
    assert_eq!(counters.of("GET /account"), 7);
    sandbox.change(|options| options.rate = None);
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
async fn a_stopped_sandbox_closes_every_connection() {
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

#[tokio::test]
async fn a_banned_client_is_refused_until_the_ban_ends() {
    for (sign, status) in [(BanSign::Status(403), Some(403)), (BanSign::Cut, None)] {
        let window = Duration::from_millis(400);
        let ban = Some(BanRule { requests: 2, window, sign });
        let sandbox = sandbox(Options { ban, ..Options::default() }).await;
        for _ in 0..2 {
            assert_eq!(get(&sandbox, "/contact/nobody").await.status, 400);
        }
        let response = raw(&sandbox, "GET", "/v1/account", "autopilotapikey: k\r\n", "").await;
        assert_eq!(received(&response).map(|response| response.status), status);
        assert_eq!(sandbox.counters().bans, 1, "requests during a ban do not start another");
        tokio::time::sleep(window).await;
        assert_eq!(get(&sandbox, "/account").await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn requests_in_the_process_are_in_flight_while_they_wait() {
    let sandbox = Sandbox::unserved(Options { latency: Duration::from_secs(3), ..Options::default() });
    let start = tokio::time::Instant::now();
    let ask = || sandbox.ask_slowly("GET", "account", "key", b"");
    let (first, second) = tokio::join!(ask(), ask());
    assert_eq!((first.unwrap().0, second.unwrap().0), (200, 200));
    assert_eq!((start.elapsed(), sandbox.counters().peak_in_flight), (Duration::from_secs(3), 2));
    assert_eq!(sandbox.ask("GET", "account", "key", b"").unwrap().0, 200);
    assert_eq!((start.elapsed(), sandbox.counters().peak_in_flight), (Duration::from_secs(3), 2));
}
