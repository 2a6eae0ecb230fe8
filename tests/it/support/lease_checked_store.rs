//! Leases in memory, and a store that checks them: an export's state and a run's results are only written while the
//! writer's process holds the lease.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use autopilot_export::error::Result;
use autopilot_export::ports::{Leases, Object, ObjectMeta, PutMode, PutOutcome, Store};
use autopilot_export::run::export_of_run;
use bytes::Bytes;
use tokio::time::Instant;

/// How long a lease lasts unless it is renewed, as on S3.
pub(crate) const TERM: Duration = Duration::from_secs(60);

/// Leases with a term, by one clock, so that those of a dead holder expire. A lease that one process holds is taken for
/// every other process, even for the same run, as with a folder's file lock.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryLeases {
    held: Arc<Mutex<BTreeMap<String, Held>>>,
    process: u32,
}

#[derive(Debug)]
struct Held {
    run: String,
    process: u32,
    until: Instant,
}

impl MemoryLeases {
    /// The same leases, for another process.
    pub(crate) fn of_process(&self, process: u32) -> Self {
        Self { held: Arc::clone(&self.held), process }
    }

    /// Every process ends, and its leases with it, as those of a folder do.
    pub(crate) fn end_all(&self) {
        self.held.lock().unwrap().clear();
    }

    /// The runs that hold a lease in this process.
    fn holders(&self) -> Vec<String> {
        let held = self.held.lock().unwrap();
        held.values().filter(|held| held.process == self.process).map(|held| held.run.clone()).collect()
    }

    fn is(&self, held: &Held, run: &str) -> bool {
        held.run == run && held.process == self.process
    }
}

impl Leases for MemoryLeases {
    async fn take(&self, connection: &str, holder: &str) -> Result<bool> {
        let mut all = self.held.lock().unwrap();
        let free = all.get(connection).is_none_or(|held| self.is(held, holder) || held.until <= Instant::now());
        if free {
            let held = Held { run: holder.into(), process: self.process, until: Instant::now() + TERM };
            all.insert(connection.into(), held);
        }
        Ok(free)
    }

    async fn renew(&self, connection: &str, holder: &str) -> Result<bool> {
        let mut all = self.held.lock().unwrap();
        let held = all.get_mut(connection).filter(|held| self.is(held, holder));
        Ok(held.map(|held| held.until = Instant::now() + TERM).is_some())
    }

    async fn release(&self, connection: &str, holder: &str) -> Result<()> {
        self.held.lock().unwrap().retain(|name, held| name != connection || !self.is(held, holder));
        Ok(())
    }
}

/// A store that panics on a write without the lease.
#[derive(Clone)]
pub(crate) struct Guarded<S>(pub(crate) S, pub(crate) MemoryLeases);

impl<S> Guarded<S> {
    /// Checks a write to this key.
    fn check(&self, key: &str) {
        let holders = self.1.holders();
        let may = match key.split('/').collect::<Vec<_>>()[..] {
            // What is known of a connection or an account belongs to no export.
            ["state", "connections" | "accounts", ..] => true,
            ["state", "erased"] => !holders.is_empty(),
            // The latter by the run that finishes an abandoned one.
            ["state", export, ..] | ["runs", export, _, "results", _, "doubted.json"] => {
                holders.iter().any(|run| export_of_run(run) == Some(export) || run.starts_with("erase-"))
            }
            ["runs", _, run, "results" | "census", ..] => holders.iter().any(|holder| holder == run),
            _ => true,
        };
        assert!(may, "{key} is written while the lease is held by {holders:?}");
    }
}

impl<S: Store> Store for Guarded<S> {
    type Reader = S::Reader;

    fn location(&self) -> String {
        self.0.location()
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        self.0.get(key).await
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        self.0.head(key).await
    }

    async fn open(&self, meta: &ObjectMeta) -> Result<S::Reader> {
        self.0.open(meta).await
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutMode) -> Result<PutOutcome> {
        self.check(key);
        self.0.put(key, body, condition).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
        self.0.list(prefix).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.0.delete(key).await
    }
}
