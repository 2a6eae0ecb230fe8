use super::*;

#[tokio::test]
async fn the_page_is_escaped_needs_no_key_and_is_not_counted() {
    let options =
        AutopilotOptions { lists: vec![("l".into(), "<b>News</b>".into())], ..AutopilotOptions::default() }.into();
    let sandbox = sandbox(options).await;
    upsert(&sandbox, json!({"Email": "a@b.c", "FirstName": "<script>", "_autopilot_list": "l"})).await;
    let page = received(&raw(&sandbox, "GET", "/", "", "").await).unwrap();
    let text = String::from_utf8(page.body).unwrap();
    assert_eq!(page.status, 200);
    assert!(text.contains("a@b.c") && text.contains("&lt;script&gt;") && text.contains("&lt;b&gt;News"));
    assert!(!text.contains("<script>"));
    let contents = received(&raw(&sandbox, "GET", "/_sandbox/contents", "", "").await).unwrap().json();
    assert_eq!(contents["contacts"][0]["email"], "a@b.c");
    assert_eq!(contents["lists"][0]["members"], 1);
    let counters = received(&raw(&sandbox, "GET", "/_sandbox/counters", "", "").await).unwrap().json();
    assert_eq!((&counters["requests"], &counters["writes"]), (&json!(1), &json!(1)));
    assert_eq!(counters["by_route"], json!({"POST /contact": 1}));
    assert_eq!(sandbox.counters().requests, 1);
}

#[tokio::test]
async fn the_page_finds_people_by_anything_they_hold() {
    let sandbox = sandbox(AutopilotOptions::default().into()).await;
    upsert(&sandbox, json!({"Email": "ann@example.com", "FirstName": "Ann"})).await;
    upsert(&sandbox, json!({"Email": "bea@example.com", "FirstName": "Bea"})).await;
    let page = received(&raw(&sandbox, "GET", "/?q=ANN", "", "").await).unwrap();
    let text = String::from_utf8(page.body).unwrap();
    assert!(text.contains("ann@example.com") && !text.contains("bea@example.com"), "{text}");
}
