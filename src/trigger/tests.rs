use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::config::parse;

fn now() -> Timestamp {
    "2026-11-23T07:08:09Z".parse().unwrap()
}

fn config() -> Config {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("exports.json")).unwrap();
    parse(&text).unwrap()
}

/// The example with an export of folders beside it, and what `change` makes of it.
fn folders(change: impl Fn(&mut Value)) -> Config {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("exports.json")).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    let mut export = value["exports"]["newsletter"].clone();
    export["segments"] = json!([{ "name": "Gold", "prefix": "segments/gold/", "drop": "folder" }]);
    value["exports"]["gold"] = export.clone();
    export["segments"] = json!([{ "name": "News", "prefix": "segments/letter/" }]);
    value["exports"]["letter"] = export;
    change(&mut value);
    parse(&value.to_string()).unwrap()
}

fn ask(config: &Config, event: &Value) -> Triggered {
    triggered(event, config, now(), "one").unwrap()
}

fn bridged(key: &str, version: &str) -> Value {
    json!({
        "detail-type": "Object Created", "time": "2026-11-23T06:02:00Z",
        "detail": { "bucket": { "name": "b" }, "object": { "key": key, "sequencer": version } }
    })
}

fn event(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("events").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_file_of_events_is_understood() {
    let mut seen = BTreeMap::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("events")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let came = ask(&config(), &event(&name));
        for request in &came.requests {
            assert_eq!(request.export, "newsletter", "{name}");
            assert!(request.run_id.len() <= 80, "{name}");
        }
        seen.insert(name, (came.requests.len(), came.ignored.len()));
    }
    let expected = [
        ("reconcile.json", (1, 0)),
        ("reconcile-with-its-time.json", (1, 0)),
        ("schedule-with-its-time.json", (1, 0)),
        ("sns-s3-object-created.json", (1, 0)),
        ("sqs-sns-s3-object-created.json", (1, 0)),
        ("eventbridge-object-created.json", (1, 0)),
        ("eventbridge-scheduled-event.json", (1, 0)),
        ("on-demand-full.json", (1, 0)),
        ("on-demand.json", (1, 0)),
        ("s3-object-created.json", (1, 0)),
        ("s3-test-event.json", (0, 1)),
        ("s3-two-records-key-with-spaces.json", (1, 1)),
        ("schedule.json", (1, 0)),
    ];
    assert_eq!(seen, expected.into_iter().map(|(name, counts)| (name.to_owned(), counts)).collect());
}

#[test]
fn an_event_in_envelopes_is_the_same_run() {
    let plain = ask(&config(), &event("s3-object-created.json"));
    for name in ["sns-s3-object-created.json", "sqs-sns-s3-object-created.json"] {
        assert_eq!(ask(&config(), &event(name)).requests, plain.requests, "{name}");
    }
    let two = json!({ "Records": [
        { "body": event("s3-object-created.json").to_string() }, { "body": event("on-demand.json").to_string() }
    ] });
    assert_eq!(ask(&config(), &two).requests.len(), 2);
    let error =
        triggered(&json!({ "Records": [{ "body": "hello ann@example.com" }] }), &config(), now(), "one").unwrap_err();
    assert!(error.kind == Kind::BadRequest && !error.chain().contains("ann@"), "{}", error.chain());
}

#[test]
fn a_comparison_is_asked_for_by_its_exports_name() {
    let mode = |event: Value| {
        let asked = ask(&config(), &event).requests.pop().unwrap();
        (asked.reconcile.unwrap().mode, asked.trigger)
    };
    assert_eq!(mode(json!({ "reconcile": "newsletter" })), (Mode::Look, Trigger::OnDemand));
    assert_eq!(mode(json!({ "reconcile": "newsletter", "adopt": true })), (Mode::Adopt, Trigger::OnDemand));
    assert_eq!(mode(json!({ "reconcile": "newsletter", "repair": true })), (Mode::Repair, Trigger::OnDemand));
    let tick = event("reconcile-with-its-time.json");
    assert_eq!(mode(tick.clone()), (Mode::Look, Trigger::Schedule));
    let later = triggered(&tick, &config(), Timestamp::MAX, "two").unwrap();
    assert_eq!(ask(&config(), &tick).requests, later.requests);
    let run = json!({ "export": "newsletter", "scheduled_time": tick["scheduled_time"] });
    assert_ne!(ask(&config(), &run).requests[0].run_id, later.requests[0].run_id);
    for bad in [
        json!({ "reconcile": "newsletter", "adopt": true, "repair": true }),
        json!({ "reconcile": "another" }),
        json!({ "reconcile": "newsletter", "full": true }),
    ] {
        assert_eq!(triggered(&bad, &config(), now(), "one").unwrap_err().kind, Kind::BadRequest, "{bad}");
    }
}

#[test]
fn a_tick_is_one_run_whenever_it_is_delivered() {
    let tick = event("schedule-with-its-time.json");
    let late = triggered(&tick, &config(), "2026-11-23T06:59:59Z".parse().unwrap(), "two").unwrap();
    assert_eq!(ask(&config(), &tick).requests, late.requests);
    assert!(late.requests[0].run_id.starts_with("20261123T060000Z-newsletter-"));
}

#[test]
fn notifications_encode_keys_and_eventbridge_does_not() {
    let came = ask(&config(), &event("s3-two-records-key-with-spaces.json"));
    assert_eq!(came.requests[0].drops[0].key, "segments/newsletter/News letter (Zürich) 1+1.csv");
    assert_eq!(came.requests[0].drops[0].version, None, "the bucket has no versions");
    assert_eq!(came.ignored[0].key, "segments/somebody elses/members.csv");
    let came = ask(&config(), &event("eventbridge-object-created.json"));
    assert_eq!(came.requests[0].drops[0].key, "segments/newsletter/News letter 1+1.csv");
    assert_eq!(came.requests[0].drops[0].version.as_deref(), Some("IYV3p45BT0ac8hjHg1houSdS1a.Mro8e"));
    assert_eq!(came.requests[0].trigger, Trigger::S3);
}

/// Promise 4: "Twice is once."
#[test]
fn the_same_event_later_is_the_same_run() {
    for name in ["s3-object-created.json", "eventbridge-object-created.json", "eventbridge-scheduled-event.json"] {
        let later = now().checked_add(jiff::SignedDuration::from_mins(7)).unwrap();
        let first = triggered(&event(name), &config(), now(), "one").unwrap();
        let again = triggered(&event(name), &config(), later, "two").unwrap();
        assert_eq!(first, again, "{name}");
    }
    let seconds = now().checked_add(jiff::SignedDuration::from_secs(40)).unwrap();
    let schedule = event("schedule.json");
    let first = triggered(&schedule, &config(), now(), "one").unwrap();
    assert_eq!(first, triggered(&schedule, &config(), seconds, "two").unwrap());
    assert!(first.requests[0].run_id.starts_with("20261123T070800Z-newsletter-"));
    assert_eq!(first.requests[0].trigger, Trigger::Schedule);
    // A drop of the same key at another time is another run.
    let mut other = event("s3-object-created.json");
    other["Records"][0]["s3"]["object"]["versionId"] = json!("another");
    assert_ne!(ask(&config(), &other).requests, ask(&config(), &event("s3-object-created.json")).requests);
}

#[test]
fn requests_on_demand_say_what_they_want() {
    let came = ask(&config(), &event("on-demand-full.json"));
    let request = &came.requests[0];
    assert!(request.full && request.trigger == Trigger::OnDemand);
    assert_eq!(request.pass_guards, ["max_profiles"]);
    let twice = json!({ "export": "newsletter", "full": false });
    let one = triggered(&twice, &config(), now(), "one").unwrap();
    assert_ne!(one, triggered(&twice, &config(), now(), "two").unwrap(), "two requests are two runs");
}

#[test]
fn parts_in_one_event_are_one_run_and_later_parts_another() {
    let config = folders(|_| {});
    let record = |key: &str, tag: &str| {
        let object = json!({ "key": key, "sequencer": tag });
        json!({ "eventVersion": "2.1", "eventName": "ObjectCreated:PutOutcome", "eventTime": "2026-11-23T06:00:00Z",
                "s3": { "bucket": { "name": "b" }, "object": object } })
    };
    let folder = "segments/gold/2026/11/23/0600/";
    let event = json!({ "Records": [
        record(&format!("{folder}part-1.csv"), "1"), record(&format!("{folder}part-2.csv"), "2"),
        record(&format!("{folder}_SUCCESS"), "3") ] });
    let came = ask(&config, &event);
    assert_eq!(came.requests.len(), 1);
    assert_eq!(came.requests[0].drops[0].key, folder);
    assert_eq!(came.ignored.len(), 2);
    let later = ask(&config, &bridged(&format!("{folder}part-3.csv"), "4"));
    assert_ne!(came.requests[0].run_id, later.requests[0].run_id);
}

#[test]
fn marks_complete_a_folder_and_mean_nothing_beside_files() {
    let config = folders(|_| {});
    let asked = |key: &str| ask(&config, &bridged(key, "1"));
    assert_eq!(asked("segments/gold/2026/_SUCCESS").requests[0].drops[0].key, "segments/gold/2026/");
    assert_eq!(asked("segments/gold/model.json").requests[0].drops[0].key, "segments/gold/");
    assert_eq!(asked("segments/gold/.crc.crc").ignored[0].why, "has a part of its path that starts with _ or .");
    for name in ["model.json", "_SUCCESS", "folder/"] {
        assert_eq!(asked(&format!("segments/newsletter/{name}")).ignored.len(), 1, "{name}");
    }
}

#[test]
fn what_is_never_a_drop_starts_nothing_and_says_why() {
    let config =
        folders(|value| value["exports"]["letter"]["segments"][0]["ignore"] = json!(["*-summary.csv", "!*.log"]));
    for (name, why) in [
        ("a.csv.filepart", "is a sidecar or an unfinished copy, by its name"),
        ("A.CSV.METADATA", "is a sidecar or an unfinished copy, by its name"),
        ("_temporary/0/a.csv", "has a part of its path that starts with _ or ."),
        ("2026/", "is a folder marker"),
        ("2026_$folder$", "is a folder marker"),
        ("a-summary.csv", "is ignored by segments[].ignore"),
        ("archive/a.csv", "is in a folder below the prefix; set segments[].recursive to true to read it"),
        ("_SUCCESS", "says something of a folder, but each file is a drop here"),
    ] {
        let came = ask(&config, &bridged(&format!("segments/letter/{name}"), "1"));
        assert_eq!((came.requests.len(), came.ignored[0].why.as_str()), (0, why), "{name}");
    }
    assert_eq!(ask(&config, &bridged("segments/letter/a.log", "1")).requests.len(), 1);
}

#[test]
fn an_object_in_a_partition_is_about_its_folder() {
    let config = folders(|_| {});
    let drop =
        |key: &str| ask(&config, &bridged(&format!("segments/gold/{key}"), "1")).requests[0].drops[0].key.clone();
    assert_eq!(drop("d/country=NO/a.csv"), "segments/gold/d/");
    assert_eq!(drop("country=NO/a.csv"), "segments/gold/");
    assert_eq!(drop("dt=2024-03-01/hour=06/a.csv"), "segments/gold/dt=2024-03-01/");
    let config = folders(|value| value["exports"]["gold"]["segments"][0]["recursive"] = json!(true));
    let came = ask(&config, &bridged("segments/gold/d/x/a.csv", "1"));
    assert_eq!(came.requests[0].drops[0].key, "segments/gold/d/");
}

#[test]
fn an_object_below_a_folder_with_data_starts_nothing() {
    let config = folders(|_| {});
    let object = |key: &str| {
        let key = format!("segments/gold/{key}");
        ObjectMeta { key, bytes: 1, modified: now(), version: "1".to_owned() }
    };
    let mut came = ask(&config, &bridged("segments/gold/d/old/a.csv", "1"));
    let segment = came.to_list(&config)[0];
    came.listed(segment, &[object("d/old/a.csv"), object("e/b.csv")]);
    assert_eq!(came.requests.len(), 1, "nothing is above it");
    came.listed(segment, &[object("d/old/a.csv"), object("d/b.csv")]);
    assert_eq!((came.requests.len(), came.ignored[0].key.as_str()), (0, "segments/gold/d/old/a.csv"));
    assert!(came.ignored[0].why.starts_with("is in a folder below one that holds data itself"));
    let came = ask(&config, &bridged("segments/letter/a.csv", "1"));
    assert!(came.to_list(&config).is_empty(), "a file is known by its key");
}

#[test]
fn an_event_says_whether_its_object_has_bytes() {
    let config = folders(|_| {});
    let is_empty = |key: &str, size: Value| {
        let mut event = bridged(key, "1");
        event["detail"]["object"]["size"] = size;
        ask(&config, &event).requests[0].drops[0].is_empty
    };
    assert!(is_empty("segments/letter/a.csv", json!(0)));
    assert!(!is_empty("segments/letter/a.csv", json!(1)));
    assert!(!is_empty("segments/letter/a.csv", Value::Null));
    assert!(!is_empty("segments/gold/d/_SUCCESS", json!(0)), "a folder is more than this object");
}

#[test]
fn what_is_disabled_starts_nothing_and_says_so() {
    let config = folders(|value| {
        value["exports"]["gold"]["enabled"] = json!(false);
        value["connections"]["autopilot-eu"]["enabled"] = json!(false);
    });
    for event in [bridged("segments/gold/a/1.csv", "1"), json!({ "export": "gold" })] {
        let came = ask(&config, &event);
        assert!(came.requests.is_empty());
        assert!(came.ignored[0].why.contains("export gold: is disabled"), "{}", came.ignored[0].why);
    }
    assert!(ask(&config, &json!({ "export": "letter" })).ignored[0].why.contains("connection autopilot-eu"));
}

#[test]
fn a_rule_names_the_export_with_the_longest_name_it_ends_in() {
    let config = folders(|value| {
        let export = value["exports"]["letter"].take();
        value["exports"].as_object_mut().unwrap().remove("letter");
        let mut export = export;
        export["segments"][0]["name"] = json!("Other");
        value["exports"]["my-newsletter"] = export;
    });
    for (rule, export) in [
        ("newsletter", Some("newsletter")),
        ("nightly-my-newsletter", Some("my-newsletter")),
        ("their-newsletter", Some("newsletter")),
        ("mynewsletter", None),
        ("gold-nightly", None),
    ] {
        assert_eq!(export_of_rule(&config, rule), export, "{rule}");
    }
}

#[test]
fn an_unknown_event_is_a_bad_request() {
    let version = {
        let mut event = event("s3-object-created.json");
        event["Records"][0]["eventVersion"] = json!("3.0");
        event
    };
    let encoded = {
        let mut event = event("s3-object-created.json");
        event["Records"][0]["s3"]["object"]["key"] = json!("segments/%zz");
        event
    };
    for event in [
        version,
        encoded,
        json!({}),
        json!([]),
        json!({ "Records": 1 }),
        json!({ "export": 1 }),
        json!({ "export": "newsletter", "ful": true }),
        json!({ "export": "newslettr" }),
        json!({ "detail-type": "Object Removed" }),
        json!({ "detail-type": "Scheduled Event", "time": "2026-11-23T06:02:00Z", "resources": ["arn:x:rule/none"] }),
    ] {
        let error = triggered(&event, &config(), now(), "one").unwrap_err();
        assert_eq!(error.kind, Kind::BadRequest, "{event}");
    }
    let mut removed = event("s3-object-created.json");
    removed["Records"][0]["eventName"] = json!("ObjectRemoved:Delete");
    assert_eq!(ask(&config(), &removed).ignored[0].why, "ObjectRemoved:Delete does not create an object");
}

#[test]
fn errors_hold_no_control_characters_of_an_event() {
    let odd = "news\u{1b}[2Jletter";
    let notification = |name: &str, value: &str| {
        let mut event = event("s3-object-created.json");
        event["Records"][0][name] = json!(value);
        event
    };
    for event in [
        json!({ "detail-type": "Scheduled Event", "time": "2026-11-23T06:02:00Z", "resources": [odd] }),
        json!({ "detail-type": odd }),
        json!({ "export": odd }),
        json!({ "export": "newsletter", "full": odd }),
        notification("eventVersion", odd),
        notification("eventTime", odd),
    ] {
        let error = triggered(&event, &config(), now(), "one").unwrap_err().chain();
        assert!(!error.contains(char::is_control), "{error:?}");
    }
    let ignored = &ask(&config(), &notification("eventName", odd)).ignored[0];
    assert!(
        ignored.why.ends_with("does not create an object") && !ignored.why.contains(char::is_control),
        "{ignored:?}"
    );
}
