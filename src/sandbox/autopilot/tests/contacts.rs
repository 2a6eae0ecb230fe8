use super::*;

#[tokio::test]
async fn an_upsert_finds_its_contact_by_email_without_case() {
    let sandbox = sandbox(Options::default()).await;
    let first = upsert(&sandbox, json!({"Email": "Ann@Example.org", "FirstName": "Ann", "Company": "A"})).await;
    let again = upsert(&sandbox, json!({"Email": "ann@example.org", "Company": "B"})).await;
    assert_eq!(first.json(), again.json());
    assert!(first.json()["contact_id"].as_str().unwrap().starts_with("person_"));
    let held = sandbox.contents();
    assert_eq!(held.contacts.len(), 1);
    let ann = held.by_email("ANN@example.org").unwrap();
    assert_eq!(ann.fields["FirstName"], "Ann", "fields not sent stay");
    assert_eq!(ann.fields["Company"], "B", "fields sent overwrite");
}

#[tokio::test]
async fn null_clears_a_value() {
    let sandbox = sandbox(Options::default()).await;
    upsert(&sandbox, json!({"Email": "a@b.c", "Phone": "1", "custom": {"integer--Orders": 3}})).await;
    upsert(&sandbox, json!({"Email": "a@b.c", "Phone": null, "custom": {"integer--Orders": null}})).await;
    let held = sandbox.contents();
    assert_eq!(held.contacts[0].fields.keys().collect::<Vec<_>>(), ["Email"]);
    assert!(held.contacts[0].custom.is_empty());
}

#[tokio::test]
async fn a_contact_is_read_by_id_or_email_in_the_read_form() {
    let sandbox = sandbox(Options::default()).await;
    let sent = json!({"Email": "a+b@example.org", "FirstName": "A", "LastName": "B", "contact_id": "mine",
        "custom": {"date--Last--Seen": "2024-03-01T00:00:00Z", "string--Test--Field": "x", "nonsense": 1}});
    let id = upsert(&sandbox, sent).await.json()["contact_id"].as_str().unwrap().to_owned();
    let by_email = get(&sandbox, "/contact/a%2Bb%40example.org").await;
    assert_eq!(by_email.status, 200);
    assert_eq!(by_email.json(), get(&sandbox, &format!("/contact/{id}")).await.json());
    let read = by_email.json();
    assert_eq!(read["contact_id"], id);
    assert_eq!(read["Name"], "A B");
    assert_eq!(read["unsubscribed"], false);
    assert!(read["created_at"].as_str().unwrap().ends_with('Z'));
    assert!(read["updated_at"].as_str().unwrap().ends_with("GMT"), "{}", read["updated_at"]);
    assert_eq!(
        read["custom_fields"],
        json!([
            {"kind": "Last Seen", "value": 1_709_251_200_000_i64, "fieldType": "date"},
            {"kind": "Test Field", "value": "x", "fieldType": "string"},
        ])
    );
    assert_eq!(
        get(&sandbox, "/contacts/custom_fields").await.json(),
        json!([{"name": "Last Seen", "fieldType": "date"}, {"name": "Test Field", "fieldType": "string"}])
    );
}

#[tokio::test]
async fn a_missing_contact_is_404_and_a_bad_id_is_400() {
    let sandbox = sandbox(Options::default()).await;
    for path in ["/contact/a@b.c", "/contact/person_9EAF39E4-9AEC-4134-964A-D9D8D54162E7"] {
        let answer = get(&sandbox, path).await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.json(), json!({"error": "Not Found", "message": "Contact could not be found."}));
    }
    assert_eq!(get(&sandbox, "/contact/ann").await.status, 400);
    assert_eq!(call(&sandbox, "PUT", "/contact", json!({})).await.status, 405);
    assert_eq!(get(&sandbox, "/people").await.status, 404);
}

#[tokio::test]
async fn a_new_email_moves_the_contact() {
    let sandbox = sandbox(Options::default()).await;
    upsert(&sandbox, json!({"Email": "old@b.c", "FirstName": "A"})).await;
    upsert(&sandbox, json!({"Email": "taken@b.c"})).await;
    assert_eq!(upsert(&sandbox, json!({"Email": "old@b.c", "_NewEmail": "Taken@b.c"})).await.status, 409);
    assert_eq!(upsert(&sandbox, json!({"Email": "old@b.c", "_NewEmail": "New@b.c"})).await.status, 200);
    assert_eq!(get(&sandbox, "/contact/old@b.c").await.status, 404);
    assert_eq!(get(&sandbox, "/contact/new@b.c").await.json()["FirstName"], "A");
    assert_eq!(sandbox.contents().contacts.len(), 2);
}

#[tokio::test]
async fn opting_out_and_in() {
    let sandbox = sandbox(Options::default()).await;
    upsert(&sandbox, json!({"Email": "a@b.c"})).await;
    let opted_out = || sandbox.contents().contacts[0].unsubscribed;
    assert_eq!(call(&sandbox, "POST", "/contact/a@b.c/unsubscribe", Value::Null).await.status, 200);
    assert!(opted_out());
    upsert(&sandbox, json!({"Email": "a@b.c", "FirstName": "A"})).await;
    assert!(opted_out(), "without the key nothing changes");
    upsert(&sandbox, json!({"Email": "a@b.c", "unsubscribed": false})).await;
    assert!(!opted_out(), "false opts in again");
    assert_eq!(call(&sandbox, "POST", "/contact/x@b.c/unsubscribe", Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_bulk_answer_has_ids_in_order_and_a_map_by_email_as_sent() {
    let sandbox = sandbox(Options::default()).await;
    let answer =
        bulk(&sandbox, json!([{"Email": "Bo@b.c"}, {"Email": "a@b.c"}, {"Email": "bo@b.c", "FirstName": "Bo"}])).await;
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    let ids = answer["contact_ids"].as_array().unwrap();
    assert_eq!(ids.len(), 3);
    assert_eq!(ids[0], ids[2], "twice in one batch is one contact");
    assert_eq!(answer["email_contact_map"], json!({"Bo@b.c": ids[0], "a@b.c": ids[1], "bo@b.c": ids[2]}));
    assert_eq!(answer["_removeResultKeys"], json!(["proposedContacts"]));
    assert_eq!(sandbox.contents().contacts.len(), 2);
}

#[tokio::test]
async fn rows_without_an_email_make_a_new_contact_each_time() {
    let sandbox = sandbox(Options::default()).await;
    for _ in 0..2 {
        let answer = bulk(&sandbox, json!([{"FirstName": "A"}, {"Email": null}])).await.json();
        assert_eq!(answer["contact_ids"].as_array().unwrap().len(), 2);
        assert_eq!(answer["email_contact_map"], json!({}));
    }
    assert_eq!(sandbox.contents().contacts.len(), 4);
}

#[tokio::test]
async fn an_invalid_email_is_left_out_of_the_map_without_a_word() {
    let sandbox = sandbox(Options::default()).await;
    let rows = json!([{"Email": "no at"}, {"Email": "a@b.c"}, {"Email": 7}]);
    let answer = bulk(&sandbox, rows.clone()).await;
    assert_eq!((answer.status, answer.json()["contact_ids"].as_array().unwrap().len()), (200, 1));
    sandbox.change(|options| options.autopilot.refuse_invalid = RefuseInvalid::WholeBatch400);
    assert_eq!(bulk(&sandbox, rows).await.status, 400);
    let alone = upsert(&sandbox, json!({"Email": "no at"})).await;
    assert_eq!(alone.status, 400);
    assert_eq!(alone.json(), json!({"error": "Bad Request", "message": "Invalid email address."}));
    assert_eq!(sandbox.contact_count(), 1);
}

#[tokio::test]
async fn more_than_a_hundred_contacts_are_refused_whole() {
    let sandbox = sandbox(Options::default()).await;
    assert_eq!(bulk(&sandbox, numbered(0, 101)).await.status, 400);
    assert_eq!(sandbox.contact_count(), 0);
    assert_eq!(bulk(&sandbox, numbered(0, 100)).await.status, 200);
    assert_eq!(sandbox.contact_count(), 100);
    assert_eq!(call(&sandbox, "POST", "/contacts", json!({"contacts": "?"})).await.status, 400);
}

#[tokio::test]
async fn paging_ends_where_the_bookmark_is_absent() {
    let sandbox = sandbox(Options::default()).await;
    bulk(&sandbox, numbered(0, 100)).await;
    assert!(get(&sandbox, "/contacts").await.json().get("bookmark").is_none(), "a full last page has no bookmark");
    bulk(&sandbox, numbered(100, 200)).await;
    bulk(&sandbox, numbered(200, 250)).await;
    let mut sizes = Vec::new();
    let mut path = "/contacts".to_owned();
    loop {
        let page = get(&sandbox, &path).await.json();
        assert_eq!(page["total_contacts"], 250);
        sizes.push(page["contacts"].as_array().unwrap().len());
        let Some(bookmark) = page["bookmark"].as_str() else {
            break;
        };
        // The bookmark stays good when its contact goes.
        path = format!("/contacts/{bookmark}");
    }
    assert_eq!(sizes, [100, 100, 50]);
    assert_eq!(get(&sandbox, "/contacts/nobody").await.status, 400);
}

#[tokio::test]
async fn a_deleted_contact_is_gone_and_its_bookmark_stays_valid() {
    let sandbox =
        sandbox(AutopilotOptions { lists: vec![("l".into(), "L".into())], ..AutopilotOptions::default() }.into()).await;
    bulk(&sandbox, numbered(0, 100)).await;
    bulk(&sandbox, numbered(100, 101)).await;
    call(&sandbox, "POST", "/list/l/contact/99@example.org", Value::Null).await;
    let bookmark = get(&sandbox, "/contacts").await.json()["bookmark"].as_str().unwrap().to_owned();
    assert_eq!(call(&sandbox, "DELETE", "/contact/99@example.org", Value::Null).await.status, 204);
    assert_eq!(call(&sandbox, "DELETE", "/contact/99@example.org", Value::Null).await.status, 404);
    assert_eq!(get(&sandbox, &format!("/contact/{bookmark}")).await.status, 404);
    let page = get(&sandbox, &format!("/contacts/{bookmark}")).await.json();
    assert_eq!(page["contacts"].as_array().unwrap().len(), 1);
    assert_eq!(sandbox.contents().lists[0].members, 0);
    assert_eq!(sandbox.contact_count(), 100);
}

#[tokio::test]
async fn custom_fields_keep_their_type_and_are_created_if_allowed() {
    let declared = vec![("Orders".to_owned(), "integer".to_owned())];
    let sandbox = sandbox(
        AutopilotOptions { custom_fields: declared, create_custom_fields: false, ..AutopilotOptions::default() }.into(),
    )
    .await;
    let custom = json!({"integer--Orders": 1, "string--Unknown": "x"});
    upsert(&sandbox, json!({"Email": "a@b.c", "custom": custom})).await;
    upsert(&sandbox, json!({"Email": "a@b.c", "custom": {"string--Orders": "many"}})).await;
    assert_eq!(Value::Object(sandbox.contents().contacts[0].custom.clone()), json!({"Orders": 1}));
    assert_eq!(sandbox.contents().custom_fields.len(), 1);
}
