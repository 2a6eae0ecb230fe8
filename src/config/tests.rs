//! Every rule of `exports.json`. Names of tests are claims.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::*;
use crate::error::Kind;
use crate::value::{Cell, Decimal, FieldType, Reading};

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
    parse(&with(changes).to_string()).err().unwrap_or_default().iter().map(Fault::to_string).collect()
}

const CONNECTION: &str = "/connections/autopilot-eu";
const EXPORT: &str = "/exports/newsletter";

fn at(base: &str, key: &str) -> String {
    format!("{base}/{key}")
}

#[test]
fn lanes_follow_the_rate_by_default() {
    let lanes = |rate: f64| {
        let config = parse(&with(&[(&at(CONNECTION, "requests_per_second"), json!(rate))]).to_string()).unwrap();
        config.connections["autopilot-eu"].lanes
    };
    assert_eq!([0.1, 5.0, 10.0, 19.0, 20.0, 100.0, 5000.0].map(lanes), [1, 1, 1, 1, 2, 10, 40]);
    let parsed = parse(&with(&[(&at(CONNECTION, "lanes"), json!(4))]).to_string()).unwrap();
    assert_eq!(parsed.connections["autopilot-eu"].lanes, 4);
}

#[test]
fn the_sample_is_understood_and_defaults_are_filled_in() {
    let config = parse(SAMPLE).unwrap();
    let connection = &config.connections["autopilot-eu"];
    assert_eq!((connection.api, connection.requests_per_second, connection.lanes), (Api::Autopilot, 5.0, 1));
    assert_eq!((connection.patience_seconds, connection.enabled, &connection.base_url), (60, true, &None));
    assert_eq!(connection.consent.as_ref().unwrap().agreed_on, jiff::civil::date(2026, 11, 23));
    let export = &config.exports["newsletter"];
    assert_eq!((export.name.as_str(), export.time_zone.as_str()), ("newsletter", "UTC"));
    assert_eq!(export.guards, Guards { max_reject_share: 0.2, ..Guards::default() });
    let segment = &export.segments[0];
    assert_eq!(segment.membership, Membership::List("Newsletter".to_owned()));
    assert_eq!((segment.drop, segment.settle_seconds, segment.format.clone()), (DropKind::File, 60, None));
    let fields: Vec<&str> = export.match_.standard.iter().map(|(standard, _)| standard.name).collect();
    assert_eq!(fields, ["first_name", "last_name", "phone"]);
    assert_eq!(export.match_.custom["Lifetime Value"].kind, FieldType::Float);
}

#[test]
fn a_segment_without_membership_is_the_list_titled_like_it() {
    let segments = json!([{ "name": "News", "prefix": "segments/n/" }]);
    let config = parsed(&[(&at(EXPORT, "segments"), segments)]);
    assert_eq!(config.exports["newsletter"].segments[0].membership, Membership::List("News".to_owned()));
}

fn ortto(changes: &[(&str, Value)]) -> Vec<(String, Value)> {
    let connection = json!({ "api": "ortto", "region": "eu" });
    let mut all = vec![("/connections/o".to_owned(), connection), (at(EXPORT, "connection"), json!("o"))];
    all.push((at(EXPORT, "segments"), json!([{ "name": "News", "prefix": "segments/n/" }])));
    all.extend(changes.iter().map(|(path, value)| ((*path).to_owned(), value.clone())));
    all
}

fn with_ortto(changes: &[(&str, Value)]) -> Result<Config, Vec<String>> {
    let changes = ortto(changes);
    let changes: Vec<(&str, Value)> = changes.iter().map(|(path, value)| (path.as_str(), value.clone())).collect();
    parse(&with(&changes).to_string()).map_err(|faults| faults.iter().map(Fault::to_string).collect())
}

#[test]
fn an_ortto_connection_has_its_own_defaults_words_and_types() {
    let types = json!({
        "A": { "column": "a", "type": "decimal" }, "B": { "column": "b", "type": "date", "format": "%d/%m/%Y" },
        "C": { "column": "c", "type": "time" }, "D": { "column": "d", "type": "multi_select" },
    });
    let match_ = json!({
        "email": "e", "mobile_phone": "m", "birthday": { "column": "b", "format": "%d.%m.%Y" }, "external_id": "x",
        "language": "l", "custom": types,
    });
    let config = with_ortto(&[(&at(EXPORT, "match"), match_), (&at(EXPORT, "create_fields"), json!(true))]).unwrap();
    let connection = &config.connections["o"];
    assert_eq!((connection.requests_per_second, connection.lanes, connection.region), (10.0, 1, Some(Region::Eu)));
    let export = &config.exports["newsletter"];
    assert_eq!(export.segments[0].membership, Membership::Tag("News".to_owned()));
    let kinds: Vec<FieldType> = export.match_.custom.values().map(|field| field.kind).collect();
    assert_eq!(kinds, [FieldType::Float, FieldType::Day, FieldType::Date, FieldType::MultiSelect]);
    assert!(export.create_fields);
}

#[test]
fn what_only_the_other_destination_has_is_refused_by_its_name() {
    let refused = |changes: &[(&str, Value)], what: &str| {
        let faults = with_ortto(changes).unwrap_err();
        assert!(faults.iter().any(|fault| fault.contains(what)), "{what}: {faults:?}");
    };
    let segment = |membership: Value| json!([{ "name": "News", "prefix": "segments/n/", "membership": membership }]);
    refused(&[(&at(EXPORT, "segments"), segment(json!({ "list": "L" })))], "Ortto has tags, not lists");
    refused(&[(&at(EXPORT, "segments"), segment(json!({ "tag": "a, b" })))], "must not contain a comma");
    refused(&[(&at(EXPORT, "segments"), segment(json!({ "tag": "x".repeat(101) })))], "at most 100 characters");
    refused(&[(&at(EXPORT, "match/company"), json!("c"))], "Ortto has no such field; map it under custom");
    refused(&[(&at(EXPORT, "match/mobile_phone"), json!("m"))], "fills the same field as phone");
    let classic = faults(&[
        (&at(EXPORT, "segments"), json!([{ "name": "N", "prefix": "segments/n/", "membership": { "tag": "T" } }])),
        (&at(CONNECTION, "region"), json!("eu")),
        (&at(EXPORT, "create_fields"), json!(true)),
        (&at(EXPORT, "match/birthday"), json!("b")),
        (&at(EXPORT, "match/custom/X"), json!({ "column": "x", "type": "decimal" })),
    ]);
    let page = classic.join("\n");
    for what in [
        "Autopilot has lists, not tags",
        "no regions",
        "asked to make fields",
        "no such field",
        "string, integer, float",
    ] {
        assert!(page.contains(what), "{what}: {page}");
    }
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
fn a_syntax_error_names_line_and_column() {
    let fault = &parse("{\n  \"connections\": {,}\n}").unwrap_err()[0];
    assert_eq!(fault.path, "line 2, column 19");
    assert_eq!(fault.to_string(), "config: line 2, column 19: key must be a string");
}

#[test]
fn a_duplicate_key_is_a_fault() {
    let fault = &parse("{\"exports\": {},\n\"exports\": {}}").unwrap_err()[0];
    assert_eq!(fault.path, "line 2, column 9");
    assert_eq!(fault.what, "duplicate key exports");
}

#[test]
fn a_file_that_is_not_an_object_is_a_fault() {
    assert_eq!(parse("[]").unwrap_err()[0].to_string(), "config: the file: must be an object, not a list");
}

#[test]
fn a_byte_order_mark_is_let_through() {
    assert!(parse(&format!("\u{feff}{SAMPLE}")).is_ok());
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    let found = faults(&[(&at(EXPORT, "match/frist_name"), json!("F"))]);
    assert_eq!(found, ["config: exports.newsletter.match.frist_name: is not a known key; did you mean first_name?"]);
}

#[test]
fn a_segment_says_which_objects_are_its_drops() {
    let segments =
        json!([{ "name": "N", "prefix": "segments/n/", "recursive": true, "ignore": ["*-summary.csv", "!*.log"] }]);
    let segment = &parsed(&[(&at(EXPORT, "segments"), segments)]).exports["newsletter"].segments[0];
    let rules = segment.drop_rules().unwrap();
    assert_eq!(rules.drop_of("segments/n/in/a.log"), Ok("segments/n/in/a.log"));
    assert!(rules.drop_of("segments/n/a-summary.csv").is_err());
    let faulty = json!([{ "name": "N", "prefix": "segments/n/", "recursive": 1, "ignore": ["[", "!["] }]);
    let found = faults(&[(&at(EXPORT, "segments"), faulty)]);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[1].ends_with("segments[0].ignore[0]: is not a glob; write one such as *-summary.csv or archive/**"));
}

#[test]
fn a_prefix_is_needed_by_a_schedule_alone() {
    let segments = (at(EXPORT, "segments"), json!([{ "name": "N" }]));
    let with = |schedule: Value| {
        parse(&with(&[(&segments.0, segments.1.clone()), (&at(EXPORT, "schedule"), schedule)]).to_string())
    };
    let config = with(Value::Null).unwrap();
    assert_eq!(config.exports["newsletter"].segments[0].prefix, None);
    assert!(config.route("segments/newsletter/a.csv").is_empty(), "no event starts it");
    let faults = with(json!("rate(1 day)")).unwrap_err();
    let text = "config: exports.newsletter.segments[0].prefix: is missing; a schedule needs it";
    assert_eq!(faults.iter().map(Fault::to_string).collect::<Vec<_>>(), [text]);
}

#[test]
fn any_character_separates_and_any_label_names_an_encoding() {
    let format = |format: Value| {
        let segments = json!([{ "name": "N", "prefix": "segments/n/", "format": format }]);
        parse(&with(&[(&at(EXPORT, "segments"), segments)]).to_string())
    };
    for delimiter in ["\u{1}", "\0", "§", "→", "😀", "\t", " "] {
        assert!(format(json!({ "delimiter": delimiter })).is_ok(), "{delimiter:?}");
    }
    for delimiter in ["", "\"", "\n", "\r", "||"] {
        assert!(format(json!({ "delimiter": delimiter })).is_err(), "{delimiter:?}");
    }
    for label in ["UTF-8", "latin1", "windows-1250", "Shift_JIS", "macintosh", "gb18030", "koi8-r", " utf-16 "] {
        assert!(format(json!({ "encoding": label })).is_ok(), "{label}");
    }
    for label in ["", "utf-7", "utf-32", "iso-2022-kr", "ebcdic"] {
        assert!(format(json!({ "encoding": label })).is_err(), "{label}");
    }
}

#[test]
fn a_field_may_be_optional_and_a_constant_is_never_missing() {
    let field = json!({ "column": "F", "optional": true });
    let match_ = &parsed(&[(&at(EXPORT, "match/first_name"), field)]).exports["newsletter"].match_;
    assert_eq!(match_.standard.iter().map(|(_, field)| field.optional).collect::<Vec<_>>(), [true, false, false]);
    let found = faults(&[(&at(EXPORT, "match/first_name"), json!({ "value": "F", "optional": true }))]);
    assert_eq!(found, ["config: exports.newsletter.match.first_name: a constant has no column that a file may lack"]);
}

#[test]
fn null_counts_as_not_given() {
    assert_eq!(parsed(&[(&at(EXPORT, "time_zone"), Value::Null)]).exports["newsletter"].time_zone, "UTC");
    assert_eq!(faults(&[(&at(EXPORT, "connection"), Value::Null)]).len(), 1);
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
    let schedule = |text: &str| {
        let parsed = |key| parse(&with(&[(&at(EXPORT, key), json!(text))]).to_string()).is_ok();
        assert_eq!(parsed("schedule"), parsed("reconcile_schedule"), "{text}");
        parsed("schedule")
    };
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
        let now = "2026-11-25T12:00:00Z".parse().unwrap();
        let error = config.connections["autopilot-eu"].may_send(&config.exports["newsletter"], now).err()?;
        assert_eq!(error.kind, Kind::Config);
        Some(error.to_string())
    };
    assert_eq!(refusal(&[]), None);
    assert_eq!(
        refusal(&[(&at(CONNECTION, "consent"), Value::Null)]).unwrap(),
        "connection autopilot-eu (Autopilot - EU marketing): nobody has agreed that data leaves for Autopilot; \
         fill in connections.autopilot-eu.consent: agreed_by and agreed_on"
    );
    assert_eq!(
        refusal(&[(&at(CONNECTION, "enabled"), json!(false))]).unwrap(),
        "connection autopilot-eu (Autopilot - EU marketing): is disabled; \
         set connections.autopilot-eu.enabled to true to send through it"
    );
    assert_eq!(
        refusal(&[(&at(EXPORT, "enabled"), json!(false))]).unwrap(),
        "export newsletter: is disabled; set exports.newsletter.enabled to true to run it"
    );
}

#[test]
fn consent_of_a_day_that_has_begun_nowhere_is_refused() {
    let consent = json!({ "agreed_by": "dpo@example.com", "agreed_on": "2026-11-26" });
    let config = parsed(&[(&at(CONNECTION, "consent"), consent)]);
    let may_send =
        |now: &str| config.connections["autopilot-eu"].may_send(&config.exports["newsletter"], now.parse().unwrap());
    // Where the day begins first, it is 14 hours ahead of UTC.
    assert!(may_send("2026-11-25T10:00:00Z").is_ok() && may_send("2027-01-01T00:00:00Z").is_ok());
    let error = may_send("2026-11-25T09:59:59Z").unwrap_err();
    assert_eq!(error.kind, Kind::Config);
    assert_eq!(
        error.to_string(),
        "connection autopilot-eu (Autopilot - EU marketing): the day of the consent is in the future; \
         correct connections.autopilot-eu.consent.agreed_on"
    );
}

#[test]
fn a_connection_without_secret_has_the_usual_one() {
    let connection = parsed(&[(&at(CONNECTION, "secret"), Value::Null)]).connections["autopilot-eu"].clone();
    assert_eq!(connection.secret, "autopilot-export/autopilot-eu");
}

#[test]
fn messages_show_the_display_name_beside_the_connections_name() {
    let title = |name: Value| parsed(&[(&at(CONNECTION, "display_name"), name)]).connections["autopilot-eu"].title();
    assert_eq!(title(json!("EU")), "autopilot-eu (EU)");
    assert_eq!(title(Value::Null), "autopilot-eu");
    assert_eq!(faults(&[(&at(CONNECTION, "display_name"), json!("a\u{1b}[2J"))]).len(), 1);
}

#[test]
fn a_field_reads_as_its_export_does_unless_it_says_otherwise() {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let custom = json!({
        "A": { "column": "A", "type": "boolean", "true": ["Si"], "null_values": [] },
        "B": { "column": "B", "type": "float", "decimal": ".", "optional": true },
        "C": { "column": "C", "type": "integer" },
    });
    let config = parsed(&[
        (&at(EXPORT, "true"), json!(["Ja"])),
        (&at(EXPORT, "false"), json!(["Nein"])),
        (&at(EXPORT, "decimal"), json!(",")),
        (&at(EXPORT, "null_values"), json!(["n/a"])),
        (&at(EXPORT, "match/unsubscribed"), json!("OptOut")),
        (&at(EXPORT, "match/custom"), custom),
    ]);
    let export = &config.exports["newsletter"];
    let of_export = Reading {
        true_words: words(&["Ja"]),
        false_words: words(&["Nein"]),
        decimal: Decimal::Comma,
        null_values: words(&["n/a"]),
    };
    assert_eq!(export.reading, of_export);
    assert_eq!(export.match_.unsubscribed.as_ref().unwrap().reading, of_export);
    let field = |name: &str| export.match_.custom[name].field.clone();
    let own = Reading { true_words: words(&["Si"]), null_values: Vec::new(), ..of_export.clone() };
    assert_eq!(field("A").reading, own);
    assert_eq!(field("B").reading, Reading { decimal: Decimal::Point, ..of_export.clone() });
    assert_eq!(field("C").reading, of_export);
    assert_eq!([field("A").optional, field("B").optional], [false, true]);
    let mut json = String::new();
    assert_eq!(field("C").reader(FieldType::Integer).read("1.234", &mut json), Ok(Cell::Value));
    assert_eq!(json, "1234");
    assert_ne!(config.digest("newsletter"), parsed(&[]).digest("newsletter"));
}

#[test]
fn a_word_of_true_is_not_one_of_false() {
    let of_export = |key: &str, words: Value| faults(&[(&at(EXPORT, key), words)]);
    let clash = ["config: exports.newsletter: a word of true is also one of false"];
    assert_eq!(of_export("true", json!(["Ja", " NO"])), clash);
    assert_eq!(of_export("false", json!(["1"])), clash);
    assert_eq!(of_export("true", json!(["Yes", "x"])), [""; 0]);
    let field = json!({ "A": { "column": "A", "type": "boolean", "true": ["x"], "false": ["X"] } });
    let clash = ["config: exports.newsletter.match.custom.A: a word of true is also one of false"];
    assert_eq!(of_export("match/custom", field), clash);
}

#[test]
fn a_condition_keeps_the_type_of_its_value() {
    let conditions = json!([
        { "column": "A", "equals": true }, { "column": "B", "equals": "true" }, { "column": "C", "equals": 1.5 },
    ]);
    for key in ["suppress", "require"] {
        let config = parsed(&[(&at(EXPORT, key), conditions.clone())]);
        let export = &config.exports["newsletter"];
        let read = if key == "suppress" { &export.suppress } else { &export.require };
        let values: Vec<&Scalar> = read.iter().map(|condition| &condition.equals).collect();
        let number = Scalar::Number("1.5".to_owned());
        assert_eq!(values, [&Scalar::Boolean(true), &Scalar::Text("true".to_owned()), &number]);
        assert_ne!(config.digest("newsletter"), parsed(&[]).digest("newsletter"));
    }
}

#[test]
fn unreadable_rows_and_opt_outs_are_allowed_only_if_configured() {
    let guards = |guards: Value| parsed(&[(&at(EXPORT, "guards"), guards)]).exports["newsletter"].guards.clone();
    let standard = guards(json!({}));
    assert_eq!((standard.unreadable_rows, standard.unreadable_opt_outs), (0, 0));
    let other = guards(json!({ "unreadable_rows": 3, "unreadable_opt_outs": 2 }));
    assert_eq!((other.unreadable_rows, other.unreadable_opt_outs), (3, 2));
}

#[test]
fn the_stable_id_is_a_column() {
    for id in [json!("Id"), json!({ "column": "Id" })] {
        let match_ = &parsed(&[(&at(EXPORT, "match/id"), id)]).exports["newsletter"].match_;
        assert_eq!(match_.id.as_deref(), Some("Id"));
    }
}

#[test]
fn members_added_by_others_are_kept_by_default() {
    for (others, kept) in [(json!(null), true), (json!("keep"), true), (json!("remove"), false)] {
        let config = parsed(&[(&at(EXPORT, "segments/0/others"), others)]);
        assert_eq!(config.exports["newsletter"].segments[0].others.are_kept(), kept);
    }
    assert_eq!(faults(&[(&at(EXPORT, "segments/0/others"), json!("drop"))]).len(), 1);
}

#[test]
fn an_object_belongs_to_the_segment_with_the_longest_prefix() {
    let mut second = sample()["exports"]["newsletter"].clone();
    second["segments"][0]["prefix"] = json!("segments/newsletter/vip/");
    second["segments"][0]["membership"] = json!("none");
    let config = parsed(&[("/exports/vip", second)]);
    let owners = |config: &Config, key: &str| {
        let routed = config.route(key).into_iter();
        routed.map(|(export, segment)| format!("{export}/{}", segment.name)).collect::<Vec<_>>()
    };
    assert_eq!(owners(&config, "segments/newsletter/a.csv"), ["newsletter/Newsletter"]);
    assert_eq!(owners(&config, "segments/newsletter/vip/a.csv"), ["vip/Newsletter"]);
    assert!(owners(&config, "segments/other/a.csv").is_empty());
    // Exports through different connections may share a prefix; an event starts a run of each.
    let mut other = sample()["exports"]["newsletter"].clone();
    other["connection"] = json!("o");
    other["segments"][0]["membership"] = json!({ "tag": "News" });
    let connection = json!({ "api": "ortto" });
    let config = parsed(&[("/connections/o", connection), ("/exports/both", other.clone())]);
    assert_eq!(owners(&config, "segments/newsletter/a.csv"), ["both/Newsletter", "newsletter/Newsletter"]);
    other["connection"] = json!("autopilot-eu");
    other["segments"][0]["membership"] = json!({ "list": "Other" });
    assert!(faults(&[("/exports/both", other)]).iter().any(|fault| fault.contains("is also that of")));
}

#[test]
fn a_prefix_of_one_letter_takes_in_none_of_the_own_folders() {
    let prefix = |prefix: &str| faults(&[(&at(EXPORT, "segments/0/prefix"), json!(prefix))]);
    for taking in ["r", "re", "run", "s", "stat", "l", "c"] {
        let text =
            "config: exports.newsletter.segments[0].prefix: takes in a folder of the program's own; end it with /";
        assert_eq!(prefix(taking), [text], "{taking}");
    }
    for taking in ["runs", "runs/x", "returns/"] {
        assert!(prefix(taking)[0].ends_with("is a folder of the program's own"), "{taking}");
    }
    for free in ["r/", "segments/", "x", "runsheet"] {
        assert_eq!(prefix(free), [""; 0], "{free}");
    }
}

#[test]
fn two_exports_of_one_account_never_share_a_list_or_field() {
    let of = |membership: Value, change: &[(&str, Value)]| {
        let mut second = sample()["exports"]["newsletter"].clone();
        second["segments"][0] = json!({ "name": "V", "prefix": "segments/v/", "membership": membership });
        for (key, value) in change {
            second[*key] = value.clone();
        }
        second
    };
    let text =
        "config: exports.vip.segments[0]: has the same list of the same connection as exports.newsletter.segments[0]";
    assert_eq!(faults(&[("/exports/vip", of(json!({ "list": "NEWSletter" }), &[]))]), [text]);
    let field = |name: &str| json!({ "field": name });
    let membership = at(EXPORT, "segments/0/membership");
    let found = faults(&[(&membership, field("Reader")), ("/exports/vip", of(field("reader"), &[]))]);
    assert_eq!(found, [text.replace("list", "field")]);
    for other in [of(json!("none"), &[]), of(json!({ "list": "Other" }), &[])] {
        parsed(&[("/exports/vip", other)]);
    }
    // What one marks its members by, the other must not fill.
    let mut filling = of(json!({ "list": "Other" }), &[]);
    filling["match"]["custom"]["READER"] = json!({ "column": "R", "type": "boolean" });
    let found = faults(&[(&membership, field("Reader")), ("/exports/vip", filling)]);
    assert_eq!(
        found,
        [
            "config: exports.vip.match.custom.READER: fills the field that marks the members of exports.newsletter.segments[0]"
        ]
    );
    parsed(&[("/exports/vip", of(json!({ "list": "Newsletter" }), &[("enabled", json!(false))]))]);
}

#[test]
fn two_connections_never_share_a_secret() {
    let second = |enabled: bool| {
        let mut second = sample()["connections"]["autopilot-eu"].clone();
        second["enabled"] = json!(enabled);
        second
    };
    let text = "config: connections.second.secret: is already used by connections.autopilot-eu; together they would \
                double the account's rate; let the exports name one connection";
    assert_eq!(faults(&[("/connections/second", second(true))]), [text]);
    parsed(&[("/connections/second", second(false))]);
    let mut own = second(true);
    own["secret"] = json!("another");
    parsed(&[("/connections/second", own)]);
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
    let standard = Api::ALL.iter().flat_map(|(_, api)| crate::destination::of(*api).standard_fields());
    for key in ["email", "id", "unsubscribed"].into_iter().chain(standard.map(|standard| standard.name)) {
        match_[key] = strange();
    }
    match_["custom"] = json!({ "C": strange() });
    let mut export = strange();
    export["segments"] = json!([segment]);
    export["match"] = match_;
    export["suppress"] = json!([strange()]);
    export["require"] = json!([strange()]);
    export["guards"] = strange();
    export["notify"] = strange();
    export["notify"]["webhook"] = strange();
    let mut connection = strange();
    connection["consent"] = strange();
    let mut file = strange();
    file["connections"] = json!({ "c": connection });
    file["exports"] = json!({ "e": export });
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // What a field may say shows where its destination has it.
    file["exports"]["e"]["connection"] = json!("c");
    let of = |api: &str| {
        let mut file = file.clone();
        file["connections"]["c"]["api"] = json!(api);
        parse(&file.to_string()).unwrap_err()
    };
    for fault in Api::ALL.iter().flat_map(|(api, _)| of(api)) {
        if let Some(keys) = fault.hint.as_deref().and_then(|hint| hint.strip_prefix("known here: ")) {
            let place = fault.path.trim_end_matches("qqqqqqqqqqqqqqqqqqqqqqqq").trim_end_matches('.');
            known.entry(place.to_owned()).or_default().extend(keys.split(", ").map(str::to_owned));
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
