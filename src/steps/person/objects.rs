//! What to do with an object that holds a person.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::run::keys;

/// How an object gets rid of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErasureMethod {
    /// It stays: it is the configuration, or the one place for the digests.
    Keep,
    /// A profile of a state goes.
    Profile,
    /// What runs decided of the person goes.
    History,
    /// What drops say of the person goes.
    Objections,
    /// The elements of a JSON array, or the members of an object, that hold the person go.
    Elements,
    /// The rows of a CSV file go.
    Rows,
    /// The lines go.
    Lines,
    /// The person is blotted out.
    Blank,
    /// The whole object goes.
    Delete,
}

/// The prefixes below which this program's objects and the drops are: nothing else in a bucket is looked at.
pub(super) fn places(config: &Config) -> Vec<String> {
    let exports = || config.exports.values();
    let prefixes = exports().flat_map(|export| &export.segments).filter_map(|segment| segment.prefix.clone());
    let files = exports().filter_map(|export| export.suppression_file.clone());
    let own = [keys::CONFIG, keys::RETURNS, "runs/", "segments/", keys::STATE].map(str::to_owned);
    let all: BTreeSet<String> =
        own.into_iter().chain(prefixes).chain(files).filter(|place| !place.is_empty()).collect();
    let is_within = |place: &String| all.iter().any(|other| other != place && place.starts_with(other.as_str()));
    all.iter().filter(|place| !is_within(place)).cloned().collect()
}

/// The way of an object. A drop goes as a whole: it is a copy of what another system holds, and the next one replaces it.
pub(super) fn way(config: &Config, key: &str) -> ErasureMethod {
    let name = key.rsplit('/').next().unwrap_or(key);
    let is_below = |folder: &str| key.starts_with(folder);
    let is_opted_out = |key: &str| config.connections.keys().any(|name| keys::opted_out(name) == key);
    let is_suppression = config.exports.values().any(|export| export.suppression_file.as_deref() == Some(key));
    match name {
        _ if key == keys::ERASED || key == keys::CONFIG => ErasureMethod::Keep,
        _ if is_suppression => ErasureMethod::Lines,
        _ if keys::export_of_profiles(key).is_some() => ErasureMethod::Profile,
        _ if keys::is_history(key) => ErasureMethod::History,
        _ if keys::is_transient(key) => ErasureMethod::Delete,
        "noes.bin" if is_below(keys::STATE) => ErasureMethod::Objections,
        "corrections.json" | "refusals.json" if is_below(keys::STATE) => ErasureMethod::Elements,
        _ if is_opted_out(key) => ErasureMethod::Elements,
        _ if is_below(keys::RETURNS) || is_below("runs/") && name.ends_with(".csv") => ErasureMethod::Rows,
        "unconfirmed.ndjson" if is_below("runs/") => ErasureMethod::Lines,
        _ if is_below("runs/") || is_below(keys::STATE) => ErasureMethod::Blank,
        _ => ErasureMethod::Delete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    #[test]
    fn nothing_else_in_a_bucket_is_looked_at() {
        let text = r#"{"connections": {"a": {"secret": "a"}}, "exports": {"e": {"connection": "a",
            "segments": [{"name": "S", "prefix": "in/s/"}], "match": {"email": "E"}, "suppression_file": "stop.csv"}}}"#;
        let config = parse(text).unwrap();
        let expected = ["config/exports.json", "in/s/", "returns/", "runs/", "segments/", "state/", "stop.csv"];
        assert_eq!(places(&config), expected);
        for (key, expected) in [
            ("in/s/1.csv", ErasureMethod::Delete),
            ("stop.csv", ErasureMethod::Lines),
            ("returns/e/1.csv", ErasureMethod::Rows),
            ("runs/e/20261124T060000Z-e-00000000/rejects.csv", ErasureMethod::Rows),
            ("runs/e/20261124T060000Z-e-00000000/run.json", ErasureMethod::Blank),
            ("runs/e/20261124T060000Z-e-00000000/history.gz", ErasureMethod::History),
            ("runs/e/20261124T060000Z-e-00000000/chunks/000000.tsv", ErasureMethod::Delete),
            ("runs/e/unconfirmed.ndjson", ErasureMethod::Lines),
            ("state/e/profiles.gz", ErasureMethod::Profile),
            ("state/e/S/corrections.json", ErasureMethod::Elements),
            ("state/e/S/noes.bin", ErasureMethod::Objections),
            ("state/e/S/order.json", ErasureMethod::Blank),
            ("state/connections/a.opted_out.json", ErasureMethod::Elements),
            ("state/erased", ErasureMethod::Keep),
        ] {
            assert_eq!(way(&config, key), expected, "{key}");
        }
    }
}
