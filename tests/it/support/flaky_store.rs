//! Bad weather: a store, leases and secrets whose calls go wrong.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use autopilot_export::adapters::local::GivenSecrets;
use autopilot_export::entry::environment::Adapters;
use autopilot_export::error::{Error, Kind, Result};
use autopilot_export::ports::{Leases, Object, ObjectMeta, PutMode, PutOutcome, Reader, SecretSource, Secrets, Store};
use bytes::Bytes;
use serde::Deserialize;

use crate::support::kill::Kill;
use crate::support::lease_checked_store::{Guarded, MemoryLeases};
use crate::support::sim::{Distant, Doomed, Memory, MemoryReader, Sim};

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultKind {
    /// Fails, and does nothing.
    Unavailable,
    /// Is done, and told as failed.
    Done,
    /// Fails from then on.
    Denied,
    /// Somebody else writes first, so many times.
    Lost,
    /// A conditional write is done, and told as lost to another: a client that repeats its own write sees the first.
    OwnLost,
    /// An object is written while a drop is read.
    Lands,
    Slow,
    Late,
}

/// What goes wrong with the calls of all ports, counted together: those from one number on; of slow ones, each takes so
/// many milliseconds.
#[derive(Clone)]
pub(crate) struct Weather {
    trouble: FaultKind,
    at: u64,
    /// How many calls go wrong.
    most: u64,
    calls: Arc<AtomicU64>,
}

impl Weather {
    fn is_struck(&self, call: u64) -> bool {
        call >= self.at && call - self.at < self.most
    }

    async fn pass<T>(&self, subject: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let unavailable = |what| Err(Error::new(Kind::Unavailable, subject, what));
        // Of lost writes only these count, where they are made.
        if matches!(self.trouble, FaultKind::Lost | FaultKind::OwnLost | FaultKind::Late) {
            return work.await;
        }
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        match self.trouble {
            FaultKind::Unavailable if self.is_struck(call) => unavailable("cannot be reached"),
            FaultKind::Done if self.is_struck(call) => {
                work.await?;
                unavailable("did not answer")
            }
            FaultKind::Denied if call >= self.at => Err(Error::new(Kind::Access, subject, "access is denied")),
            FaultKind::Slow => {
                tokio::time::sleep(Duration::from_millis(self.at)).await;
                work.await
            }
            _ => work.await,
        }
    }
}

/// A store in bad weather.
#[derive(Clone)]
pub(crate) struct Faulty {
    inner: Guarded<Memory>,
    weather: Weather,
    /// What is written while a drop is read: its key and its content. Only once.
    pub(crate) lands: Arc<Mutex<Option<(String, String)>>>,
    /// The notes that ranges were begun: results without a row.
    notes: Arc<Mutex<HashMap<String, (Bytes, PutMode)>>>,
}

impl Faulty {
    pub(crate) fn new(sim: &Sim, trouble: FaultKind, at: u64) -> Self {
        Self::several(sim, trouble, at, 1)
    }

    /// The same of several calls in a row.
    pub(crate) fn several(sim: &Sim, trouble: FaultKind, at: u64, most: u64) -> Self {
        let weather = Weather { trouble, at, most, calls: Arc::default() };
        Self {
            inner: Guarded(sim.store.clone(), sim.leases.clone()),
            weather,
            lands: Arc::default(),
            notes: Arc::default(),
        }
    }

    fn memory(&self) -> &Memory {
        &self.inner.0
    }

    /// Calls that counted so far.
    pub(crate) fn calls(&self) -> u64 {
        self.weather.calls.load(Ordering::SeqCst)
    }
}

pub(crate) struct FaultyReader(MemoryReader, Faulty, String);

impl Reader for FaultyReader {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let Self(reader, store, key) = self;
        let Weather { trouble, at, .. } = store.weather;
        if trouble == FaultKind::Lands
            && key.starts_with("segments/")
            && store.calls() >= at
            && let Some((key, body)) = store.lands.lock().unwrap().take()
        {
            store.memory().write(&key, body);
        }
        store.weather.pass(key, reader.next()).await
    }
}

impl Store for Faulty {
    type Reader = FaultyReader;

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        self.weather.pass(key, self.inner.get(key)).await
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        self.weather.pass(key, self.inner.head(key)).await
    }

    async fn open(&self, meta: &ObjectMeta) -> Result<FaultyReader> {
        let reader = self.weather.pass(&meta.key, self.inner.open(meta)).await?;
        Ok(FaultyReader(reader, self.clone(), meta.key.clone()))
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutMode) -> Result<PutOutcome> {
        let Weather { trouble, at, calls, .. } = &self.weather;
        if matches!(trouble, FaultKind::Lost | FaultKind::OwnLost) && condition != PutMode::Overwrite {
            let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
            if *trouble == FaultKind::OwnLost && self.weather.is_struck(call) {
                self.inner.put(key, body, condition).await?;
                return Ok(PutOutcome::Conflict);
            }
            if *trouble == FaultKind::Lost && call <= *at {
                // Somebody else writes the same again, first: another tag, another version.
                if let Some(held) = self.memory().body(key) {
                    self.memory().write(key, held);
                }
                return self.inner.put(key, body, condition).await;
            }
        }
        if *trouble == FaultKind::Late && key.contains("/results/") && key.ends_with(".tsv") {
            if body.iter().filter(|byte| **byte == b'\n').count() == 1 {
                self.notes.lock().unwrap().insert(key.into(), (body.clone(), condition.clone()));
            }
            let put = self.inner.put(key, body, condition).await;
            let note = self.notes.lock().unwrap().get(key).cloned();
            if let Some((note, condition)) = note {
                calls.fetch_add(1, Ordering::SeqCst);
                self.inner.put(key, note, condition).await?;
            }
            return put;
        }
        self.weather.pass(key, self.inner.put(key, body, condition)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
        self.weather.pass(prefix, self.inner.list(prefix)).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.weather.pass(key, self.inner.delete(key)).await
    }
}

/// Leases and secrets lie in AWS as well, and share the weather.
pub(crate) struct FaultyLeases(MemoryLeases, Weather);

impl Leases for FaultyLeases {
    async fn take(&self, connection: &str, holder: &str) -> Result<bool> {
        self.1.pass(connection, self.0.take(connection, holder)).await
    }

    async fn renew(&self, connection: &str, holder: &str) -> Result<bool> {
        self.1.pass(connection, self.0.renew(connection, holder)).await
    }

    async fn release(&self, connection: &str, holder: &str) -> Result<()> {
        self.1.pass(connection, self.0.release(connection, holder)).await
    }
}

pub(crate) struct FaultySecrets(GivenSecrets, Weather);

impl SecretSource for FaultySecrets {
    async fn secrets(&self, connection: &str, secret: &str, again: bool) -> Result<Secrets> {
        self.1.pass(connection, self.0.secrets(connection, secret, again)).await
    }
}

/// A process in the weather of its store.
pub(crate) fn process(sim: &Sim, store: Faulty) -> Adapters<Faulty, FaultyLeases, FaultySecrets, Doomed<Distant>> {
    let Adapters { http, clock, observer, .. } = sim.world(&Kill::never());
    let leases = FaultyLeases(sim.leases.clone(), store.weather.clone());
    let secrets = FaultySecrets(Sim::secrets(), store.weather.clone());
    Adapters { store, leases, secrets, http, clock, observer }
}
