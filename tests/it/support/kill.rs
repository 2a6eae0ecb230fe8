//! Ports that may die in the middle of a run, as a process does.

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use autopilot_export::error::Result;
use autopilot_export::ports::{Http, NoResponse, Object, ObjectMeta, PutMode, PutOutcome, Store};
use tokio::sync::Notify;

/// Where a run is killed: at the call of this number, before or after it did its work.
#[derive(Debug)]
pub(crate) struct Kill {
    at: u64,
    after: bool,
    calls: AtomicU64,
    reached: Notify,
    slow: bool,
    alone: bool,
}

impl Kill {
    pub(crate) fn new(at: u64, after: bool) -> Arc<Self> {
        Arc::new(Self { at, after, calls: AtomicU64::new(0), reached: Notify::new(), slow: false, alone: false })
    }

    /// Only the caller of this call hangs for good; others go on.
    pub(crate) fn alone(at: u64, after: bool) -> Arc<Self> {
        let (calls, reached) = (AtomicU64::new(0), Notify::new());
        Arc::new(Self { at, after, calls, reached, slow: false, alone: true })
    }

    pub(crate) fn never() -> Arc<Self> {
        Self::new(u64::MAX, false)
    }

    /// Nobody dies, but every other write takes its time, and goes on where nobody waits for it any more.
    pub(crate) fn never_but_slow() -> Arc<Self> {
        Arc::new(Self {
            at: u64::MAX,
            after: false,
            calls: AtomicU64::new(0),
            reached: Notify::new(),
            slow: true,
            alone: false,
        })
    }

    /// Calls so far.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Ends when the call was reached.
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
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

/// A port whose calls may be the last.
pub(crate) struct Mortal<P>(pub(crate) P, pub(crate) Arc<Kill>);

impl<A: Http> Http for Mortal<A> {
    async fn send(
        &self,
        request: http::Request<bytes::Bytes>,
        within: Duration,
        max_bytes: usize,
    ) -> Result<http::Response<bytes::Bytes>, NoResponse> {
        self.1.pass(self.0.send(request, within, max_bytes)).await
    }
}

impl<S: Store + Clone + 'static> Store for Mortal<S> {
    type Reader = S::Reader;

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        self.0.get(key).await
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        self.0.head(key).await
    }

    async fn open(&self, meta: &ObjectMeta) -> Result<S::Reader> {
        self.0.open(meta).await
    }

    async fn put(&self, key: &str, body: bytes::Bytes, condition: PutMode) -> Result<PutOutcome> {
        if !self.1.slow || !key.contains("/results/") {
            return self.1.pass(self.0.put(key, body, condition)).await;
        }
        let wait =
            Duration::from_millis(if self.1.calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) { 200 } else { 0 });
        let (store, key) = (self.0.clone(), key.to_owned());
        let writing = tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            store.put(&key, body, condition).await
        });
        writing.await.unwrap()
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
        self.0.list(prefix).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.1.pass(self.0.delete(key)).await
    }
}
