use super::*;
use crate::sandbox::Odd;

/// An account with a custom field of each type.
fn account(options: OrttoOptions) -> Sandbox {
    let sandbox = assuming(options);
    for field_type in ["text", "large_text", "integer", "decimal", "bool", "date", "time", "object"] {
        post(
            &sandbox,
            "person/custom-field/create",
            json!({ "type": field_type, "name": field_type.replace('_', " ") }),
        );
    }
    for field_type in ["single_select", "multi_select"] {
        let select = json!({ "type": field_type, "name": field_type.replace('_', " "), "values": ["a", "b", "c"] });
        post(&sandbox, "person/custom-field/create", select);
    }
    sandbox
}

/// What a value becomes in a new person; the reason where the row is refused.
fn stored(sandbox: &Sandbox, field: &str, value: Value) -> Result<Value, String> {
    let (status, answer) = merge(sandbox, json!([{ "fields": { "str::email": "a@b.example", field: value } }]));
    let held = people(sandbox, json!([field])).into_iter().next().unwrap_or_default();
    if let Some(id) = answer["people"][0]["person_id"].as_str() {
        call(sandbox, "PUT", "person/archive", &json!({ "inclusion_ids": [id] }));
    }
    if status == 200 {
        Ok(held[field].clone())
    } else {
        Err(answer["details"][0]["error"].as_str().unwrap().to_owned())
    }
}

// ORTTO_API 4
#[test]
fn values_in_their_documented_form_come_back() {
    let sandbox = account(OrttoOptions::default());
    for (field, value) in [
        ("str:cm:text", json!("x")),
        ("txt:cm:large-text", json!("x".repeat(4000))),
        ("int:cm:integer", json!(-7)),
        ("int:cm:decimal", json!(12_500)),
        ("bol:cm:bool", json!(false)),
        ("dtz:cm:date", json!({ "year": 2024, "month": 3, "day": 1, "timezone": "Europe/Oslo" })),
        ("tme:cm:time", json!("2024-03-01T10:00:00+01:00")),
        ("obj:cm:object", json!({ "a": [1] })),
        ("str:cm:single-select", json!("b")),
        ("sst:cm:multi-select", json!(["a", "c"])),
        ("phn::phone", json!({ "c": "47", "n": "12345678" })),
        ("geo::city", json!({ "name": "Oslo" })),
        ("str::language", json!("pt-br")),
    ] {
        assert_eq!(stored(&sandbox, field, value.clone()), Ok(value), "{field}");
    }
}

// ORTTO_API 4
#[test]
fn values_of_another_type_make_the_row_invalid() {
    let sandbox = account(OrttoOptions::default());
    for (field, value) in [
        ("str:cm:text", json!(1)),
        ("int:cm:integer", json!("1")),
        ("bol:cm:bool", json!("true")),
        ("dtz:cm:date", json!("2024-03-01")),
        ("dtz:cm:date", json!({ "year": 2023, "month": 2, "day": 29 })),
        ("tme:cm:time", json!("2024-03-01T10:00:00")),
        ("obj:cm:object", json!({ "a": "x".repeat(15_000) })),
        ("sst:cm:multi-select", json!("a")),
        ("geo::city", json!("Oslo")),
        ("str::email", json!("no address")),
    ] {
        assert_eq!(stored(&sandbox, field, value), Err(format!("invalid value for field {field}")));
    }
    assert_eq!(sandbox.contact_count(), 0);
}

// ORTTO_API 4
#[test]
fn a_phone_is_two_parts_or_one_that_is_parsed() {
    let sandbox = ortto();
    for (whole, code, number) in
        [("4712345678", "47", "12345678"), ("15551234567", "1", "5551234567"), ("3581234567", "358", "1234567")]
    {
        let phone = json!({ "phone": whole, "parse_with_country_code": true });
        assert_eq!(stored(&sandbox, "phn::phone", phone), Ok(json!({ "c": code, "n": number })));
    }
    for empty in [json!({}), json!({ "c": "47", "n": "" }), json!({ "phone": "", "parse_with_country_code": true })] {
        assert_eq!(stored(&sandbox, "phn::phone", empty), Err("empty phone value for phn::phone".to_owned()));
    }
}

// ORTTO_API 10
#[test]
fn odd_phones_are_refused_ignored_or_accepted() {
    for (odd_phones, expected) in [
        (Odd::Refuse, None),
        (Odd::Ignore, Some(Value::Null)),
        (Odd::Accept, Some(json!({ "c": "47", "n": "12345678" }))),
    ] {
        let sandbox = assuming(OrttoOptions { odd_phones, ..OrttoOptions::default() });
        let spare = json!({ "phone": "9991234567", "parse_with_country_code": true });
        assert_eq!(stored(&sandbox, "phn::phone", spare).is_err(), odd_phones == Odd::Refuse, "a code of no country");
        for phone in [
            json!({ "phone": "+4712345678", "parse_with_country_code": true }),
            json!({ "phone": "4712345678", "parse_with_country_code": false }),
        ] {
            assert_eq!(stored(&sandbox, "phn::phone", phone).ok(), expected, "{odd_phones:?}");
        }
    }
}

// ORTTO_API 10, long strings, floats, unknown choices, languages and places
#[test]
fn odd_values_are_refused_ignored_or_made_to_fit() {
    let long = "x".repeat(256);
    let cases = [
        ("str:cm:text", json!(long), json!(long[..255])),
        ("int:cm:integer", json!(1.9), json!(1)),
        ("str:cm:single-select", json!("new"), json!("new")),
        ("sst:cm:multi-select", json!(["new"]), json!(["new"])),
        ("str::language", json!("en-US"), json!("en-US")),
        ("str::language", json!("xx"), json!("xx")),
        ("geo::country", json!({ "name": "NO" }), json!({ "name": "NO" })),
    ];
    for (field, value, fitted) in cases {
        let outcome = |odd| {
            let options = OrttoOptions {
                long_strings: odd,
                floats: odd,
                unknown_choices: odd,
                unknown_languages: odd,
                unknown_places: odd,
                ..OrttoOptions::default()
            };
            stored(&account(options), field, value.clone())
        };
        assert!(outcome(Odd::Refuse).is_err(), "{field}");
        let ignored = outcome(Odd::Ignore).unwrap();
        assert!(ignored.is_null() || ignored == json!([]), "{field}: {ignored}");
        assert_eq!(outcome(Odd::Accept), Ok(fitted), "{field}");
    }
    assert_eq!(stored(&ortto(), "geo::city", json!({})), Ok(Value::Null), "an empty place does nothing");
}

// ORTTO_API 2.1
#[test]
fn choices_are_added_unless_the_field_is_cleared() {
    let sandbox = account(OrttoOptions::default());
    let choose = |choices: Value, clear: Value| {
        let fields = json!({ "str::email": "a@b.example", "sst:cm:multi-select": choices });
        merge(&sandbox, json!([{ "fields": fields, "clear_fields": clear }]));
        people(&sandbox, json!(["sst:cm:multi-select"]))[0]["sst:cm:multi-select"].clone()
    };
    assert_eq!(choose(json!(["a"]), json!({})), json!(["a"]));
    assert_eq!(choose(json!(["a", "b"]), json!({})), json!(["a", "b"]));
    assert_eq!(choose(json!(["c"]), json!({ "sst:cm:multi-select": true })), json!(["c"]));
}
