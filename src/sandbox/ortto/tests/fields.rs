use super::*;

fn create(sandbox: &Sandbox, field_type: &str, name: &str) -> (u16, Value) {
    call(
        sandbox,
        "POST",
        "person/custom-field/create",
        &json!({ "type": field_type, "name": name, "track_changes": false }),
    )
}

// ORTTO_API 4
#[test]
fn a_custom_field_gets_the_prefix_of_its_type() {
    let sandbox = ortto();
    for (field_type, id) in [
        ("text", "str:cm:my-text"),
        ("link", "str:cm:my-link"),
        ("large_text", "txt:cm:my-large-text"),
        ("integer", "int:cm:my-integer"),
        ("decimal", "int:cm:my-decimal"),
        ("currency", "int:cm:my-currency"),
        ("bool", "bol:cm:my-bool"),
        ("date", "dtz:cm:my-date"),
        ("time", "tme:cm:my-time"),
        ("phone", "phn:cm:my-phone"),
        ("object", "obj:cm:my-object"),
    ] {
        let name = format!("My {}", field_type.replace('_', " "));
        let (status, created) = create(&sandbox, field_type, &name);
        assert_eq!((status, created), (200, json!({ "name": name, "field_id": id, "display_type": field_type })));
    }
    assert_eq!(create(&sandbox, "price", "My price").0, 400);
    assert_eq!(create(&sandbox, "text", " $ ").0, 400);
}

// ORTTO_API 4
#[test]
fn custom_fields_are_listed_with_their_choices_and_none_is_null() {
    let sandbox = ortto();
    assert_eq!(post(&sandbox, "person/custom-field/get", json!({})), json!({ "fields": null }));
    sandbox.change(|options| options.ortto.null_fields = false);
    assert_eq!(sandbox.ask("POST", "person/custom-field/get", "key", b"").unwrap().1, br#"{"fields":[]}"#);
    let select = json!({ "type": "single_select", "name": "Size", "values": ["S", "M"], "track_changes": true });
    let (_, created) = call(&sandbox, "POST", "person/custom-field/create", &select);
    assert_eq!(
        created,
        json!({ "name": "Size", "field_id": "str:cm:size", "display_type": "single_select", "values": ["S", "M"] })
    );
    let field = json!({
        "id": "str:cm:size", "name": "Size", "display_type": "single_select", "liquid_name": "people.custom.size",
        "dic_items": ["S", "M"],
    });
    let listed = post(&sandbox, "person/custom-field/get", json!({}));
    assert_eq!(listed, json!({ "fields": [{ "field": field, "tracked_value": true }] }));
    let schema = post(&sandbox, "instance-schema/get", json!({ "namespaces": ["cm"] }));
    assert_eq!(schema["namespaces"]["cm"]["fields"]["str:cm:size"], field);
    let key_check = post(&sandbox, "instance-schema/get", json!({ "namespaces": ["o"] }));
    assert_eq!(key_check["namespaces"].as_object().unwrap().keys().collect::<Vec<_>>(), ["o"]);
}

// ORTTO_API 10, 423 or 409
#[test]
fn a_field_that_exists_or_is_one_too_many_is_refused() {
    let options = OrttoOptions {
        existing_field_status: 409,
        custom_field_limit: 1,
        custom_field_limit_status: 507,
        ..OrttoOptions::default()
    };
    for (options, exists) in [(OrttoOptions::default(), 423), (options, 409)] {
        let limit = options.custom_field_limit;
        let sandbox = assuming(options);
        assert_eq!(create(&sandbox, "integer", "Orders").0, 200);
        assert_eq!(create(&sandbox, "integer", "Orders").0, exists);
        assert_eq!(create(&sandbox, "text", "orders ").0, exists, "names are compared, not ids");
        assert_eq!(create(&sandbox, "text", "Another").0, if limit == 1 { 507 } else { 200 });
    }
}

// ORTTO_API 2.2
#[test]
fn fields_of_others_are_refused_even_unchanged() {
    let options = OrttoOptions { foreign_fields: vec!["Shop total".into()], ..OrttoOptions::default() };
    let sandbox = assuming(options);
    for field in ["str:st:shop-total", "bol::hb"] {
        let (status, answer) = merge(&sandbox, json!([{ "fields": { "str::email": "a@b.example", field: null } }]));
        assert_eq!(
            (status, &answer["details"][0]["error"]),
            (400, &json!(format!("can not apply mutation for {field}")))
        );
    }
    assert_eq!(post(&sandbox, "person/custom-field/get", json!({})), json!({ "fields": null }));
}
