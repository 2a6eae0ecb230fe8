//! `exports.json` and what it means: connections to accounts, and the exports that go through them.
//!
//! [`parse`] reads the whole file and reports every fault at once, each with its JSON path. What it returns holds
//! only meant values: defaults are filled in, constants fit their fields, every export's connection exists. Nothing
//! here reads a file, a clock or the environment, but for the time zone names that the operating system knows.
//!
//! A fault names keys and paths. It never repeats a value of the file, since that may be an address or a key.

mod careful;
mod checks;
mod comments;
mod condition;
mod connection;
mod examples;
mod export;
mod fault;
mod fields;
mod migrate;
mod notify;
mod parse;
mod reader;
mod reading;
mod schema;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::error::{Error, Kind, Result};
use crate::state::hex;

pub use crate::destination::{Api, Region};
pub use crate::membership::Membership;
pub use crate::segment::{DropKind, Encoding, FileKind, Format};
pub use crate::value::nearest;
pub use checks::base_url_fault;
pub use condition::{Condition, Scalar};
pub use connection::{Connection, Consent};
pub use export::{Export, Guards, REJECTS_DAYS};
pub use fault::Fault;
pub use fields::{CustomField, Field, Match, Source};
pub use migrate::{Migrated, Move, with_export, written_export};
pub use notify::{Notify, Webhook, WebhookKind};
pub use parse::parse;
pub use schema::schema;
pub use source::{Others, Segment};

/// The whole of `exports.json`.
#[derive(Clone, Debug, Default, PartialEq, schemars::JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Config {
    /// The links to accounts, by name.
    #[schemars(extend("propertyNames" = { "pattern": checks::NAME_PATTERN }))]
    pub connections: BTreeMap<String, Connection>,
    /// The saved arrangements of what goes where, by name.
    #[schemars(extend("propertyNames" = { "pattern": checks::NAME_PATTERN }))]
    pub exports: BTreeMap<String, Export>,
    /// What the keys of objects next to the file begin with; none where nobody knows.
    #[schemars(skip)]
    pub folder: Option<String>,
    /// The text that it was read from, which a run keeps.
    #[schemars(skip)]
    pub text: String,
}

impl Config {
    /// A digest of everything that decides what the named export sends and where: the export, and of its connection
    /// the API and the address. Pace, names for people and consent are left out, so that changing them leaves a run
    /// that is under way as it is. SHA-256 in 64 hexadecimal digits; an unknown name has a digest too.
    pub fn digest(&self, export_name: &str) -> String {
        let export = self.exports.get(export_name);
        let connection = export.and_then(|export| self.connections.get(&export.connection));
        let target = connection.map(|connection| (connection.api, connection.region, &connection.base_url));
        // Field order is the types' own and maps are sorted, so the text is the same for the same meaning. Writing it
        // cannot fail: every key is a text and every number finite.
        sha256(&serde_json::to_string(&(export_name, export, target)).unwrap_or_default())
    }

    /// A digest of what keeps an export's rows from being sent: its `suppress` and `require`.
    pub fn conditions_digest(&self, export_name: &str) -> String {
        let conditions = self.exports.get(export_name).map(|export| (&export.suppress, &export.require));
        sha256(&serde_json::to_string(&conditions).unwrap_or_default())
    }

    /// The exports and segments that a dropped object belongs to: those with the longest prefix of its key. Exports of
    /// several connections may share a prefix; none for an object that belongs to no segment.
    pub fn route(&self, key: &str) -> Vec<(&str, &Segment)> {
        let all = self
            .exports
            .iter()
            .flat_map(|(name, export)| export.segments.iter().map(move |segment| (name.as_str(), segment)))
            .filter_map(|(name, segment)| Some((segment.prefix.as_deref()?, (name, segment))))
            .filter(|(prefix, _)| key.starts_with(prefix));
        let all: Vec<_> = all.collect();
        let longest = all.iter().map(|(prefix, _)| prefix.len()).max();
        all.into_iter().filter(|(prefix, _)| Some(prefix.len()) == longest).map(|(_, found)| found).collect()
    }
}

fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// The connection of this name, which a run began with.
///
/// # Errors
/// Kind `config`, where it is no longer in the configuration.
pub fn connection_of<'c>(config: &'c Config, name: &str) -> Result<&'c Connection> {
    config.connections.get(name).ok_or_else(|| {
        Error::new(Kind::Config, fault::shown(name), "was removed from the configuration while a run still needs it")
            .hint("put it back until the run has ended; what was confirmed is kept until then")
    })
}

/// An export of the configuration and its connection.
///
/// # Errors
/// Kind `bad_request`, where there is no such export.
pub fn export_of<'c>(config: &'c Config, name: &str) -> Result<(&'c Export, &'c Connection)> {
    let found = config.exports.get(name);
    let found = found.and_then(|export| Some((export, config.connections.get(&export.connection)?)));
    found.ok_or_else(|| {
        let nearest = nearest(name, config.exports.keys().map(String::as_str));
        let error = Error::new(Kind::BadRequest, fault::shown(name), "unknown export");
        match nearest {
            Some(nearest) => error.hint(format!("the nearest is {nearest}")),
            None => error,
        }
    })
}
