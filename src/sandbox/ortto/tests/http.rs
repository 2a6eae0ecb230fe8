use super::*;
use crate::sandbox::tests::{raw, received, sandbox};

// ORTTO_API 1
#[tokio::test]
async fn the_key_travels_in_x_api_key_and_its_absence_is_400() {
    let sandbox = sandbox(OrttoOptions::default().into()).await;
    let get = async |headers: &str| received(&raw(&sandbox, "POST", "/v1/tags/get", headers, "{}").await).unwrap();
    let missing = get("").await;
    assert_eq!((missing.status, &missing.json()["code"]), (400, &json!(400)));
    let listed = get("X-Api-Key: k\r\n").await;
    assert_eq!((listed.status, listed.json()), (200, json!([])));
    assert!(!listed.head.contains("retry-after"));
    let unknown = received(&raw(&sandbox, "GET", "/v1/tags/get", "X-Api-Key: k\r\n", "").await).unwrap();
    assert_eq!(unknown.status, 405, "reads are POSTs too");
}

#[tokio::test]
async fn the_page_shows_people_tags_and_fields_escaped() {
    let sandbox = sandbox(OrttoOptions::default().into()).await;
    post(&sandbox, "person/custom-field/create", json!({ "type": "single_select", "name": "Size", "values": ["<S>"] }));
    let row = json!([{ "fields": { "str::email": "a@b.example", "str:cm:size": "<S>" }, "tags": ["<b>News</b>"] }]);
    merge(&sandbox, row);
    call(&sandbox, "PUT", "suppression-list/email/add", &json!({ "emails": ["x@b.example"] }));
    let page = received(&raw(&sandbox, "GET", "/", "", "").await).unwrap();
    let text = String::from_utf8(page.body).unwrap();
    for shown in ["Ortto sandbox", "a@b.example", "str:cm:size", "&lt;S&gt;", "&lt;b&gt;News", "x@b.example"] {
        assert!(text.contains(shown), "{shown}");
    }
    assert!(!text.contains("<b>News"));
    let contents = received(&raw(&sandbox, "GET", "/_sandbox/contents", "", "").await).unwrap().json();
    assert_eq!(contents["lists"], json!([{ "id": "1", "title": "<b>News</b>", "members": 1 }]));
    assert_eq!(contents["contacts"][0]["custom"], json!({ "Size": "<S>" }));
}
