//! `exports.json`: accepted, or refused with at least one fault, each of them one line.
#![no_main]

use autopilot_export::config::{self, export_of};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match config::parse(&String::from_utf8_lossy(bytes)) {
        Ok(config) => {
            for (name, export) in &config.exports {
                assert!(export_of(&config, name).is_ok(), "an export has its connection");
                assert_eq!(config.digest(name).len(), 64);
                for segment in &export.segments {
                    let ours = |prefix| config.route(prefix).iter().any(|(owner, it)| owner == name && *it == segment);
                    assert!(segment.prefix.as_deref().is_none_or(ours));
                }
            }
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            for fault in faults {
                assert!(!fault.to_string().contains(char::is_control), "{fault:?}");
            }
        }
    }
});
