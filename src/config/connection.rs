//! A connection: the link to one account.

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::export::yes;
use super::reader::Entry;
use super::source::checked;
use super::{Export, checks};
use crate::destination::{self, Api, Destination, Region};
use crate::error::{Error, Kind, Result};

/// The link to one account: API, address, secret, rate, lanes, consent.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// The connection's name in the file.
    #[serde(skip)]
    pub name: String,
    /// A name for people: messages show it beside the connection's own.
    #[schemars(extend("examples" = ["Autopilot - EU marketing"]))]
    pub display_name: Option<String>,
    /// Which API the account speaks.
    #[serde(default)]
    pub api: Api,
    /// Where the account lives: default, au or eu. Ortto only; its settings say which.
    pub region: Option<Region>,
    /// Another address than the vendor's, up to and with `/v1`: https, or plain http to this machine. Without a slash
    /// at its end.
    pub base_url: Option<String>,
    /// The name of the secret, in AWS Secrets Manager, that holds the API key and the state key. Never the key itself.
    /// Default: autopilot-export/ and the connection's name. A leading autopilot-export/ stands for the deployment's own
    /// name, so that two deployments share no secret. On one machine there is none.
    #[schemars(with = "Option<String>", length(min = 1), extend("examples" = ["autopilot-export/autopilot-eu"]))]
    pub secret: String,
    /// How many requests a second the account allows, over all lanes and runs. Default 5, with Ortto 10.
    #[schemars(with = "Option<f64>", extend("exclusiveMinimum" = 0))]
    pub requests_per_second: f64,
    /// How many parallel streams deliver. Default one for each 10 requests a second: a lane costs a function's time, and
    /// a faster run only where one function cannot keep up.
    #[schemars(with = "Option<u32>", range(min = 1, max = 40))]
    pub lanes: u32,
    /// How many seconds nothing may be confirmed before a step ends as unavailable. Default 60.
    #[serde(default = "sixty")]
    #[schemars(range(min = 1))]
    pub patience_seconds: u64,
    /// `false` stops everything through this connection at once.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Who agreed, and when, that data leaves for the account. Without it nothing is sent.
    pub consent: Option<Consent>,
}

/// Who agreed that data leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// Who.
    #[schemars(length(min = 1))]
    pub agreed_by: String,
    /// When, as `YYYY-MM-DD`.
    #[schemars(with = "String", extend("format" = "date"))]
    pub agreed_on: Date,
}

const fn sixty() -> u64 {
    60
}

impl Connection {
    /// The connection as a message names it: by its name, and the one for people where it has one.
    pub fn title(&self) -> String {
        match &self.display_name {
            Some(title) => format!("{} ({title})", self.name),
            None => self.name.clone(),
        }
    }

    /// Whether `export` may be sent through this connection at `now`.
    ///
    /// # Errors
    /// Kind `config`: the connection or the export is disabled, nobody has agreed that data leaves, or did so on a day
    /// that has not begun anywhere on earth.
    pub fn may_send(&self, export: &Export, now: Timestamp) -> Result<()> {
        let stop = |subject: String, what: &str, hint: String| Err(Error::new(Kind::Config, subject, what).hint(hint));
        let (connection, export_name) = (&self.name, &export.name);
        if !export.enabled {
            let hint = format!("set exports.{export_name}.enabled to true to run it");
            return stop(format!("export {export_name}"), "is disabled", hint);
        }
        if !self.enabled {
            let hint = format!("set connections.{connection}.enabled to true to send through it");
            return stop(format!("connection {}", self.title()), "is disabled", hint);
        }
        let Some(consent) = &self.consent else {
            let hint = format!("fill in connections.{connection}.consent: agreed_by and agreed_on");
            let what = format!("nobody has agreed that data leaves for {}", destination::of(self.api).name());
            return stop(format!("connection {}", self.title()), &what, hint);
        };
        if consent.agreed_on > latest_day(now) {
            let hint = format!("correct connections.{connection}.consent.agreed_on");
            let what = "the day of the consent is in the future";
            return stop(format!("connection {}", self.title()), what, hint);
        }
        Ok(())
    }

    pub(super) fn read(entry: &Entry<'_>, name: &str) -> Option<Self> {
        let mut object = entry.object()?;
        let api = object.get("api").and_then(|entry| entry.word(&Api::ALL)).unwrap_or_default();
        let destination = destination::of(api);
        let region = object.get("region").and_then(|entry| region(&entry, destination));
        let requests_per_second =
            object.get("requests_per_second").and_then(|entry| rate(&entry)).unwrap_or(destination.default_rate());
        let connection = Self {
            name: name.to_owned(),
            display_name: object.get("display_name").and_then(|entry| checked(&entry, checks::display_name)),
            api,
            region,
            base_url: object.get("base_url").and_then(|entry| base_url(&entry)),
            secret: object
                .get("secret")
                .and_then(|entry| entry.secret())
                .unwrap_or_else(|| format!("autopilot-export/{name}")),
            requests_per_second,
            lanes: object
                .get("lanes")
                .and_then(|entry| entry.whole(1..=MOST_LANES))
                .and_then(|lanes| u32::try_from(lanes).ok())
                .unwrap_or(lanes_for(requests_per_second)),
            patience_seconds: object
                .get("patience_seconds")
                .and_then(|entry| entry.whole(1..=u64::MAX))
                .unwrap_or(sixty()),
            enabled: object.get("enabled").and_then(|entry| entry.flag()).unwrap_or(true),
            consent: object.get("consent").and_then(|entry| consent(&entry)),
        };
        object.done();
        Some(connection)
    }
}

/// The lanes that a connection may have.
const MOST_LANES: u64 = 40;
/// Requests a second that one lane takes on.
const LANE_RATE: f64 = 10.0;

/// How many lanes a rate is worth.
fn lanes_for(requests_per_second: f64) -> u32 {
    (requests_per_second / LANE_RATE).clamp(1.0, MOST_LANES as f64) as u32
}

/// The latest day that it is anywhere on earth.
/// Source: Kiribati's Line Islands keep UTC+14.
fn latest_day(now: Timestamp) -> Date {
    let there = now.saturating_add(SignedDuration::from_hours(14)).unwrap_or(now);
    Offset::UTC.to_datetime(there).date()
}

fn region(entry: &Entry<'_>, destination: &dyn Destination) -> Option<Region> {
    let region = entry.word(&[("default", Region::Default), ("au", Region::Au), ("eu", Region::Eu)])?;
    if !destination.has_regions() {
        entry.fault(format!("{} has no regions", destination.name()));
    }
    Some(region)
}

fn base_url(entry: &Entry<'_>) -> Option<String> {
    let text = entry.text()?;
    let url = text.trim().trim_end_matches('/');
    match checks::base_url_fault(url) {
        Some(what) => entry.fault(what),
        None => return Some(url.to_owned()),
    }
    None
}

fn rate(entry: &Entry<'_>) -> Option<f64> {
    let rate = entry.number()?;
    if !(rate > 0.0 && rate.is_finite()) {
        entry.fault("must be greater than 0");
    }
    Some(rate)
}

fn consent(entry: &Entry<'_>) -> Option<Consent> {
    let mut object = entry.object()?;
    let agreed_by = object.need("agreed_by").and_then(|entry| entry.text());
    let agreed_on = object.need("agreed_on").and_then(|entry| {
        let date = entry.text()?.parse::<Date>().ok();
        if date.is_none() {
            entry.fault("must be a date as YYYY-MM-DD");
        }
        date
    });
    object.done();
    Some(Consent { agreed_by: agreed_by?, agreed_on: agreed_on? })
}
