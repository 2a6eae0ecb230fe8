//! An export: which segments go through which connection, matched how, under which guards.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::checks;
use super::condition::{self, Condition};
use super::fault::shown;
use super::fields::Match;
use super::notify::Notify;
use super::reader::Entry;
use super::reading;
use super::source::{Segment, checked};
use crate::destination::{self, Api, Destination};
use crate::membership::Membership;
use crate::value::{Reading, nearest};

/// The saved arrangement: which segments, through which connection, matched to which fields.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// The export's name in the file.
    #[serde(skip)]
    pub name: String,
    /// The connection it goes through.
    pub connection: String,
    /// The segments it sends.
    #[schemars(length(min = 1))]
    pub segments: Vec<Segment>,
    /// Which of the destination's fields are filled, and how.
    #[serde(rename = "match")]
    pub match_: Match,
    /// How values are spelled, unless a field says otherwise.
    #[serde(flatten)]
    pub reading: Reading,
    /// Whether custom fields that the account lacks are made, instead of stopping the run. Ortto only.
    #[serde(default)]
    pub create_fields: bool,
    /// Columns and values that keep a row from being sent.
    #[serde(default)]
    #[schemars(extend("examples" = [[{ "column": "DoNotBulkEmail", "equals": true }]]))]
    pub suppress: Vec<Condition>,
    /// Columns and values that a row must have to be sent: consent. An empty cell is not consent.
    #[serde(default)]
    #[schemars(extend("examples" = [[{ "column": "MarketingConsent", "equals": true }]]))]
    pub require: Vec<Condition>,
    /// A file of people who are not sent to: in the store, or next to the configuration. A line is an email or its
    /// SHA-256; or the file is a CSV with a column `email` or `email_sha256`.
    #[schemars(extend("examples" = ["config/suppressed.csv"]))]
    pub suppression_file: Option<String>,
    /// Whether people who opted out in the account, as reconcile finds them, are suppressed from then on.
    #[serde(default)]
    pub honour_optouts: bool,
    /// How many days a run's rejects.csv is kept; the first run after that removes it. Default 30.
    #[serde(default = "thirty")]
    #[schemars(range(min = 1, max = 3650))]
    pub rejects_days: u32,
    /// When it runs by itself: an EventBridge Scheduler expression.
    #[schemars(regex(pattern = r"^(rate|cron|at)\(.+\)$"))]
    pub schedule: Option<String>,
    /// When it is compared with its account by itself: an EventBridge Scheduler expression.
    #[schemars(regex(pattern = r"^(rate|cron|at)\(.+\)$"))]
    pub reconcile_schedule: Option<String>,
    /// The time zone of both schedules. Default UTC.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// `false` disables the export; a run in progress stops within 15 seconds.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What stops a run before its first request.
    #[serde(default)]
    pub guards: Guards,
    /// When to send notifications.
    #[serde(default)]
    pub notify: Notify,
}

/// What stops a run before its first request.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Guards {
    /// The most distinct profiles, over all segments. Default 100,000.
    /// Source: the limit that Customer Insights states for its export to Autopilot.
    #[schemars(range(min = 1))]
    pub max_profiles: u64,
    /// The largest share of members, 0 to 1, that may leave in one run. Default 0.5.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_leavers_share: f64,
    /// The largest share of rows, 0 to 1, that may be rejected. Default 0.5.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_reject_share: f64,
    /// Whether a drop without rows may empty a segment.
    pub allow_empty: bool,
    /// How many members may have an opt-out, or a suppressed or required boolean, that is neither true nor false.
    /// Default 0.
    pub unreadable_opt_outs: u64,
    /// How many rows of a segment may be unreadable or without a valid email while its leavers are removed. Default 0.
    /// More of them never stop a run; they keep the leavers of their segment.
    pub unreadable_rows: u64,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            max_profiles: 100_000,
            max_leavers_share: 0.5,
            max_reject_share: 0.5,
            allow_empty: false,
            unreadable_opt_outs: 0,
            unreadable_rows: 0,
        }
    }
}

fn utc() -> String {
    "UTC".to_owned()
}

/// How long rejects are kept where the export does not say.
pub const REJECTS_DAYS: u32 = 30;

const fn thirty() -> u32 {
    REJECTS_DAYS
}

pub(super) const fn yes() -> bool {
    true
}

impl Export {
    pub(super) fn read(entry: &Entry<'_>, name: &str, connections: &BTreeMap<&str, Api>) -> Option<Self> {
        let mut object = entry.object()?;
        let connection = object.need("connection").and_then(|entry| connection(&entry, connections));
        let api = connection.as_deref().and_then(|name| connections.get(name)).copied().unwrap_or_default();
        let destination = destination::of(api);
        let segments = object.need("segments").map(|entry| segments(&entry, destination)).unwrap_or_default();
        let reading = reading::of_export(entry, &mut object);
        let match_ = object.need("match").and_then(|entry| Match::read(&entry, &reading, destination));
        if let Some(match_) = &match_ {
            one_use_per_field(entry, &segments, match_);
        }
        let create_fields = object.get("create_fields").and_then(|entry| create_fields(&entry, destination));
        let suppress = condition::read_all(&mut object, "suppress");
        let require = condition::read_all(&mut object, "require");
        let suppression_file = object.get("suppression_file").and_then(|entry| checked(&entry, checks::key));
        let honour_optouts = object.get("honour_optouts").and_then(|entry| entry.flag()).unwrap_or(false);
        let rejects_days = object.get("rejects_days").and_then(|entry| rejects_days(&entry)).unwrap_or(thirty());
        let schedule = object.get("schedule").and_then(|entry| checked(&entry, checks::schedule));
        if schedule.is_some() {
            a_prefix_per_segment(entry);
        }
        let reconcile_schedule = object.get("reconcile_schedule").and_then(|entry| checked(&entry, checks::schedule));
        let time_zone = object.get("time_zone").and_then(|entry| checked(&entry, checks::time_zone));
        let enabled = object.get("enabled").and_then(|entry| entry.flag()).unwrap_or(true);
        let guards = object.get("guards").and_then(|entry| read_guards(&entry)).unwrap_or_default();
        let notify = object.get("notify").and_then(|entry| Notify::read(&entry)).unwrap_or_default();
        object.done();
        Some(Self {
            name: name.to_owned(),
            connection: connection?,
            segments,
            match_: match_?,
            reading,
            create_fields: create_fields.unwrap_or(false),
            suppress,
            require,
            suppression_file,
            honour_optouts,
            rejects_days,
            schedule,
            reconcile_schedule,
            time_zone: time_zone.unwrap_or_else(utc),
            enabled,
            guards,
            notify,
        })
    }
}

fn connection(entry: &Entry<'_>, known: &BTreeMap<&str, Api>) -> Option<String> {
    let name = entry.text()?;
    if !known.contains_key(name.as_str()) {
        let hint = match nearest(&name, known.keys().copied()) {
            Some(near) => format!("did you mean {}?", shown(near)),
            None => "name one of the connections of this file".to_owned(),
        };
        entry.fault_with("is not a connection of this file", hint);
    }
    Some(name)
}

/// Reads the segments. Two of one export may share neither name nor mark: a leaver of one would be taken off the list of
/// the other.
fn segments(entry: &Entry<'_>, destination: &dyn Destination) -> Vec<Segment> {
    let entries = entry.list();
    if entries.is_empty() && entry.value.is_array() {
        entry.fault("needs at least one segment");
    }
    let mut taken: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let mut segments = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let Some(segment) = Segment::read(entry, destination) else {
            continue;
        };
        let name = (!segment.name.is_empty()).then(|| ("name", segment.name.to_lowercase()));
        for key in name.into_iter().chain(segment.membership.mark()) {
            let what = key.0;
            if let Some(other) = taken.get(&key) {
                entry.fault(format!("has the same {what} as segments[{other}]"));
            } else {
                taken.insert(key, index);
            }
        }
        segments.push(segment);
    }
    segments
}

/// A schedule takes the newest drop under each prefix.
fn a_prefix_per_segment(entry: &Entry<'_>) {
    let segments = entry.value.get("segments").and_then(Value::as_array).into_iter().flatten();
    for (index, _) in
        segments.enumerate().filter(|(_, it)| it.is_object() && it.get("prefix").is_none_or(Value::is_null))
    {
        entry.fault_below(&format!("segments[{index}].prefix"), "is missing; a schedule needs it");
    }
}

fn one_use_per_field(entry: &Entry<'_>, segments: &[Segment], match_: &Match) {
    for (index, segment) in segments.iter().enumerate() {
        if let Membership::Field(name) = &segment.membership
            && match_.custom.keys().any(|custom| custom.eq_ignore_ascii_case(name))
        {
            entry.fault(format!("the membership field of segments[{index}] is also in match.custom"));
        }
    }
}

fn create_fields(entry: &Entry<'_>, destination: &dyn Destination) -> Option<bool> {
    let flag = entry.flag()?;
    if flag && !destination.makes_fields() {
        entry.fault(format!("{} cannot be asked to make fields", destination.name()));
    }
    Some(flag)
}

fn rejects_days(entry: &Entry<'_>) -> Option<u32> {
    entry.whole(1..=3650)?.try_into().ok()
}

fn read_guards(entry: &Entry<'_>) -> Option<Guards> {
    let mut object = entry.object()?;
    let standard = Guards::default();
    let mut get = |key| object.get(key);
    let count = |entry: Option<Entry<'_>>, from| entry.and_then(|entry| entry.whole(from..=u64::MAX));
    let part = |entry: Option<Entry<'_>>| entry.and_then(|entry| entry.share());
    let guards = Guards {
        max_profiles: count(get("max_profiles"), 1).unwrap_or(standard.max_profiles),
        max_leavers_share: part(get("max_leavers_share")).unwrap_or(standard.max_leavers_share),
        max_reject_share: part(get("max_reject_share")).unwrap_or(standard.max_reject_share),
        allow_empty: get("allow_empty").and_then(|entry| entry.flag()).unwrap_or(standard.allow_empty),
        unreadable_opt_outs: count(get("unreadable_opt_outs"), 0).unwrap_or(standard.unreadable_opt_outs),
        unreadable_rows: count(get("unreadable_rows"), 0).unwrap_or(standard.unreadable_rows),
    };
    object.done();
    Some(guards)
}
