//! Every rule of `exports.json`. Names of tests are claims.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use crate::value::FieldType;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::*;
use crate::error::Kind;

const SAMPLE: &str = include_str!("../../exports.json");
const FAULTY: &str = include_str!("../../tests/data/exports-with-faults.json");

fn sample() -> Value {
    serde_json::from_str(SAMPLE).unwrap()
}

/// The sample with the value at a JSON pointer replaced (its parent must be there).
fn with(changes: &[(&str, Value)]) -> Value {
    let mut file = sample();
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = file.pointer_mut(parent).unwrap();
        match parent {
            Value::Object(map) => drop(map.insert(key.to_owned(), value.clone())),
            Value::Array(list) => list.push(value.clone()),
            _ => panic!("no such parent"),
        }
    }
    file
}

fn parsed(changes: &[(&str, Value)]) -> Config {
    parse(&with(changes).to_string()).unwrap()
}

fn faults(changes: &[(&str, Value)]) -> Vec<String> {
    parse(&with(changes).to_string()).unwrap_err().iter().map(Fault::to_string).collect()
}

const CONNECTION: &str = "/connections/autopilot-eu";
const EXPORT: &str = "/exports/newsletter";

fn at(base: &str, key: &str) -> String {
    format!("{base}/{key}")
}

#[test]
fn the_sample_is_understood_and_defaults_are_filled_in() {
    let config = parse(SAMPLE).unwrap();
    let connection = &config.connections["autopilot-eu"];
    assert_eq!((connection.api, connection.requests_per_second, connection.lanes), (Api::Autopilot, 5.0, 4));
    assert_eq!((connection.patience_seconds, connection.enabled, &connection.base_url), (60, true, &None));
    assert_eq!(connection.consent.as_ref().unwrap().agreed_on, jiff::civil::date(2026, 11, 23));
    let export = &config.exports["newsletter"];
    assert_eq!((export.name.as_str(), export.time_zone.as_str()), ("newsletter", "UTC"));
    assert_eq!(export.guards, Guards { max_reject_share: 0.2, ..Guards::default() });
    let segment = &export.segments[0];
    assert_eq!(segment.membership, Membership::List("Newsletter".to_owned()));
    assert_eq!((segment.drop, segment.settle_seconds, segment.format.clone()), (DropKind::File, 60, None));
    let fields: Vec<&str> = export.match_.standard.iter().map(|(standard, _)| standard.wire).collect();
    assert_eq!(fields, ["FirstName", "LastName", "Phone"]);
    assert_eq!(export.match_.custom["Lifetime Value"].kind, FieldType::Float);
}

#[test]
fn a_segment_without_membership_is_the_list_titled_like_it() {
    let segments = json!([{ "name": "News", "prefix": "segments/n/" }]);
    let config = parsed(&[(&at(EXPORT, "segments"), segments)]);
    assert_eq!(config.exports["newsletter"].segments[0].membership, Membership::List("News".to_owned()));
}

#[test]
fn every_fault_is_reported_at_once() {
    let page: Vec<String> = parse(FAULTY).unwrap_err().iter().map(Fault::to_string).collect();
    assert!(page.iter().all(|line| !line.contains('\n')), "one line each");
    let page = page.join("\n");
    for value in ["person@", "0123456789abcdef", "passwd", "Atlantis"] {
        assert!(!page.contains(value), "{value} is a value, and no message repeats one");
    }
    insta::with_settings!({ snapshot_path => "../../tests/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("faults_of_exports_json", page);
    });
}

#[test]
fn a_syntax_error_is_told_with_line_and_column() {
    let fault = &parse("{\n  \"connections\": {,}\n}").unwrap_err()[0];
    assert_eq!(fault.path, "line 2, column 19");
    assert_eq!(fault.to_string(), "config: line 2, column 19: key must be a string");
}

#[test]
fn a_key_that_stands_twice_is_a_fault() {
    let fault = &parse("{\"exports\": {},\n\"exports\": {}}").unwrap_err()[0];
    assert_eq!(fault.path, "line 2, column 9");
    assert_eq!(fault.what, "the key exports stands twice");
}

#[test]
fn a_file_that_is_no_object_is_a_fault() {
    assert_eq!(parse("[]").unwrap_err()[0].to_string(), "config: the file: must be an object, not a list");
}

#[test]
fn a_byte_order_mark_is_let_through() {
    assert!(parse(&format!("\u{feff}{SAMPLE}")).is_ok());
}

#[test]
fn an_unknown_key_is_told_with_the_nearest_known_one() {
    let found = faults(&[(&at(EXPORT, "match/frist_name"), json!("F"))]);
    assert_eq!(found, ["config: exports.newsletter.match.frist_name: is not a known key; did you mean first_name?"]);
}

#[test]
fn null_counts_as_not_given() {
    assert_eq!(parsed(&[(&at(EXPORT, "time_zone"), Value::Null)]).exports["newsletter"].time_zone, "UTC");
    assert_eq!(faults(&[(&at(CONNECTION, "secret"), Value::Null)]).len(), 1);
}

#[test]
fn an_address_is_https_or_plain_http_to_this_machine() {
    let url = |url: &str| parse(&with(&[(&at(CONNECTION, "base_url"), json!(url))]).to_string());
    for good in [
        "https://api.autopilot.example/v1",
        "http://127.0.0.1:8080/v1",
        "http://127.8.9.1/v1",
        "http://[0:0:0:0:0:0:0:1]:80/v1",
        "http://127.8.4.2:8080/v1",
        "http://localhost/v1",
        "http://[::1]:9/v1",
        "http://[0:0:0:0:0:0:0:1]/v1",
        "https://h/v1///",
    ] {
        assert!(url(good).is_ok(), "{good}");
    }
    assert_eq!(
        url("https://h/v1//").unwrap().connections["autopilot-eu"].base_url.as_deref(),
        Some("https://h/v1"),
        "without a slash at its end"
    );
    for bad in [
        "http://example.com/v1",
        "http://localhost.example.com/v1",
        "http://127.0.0.1@example.com/v1",
        "http://128.0.0.1/v1",
        "HTTP://127.0.0.1/v1",
        "http://127.0.0.1:80@example.com/v1",
        "http://[::2]/v1",
        "http://[::1].example.com/v1",
        "http://127.0.0.1:+80/v1",
        "http://128.0.0.1/v1",
        "HTTP://127.0.0.1/v1",
        "HTTP://example.com/v1",
        "https:///v1",
        "https://h/v1?x",
        "https://h:x/v1",
        "api.autopilot.example/v1",
    ] {
        assert!(url(bad).is_err(), "{bad}");
    }
}

#[test]
fn schedules_look_like_eventbridge_scheduler_expressions() {
    let schedule = |text: &str| parse(&with(&[(&at(EXPORT, "schedule"), json!(text))]).to_string()).is_ok();
    assert!(
        schedule("rate(1 hour)") && schedule("cron(15 10 ? * 6L 2026-2030)") && schedule("at(2026-11-20T13:00:00)")
    );
    for bad in ["rate(1hour)", "rate(1 week)", "cron(* * *)", "at()", "rate(1 hour", "0 6 * * *"] {
        assert!(!schedule(bad), "{bad}");
    }
}

#[test]
fn a_date_format_gives_back_what_was_written_in_it() {
    for good in ["%m/%d/%Y", "%d.%m.%y", "%m/%d/%Y %I:%M %p", "%Y%m%d %H:%M:%S %z", "%d %b %Y %H:%M", "%s"] {
        assert_eq!(checks::date_format(good), None, "{good}");
    }
    for bad in ["", "%d/%m", "%H:%M", "%d/%m/%Y %I:%M", "%d/%m/%Y %M", "%F %T %Q", "dd/mm/yyyy", "%"] {
        assert!(checks::date_format(bad).is_some(), "{bad}");
    }
}

#[test]
fn an_opt_out_is_never_cleared() {
    let changes = [(at(EXPORT, "match/clear_empty"), json!(true)), (at(EXPORT, "match/unsubscribed"), json!("OptOut"))];
    let changes: Vec<(&str, Value)> = changes.iter().map(|(path, value)| (path.as_str(), value.clone())).collect();
    let match_ = &parsed(&changes).exports["newsletter"].match_;
    assert!(!match_.unsubscribed.as_ref().unwrap().clear_empty);
    assert!(match_.standard[0].1.clear_empty && match_.custom["Lifetime Value"].field.clear_empty);
}

#[test]
fn a_field_overrides_the_clear_empty_of_the_match() {
    let field = json!({ "column": "F", "clear_empty": false });
    let config = parsed(&[(&at(EXPORT, "match/clear_empty"), json!(true)), (&at(EXPORT, "match/first_name"), field)]);
    let clears: Vec<bool> =
        config.exports["newsletter"].match_.standard.iter().map(|(_, field)| field.clear_empty).collect();
    assert_eq!(clears, [false, true, true]);
}

#[test]
fn nothing_is_sent_without_consent_or_when_disabled() {
    let refusal = |changes: &[(&str, Value)]| {
        let config = parsed(changes);
        let error = config.connections["autopilot-eu"].may_send(&config.exports["newsletter"]).err()?;
        assert_eq!(error.kind, Kind::Config);
        Some(error.to_string())
    };
    assert_eq!(refusal(&[]), None);
    assert_eq!(
        refusal(&[(&at(CONNECTION, "consent"), Value::Null)]).unwrap(),
        "connection autopilot-eu: nobody has agreed that data leaves for Autopilot; \
         fill in connections.autopilot-eu.consent: agreed_by and agreed_on"
    );
    assert_eq!(
        refusal(&[(&at(CONNECTION, "enabled"), json!(false))]).unwrap(),
        "connection autopilot-eu: is disabled; set connections.autopilot-eu.enabled to true to send through it"
    );
    assert_eq!(
        refusal(&[(&at(EXPORT, "enabled"), json!(false))]).unwrap(),
        "export newsletter: is disabled; set exports.newsletter.enabled to true to run it"
    );
}

#[test]
fn an_object_belongs_to_the_segment_with_the_longest_prefix() {
    let mut second = sample()["exports"]["newsletter"].clone();
    second["segments"][0]["prefix"] = json!("segments/newsletter/vip/");
    let config = parsed(&[("/exports/vip", second)]);
    let owner = |key: &str| config.route(key).map(|(export, segment)| (export, segment.name.as_str()));
    assert_eq!(owner("segments/newsletter/a.csv"), Some(("newsletter", "Newsletter")));
    assert_eq!(owner("segments/newsletter/vip/a.csv"), Some(("vip", "Newsletter")));
    assert_eq!(owner("segments/other/a.csv"), None);
}

#[test]
fn the_digest_tells_what_is_sent_and_where_but_not_how_fast() {
    let digest = |changes: &[(&str, Value)]| parsed(changes).digest("newsletter");
    let base = digest(&[]);
    assert!(base.len() == 64 && base.bytes().all(|byte| byte.is_ascii_hexdigit()));
    for (key, value) in [("lanes", json!(8)), ("requests_per_second", json!(20)), ("display_name", json!("x"))] {
        assert_eq!(digest(&[(&at(CONNECTION, key), value)]), base, "{key}");
    }
    assert_ne!(digest(&[(&at(CONNECTION, "base_url"), json!("https://h/v1"))]), base);
    assert_ne!(digest(&[(&at(EXPORT, "match/title"), json!("Title"))]), base);
    assert_ne!(digest(&[(&at(EXPORT, "segments/0/membership"), json!("none"))]), base);
}

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/exports.schema.json");
    let text = format!("{:#}\n", schema());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == text, "exports.schema.json is stale; run this test with UPDATE_SCHEMA=1");
}

/// Each object of the file gets a key that nobody knows; the fault lists the keys that are.
#[test]
fn the_parser_and_the_schema_know_the_same_keys() {
    let strange = || json!({ "qqqqqqqqqqqqqqqqqqqqqqqq": 0 });
    let mut segment = strange();
    segment["membership"] = strange();
    segment["format"] = strange();
    let mut match_ = strange();
    for key in ["email", "unsubscribed"].into_iter().chain(STANDARD.iter().map(|standard| standard.setting)) {
        match_[key] = strange();
    }
    match_["custom"] = json!({ "C": strange() });
    let mut export = strange();
    export["segments"] = json!([segment]);
    export["match"] = match_;
    export["suppress"] = json!([strange()]);
    export["guards"] = strange();
    let mut connection = strange();
    connection["consent"] = strange();
    let mut file = strange();
    file["connections"] = json!({ "c": connection });
    file["exports"] = json!({ "e": export });
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for fault in parse(&file.to_string()).unwrap_err() {
        if let Some(keys) = fault.hint.as_deref().and_then(|hint| hint.strip_prefix("known here: ")) {
            let place = fault.path.trim_end_matches("qqqqqqqqqqqqqqqqqqqqqqqq").trim_end_matches('.');
            known.insert(place.to_owned(), keys.split(", ").map(str::to_owned).collect());
        }
    }

    let schema = schema();
    let mut described: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    describe(&schema, &schema, "", &mut described);
    assert!(known.len() > 30);
    assert_eq!(known, described);
}

/// The keys of every object that the schema describes, by its path in the file above.
fn describe(root: &Value, schema: &Value, path: &str, described: &mut BTreeMap<String, BTreeSet<String>>) {
    if let Some(target) = schema["$ref"].as_str() {
        describe(root, root.pointer(target.trim_start_matches('#')).unwrap(), path, described);
    }
    for part in ["anyOf", "oneOf"].iter().flat_map(|key| schema[*key].as_array()).flatten() {
        describe(root, part, path, described);
    }
    if !schema["items"].is_null() {
        describe(root, &schema["items"], &format!("{path}[0]"), described);
    }
    if schema["additionalProperties"].is_object() {
        let name = path.rsplit('.').next().unwrap().chars().next().unwrap();
        let name = if path.ends_with("custom") { 'C' } else { name };
        describe(root, &schema["additionalProperties"], &format!("{path}.{name}"), described);
    }
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        described.entry(path.to_owned()).or_default().insert(key.clone());
        let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        describe(root, schema, &below, described);
    }
}
