//! A whole world in memory, for paused time: a store, leases, an account, all without files and sockets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use autopilot_export::adapters::in_process::InProcess;
use autopilot_export::adapters::local::GivenSecrets;
use autopilot_export::config::{Config, parse};
use autopilot_export::destination::Api;
use autopilot_export::entry::environment::Adapters;
use autopilot_export::error::{Error, Kind, Result};
use autopilot_export::ports::{
    Clock, Http, NoResponse, Object, ObjectMeta, PutMode, PutOutcome, Reader, Secrets, Store,
};
use autopilot_export::run::opening::OpenRecord;
use autopilot_export::run::{Mode, Reconcile, RequestedDrop, RunRequest, Trigger, keys, run_id};
use autopilot_export::sandbox::{AutopilotOptions, BulkLists, Options, OrttoOptions, Sandbox};
use autopilot_export::steps::{self, Cancellation};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::fixture::{API_KEY, EXPORT, Held, LIST, Nobody, STATE_KEY, held, settings, state_of};
use crate::support::kill::{Doomed, Kill};
use crate::support::lease_checked_store::{Guarded, MemoryLeases};

/// How long the account takes to answer, where its options do not say.
const LATENCY: Duration = Duration::from_millis(80);

/// Objects in memory: body and version.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Arc<Mutex<Objects>>);

/// Each object with its version, and the last version.
type Objects = (BTreeMap<String, (Bytes, u64)>, u64);

impl Memory {
    pub(crate) fn body(&self, key: &str) -> Option<Bytes> {
        self.0.lock().unwrap().0.get(key).map(|(body, _)| body.clone())
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.0.lock().unwrap().0.keys().cloned().collect()
    }

    pub(crate) fn write(&self, key: &str, body: impl Into<Bytes>) -> String {
        let mut inner = self.0.lock().unwrap();
        inner.1 += 1;
        let version = inner.1;
        inner.0.insert(key.into(), (body.into(), version));
        version.to_string()
    }

    pub(crate) fn remove(&self, key: &str) {
        self.0.lock().unwrap().0.remove(key);
    }

    fn meta(&self, key: &str) -> Option<ObjectMeta> {
        let inner = self.0.lock().unwrap();
        inner.0.get(key).map(|(body, version)| ObjectMeta {
            key: key.into(),
            bytes: body.len() as u64,
            // From an hour before the clock on.
            modified: Timestamp::from_second(1_795_496_400 + *version as i64).unwrap(),
            version: version.to_string(),
        })
    }
}

/// Reads one version in small pieces.
pub(crate) struct MemoryReader(Memory, ObjectMeta, usize);

impl Reader for MemoryReader {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.0.meta(&self.1.key).is_none_or(|now| now.version != self.1.version) {
            return Err(Error::new(Kind::Unavailable, &self.1.key, "was replaced while it was read"));
        }
        let body = self.0.body(&self.1.key).unwrap();
        let end = body.len().min(self.2 + 1024);
        let piece = body.slice(self.2..end);
        self.2 = end;
        Ok((!piece.is_empty()).then_some(piece))
    }
}

impl Store for Memory {
    type Reader = MemoryReader;

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        let tag = self.meta(key).map(|meta| meta.version).unwrap_or_default();
        Ok(self.body(key).map(|body| Object { body, tag }))
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        Ok(self.meta(key))
    }

    async fn open(&self, meta: &ObjectMeta) -> Result<MemoryReader> {
        Ok(MemoryReader(self.clone(), meta.clone(), 0))
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutMode) -> Result<PutOutcome> {
        let now = self.meta(key).map(|meta| meta.version);
        let may = match condition {
            PutMode::Overwrite => true,
            PutMode::Create => now.is_none(),
            PutMode::Update(tag) => now == Some(tag),
        };
        Ok(if may { PutOutcome::Written(self.write(key, body)) } else { PutOutcome::Conflict })
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
        let keys = self.keys();
        Ok(keys.iter().filter(|key| key.starts_with(prefix)).filter_map(|key| self.meta(key)).collect())
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.0.lock().unwrap().0.remove(key);
        Ok(())
    }
}

/// The account, at a distance; remembers when each request left.
#[derive(Clone)]
pub(crate) struct Distant {
    account: InProcess,
    sent: Arc<Mutex<Vec<Instant>>>,
}

impl Http for Distant {
    async fn send(
        &self,
        request: http::Request<bytes::Bytes>,
        within: Duration,
        max_bytes: usize,
    ) -> Result<http::Response<bytes::Bytes>, NoResponse> {
        self.sent.lock().unwrap().push(Instant::now());
        let answer = self.account.send(request, within, max_bytes);
        tokio::time::timeout(within, answer).await.unwrap_or(Err(NoResponse::TIMED_OUT))
    }
}

/// How rows are sent: what the account honours, and how members are marked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    Bulk,
    Single,
    List,
    Field,
    /// Ortto, with a tag.
    Tag,
    /// Ortto, with a boolean field.
    Flag,
}

impl Way {
    pub(crate) const ALL: [Way; 6] = [Way::Bulk, Way::Single, Way::List, Way::Field, Way::Tag, Way::Flag];

    /// One of each destination; at Autopilot, each joiner is a request of its own.
    pub(crate) const DESTINATIONS: [Way; 2] = [Way::List, Way::Tag];

    /// What the account calls the first name.
    pub(crate) fn first_name(self) -> &'static str {
        if self.is_ortto() { "str::first" } else { "FirstName" }
    }

    pub(crate) fn is_ortto(self) -> bool {
        matches!(self, Way::Tag | Way::Flag)
    }

    /// The account's part of it.
    pub(crate) fn options(self) -> Options {
        let (bulk, single) = match self {
            Way::Bulk => (BulkLists::Always, BulkLists::Always),
            Way::Single => (BulkLists::Never, BulkLists::Always),
            Way::List | Way::Field => (BulkLists::Never, BulkLists::Never),
            Way::Tag | Way::Flag => return OrttoOptions::default().into(),
        };
        AutopilotOptions { bulk_lists: bulk, single_lists: single, ..AutopilotOptions::default() }.into()
    }

    /// The configuration's part of it.
    pub(crate) fn membership(self) -> Value {
        self.membership_of(if matches!(self, Way::Field | Way::Flag) { "Reader" } else { LIST })
    }

    /// The same, with a mark of this name.
    pub(crate) fn membership_of(self, name: &str) -> Value {
        match self {
            Way::Field | Way::Flag => json!({ "field": name }),
            Way::Tag => json!({ "tag": name }),
            _ => json!({ "list": name }),
        }
    }

    /// The configuration of an account of this kind.
    pub(crate) fn settings(self, mut settings: Value) -> Value {
        if self.is_ortto() {
            settings["connections"]["eu"]["api"] = json!("ortto");
            settings["exports"][EXPORT]["create_fields"] = json!(true);
        }
        settings
    }

    /// Whether each joiner is a request of its own; else each leaver is.
    pub(crate) fn is_one_by_one(self) -> bool {
        matches!(self, Way::Single | Way::List)
    }
}

pub(crate) type SimWorld<S = Doomed<Guarded<Memory>>> =
    Adapters<S, Doomed<MemoryLeases>, Doomed<GivenSecrets>, Doomed<Distant>>;

/// A world in memory that outlives the processes in it.
pub(crate) struct Sim {
    pub(crate) store: Memory,
    pub(crate) leases: MemoryLeases,
    pub(crate) sandbox: Sandbox,
    pub(crate) sent: Arc<Mutex<Vec<Instant>>>,
    pub(crate) settings: Value,
    pub(crate) config: Config,
    began: Instant,
}

impl Sim {
    pub(crate) fn new(options: Options) -> Self {
        let settings = settings("http://127.0.0.1:9/v1");
        let latency = if options.latency.is_zero() { LATENCY } else { options.latency };
        Self {
            store: Memory::default(),
            leases: MemoryLeases::default(),
            sandbox: Sandbox::unserved(Options { latency, ..options }),
            sent: Arc::default(),
            config: parse(&settings.to_string()).unwrap(),
            settings,
            began: Instant::now(),
        }
    }

    /// The same in this way.
    pub(crate) fn of(way: Way, seed: u64) -> Self {
        Self::with(way, Options { seed, ..way.options() })
    }

    /// The same, of an account that behaves like this.
    pub(crate) fn with(way: Way, options: Options) -> Self {
        let mut sim = Self::new(options);
        sim.settings = way.settings(sim.settings);
        sim.set("/exports/newsletter/segments/0/membership", way.membership());
        sim
    }

    pub(crate) fn set(&mut self, path: &str, value: Value) {
        let (parent, name) = path.rsplit_once('/').unwrap();
        self.settings.pointer_mut(parent).unwrap()[name] = value;
        self.config = parse(&self.settings.to_string()).unwrap();
    }

    pub(crate) fn pace(&mut self, rate: u32, lanes: u32) {
        self.set("/connections/eu/requests_per_second", json!(rate));
        self.set("/connections/eu/lanes", json!(lanes));
    }

    pub(crate) fn secrets() -> GivenSecrets {
        GivenSecrets(Secrets { api_key: API_KEY.to_owned().into(), state_key: STATE_KEY.to_owned().into() })
    }

    /// A process whose store is another, and whose clock is off by this much.
    pub(crate) fn process<S: Store>(&self, store: S, off: Duration, kill: &Arc<Kill>) -> SimWorld<S> {
        let (account, sent) = (InProcess(self.sandbox.clone()), Arc::clone(&self.sent));
        Adapters {
            store,
            leases: Doomed(self.leases.clone(), Arc::clone(kill)),
            secrets: Doomed(Self::secrets(), Arc::clone(kill)),
            http: Doomed(Distant { account, sent }, Arc::clone(kill)),
            clock: Clock::Counted("2026-11-24T06:00:00Z".parse::<Timestamp>().unwrap() + off, self.began),
            observer: Box::new(Nobody),
        }
    }

    pub(crate) fn world(&self, kill: &Arc<Kill>) -> SimWorld {
        let store = Guarded(self.store.clone(), self.leases.clone());
        self.process(Doomed(store, Arc::clone(kill)), Duration::ZERO, kill)
    }

    /// Runs in a process that dies at the kill.
    pub(crate) async fn die(&self, request: &RunRequest, kill: &Arc<Kill>) {
        let (dying, stop) = (self.world(kill), Cancellation::default());
        tokio::select! {
            biased;
            () = kill.reached() => {}
            done = steps::run(&dying, &self.config, request, &stop) => panic!("never came there: {done:?}"),
        }
    }

    /// Runs in a process that dies once the account has this many members.
    pub(crate) async fn die_with(&self, request: &RunRequest, members: usize) {
        let (dying, stop) = (self.world(&Kill::never()), Cancellation::default());
        let sent = async {
            while self.members() < members {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            report = steps::run(&dying, &self.config, request, &stop) => panic!("never came there: {report:?}"),
            () = sent => {}
        }
    }

    /// How many people are on the list, or have the mark.
    pub(crate) fn members(&self) -> usize {
        self.held().values().filter(|(_, _, is_member)| *is_member).count()
    }

    /// Writes a drop and asks for it.
    pub(crate) fn drop(&self, name: &str, body: &str) -> RunRequest {
        let key = format!("segments/newsletter/{name}.csv");
        self.store.write(&key, body.to_owned());
        request(name, &key)
    }

    pub(crate) fn held(&self) -> Held {
        held(&self.sandbox)
    }

    pub(crate) fn state(&self) -> BTreeMap<[u8; 32], [u8; 16]> {
        let body = self.store.body(&keys::profiles(EXPORT));
        body.map(|body| state_of(&body, &self.sandbox)).unwrap_or_default()
    }

    /// How many lanes of a run have something to do; none where it was never opened.
    pub(crate) fn lanes(&self, run_id: &str) -> usize {
        let Some(opened) = self.store.body(&keys::of_run(run_id, "open.json")) else { return 0 };
        let opened: OpenRecord = serde_json::from_slice(&opened).unwrap();
        opened.lanes.iter().filter(|lane| !lane.is_empty()).count()
    }

    /// The most requests that left in any one second.
    pub(crate) fn peak(&self) -> usize {
        let mut sent = self.sent.lock().unwrap().clone();
        sent.sort();
        let within =
            |from: &Instant| sent.iter().filter(|at| *at >= from && **at < *from + Duration::from_secs(1)).count();
        sent.iter().map(within).max().unwrap_or_default()
    }
}

/// The digest of the account that a classic sandbox is.
pub(crate) fn account() -> String {
    account_of(Way::List)
}

/// The digest of the account that a sandbox of this way is.
pub(crate) fn account_of(way: Way) -> String {
    match way.is_ortto() {
        true => keys::account(Api::Ortto, &OrttoOptions::default().instance_id),
        false => keys::account(Api::Autopilot, &AutopilotOptions::default().instance_id),
    }
}

/// A request for a comparison, as the command line makes it.
pub(crate) fn comparison(seed: &str, mode: Mode) -> RunRequest {
    let reconcile = Some(Reconcile { mode, segment: None });
    RunRequest { drops: Vec::new(), reconcile, ..request(seed, "") }
}

/// A request for this drop, as the command line makes it.
pub(crate) fn request(seed: &str, key: &str) -> RunRequest {
    RunRequest {
        drops: vec![RequestedDrop { segment: LIST.into(), key: key.into(), version: None, is_empty: false }],
        ..RunRequest::new(run_id("2026-11-24T06:00:00Z".parse().unwrap(), EXPORT, seed), EXPORT, Trigger::Command)
    }
}
