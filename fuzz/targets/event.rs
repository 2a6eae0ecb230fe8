//! An event: the same one again asks for the same runs, each with an id of its own that names its export. A key: the
//! event of an object and the listing that holds it agree on its drop.
#![no_main]

use std::collections::HashSet;
use std::sync::LazyLock;

use autopilot_export::config::{self, Config};
use autopilot_export::ports::ObjectMeta;
use autopilot_export::run::export_of;
use autopilot_export::trigger::triggered;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

/// The example, and the same with folders, and with all that is below a prefix.
static CONFIGS: LazyLock<[Config; 3]> = LazyLock::new(|| {
    let example = include_str!("../../exports.json");
    let with = |settings: &str| example.replacen("\"prefix\":", &format!("{settings}, \"prefix\":"), 1);
    let folders = with(r#""drop": "folder", "ignore": ["*.log", "!keep.*", "old/"]"#);
    let recursive = with(r#""drop": "folder", "recursive": true"#);
    [example, &folders, &recursive].map(|text| config::parse(text).unwrap())
});

/// An object belongs to a drop in the folders above it, by its key as in a listing.
fn belongs(config: &Config, key: &str) {
    for (_, segment) in config.route(key) {
        let Some(rules) = segment.drop_rules() else { continue };
        let meta =
            ObjectMeta { key: key.to_owned(), bytes: 1, modified: Timestamp::UNIX_EPOCH, version: String::new() };
        let survey = rules.survey(&[meta]);
        match (rules.drop_of(key), survey.drops.first()) {
            (Ok(name), Some(drop)) => assert!(drop.name == name && key.starts_with(name) && drop.parts.len() == 1),
            (Ok(name), None) => assert!(key.ends_with("_SUCCESS") || key.ends_with("model.json"), "{name}"),
            (Err(why), drop) => assert!(drop.is_none(), "{why}"),
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = std::str::from_utf8(bytes) {
        CONFIGS.iter().for_each(|config| belongs(config, &format!("segments/newsletter/{key}")));
    }
    let Ok(event) = serde_json::from_slice(bytes) else { return };
    CONFIGS.iter().for_each(|config| starts(config, &event));
});

fn starts(config: &Config, event: &serde_json::Value) {
    let again = || triggered(event, config, Timestamp::UNIX_EPOCH, "seed");
    match again() {
        Ok(found) => {
            assert_eq!(again().unwrap(), found);
            let ids: HashSet<&str> = found.requests.iter().map(|request| request.run_id.as_str()).collect();
            assert_eq!(ids.len(), found.requests.len());
            for request in &found.requests {
                assert!(config.exports.contains_key(&request.export));
                assert_eq!(export_of(&request.run_id), Some(request.export.as_str()));
                // Source: the longest name that Step Functions takes for an execution.
                assert!(request.run_id.len() <= 80);
            }
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error}"),
    }
}
