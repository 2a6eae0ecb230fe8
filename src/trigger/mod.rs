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
pub mod schedule;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::config::{Config, DropKind, Segment, export_of};
use crate::error::{Error, Kind, Result, escaped};
use crate::ports::ObjectMeta;
use crate::run::{Mode, Reconcile, RequestedDrop, RunRequest, Trigger, run_id};
use event::{Dropped, Event, OnDemand, ReconcileAsked};

/// What an event comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Triggered {
    /// The runs to start.
    pub requests: Vec<RunRequest>,
    /// The object whose event each of them comes from, by the run's id.
    pub objects: BTreeMap<String, String>,
    /// What starts nothing.
    pub ignored: Vec<Ignored>,
}

/// Something that starts nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ignored {
    /// The object's key, or the export.
    pub key: String,
    pub why: String,
    /// Whether the object lies where nothing is read.
    #[serde(skip)]
    pub is_misplaced: bool,
}

/// Reads an event. `seed` tells one request on demand from another; it should be the same when the same request is
/// delivered again.
///
/// # Errors
/// Kind `bad_request`, for an event that is none of those known, or names an export that does not exist.
pub fn triggered(event: &Value, config: &Config, now: Timestamp, seed: &str) -> Result<Triggered> {
    let mut triggered = Triggered::default();
    for (number, event) in event::unwrapped(event)?.iter().enumerate() {
        // Of several requests in one delivery each is its own run.
        let seed = if number == 0 { seed.to_owned() } else { format!("{seed}/{number}") };
        triggered.one(event, config, now, &seed)?;
    }
    Ok(triggered)
}

impl Triggered {
    fn one(&mut self, event: &Value, config: &Config, now: Timestamp, seed: &str) -> Result<()> {
        let triggered = self;
        match event::read(event, now)? {
            Event::Nothing { key, why } => triggered.ignored.push(Ignored { key, why, is_misplaced: false }),
            Event::Dropped(all) => all.into_iter().for_each(|dropped| triggered.dropped(config, dropped, now)),
            Event::Scheduled { export, at } => {
                let request =
                    RunRequest::new(run_id(at, &export, &format!("schedule/{export}")), &*export, Trigger::Schedule);
                triggered.asked(config, request, now)?;
            }
            Event::Rule { rule, at } => {
                let export = export_of_rule(config, &rule).ok_or_else(|| {
                    Error::new(Kind::BadRequest, format!("rule {}", escaped(&rule, 40)), "does not name an export")
                        .hint("name the rule after the export, or let its name end in - and the export's name")
                })?;
                let request =
                    RunRequest::new(run_id(at, export, &format!("schedule/{export}")), export, Trigger::Schedule);
                triggered.asked(config, request, now)?;
            }
            Event::OnDemand(asked) => {
                let id = run_id(now, &asked.export, &format!("{now}/{seed}"));
                let request = RunRequest::new(id, &asked.export, Trigger::OnDemand);
                let OnDemand { drops, full, pass_guards, .. } = asked;
                triggered.asked(config, RunRequest { drops, full, pass_guards, ..request }, now)?;
            }
            Event::Reconcile(asked) => triggered.asked(config, comparison(asked, now, seed)?, now)?,
        }
        Ok(())
    }

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
        let routed = config.route(&dropped.key);
        if routed.is_empty() {
            return self.misplaced(&dropped.key, "is not under any segment's prefix");
        }
        routed.into_iter().for_each(|(name, segment)| self.dropped_for(config, name, segment, dropped.clone(), now));
    }

    /// A drop for one of the exports that it belongs to.
    fn dropped_for(&mut self, config: &Config, name: &str, segment: &Segment, dropped: Dropped, now: Timestamp) {
        let Some(rules) = segment.drop_rules() else { return };
        let drop = match rules.drop_of(&dropped.key) {
            Ok(drop) => drop.to_owned(),
            Err(why) => return self.ignore(&dropped.key, why),
        };
        if let Err(error) = export_of(config, name).and_then(|(export, connection)| connection.may_send(export, now)) {
            return self.ignore(&dropped.key, error.to_string());
        }
        let Dropped { bucket, key, version, tag, at, is_empty } = dropped;
        let is_folder = segment.drop == DropKind::Folder;
        let id = run_id(at, name, &format!("{bucket}/{key}/{tag}"));
        let version = version.filter(|_| !is_folder);
        let asked =
            RequestedDrop { segment: segment.name.clone(), key: drop, version, is_empty: is_empty && !is_folder };
        if self.requests.iter().any(|one| one.run_id == id || one.export == name && one.drops.contains(&asked)) {
            return self.ignore(&key, "is in this event already");
        }
        self.objects.insert(id.clone(), key);
        self.requests.push(RunRequest { drops: vec![asked], ..RunRequest::new(id, name, Trigger::S3) });
    }

    /// The segments whose prefixes are to be listed: an event does not tell whether its object lies in a folder below one
    /// that holds data itself, which is not read.
    pub fn to_list<'c>(&self, config: &'c Config) -> Vec<&'c Segment> {
        let segments = self.objects.values().flat_map(|key| config.route(key)).map(|(_, segment)| segment);
        let mut folders: Vec<&Segment> = segments.filter(|segment| segment.drop == DropKind::Folder).collect();
        folders.dedup();
        folders
    }

    /// Leaves out the runs of objects that no drop of this listing of `segment` reads.
    pub fn listed(&mut self, segment: &Segment, listing: &[ObjectMeta]) {
        let Some(rules) = segment.drop_rules() else { return };
        let elsewhere = rules.survey(listing).elsewhere;
        let (left_out, kept) = std::mem::take(&mut self.requests).into_iter().partition(|request: &RunRequest| {
            let is_of = request.drops.iter().any(|drop| drop.segment == segment.name);
            is_of && self.objects.get(&request.run_id).is_some_and(|key| elsewhere.contains(key))
        });
        self.requests = kept;
        for request in Vec::into_iter(left_out) {
            let key = self.objects.remove(&request.run_id).unwrap_or_default();
            self.misplaced(
                &key,
                "is in a folder below one that holds data itself; set segments[].recursive to true to read it",
            );
        }
    }

    fn ignore(&mut self, key: &str, why: impl Into<String>) {
        self.ignored.push(Ignored { key: key.to_owned(), why: why.into(), is_misplaced: false });
    }

    fn misplaced(&mut self, key: &str, why: &str) {
        self.ignored.push(Ignored { key: key.to_owned(), why: why.into(), is_misplaced: true });
    }
}

/// The request of a comparison: one that is due has the id of its time, as a run by a schedule has.
fn comparison(asked: ReconcileAsked, now: Timestamp, seed: &str) -> Result<RunRequest> {
    let ReconcileAsked { export, segment, adopt, repair, scheduled_time } = asked;
    let mode = match (adopt, repair) {
        (true, true) => {
            return Err(Error::new(Kind::BadRequest, "request to reconcile", "asks for adopt and repair")
                .hint("name one of them: a repair adopts who is there first"));
        }
        (true, false) => Mode::Adopt,
        (false, true) => Mode::Repair,
        (false, false) => Mode::Look,
    };
    let (id, trigger) = match scheduled_time {
        Some(at) => (run_id(at, &export, &format!("reconcile/{export}")), Trigger::Schedule),
        None => (run_id(now, &export, &format!("{now}/{seed}")), Trigger::OnDemand),
    };
    Ok(RunRequest { reconcile: Some(Reconcile { mode, segment }), ..RunRequest::new(id, export, trigger) })
}

/// The longest export name that a rule's name is or ends in, after a `-`.
fn export_of_rule<'c>(config: &'c Config, rule: &str) -> Option<&'c str> {
    let named = |name: &&str| rule.strip_suffix(*name).is_some_and(|before| before.is_empty() || before.ends_with('-'));
    config.exports.keys().map(String::as_str).filter(named).max_by_key(|name| name.len())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]
mod tests;
