//! The world that a story plays in: a disk, two accounts, keys, and processes that come and go.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use autopilot_export::adapters::in_process::InProcess;
use autopilot_export::config::{Config, parse};
use autopilot_export::entry::environment::Adapters;
use autopilot_export::error::Result;
use autopilot_export::ports::{Clock, Freshness, Http, NoResponse, SecretSource, Secrets};
use autopilot_export::sandbox::{AutopilotOptions, BulkLists, Hosted, Options, OrttoOptions, Sandbox};
use bytes::Bytes;
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::disk::Disk;
use super::drops::person;
use super::events::Event;
use super::ortto;
use crate::support::fixture::{EXPORT, Nobody, STATE_KEY};
use crate::support::kill::{Doomed, Kill};
use crate::support::lease_checked_store::{Guarded, MemoryLeases};

pub(super) type Process = Adapters<Doomed<Guarded<Disk>>, Doomed<MemoryLeases>, Doomed<KeyRing>, Doomed<Wire>>;

/// Where the list of those whom nothing is sent to lies.
pub(super) const SUPPRESSION: &str = "config/suppressed.csv";
const OTHER_KEY: &str = "ffffffffffffffffffffffffffffffff";

/// One of the export's segments.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) name: &'static str,
    pub(super) is_folder: bool,
    /// The title of its list, or the name of its field.
    pub(super) mark: String,
    pub(super) is_field: bool,
    pub(super) is_of_ortto: bool,
}

impl Place {
    pub(super) fn prefix(&self) -> String {
        format!("segments/{}/", self.name.to_lowercase())
    }
}

/// What processes and people share.
pub(super) struct Shared {
    pub(super) settings: Value,
    pub(super) places: Vec<Place>,
    /// The key that opens the account, and the one that people have put where it is asked for.
    pub(super) key: String,
    pub(super) given: String,
    keys: u32,
    /// Bans that others drew.
    pub(super) bans: u64,
    /// Nothing of them is sent by a process that began after they were added.
    pub(super) suppressed: BTreeSet<u32>,
    /// What happens at which of the run's requests.
    pub(super) events: Vec<(u64, Event)>,
    /// What happened so far in the current run.
    pub(super) happened: Vec<Event>,
    requests: u64,
    /// Whether one of them was more than a question.
    has_sent: bool,
    /// When each request left, and the rate then.
    sent: Vec<(Instant, f64)>,
    /// What was seen that must never be.
    pub(super) wrong: Option<String>,
    /// Requests of the dead that are yet to arrive.
    late: Vec<(Instant, http::Request<Bytes>)>,
    random: Rng,
}

/// A world that outlives the processes in it.
#[derive(Clone)]
pub(super) struct World {
    pub(super) disk: Disk,
    leases: MemoryLeases,
    pub(super) account: Sandbox,
    pub(super) other: Sandbox,
    pub(super) shared: Arc<Mutex<Shared>>,
    pub(super) is_ortto: bool,
    latency: Duration,
    start: Timestamp,
    began: Instant,
}

/// A text of 32 hexadecimal digits.
fn key(number: u32) -> String {
    format!("{number:032x}").replace('0', "a")
}

impl World {
    pub(super) fn new(hosted: Hosted, random: &mut Rng) -> Self {
        let start: Timestamp = "2026-11-24T06:00:00Z".parse().unwrap();
        let is_ortto = hosted == Hosted::Ortto;
        let places = places(random, is_ortto);
        let account = match hosted {
            Hosted::Autopilot => options(random, &places, &key(1)),
            Hosted::Ortto => ortto::options(random, &key(1)),
        };
        let account = Sandbox::unserved(account);
        let shared = Shared {
            settings: settings(random, &places),
            places,
            key: key(1),
            given: key(1),
            keys: 1,
            bans: 0,
            suppressed: BTreeSet::new(),
            events: Vec::new(),
            happened: Vec::new(),
            requests: 0,
            has_sent: false,
            sent: Vec::new(),
            wrong: None,
            late: Vec::new(),
            random: random.fork(),
        };
        let latency = Duration::from_millis(*random.choice(&[5, 80, 400, 3000]).unwrap());
        if is_ortto {
            ortto::furnish(random, &account, &shared.places, &key(1), latency / 2);
        }
        let world = Self {
            disk: Disk::new(start),
            leases: MemoryLeases::default(),
            account,
            other: Sandbox::unserved(other(hosted)),
            shared: Arc::new(Mutex::new(shared)),
            is_ortto,
            latency,
            start,
            began: Instant::now(),
        };
        world.suppress(&[]);
        world
    }

    pub(super) fn now(&self) -> Timestamp {
        self.start + self.began.elapsed()
    }

    pub(super) fn set(&self, path: &str, value: Value) {
        let mut shared = self.shared.lock().unwrap();
        let (parent, name) = path.rsplit_once('/').unwrap();
        shared.settings.pointer_mut(parent).unwrap()[name] = value;
    }

    pub(super) fn config(&self) -> Config {
        parse(&self.shared.lock().unwrap().settings.to_string()).unwrap()
    }

    /// Nothing is sent of these, too, from now on.
    pub(super) fn suppress(&self, people: &[u32]) {
        let mut shared = self.shared.lock().unwrap();
        shared.suppressed.extend(people);
        let lines = shared.suppressed.iter().map(|person| format!("{}\n", super::drops::email(*person)));
        self.disk.write(SUPPRESSION, format!("nobody@elsewhere.example\n{}", lines.collect::<String>()));
    }

    /// Another key opens the account; the one that is given may be the old one for a while.
    pub(super) fn rotate(&self, is_given: bool) {
        let mut shared = self.shared.lock().unwrap();
        shared.keys += 1;
        shared.key = key(shared.keys);
        if is_given {
            shared.given = shared.key.clone();
        }
        self.account.set_api_key(Some(shared.key.clone()));
    }

    pub(super) fn is_own_key(&self) -> bool {
        self.shared.lock().unwrap().given != OTHER_KEY
    }

    /// The key that people give is that of this account, or of another.
    pub(super) fn give(&self, own: bool) {
        let mut shared = self.shared.lock().unwrap();
        shared.given = if own { shared.key.clone() } else { OTHER_KEY.into() };
    }

    /// A process with the configuration as it is now, whose clock is off by this much.
    pub(super) fn process(&self, config: &Config, off: SignedDuration, kill: &Arc<Kill>) -> Process {
        let shared = self.shared.lock().unwrap();
        let connection = &config.connections["eu"];
        let wire = Wire {
            world: self.clone(),
            rate: connection.requests_per_second,
            is_enabled: connection.enabled && config.exports[EXPORT].enabled,
            suppressed: shared.suppressed.clone(),
        };
        let keys = KeyRing { shared: Arc::clone(&self.shared), kept: Arc::new(Mutex::new(shared.given.clone())) };
        let store = Guarded(self.disk.clone(), self.leases.clone());
        Adapters {
            store: Doomed(store, Arc::clone(kill)),
            leases: Doomed(self.leases.clone(), Arc::clone(kill)),
            secrets: Doomed(keys, Arc::clone(kill)),
            http: Doomed(wire, Arc::clone(kill)),
            clock: Clock::Counted(self.start + off, self.began),
            observer: Box::new(Nobody),
        }
    }

    /// The operating system ends the locks of a process that died.
    pub(super) fn end_leases(&self) {
        self.leases.end_all();
    }

    /// A run begins: its requests are counted, and events are due at some.
    pub(super) fn expect(&self, events: Vec<(u64, Event)>) {
        let mut shared = self.shared.lock().unwrap();
        (shared.requests, shared.has_sent, shared.events) = (0, false, events);
        shared.happened.clear();
    }

    /// Whether a request left just now.
    pub(super) fn is_busy(&self) -> bool {
        let shared = self.shared.lock().unwrap();
        shared.sent.iter().rev().take(20).any(|(at, _)| at.elapsed() < Duration::from_secs(60))
    }

    /// How Ortto's account behaves now.
    pub(super) fn ortto(&self) -> OrttoOptions {
        let mut ortto = None;
        self.account.change(|options| ortto = Some(options.ortto.clone()));
        ortto.unwrap_or_default()
    }

    /// How many requests the run made.
    pub(super) fn requests(&self) -> u64 {
        self.shared.lock().unwrap().requests
    }

    /// Whether the run sent something. Questions to Autopilot, such as for the joiners of a run that died, send nothing.
    pub(super) fn has_sent(&self) -> bool {
        self.shared.lock().unwrap().has_sent
    }

    /// What happened in the run.
    pub(super) fn happened(&self) -> Vec<Event> {
        let mut shared = self.shared.lock().unwrap();
        shared.events.clear();
        std::mem::take(&mut shared.happened)
    }

    /// Whether something that was sent of the dead has yet to arrive.
    pub(super) fn may_arrive_late(&self) -> bool {
        !self.shared.lock().unwrap().late.is_empty()
    }

    /// What was sent of the dead arrives, if its time has come.
    pub(super) async fn deliver_late(&self) {
        let due: Vec<_> = {
            let mut shared = self.shared.lock().unwrap();
            let (due, later) = std::mem::take(&mut shared.late).into_iter().partition(|(at, _)| *at <= Instant::now());
            shared.late = later;
            due
        };
        for (_, request) in due {
            // Nobody waits for its answer.
            let account = InProcess(self.account.clone());
            let answer = account.send(request, Duration::MAX, usize::MAX);
            let _ = tokio::time::timeout(Duration::ZERO, answer).await;
        }
    }

    /// Once more requests left in a second than the rates of that time allow: how many, and the rate.
    pub(super) fn exceeded(&self) -> Option<(usize, f64)> {
        let mut sent = self.shared.lock().unwrap().sent.clone();
        sent.sort_by_key(|(at, _)| *at);
        let mut from = 0;
        for (to, (at, _)) in sent.iter().enumerate() {
            while at.duration_since(sent[from].0) >= Duration::from_secs(1) {
                from += 1;
            }
            let window = &sent[from..=to];
            let rate = window.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
            if window.len() as f64 > rate.floor().max(1.0) {
                return Some((window.len(), rate));
            }
        }
        None
    }
}

/// An account that is not the export's.
fn other(hosted: Hosted) -> Options {
    let name = "another_account".to_owned();
    let options = match hosted {
        Hosted::Autopilot => AutopilotOptions { instance_id: name, ..AutopilotOptions::default() }.into(),
        Hosted::Ortto => {
            let organization_tags = vec!["Elsewhere".into()];
            OrttoOptions { instance_id: name, organization_tags, ..OrttoOptions::default() }.into()
        }
    };
    Options { api_key: Some(OTHER_KEY.into()), ..options }
}

fn places(random: &mut Rng, is_of_ortto: bool) -> Vec<Place> {
    let place = |name, random: &mut Rng| {
        let is_field = random.u8(..4) == 0;
        let mark = if is_field { format!("In {name} 1") } else { format!("{name} 1") };
        Place { name, is_folder: random.u8(..3) == 0, mark, is_field, is_of_ortto }
    };
    let names = if random.u8(..3) == 0 { &["Newsletter"][..] } else { &["Newsletter", "Vip"] };
    names.iter().map(|name| place(name, random)).collect()
}

/// Every open question of the API, answered at random.
fn options(random: &mut Rng, places: &[Place], key: &str) -> Options {
    let ways = [BulkLists::Never, BulkLists::CreateOnly, BulkLists::Always];
    let mut autopilot = AutopilotOptions {
        bulk_lists: random.choice(ways).unwrap(),
        single_lists: random.choice(ways).unwrap(),
        conflict_on_duplicate_list: random.bool(),
        create_custom_fields: random.bool(),
        retry_after: random.bool().then(|| random.u32(0..20)),
        ..AutopilotOptions::default()
    };
    if random.bool() {
        autopilot.refuse_invalid = autopilot_export::sandbox::RefuseInvalid::WholeBatch400;
    }
    if !autopilot.create_custom_fields || random.bool() {
        autopilot.custom_fields.push(("Value".into(), "integer".into()));
        let fields = places.iter().filter(|place| place.is_field);
        autopilot.custom_fields.extend(fields.map(|place| (place.mark.clone(), "boolean".into())));
    }
    for place in places.iter().filter(|place| !place.is_field) {
        // Ids may hold spaces, and titles may be there twice.
        for number in 0..random.u8(0..3) {
            autopilot.lists.push((format!("contactlist_{number} of {}", place.name), place.mark.clone()));
        }
    }
    Options { seed: random.u64(..), api_key: Some(key.into()), ..autopilot.into() }
}

fn settings(random: &mut Rng, places: &[Place]) -> Value {
    let segment = |place: &Place| {
        let Place { name, is_folder, .. } = place;
        json!({
            "name": name, "prefix": place.prefix(), "membership": membership(place),
            "drop": if *is_folder { "folder" } else { "file" },
        })
    };
    let mut settings = json!({
    "connections": { "eu": {
        "secret": "eu", "base_url": "http://127.0.0.1:9/v1",
        "requests_per_second": random.choice([2, 5, 10, 20, 50]).unwrap(), "lanes": random.u32(1..5),
        "patience_seconds": random.choice([60, 300, 3600]).unwrap(),
        "consent": { "agreed_by": "the tests", "agreed_on": "2020-01-01" }
    } },
    "exports": { EXPORT: {
        "connection": "eu",
        "segments": places.iter().map(segment).collect::<Vec<_>>(),
        "match": {
            "email": "EMail", "first_name": "FirstName", "unsubscribed": "OptOut",
            "custom": { "Value": { "column": "Value", "type": "integer" } }
        },
        "suppress": [{ "column": "Quiet", "equals": true }],
        "suppression_file": SUPPRESSION,
        "guards": { "max_leavers_share": 1, "max_reject_share": 1, "allow_empty": random.bool() }
    } }
    });
    if places.iter().any(|place| place.is_of_ortto) {
        settings["connections"]["eu"]["api"] = json!("ortto");
        settings["exports"][EXPORT]["create_fields"] = json!(true);
        for (name, column) in [("phone", "Phone"), ("language", "Language"), ("mailing_city", "City")] {
            settings["exports"][EXPORT]["match"][name] = json!(column);
        }
    }
    settings
}

pub(super) fn membership(place: &Place) -> Value {
    let kind = match (place.is_field, place.is_of_ortto) {
        (true, _) => "field",
        (false, true) => "tag",
        (false, false) => "list",
    };
    json!({ kind: place.mark })
}

/// The keys as one process has them: asked for once, unless it asks again.
#[derive(Clone)]
pub(super) struct KeyRing {
    shared: Arc<Mutex<Shared>>,
    kept: Arc<Mutex<String>>,
}

impl SecretSource for KeyRing {
    async fn secrets(&self, _connection: &str, _secret: &str, freshness: Freshness) -> Result<Secrets> {
        let mut kept = self.kept.lock().unwrap();
        if freshness == Freshness::Newest {
            kept.clone_from(&self.shared.lock().unwrap().given);
        }
        Ok(Secrets { api_key: kept.clone().into(), state_key: STATE_KEY.to_owned().into() })
    }
}

/// The way to the accounts, as one process has it.
#[derive(Clone)]
pub(super) struct Wire {
    world: World,
    rate: f64,
    is_enabled: bool,
    suppressed: BTreeSet<u32>,
}

impl Wire {
    /// Sees that nothing leaves that must not.
    fn watch(&self, request: &http::Request<Bytes>, shared: &mut Shared) {
        if !self.is_enabled {
            shared.wrong = Some("a request of an export that is disabled".into());
        }
        if self.world.is_ortto {
            shared.wrong = shared.wrong.take().or_else(|| ortto::fault(request, &self.suppressed));
            return;
        }
        let Ok(body) = serde_json::from_slice::<Value>(request.body()) else { return };
        let contacts = body["contacts"].as_array().cloned().unwrap_or_else(|| vec![body["contact"].clone()]);
        for contact in contacts {
            let Some(number) = contact["Email"].as_str().and_then(person) else { continue };
            if self.suppressed.contains(&number) && !leaves(&contact) {
                shared.wrong = Some(format!("person {number} is suppressed and was sent"));
            }
            if contact["unsubscribed"] == false {
                shared.wrong = Some(format!("person {number} was opted in"));
            }
        }
    }
}

/// Whether a contact is written to take its mark away.
fn leaves(contact: &Value) -> bool {
    contact["custom"].as_object().is_some_and(|custom| custom.values().any(|value| *value == false))
}

/// A request on its way; it may still arrive after its sender dies.
struct OnItsWay<'w>(&'w Wire, Option<http::Request<Bytes>>);

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        let Some(request) = self.1.take() else { return };
        let mut shared = self.0.world.shared.lock().unwrap();
        if shared.random.bool() {
            let at = Instant::now() + Duration::from_secs(shared.random.u64(0..200));
            shared.late.push((at, request));
        }
    }
}

impl Http for Wire {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        within: Duration,
        max_bytes: usize,
    ) -> Result<http::Response<Bytes>, NoResponse> {
        let World { account, other, shared, latency, .. } = &self.world;
        self.world.deliver_late().await;
        let (events, is_other) = {
            let mut shared = shared.lock().unwrap();
            shared.sent.push((Instant::now(), self.rate));
            self.watch(&request, &mut shared);
            shared.requests += 1;
            shared.has_sent |= request.method() != http::Method::GET;
            let now = shared.requests;
            let (due, later) = std::mem::take(&mut shared.events).into_iter().partition(|(at, _)| *at <= now);
            shared.events = later;
            let key = request.headers().values().find(|value| value.is_sensitive());
            (due, key.is_some_and(|key| key.as_bytes() == OTHER_KEY.as_bytes()))
        };
        let events: Vec<(u64, Event)> = events;
        for (_, event) in events {
            if event.happens(&self.world) {
                shared.lock().unwrap().happened.push(event);
            }
        }
        let mut there = OnItsWay(self, (!is_other).then(|| request.clone()));
        let latency = if shared.lock().unwrap().random.u8(..100) == 0 { Duration::from_secs(45) } else { *latency };
        tokio::time::sleep((latency / 2).min(within)).await;
        there.1 = None;
        let account = if is_other { other } else { account };
        let response = InProcess(account.clone()).send(request, within, max_bytes).await;
        if latency > within {
            tokio::time::sleep(within.saturating_sub(latency / 2)).await;
            return Err(NoResponse::TIMED_OUT);
        }
        if !self.world.is_ortto {
            tokio::time::sleep(latency / 2).await;
        }
        response
    }
}
