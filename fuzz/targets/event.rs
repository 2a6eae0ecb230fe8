//! An event: the same one again asks for the same runs, each with an id of its own that names its export.
#![no_main]

use std::collections::HashSet;
use std::sync::LazyLock;

use autopilot_export::config::{self, Config};
use autopilot_export::run::export_of;
use autopilot_export::trigger::triggered;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

static CONFIG: LazyLock<Config> = LazyLock::new(|| config::parse(include_str!("../../exports.json")).unwrap());

fuzz_target!(|bytes: &[u8]| {
    let Ok(event) = serde_json::from_slice(bytes) else { return };
    let again = || triggered(&event, &CONFIG, Timestamp::UNIX_EPOCH, "seed");
    match again() {
        Ok(found) => {
            assert_eq!(again().unwrap(), found);
            let ids: HashSet<&str> = found.requests.iter().map(|request| request.run_id.as_str()).collect();
            assert_eq!(ids.len(), found.requests.len());
            for request in &found.requests {
                assert!(CONFIG.exports.contains_key(&request.export));
                assert_eq!(export_of(&request.run_id), Some(request.export.as_str()));
                // Source: the longest name that Step Functions takes for an execution.
                assert!(request.run_id.len() <= 80);
            }
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error}"),
    }
});
