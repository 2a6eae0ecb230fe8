//! The forms that events come in. Fields that are not needed are not looked at: events grow.

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Kind, Result, escaped};
use crate::run::RequestedDrop;

/// The major version of S3's notifications that is supported.
/// Source: the S3 user guide, "Event message structure": minor versions only add fields.
const NOTIFICATION_MAJOR: &str = "2";

/// The most characters of an event's words that a message shows.
const SHOWN: usize = 40;

/// What an event says.
pub(super) enum Event {
    /// Nothing to do.
    Nothing { key: String, why: String },
    /// Objects were created.
    Dropped(Vec<Dropped>),
    /// It is time for an export.
    Scheduled { export: String, at: Timestamp },
    /// It is time for the export that this rule names.
    Rule { rule: String, at: Timestamp },
    /// Somebody wants a run.
    OnDemand(OnDemand),
    /// An export is to be compared with its account.
    Reconcile(ReconcileAsked),
}

/// An object that was created.
#[derive(Clone)]
pub(super) struct Dropped {
    pub(super) bucket: String,
    pub(super) key: String,
    /// The version's id, in a versioned bucket.
    pub(super) version: Option<String>,
    /// What tells this creation of the key from another: version, else sequencer, else ETag.
    pub(super) tag: String,
    pub(super) at: Timestamp,
    /// Whether it has no bytes.
    pub(super) is_empty: bool,
}

/// A request of a person or a program.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnDemand {
    pub(super) export: String,
    #[serde(default)]
    pub(super) drops: Vec<RequestedDrop>,
    #[serde(default)]
    pub(super) full: bool,
    #[serde(default)]
    pub(super) pass_guards: Vec<String>,
}

/// A request to compare an export with its account, of a person or a schedule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReconcileAsked {
    #[serde(rename = "reconcile")]
    pub(super) export: String,
    #[serde(default)]
    pub(super) segment: Option<String>,
    #[serde(default)]
    pub(super) adopt: bool,
    #[serde(default)]
    pub(super) repair: bool,
    /// When a schedule was due.
    #[serde(default)]
    pub(super) scheduled_time: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tick {
    export: String,
    scheduled_time: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_version: String,
    event_name: String,
    event_time: Timestamp,
    s3: S3,
}

#[derive(Deserialize)]
struct S3 {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
    // `versionId` in notifications, `version-id` in EventBridge.
    #[serde(alias = "versionId", alias = "version-id")]
    version: Option<String>,
    sequencer: Option<String>,
    size: Option<u64>,
    #[serde(alias = "eTag")]
    etag: Option<String>,
}

#[derive(Deserialize)]
struct Bridged {
    time: Timestamp,
    detail: Detail,
}

#[derive(Deserialize)]
struct Detail {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Scheduled {
    time: Timestamp,
    resources: Vec<String>,
}

/// The most envelopes around one event: SQS around SNS, and one to spare.
const ENVELOPES: u32 = 3;

/// The events in what SNS or SQS deliver; an event that comes by itself is its own.
pub(super) fn unwrapped(event: &Value) -> Result<Vec<Value>> {
    open(event, ENVELOPES)
}

fn open(event: &Value, left: u32) -> Result<Vec<Value>> {
    let text = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let records = event.get("Records").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    // Their keys differ in case: Source: the Lambda guide, "Using Lambda with Amazon SNS", "... SQS".
    let mut messages: Vec<String> =
        records.iter().filter_map(|record| text(record, "/Sns/Message").or_else(|| text(record, "/body"))).collect();
    if text(event, "/Type").as_deref() == Some("Notification") {
        messages.extend(text(event, "/Message"));
    }
    if messages.is_empty() || left == 0 {
        return Ok(vec![event.clone()]);
    }
    let mut all = Vec::new();
    for message in messages {
        let inner: Value = serde_json::from_str(&message)
            .map_err(|_| Error::new(Kind::BadRequest, "the message of SNS or SQS", "is not an event's JSON"))?;
        all.extend(open(&inner, left - 1)?);
    }
    Ok(all)
}

/// Reads an event of any form.
pub(super) fn read(event: &Value, now: Timestamp) -> Result<Event> {
    let text = |key: &str| event.get(key).and_then(Value::as_str);
    if let Some(records) = event.get("Records") {
        return as_::<Vec<Value>>("S3 notification", records)?.iter().map(record).collect::<Result<Vec<_>>>().map(all);
    }
    if text("Event") == Some("s3:TestEvent") {
        let why = "S3 tests whether its notifications arrive".into();
        return Ok(Event::Nothing { key: "s3:TestEvent".into(), why });
    }
    match text("detail-type") {
        Some("Object Created") => {
            let Bridged { time, detail } = as_("EventBridge event", event)?;
            Ok(Event::Dropped(vec![dropped(detail.bucket, detail.object, time)]))
        }
        Some("Scheduled Event") => {
            let Scheduled { time, resources } = as_("EventBridge event", event)?;
            let rule = resources.first().and_then(|arn| arn.rsplit('/').next()).unwrap_or_default();
            Ok(Event::Rule { rule: rule.into(), at: time })
        }
        Some(other) => Err(unknown(format!("EventBridge event \"{}\"", escaped(other, SHOWN)))),
        None => asked(event, now),
    }
}

fn asked(event: &Value, now: Timestamp) -> Result<Event> {
    match event.as_object() {
        Some(keys) if keys.contains_key("reconcile") => as_("request to reconcile", event).map(Event::Reconcile),
        // The tick that it was due at, whenever and however often it is delivered.
        Some(keys) if keys.contains_key("scheduled_time") => {
            let Tick { export, scheduled_time } = as_("scheduled event", event)?;
            Ok(Event::Scheduled { export, at: scheduled_time })
        }
        // A schedule of another make hands over no time of its own: the minute stands for it.
        Some(keys) if keys.len() == 1 && keys.contains_key("export") => {
            let OnDemand { export, .. } = as_("scheduled event", event)?;
            let minute = TimestampRound::new().smallest(Unit::Minute).mode(RoundMode::Trunc);
            Ok(Event::Scheduled { export, at: now.round(minute).unwrap_or(now) })
        }
        Some(keys) if keys.contains_key("export") => as_("request on demand", event).map(Event::OnDemand),
        _ => Err(unknown("event".into())),
    }
}

/// One record of a notification, `Err` in the inner result for one that creates nothing.
fn record(value: &Value) -> Result<Result<Dropped, (String, String)>> {
    let Record { event_version, event_name, event_time, s3 } = as_("S3 notification", value)?;
    if event_version.split('.').next() != Some(NOTIFICATION_MAJOR) {
        let what =
            format!("has the version {}; only {NOTIFICATION_MAJOR} is supported", escaped(&event_version, SHOWN));
        return Err(Error::new(Kind::BadRequest, "S3 notification", what));
    }
    let name = event_name.strip_prefix("s3:").unwrap_or(&event_name);
    let mut dropped = dropped(s3.bucket, s3.object, event_time);
    let key = decoded(&dropped.key)
        .ok_or_else(|| Error::new(Kind::BadRequest, "S3 notification", "has a key that is not URL-encoded UTF-8"))?;
    if !name.starts_with("ObjectCreated:") {
        return Ok(Err((key, format!("{} does not create an object", escaped(name, SHOWN)))));
    }
    dropped.key = key;
    Ok(Ok(dropped))
}

/// A notification's records; one that creates nothing is said only where none does.
fn all(records: Vec<Result<Dropped, (String, String)>>) -> Event {
    let (mut created, mut other) = (Vec::new(), None);
    for record in records {
        match record {
            Ok(dropped) => created.push(dropped),
            Err(nothing) => other = Some(nothing),
        }
    }
    match other.filter(|_| created.is_empty()) {
        Some((key, why)) => Event::Nothing { key, why },
        None => Event::Dropped(created),
    }
}

fn dropped(bucket: Bucket, object: Object, at: Timestamp) -> Dropped {
    let Object { key, version, sequencer, size, etag } = object;
    // Without versioning EventBridge leaves the version out, and other programs write "null".
    let version = version.filter(|version| !version.is_empty() && version != "null");
    let tag = version.clone().or(sequencer).or(etag).unwrap_or_default();
    Dropped { bucket: bucket.name, key, version, tag, at, is_empty: size == Some(0) }
}

/// A URL-encoded key, `+` for a space.
fn decoded(key: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn as_<T: DeserializeOwned>(what: &'static str, value: &Value) -> Result<T> {
    // The cause names fields; a text of the event is in it only where a field has another type.
    T::deserialize(value)
        .map_err(|cause| Error::new(Kind::BadRequest, what, "has an unexpected form").with_source(cause))
}

fn unknown(subject: String) -> Error {
    Error::new(Kind::BadRequest, subject, "neither starts a run nor names a step")
        .hint("send one like those in events/")
}
