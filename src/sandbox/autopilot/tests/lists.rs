use super::*;

async fn new_list(sandbox: &Sandbox, name: &str) -> String {
    let answer = call(sandbox, "POST", "/list", json!({ "name": name })).await.json();
    assert_eq!(answer["name"], name);
    answer["list_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn members_come_and_go_and_doing_it_again_changes_nothing() {
    let sandbox = sandbox(Options::default()).await;
    let list = new_list(&sandbox, "News").await;
    assert_eq!(get(&sandbox, "/lists").await.json(), json!({"lists": [{"list_id": list, "title": "News"}]}));
    let id = upsert(&sandbox, json!({"Email": "a@b.c"})).await.json()["contact_id"].as_str().unwrap().to_owned();
    let path = format!("/list/{list}/contact/a%40b.c");
    let absent = get(&sandbox, &path).await;
    assert_eq!((absent.status, absent.body.len()), (404, 0), "not a member: no body");
    assert_eq!(call(&sandbox, "POST", &path, Value::Null).await.json(), json!({}));
    assert_eq!(call(&sandbox, "POST", &path, Value::Null).await.json(), json!({"not_modified": true}));
    assert_eq!(get(&sandbox, &path).await.status, 200);
    assert_eq!(get(&sandbox, "/contact/a@b.c").await.json()["lists"], json!([list]));
    assert_eq!(sandbox.contents().members("News"), ["a@b.c".to_owned()].into());
    let path = format!("/list/{list}/contact/{id}");
    assert_eq!(call(&sandbox, "DELETE", &path, Value::Null).await.json(), json!({}));
    assert_eq!(call(&sandbox, "DELETE", &path, Value::Null).await.json(), json!({"not_modified": true}));
    assert_eq!(sandbox.contact_count(), 1, "leaving a list deletes nobody");
    assert_eq!(call(&sandbox, "POST", "/list/none/contact/a@b.c", Value::Null).await.status, 404);
    assert_eq!(call(&sandbox, "POST", &format!("/list/{list}/contact/x@b.c"), Value::Null).await.status, 404);
}

#[tokio::test]
async fn list_ids_may_have_spaces_and_lists_are_paged() {
    let id = "contactlist_Segment Contacts";
    let options = AutopilotOptions {
        lists: vec![(id.into(), "Segment".into())],
        single_lists: BulkLists::Always,
        ..AutopilotOptions::default()
    }
    .into();
    let sandbox = sandbox(options).await;
    for n in 0..150 {
        upsert(&sandbox, json!({"Email": format!("{n}@example.org"), "_autopilot_list": id})).await;
    }
    let page = get(&sandbox, "/list/contactlist_Segment%20Contacts/contacts").await.json();
    assert_eq!((page["contacts"].as_array().unwrap().len(), &page["total_contacts"]), (100, &json!(150)));
    let bookmark = page["bookmark"].as_str().unwrap();
    let page = get(&sandbox, &format!("/list/contactlist_Segment%20Contacts/contacts/{bookmark}")).await.json();
    assert_eq!(page["contacts"].as_array().unwrap().len(), 50);
    assert!(page.get("bookmark").is_none());
}

#[tokio::test]
async fn a_title_may_stand_for_two_lists_or_be_a_conflict() {
    let sandbox = sandbox(Options::default()).await;
    assert_ne!(new_list(&sandbox, "News").await, new_list(&sandbox, "News").await);
    sandbox.change(|options| options.autopilot.conflict_on_duplicate_list = true);
    assert_eq!(call(&sandbox, "POST", "/list", json!({"name": "News"})).await.status, 409);
    assert_eq!(call(&sandbox, "POST", "/list", json!({})).await.status, 400);
    assert_eq!(sandbox.contents().lists.len(), 2);
}

#[tokio::test]
async fn whether_an_upsert_puts_on_the_list_is_a_choice() {
    for (lists, expected) in [
        (BulkLists::Never, &[][..]),
        (BulkLists::CreateOnly, &["new@b.c"][..]),
        (BulkLists::Always, &["known@b.c", "new@b.c"][..]),
    ] {
        let options: Options = AutopilotOptions {
            lists: vec![("l".into(), "L".into())],
            bulk_lists: lists,
            single_lists: lists,
            ..AutopilotOptions::default()
        }
        .into();
        let members = |sandbox: &Sandbox| sandbox.contents().members("L").into_iter().collect::<Vec<_>>();
        for in_bulk in [true, false] {
            let sandbox = sandbox(options.clone()).await;
            upsert(&sandbox, json!({"Email": "known@b.c"})).await;
            for email in ["known@b.c", "new@b.c"] {
                let contact = json!({"Email": email, "_autopilot_list": "l"});
                let answer =
                    if in_bulk { bulk(&sandbox, json!([contact])).await } else { upsert(&sandbox, contact).await };
                assert_eq!(answer.status, 200);
            }
            assert_eq!(members(&sandbox), expected, "{lists:?}, in bulk: {in_bulk}");
        }
    }
}

#[tokio::test]
async fn the_account_has_an_instance_id() {
    let sandbox = sandbox(Options::default()).await;
    assert_eq!(get(&sandbox, "/account").await.json()["instanceId"], "autopilot_sandbox");
}
