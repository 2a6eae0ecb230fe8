//! What starts runs: an event's JSON becomes run requests.
//!
//! Events come at least once, and in any order. So an event's run id is derived from the event: for a dropped object
//! its time and the object's bucket, key and version; for a schedule its time. The same event again is the same run.
//!
//! Each part of a folder drop makes its own run, since a part that comes after a run has read the folder makes a new
//! version of the drop, and no event tells whether that has happened. Parts that one event tells of together make one
//! run. The runs of parts that come close together wait for the folder to settle and for each other (the lease); the
//! first delivers, the rest find nothing to do.

mod event;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::config::{Config, DropKind, Segment, export_of};
use crate::error::{Error, Kind, Result, named};
use crate::run::{RequestedDrop, RunRequest, Trigger, run_id};
use crate::segment::drops::drop_of;
use event::{Dropped, Event, OnDemand};

/// What an event comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Triggered {
    /// The runs to start.
    pub requests: Vec<RunRequest>,
    /// What starts nothing.
    pub ignored: Vec<Ignored>,
}

/// Something that starts nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ignored {
    /// The object's key, or the export.
    pub key: String,
    /// Why.
    pub why: String,
}

/// Reads an event. `seed` tells one request on demand from another; it should be the same when the same request is
/// delivered again.
///
/// # Errors
/// Kind `bad_request`, for an event that is none of those known, or names an export that does not exist.
pub fn triggered(event: &Value, config: &Config, now: Timestamp, seed: &str) -> Result<Triggered> {
    let mut triggered = Triggered::default();
    match event::read(event, now)? {
        Event::Nothing { key, why } => triggered.ignored.push(Ignored { key, why }),
        Event::Dropped(all) => all.into_iter().for_each(|dropped| triggered.dropped(config, dropped, now)),
        Event::Scheduled { export, at } => {
            let request = request(&export, Trigger::Schedule, run_id(at, &export, &format!("schedule/{export}")));
            triggered.asked(config, request, now)?;
        }
        Event::Rule { rule, at } => {
            let export = export_of_rule(config, &rule).ok_or_else(|| {
                Error::new(Kind::BadRequest, "start", format!("rule {}", named(&rule)), "names no export")
                    .hint("let the rule's name be or end in the export's name, after a -")
            })?;
            let request = request(export, Trigger::Schedule, run_id(at, export, &format!("schedule/{export}")));
            triggered.asked(config, request, now)?;
        }
        Event::OnDemand(asked) => {
            let id = run_id(now, &asked.export, &format!("{now}/{seed}"));
            let request = request(&asked.export, Trigger::OnDemand, id);
            let OnDemand { drops, full, pass_guards, .. } = asked;
            triggered.asked(config, RunRequest { drops, full, pass_guards, ..request }, now)?;
        }
    }
    Ok(triggered)
}

fn request(export: &str, trigger: Trigger, run_id: String) -> RunRequest {
    RunRequest {
        run_id,
        export: export.to_owned(),
        trigger,
        drops: Vec::new(),
        full: false,
        keep_leavers: false,
        pass_guards: Vec::new(),
    }
}

impl Triggered {
    /// A run that was asked for by its export's name.
    fn asked(&mut self, config: &Config, request: RunRequest, now: Timestamp) -> Result<()> {
        let (export, connection) = export_of(config, &request.export)?;
        match connection.may_send(export, now) {
            Ok(()) => self.requests.push(request),
            Err(error) => self.ignore(&request.export, error.to_string()),
        }
        Ok(())
    }

    fn dropped(&mut self, config: &Config, dropped: Dropped, now: Timestamp) {
        let Some((name, segment)) = config.route(&dropped.key) else {
            return self.ignore(&dropped.key, "belongs to no segment's prefix");
        };
        let Some(drop) = drop_asked(&dropped.key, segment) else {
            return self.ignore(&dropped.key, "holds no profiles, by its name");
        };
        if let Err(error) = export_of(config, name).and_then(|(export, connection)| connection.may_send(export, now)) {
            return self.ignore(&dropped.key, error.to_string());
        }
        let Dropped { bucket, key, version, tag, at } = dropped;
        let is_folder = segment.drop == DropKind::Folder;
        let id = run_id(at, name, &format!("{bucket}/{key}/{tag}"));
        let asked = RequestedDrop { segment: segment.name.clone(), key: drop, version: version.filter(|_| !is_folder) };
        if self.requests.iter().any(|one| one.run_id == id || one.export == name && one.drops.contains(&asked)) {
            return self.ignore(&key, "is in this event already");
        }
        self.requests.push(RunRequest { drops: vec![asked], ..request(name, Trigger::S3, id) });
    }

    fn ignore(&mut self, key: &str, why: impl Into<String>) {
        self.ignored.push(Ignored { key: key.to_owned(), why: why.into() });
    }
}

/// The drop that an object makes or completes: a `model.json` completes the newest folder below its own.
fn drop_asked(key: &str, segment: &Segment) -> Option<String> {
    drop_of(key, segment.drop).or_else(|| {
        let folder = key.strip_suffix("model.json").filter(|folder| folder.ends_with('/'))?;
        (segment.drop == DropKind::Folder).then(|| folder.to_owned())
    })
}

/// The longest export name that a rule's name is or ends in, after a `-`.
fn export_of_rule<'c>(config: &'c Config, rule: &str) -> Option<&'c str> {
    let named = |name: &&str| rule.strip_suffix(*name).is_some_and(|before| before.is_empty() || before.ends_with('-'));
    config.exports.keys().map(String::as_str).filter(named).max_by_key(|name| name.len())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]
mod tests;
