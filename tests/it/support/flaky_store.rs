//! A store, leases and secrets whose calls go wrong.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use autopilot_export::adapters::local::GivenSecrets;
use autopilot_export::entry::environment::Adapters;
use autopilot_export::error::{Error, Kind, Result};
use autopilot_export::ports::{
    Freshness, Leases, Object, ObjectMeta, PutMode, PutOutcome, Reader, SecretSource, Secrets, Store,
};
use bytes::Bytes;
use serde::Deserialize;

use crate::support::kill::{Doomed, Kill};
use crate::support::lease_checked_store::{Guarded, MemoryLeases};
use crate::support::sim::{Distant, Memory, MemoryReader, Sim};

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultKind {
    /// The call fails and does nothing.
    Unavailable,
    /// The call does its work and reports a failure.
    Done,
    /// Every call fails from then on.
    Denied,
    /// Another writer is first, this many times.
    Lost,
    /// A conditional write succeeds and reports a conflict: a client that repeats its own write meets the first one.
    OwnLost,
    /// An object is written while a drop is read.
    Lands,
    /// Every call takes this many milliseconds.
    Slow,
    /// A note that a range was begun arrives once more after its results.
    Late,
    /// Every other result is written 200 ms late, even if its writer no longer waits.
    Detached,
}

/// What goes wrong with the calls of all ports, which are counted together.
#[derive(Clone)]
pub(crate) struct FaultPlan {
    kind: FaultKind,
    at: u64,
    /// How many calls go wrong, from that number on.
    most: u64,
    calls: Arc<AtomicU64>,
}

impl FaultPlan {
    fn hits(&self, call: u64) -> bool {
        call >= self.at && call - self.at < self.most
    }

    async fn pass<T>(&self, subject: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let unavailable = |what| Err(Error::new(Kind::Unavailable, subject, what));
        // Faults of writes count where the writes are made.
        if matches!(self.kind, FaultKind::Lost | FaultKind::OwnLost | FaultKind::Late | FaultKind::Detached) {
            return work.await;
        }
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        match self.kind {
            FaultKind::Unavailable if self.hits(call) => unavailable("cannot be reached"),
            FaultKind::Done if self.hits(call) => {
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

/// A store whose calls go wrong.
#[derive(Clone)]
pub(crate) struct Faulty {
    inner: Guarded<Memory>,
    plan: FaultPlan,
    /// Written once while a drop is read: key and content.
    pub(crate) lands: Arc<Mutex<Option<(String, String)>>>,
    /// Notes that ranges were begun: results without a row.
    notes: Arc<Mutex<HashMap<String, (Bytes, PutMode)>>>,
}

impl Faulty {
    pub(crate) fn new(sim: &Sim, kind: FaultKind, at: u64) -> Self {
        Self::several(sim, kind, at, 1)
    }

    /// The same for several calls in a row.
    pub(crate) fn several(sim: &Sim, kind: FaultKind, at: u64, most: u64) -> Self {
        let plan = FaultPlan { kind, at, most, calls: Arc::default() };
        Self {
            inner: Guarded(sim.store.clone(), sim.leases.clone()),
            plan,
            lands: Arc::default(),
            notes: Arc::default(),
        }
    }

    fn memory(&self) -> &Memory {
        &self.inner.0
    }

    /// Calls that counted so far.
    pub(crate) fn calls(&self) -> u64 {
        self.plan.calls.load(Ordering::SeqCst)
    }
}

pub(crate) struct FaultyReader(MemoryReader, Faulty, String);

impl Reader for FaultyReader {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let Self(reader, store, key) = self;
        let FaultPlan { kind, at, .. } = store.plan;
        if kind == FaultKind::Lands
            && key.starts_with("segments/")
            && store.calls() >= at
            && let Some((key, body)) = store.lands.lock().unwrap().take()
        {
            store.memory().write(&key, body);
        }
        store.plan.pass(key, reader.next()).await
    }
}

impl Store for Faulty {
    type Reader = FaultyReader;

    fn location(&self) -> String {
        self.inner.location()
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        self.plan.pass(key, self.inner.get(key)).await
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        self.plan.pass(key, self.inner.head(key)).await
    }

    async fn open(&self, meta: &ObjectMeta) -> Result<FaultyReader> {
        let reader = self.plan.pass(&meta.key, self.inner.open(meta)).await?;
        Ok(FaultyReader(reader, self.clone(), meta.key.clone()))
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutMode) -> Result<PutOutcome> {
        let FaultPlan { kind, at, calls, .. } = &self.plan;
        if matches!(kind, FaultKind::Lost | FaultKind::OwnLost) && condition != PutMode::Overwrite {
            let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
            if *kind == FaultKind::OwnLost && self.plan.hits(call) {
                self.inner.put(key, body, condition).await?;
                return Ok(PutOutcome::Conflict);
            }
            if *kind == FaultKind::Lost && call <= *at {
                // Another writer is first with the same body: another tag, another version.
                if let Some(held) = self.memory().body(key) {
                    self.memory().write(key, held);
                }
                return self.inner.put(key, body, condition).await;
            }
        }
        if *kind == FaultKind::Late && key.contains("/results/") && key.ends_with(".tsv") {
            // The seal and the note, but no row.
            if body.iter().filter(|byte| **byte == b'\n').count() == 2 {
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
        if *kind == FaultKind::Detached && key.contains("/results/") {
            let late = calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
            let (memory, key) = (self.memory().clone(), key.to_owned());
            let writing = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(if late { 200 } else { 0 })).await;
                memory.put(&key, body, condition).await
            });
            return writing.await.unwrap();
        }
        self.plan.pass(key, self.inner.put(key, body, condition)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
        self.plan.pass(prefix, self.inner.list(prefix)).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.plan.pass(key, self.inner.delete(key)).await
    }
}

/// Leases share the plan of the store.
pub(crate) struct FaultyLeases(MemoryLeases, FaultPlan);

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

/// Secrets share it too.
pub(crate) struct FaultySecrets(GivenSecrets, FaultPlan);

impl SecretSource for FaultySecrets {
    async fn secrets(&self, connection: &str, secret: &str, freshness: Freshness) -> Result<Secrets> {
        self.1.pass(connection, self.0.secrets(connection, secret, freshness)).await
    }
}

/// A process whose leases and secrets go wrong with its store.
pub(crate) fn process(sim: &Sim, store: Faulty) -> Adapters<Faulty, FaultyLeases, FaultySecrets, Doomed<Distant>> {
    let Adapters { http, clock, observer, .. } = sim.world(&Kill::never());
    let leases = FaultyLeases(sim.leases.clone(), store.plan.clone());
    let secrets = FaultySecrets(Sim::secrets(), store.plan.clone());
    Adapters { store, leases, secrets, http, clock, observer }
}
