//! A scene to play runs in: a folder as the store, a sandbox as the account, and a configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use autopilot_export::adapters::http::HttpClient;
use autopilot_export::adapters::local::{FileLeases, Folder, LocalSecrets, WithFiles};
use autopilot_export::config::{Config, parse};
use autopilot_export::entry::environment::Adapters;
use autopilot_export::error::Result;
use autopilot_export::ports::{Clock, Event, Observer};
use autopilot_export::report::Report;
use autopilot_export::run::{RequestedDrop, RunRequest, Trigger, keys, run_id};
use autopilot_export::sandbox::{Options, Sandbox};
use autopilot_export::state::{Decoder, Digester, FIELDS_UNCONFIRMED, Header, MemberStatus, Profile};
use autopilot_export::steps::{self, Cancellation};
use serde_json::{Value, json};

use crate::support::kill::{Doomed, Kill};
use crate::support::sim::Way;

/// The one export of every scene, and the title of its list.
pub(crate) const EXPORT: &str = "newsletter";
pub(crate) const LIST: &str = "Newsletter";
/// The key that every scene's account may ask for.
pub(crate) const API_KEY: &str = "0123456789abcdef0123456789abcdef";
/// One state key for all scenes, so that their states can be compared.
pub(crate) const STATE_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Whether a run found nothing to send, whatever it rejected.
pub(crate) fn sent_nothing(report: &Report) -> bool {
    let members = &report.members;
    report.error.is_none() && members.joiners + members.changed + members.leavers == 0
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

pub(crate) type Environment = Adapters<Doomed<WithFiles<Folder>>, FileLeases, LocalSecrets, Doomed<HttpClient>>;

/// A store, an account and a configuration.
pub(crate) struct Scene {
    folder: tempfile::TempDir,
    client: HttpClient,
    pub(crate) sandbox: Sandbox,
    pub(crate) settings: Value,
    pub(crate) config: Config,
}

impl Scene {
    pub(crate) async fn new(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::start(options).await.unwrap();
        let settings = settings(&sandbox.url());
        let config = parse(&settings.to_string()).unwrap();
        let scene = Self { folder, client: HttpClient::default(), sandbox, settings, config };
        scene.write("state.key", STATE_KEY.as_bytes());
        scene
    }

    /// The same in this way.
    pub(crate) async fn of(way: Way) -> Self {
        Self::with(way, way.options()).await
    }

    /// The same, of an account that behaves like this.
    pub(crate) async fn with(way: Way, options: Options) -> Self {
        let mut scene = Self::new(options).await;
        scene.settings = way.settings(scene.settings);
        scene.set_membership(way.membership());
        scene
    }

    /// Changes the configuration; `/` stands between the names of a path.
    pub(crate) fn set(&mut self, path: &str, value: Value) {
        let (parent, name) = path.rsplit_once('/').unwrap();
        self.settings.pointer_mut(parent).unwrap()[name] = value;
        self.config = parse(&self.settings.to_string()).unwrap();
    }

    pub(crate) fn set_connection(&mut self, name: &str, value: Value) {
        self.set(&format!("/connections/eu/{name}"), value);
    }

    pub(crate) fn set_export(&mut self, name: &str, value: Value) {
        self.set(&format!("/exports/{EXPORT}/{name}"), value);
    }

    pub(crate) fn set_membership(&mut self, value: Value) {
        self.set(&format!("/exports/{EXPORT}/segments/0/membership"), value);
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Writes an object of the store.
    pub(crate) fn write(&self, key: &str, body: &[u8]) {
        put(&self.root().join(key), body);
    }

    /// Writes a file beside the store.
    pub(crate) fn file(&self, name: &str, body: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        put(&path, body);
        path
    }

    /// A request as the command line makes it, for a new file of this content.
    pub(crate) fn drop(&self, body: impl AsRef<[u8]>) -> RunRequest {
        let path = self.file(&format!("drop-{}.csv", NUMBER.fetch_add(1, Ordering::SeqCst)), body.as_ref());
        self.request(&format!("file:{}", path.display()), Trigger::Command)
    }

    pub(crate) fn request(&self, key: &str, trigger: Trigger) -> RunRequest {
        let seed = NUMBER.fetch_add(1, Ordering::SeqCst).to_string();
        RunRequest {
            drops: vec![RequestedDrop { segment: LIST.into(), key: key.into(), version: None, is_empty: false }],
            ..RunRequest::new(run_id(jiff::Timestamp::now(), EXPORT, &seed), EXPORT, trigger)
        }
    }

    /// A world as a new process finds it, in which calls to Autopilot or writes may be the last.
    pub(crate) fn world(&self, calls: Arc<Kill>, writes: Arc<Kill>) -> Environment {
        writes.count_only_writes();
        Adapters {
            store: Doomed(WithFiles(Folder::new(self.root())), writes),
            leases: FileLeases::new(self.root()),
            secrets: LocalSecrets::new(Some(API_KEY.to_owned().into()), self.root()),
            http: Doomed(self.client.clone(), calls),
            clock: Clock::System,
            observer: Box::new(Nobody),
        }
    }

    pub(crate) fn immortal(&self) -> Environment {
        self.world(Kill::never(), Kill::never())
    }

    /// Goes on with the run that the request repeats, else runs it.
    pub(crate) async fn run_in(&self, world: &Environment, request: &RunRequest) -> Result<Report> {
        let earlier = steps::resume(world, &self.config, request).await?;
        steps::run(world, &self.config, earlier.as_ref().unwrap_or(request), &Cancellation::default()).await
    }

    pub(crate) async fn run(&self, request: &RunRequest) -> Report {
        let report = self.run_in(&self.immortal(), request).await.unwrap();
        assert!(report.rows.add_up(), "{:?}", report.rows);
        report
    }

    /// Lower-case emails on the list.
    pub(crate) fn members(&self) -> BTreeSet<String> {
        self.sandbox.contents().members(LIST)
    }

    /// Lower-case emails of all contacts; every one once, as a bulk call that is repeated must not make a second.
    pub(crate) fn emails(&self) -> BTreeSet<String> {
        held(&self.sandbox).into_keys().collect()
    }

    /// All that the account holds of contacts, by email: standard fields, custom fields, whether on the list.
    pub(crate) fn held(&self) -> Held {
        held(&self.sandbox)
    }

    /// The state's members of the list that claim something: profile key and digest; each one's contact id is that of a
    /// contact that the account holds.
    pub(crate) fn state(&self) -> BTreeMap<[u8; 32], [u8; 16]> {
        let body = std::fs::read(self.root().join(keys::profiles(EXPORT)));
        let mut members = body.map(|body| state_of(&body, &self.sandbox)).unwrap_or_default();
        members.retain(|_, digest| *digest != UNCONFIRMED && *digest != FIELDS_UNCONFIRMED);
        members
    }
}

pub(crate) type Held = BTreeMap<String, (Value, Value, bool)>;

/// All that an account holds of contacts, by email, which must be distinct.
pub(crate) fn held(sandbox: &Sandbox) -> Held {
    let contents = sandbox.contents();
    let members = contents.members(LIST);
    let count = contents.contacts.len();
    let held = contents.contacts.into_iter().map(|contact| {
        let email = contact.email.unwrap().to_lowercase();
        let on_list = members.contains(&email);
        (email, (Value::from(contact.fields), Value::from(contact.custom), on_list))
    });
    let held: Held = held.collect();
    assert_eq!(held.len(), count, "a contact is held twice");
    held
}

/// In the digest's place, where the membership is not confirmed.
pub(crate) const UNCONFIRMED: [u8; 16] = [u8::MAX; 16];

/// A stored state.
pub(crate) fn profiles_of(body: &[u8]) -> (Header, Vec<Profile>) {
    let mut decoder = Decoder::new("profiles");
    decoder.feed(body).unwrap();
    decoder.end().unwrap();
    let profiles = std::iter::from_fn(|| decoder.profile().unwrap()).collect();
    (decoder.header().unwrap().clone(), profiles)
}

/// The members of the list in a stored state and their digests, the unconfirmed ones among them.
pub(crate) fn state_of(body: &[u8], sandbox: &Sandbox) -> BTreeMap<[u8; 32], [u8; 16]> {
    let digester = Digester::new(STATE_KEY).unwrap();
    let contacts = sandbox.contents().contacts;
    let ids: BTreeMap<_, _> = contacts
        .iter()
        .map(|contact| (digester.profile(&contact.email.clone().unwrap().to_lowercase()), contact.id.clone()))
        .collect();
    let (header, profiles) = profiles_of(body);
    let Some(list) = header.position(LIST) else { return BTreeMap::new() };
    let member = |profile: Profile| {
        if let Some(id) = &profile.contact_id {
            assert_eq!(ids.get(&profile.key).map(String::as_str), Some(&**id), "the state knows another contact");
        }
        match profile.status(list) {
            MemberStatus::Absent => None,
            MemberStatus::Confirmed => Some((profile.key, profile.digest)),
            MemberStatus::Unconfirmed | MemberStatus::Leaving => Some((profile.key, UNCONFIRMED)),
        }
    };
    profiles.into_iter().filter_map(member).collect()
}

/// The configuration of every scene, for the account at `url`.
pub(crate) fn settings(url: &str) -> Value {
    json!({
    "connections": { "eu": {
        "secret": "eu", "base_url": url, "requests_per_second": 2000, "lanes": 2,
        "consent": { "agreed_by": "the tests", "agreed_on": "2020-01-01" }
    } },
    "exports": { EXPORT: {
        "connection": "eu",
        "segments": [{ "name": LIST, "prefix": "segments/newsletter/", "membership": { "list": LIST } }],
        "match": {
            "email": "EMail", "first_name": "FirstName",
            "custom": { "Value": { "column": "Value", "type": "integer" } }
        },
        "guards": { "max_leavers_share": 1, "max_reject_share": 1 }
    } }
    })
}

/// Nobody looks on.
pub(crate) struct Nobody;

impl Observer for Nobody {
    fn notify(&self, _event: Event<'_>) {}
}

fn put(path: &Path, body: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, body).unwrap();
}

/// `EMail,FirstName,Value` and a line per row.
pub(crate) fn csv(rows: &[(&str, &str, i64)]) -> String {
    let lines = rows.iter().map(|(email, name, value)| format!("{email},{name},{value}\n"));
    format!("EMail,FirstName,Value\n{}", lines.collect::<String>())
}

/// A drop of members `from..to`, who all have this value.
pub(crate) fn people(from: u32, to: u32, value: i64) -> String {
    let lines = (from..to).map(|number| format!("person.{number}@example.com,Ana {number},{value}\n"));
    format!("EMail,FirstName,Value\n{}", lines.collect::<String>())
}

/// The same without the header, to go on with.
pub(crate) fn more(from: u32, to: u32, value: i64) -> String {
    people(from, to, value).split_once('\n').unwrap().1.to_owned()
}

pub(crate) fn set(emails: &[&str]) -> BTreeSet<String> {
    emails.iter().map(|email| (*email).to_owned()).collect()
}
