//! A `model.json`: read or refused in a few words, and what it says of a file is the same each time.
#![no_main]

use autopilot_export::error::Kind;
use autopilot_export::segment::Model;
use libfuzzer_sys::fuzz_target;

const KEY: &str = "segments/CustomerInsights_7c9e6679/BlobExport/model.json";
const FOLDER: &str = "segments/CustomerInsights_7c9e6679/BlobExport/HighValueSegment/2026/11/23/0600/";
const FILES: [&str; 4] = ["HighValueSegment_1.csv", "no-header.csv", "", "../../model.json"];

fuzz_target!(|bytes: &[u8]| {
    match Model::parse(KEY, bytes) {
        Ok(model) => {
            for folder in [FOLDER, "segments/", "", "/"] {
                assert!(model.parts_of(folder).is_none_or(|parts| !parts.is_empty()));
                for file in FILES {
                    let key = format!("{folder}{file}");
                    assert_eq!(model.layout_for(&key), model.layout_for(&key));
                }
            }
        }
        Err(error) => {
            assert_eq!(error.kind, Kind::Segment);
            assert!(error.to_string().len() < 300);
        }
    }
});
