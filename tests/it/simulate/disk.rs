//! A store in memory whose power can be cut: what was not made durable is lost, or cut short.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use autopilot_export::error::{Error, Kind, Result};
use autopilot_export::ports::{Object, ObjectMeta, PutMode, PutOutcome, Reader, Store};
use autopilot_export::run::keys;
use bytes::Bytes;
use fastrand::Rng;
use jiff::Timestamp;
use tokio::time::Instant;

/// How long a write may stay in the machine's memory.
const UNWRITTEN: Duration = Duration::from_secs(30);

/// Objects, and the writes that a power cut may undo.
#[derive(Clone)]
pub(super) struct Disk(Arc<Mutex<Objects>>);

struct Objects {
    held: BTreeMap<String, Held>,
    version: u64,
    /// Every write: when, which key, and what the key held before.
    written: Vec<(Instant, String, Option<Held>)>,
    /// What the store's clock said at an instant.
    clock: (Timestamp, Instant),
}

#[derive(Clone)]
struct Held {
    body: Bytes,
    version: u64,
    modified: Timestamp,
}

impl Held {
    fn meta(&self, key: &str) -> ObjectMeta {
        let Self { body, version, modified } = self;
        ObjectMeta { key: key.into(), bytes: body.len() as u64, modified: *modified, version: version.to_string() }
    }
}

impl Objects {
    fn replace(&mut self, key: &str, body: Option<Bytes>) -> u64 {
        self.version += 1;
        let (from, since) = self.clock;
        let held = body.map(|body| Held { body, version: self.version, modified: from + since.elapsed() });
        let before = match held {
            Some(held) => self.held.insert(key.into(), held),
            None => self.held.remove(key),
        };
        self.written.push((Instant::now(), key.into(), before));
        self.version
    }
}

impl Disk {
    pub(super) fn new(clock: Timestamp) -> Self {
        let clock = (clock, Instant::now());
        Self(Arc::new(Mutex::new(Objects { held: BTreeMap::new(), version: 0, written: Vec::new(), clock })))
    }

    pub(super) fn write(&self, key: &str, body: impl Into<Bytes>) {
        self.0.lock().unwrap().replace(key, Some(body.into()));
    }

    pub(super) fn body(&self, key: &str) -> Option<Bytes> {
        self.0.lock().unwrap().held.get(key).map(|held| held.body.clone())
    }

    pub(super) fn all(&self) -> Vec<(String, Bytes)> {
        let objects = self.0.lock().unwrap();
        objects.held.iter().map(|(key, held)| (key.clone(), held.body.clone())).collect()
    }

    /// Cuts the power: of results that were written over, which a folder does not wait for, the latest writes may not have
    /// reached the disk, or in part. Gives how many objects were harmed.
    pub(super) fn cut_power(&self, random: &mut Rng) -> usize {
        let mut objects = self.0.lock().unwrap();
        let mut late: BTreeMap<String, Vec<Option<Held>>> = BTreeMap::new();
        for (_, key, before) in objects.written.iter().filter(|(at, ..)| at.elapsed() < UNWRITTEN) {
            if keys::is_results(key) && before.is_some() && objects.held.contains_key(key) {
                late.entry(key.clone()).or_default().push(before.clone());
            }
        }
        let mut harmed = 0;
        for (key, befores) in late {
            match random.u8(0..4) {
                // Earlier writes reached the disk, the later ones did not.
                0 => {
                    let before = befores[random.usize(..befores.len())].clone();
                    objects.replace(&key, before.map(|before| before.body));
                }
                // The file has its length, but not its content; or neither.
                1 => {
                    let Some(body) = objects.held.get(&key).map(|held| held.body.clone()) else { continue };
                    let whole = random.usize(0..=body.len());
                    let mut torn = body[..whole].to_vec();
                    torn.resize(if random.bool() { body.len() } else { whole }, 0);
                    objects.replace(&key, Some(torn.into()));
                }
                _ => continue,
            }
            harmed += 1;
        }
        objects.written.clear();
        harmed
    }
}

impl Store for Disk {
    type Reader = DiskReader;

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        let objects = self.0.lock().unwrap();
        let object = |held: &Held| Object { body: held.body.clone(), tag: held.version.to_string() };
        Ok(objects.held.get(key).map(object))
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        Ok(self.0.lock().unwrap().held.get(key).map(|held| held.meta(key)))
    }

    async fn open(&self, meta: &ObjectMeta) -> Result<DiskReader> {
        Ok(DiskReader { disk: self.clone(), meta: meta.clone(), read: 0 })
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutMode) -> Result<PutOutcome> {
        let mut objects = self.0.lock().unwrap();
        let now = objects.held.get(key).map(|held| held.version.to_string());
        let may = match condition {
            PutMode::Overwrite => true,
            PutMode::Create => now.is_none(),
            PutMode::Update(tag) => now == Some(tag),
        };
        let version = may.then(|| objects.replace(key, Some(body)).to_string());
        Ok(version.map_or(PutOutcome::Conflict, PutOutcome::Written))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
        let objects = self.0.lock().unwrap();
        let listed = objects.held.iter().filter(|(key, _)| key.starts_with(prefix));
        Ok(listed.map(|(key, held)| held.meta(key)).collect())
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let mut objects = self.0.lock().unwrap();
        if objects.held.contains_key(key) {
            objects.replace(key, None);
        }
        Ok(())
    }
}

/// Reads one version in small pieces.
pub(super) struct DiskReader {
    disk: Disk,
    meta: ObjectMeta,
    read: usize,
}

impl Reader for DiskReader {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let Self { disk, meta, read } = self;
        let objects = disk.0.lock().unwrap();
        let held = objects.held.get(&meta.key).filter(|held| held.version.to_string() == meta.version);
        let Some(held) = held else {
            return Err(Error::new(Kind::Unavailable, &meta.key, "was replaced while it was read"));
        };
        let end = held.body.len().min(*read + 4096);
        let piece = held.body.slice(*read..end);
        *read = end;
        Ok((!piece.is_empty()).then_some(piece))
    }
}
