//! Ports that die at a call, in the middle of a run, as a process does.

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use autopilot_export::error::Result;
use autopilot_export::ports::{
    Freshness, Http, Leases, NoResponse, Object, ObjectMeta, PutMode, PutOutcome, Reader, SecretSource, Secrets, Store,
};
use bytes::Bytes;
use tokio::sync::Notify;

/// Where a run is killed: at the call of this number, before or after it did its work.
#[derive(Debug, Default)]
pub(crate) struct Kill {
    at: u64,
    after: bool,
    calls: AtomicU64,
    reached: Notify,
    alone: bool,
    writes_only: AtomicBool,
}

impl Kill {
    pub(crate) fn new(at: u64, after: bool) -> Arc<Self> {
        Arc::new(Self { at, after, ..Self::default() })
    }

    /// Only the caller of this call hangs for good; others go on.
    pub(crate) fn alone(at: u64, after: bool) -> Arc<Self> {
        Arc::new(Self { at, after, alone: true, ..Self::default() })
    }

    pub(crate) fn never() -> Arc<Self> {
        Self::new(u64::MAX, false)
    }

    /// Reads are not counted from now on: where time is real, dying at each of them takes too long.
    pub(crate) fn count_only_writes(&self) {
        self.writes_only.store(true, Ordering::SeqCst);
    }

    /// Calls so far.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Ends when the call was reached.
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    /// A call that changes nothing.
    async fn read<T>(&self, work: impl Future<Output = T>) -> T {
        if self.writes_only.load(Ordering::SeqCst) { work.await } else { self.pass(work).await }
    }

    pub(crate) async fn pass<T>(&self, work: impl Future<Output = T>) -> T {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let dies = if self.alone { call == self.at } else { call >= self.at };
        if !dies {
            return work.await;
        }
        if call == self.at && self.after {
            drop(work.await);
        }
        self.reached.notify_one();
        pending().await
    }
}

/// A port of a process that dies at a call.
#[derive(Clone)]
pub(crate) struct Doomed<P>(pub(crate) P, pub(crate) Arc<Kill>);

impl<S: Store> Store for Doomed<S> {
    type Reader = Doomed<S::Reader>;

    fn location(&self) -> String {
        self.0.location()
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        self.1.read(self.0.get(key)).await
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        self.1.read(self.0.head(key)).await
    }

    async fn open(&self, meta: &ObjectMeta) -> Result<Self::Reader> {
        let reader = self.1.read(self.0.open(meta)).await?;
        Ok(Doomed(reader, Arc::clone(&self.1)))
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutMode) -> Result<PutOutcome> {
        self.1.pass(self.0.put(key, body, condition)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
        self.1.read(self.0.list(prefix)).await
    }

    async fn sweep(&self, prefix: &str) -> Result<()> {
        self.0.sweep(prefix).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.1.pass(self.0.delete(key)).await
    }
}

impl<R: Reader> Reader for Doomed<R> {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        self.1.read(self.0.next()).await
    }
}

impl<L: Leases> Leases for Doomed<L> {
    async fn take(&self, connection: &str, holder: &str) -> Result<bool> {
        self.1.pass(self.0.take(connection, holder)).await
    }

    async fn renew(&self, connection: &str, holder: &str) -> Result<bool> {
        self.1.pass(self.0.renew(connection, holder)).await
    }

    async fn release(&self, connection: &str, holder: &str) -> Result<()> {
        self.1.pass(self.0.release(connection, holder)).await
    }
}

impl<K: SecretSource> SecretSource for Doomed<K> {
    async fn secrets(&self, connection: &str, secret: &str, freshness: Freshness) -> Result<Secrets> {
        self.1.pass(self.0.secrets(connection, secret, freshness)).await
    }
}

impl<A: Http> Http for Doomed<A> {
    async fn send(
        &self,
        request: http::Request<bytes::Bytes>,
        within: Duration,
        max_bytes: usize,
    ) -> Result<http::Response<bytes::Bytes>, NoResponse> {
        self.1.pass(self.0.send(request, within, max_bytes)).await
    }
}
