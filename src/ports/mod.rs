//! The few small traits of the outside world. `steps` call them, `adapters` and tests implement them.

mod clock;

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use crate::delivery::call::{Call, Response};
use crate::error::{Error, Kind, Result};
use crate::run::RunRequest;

pub use clock::Clock;

/// One stored object, or one file of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The object's key, `/` between folders, relative to the store.
    pub key: String,
    /// Size in bytes.
    pub bytes: u64,
    /// When it was last written.
    pub modified: Timestamp,
    /// What tells this content from another under the same key (an ETag, a version).
    pub version: String,
}

/// A whole object and the tag to compare when replacing it.
#[derive(Clone, Debug)]
pub struct Object {
    /// The content.
    pub body: Bytes,
    /// Compared by [`PutMode::Update`].
    pub tag: String,
}

/// When a write may happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// Whatever is there.
    Overwrite,
    /// Only where nothing is there.
    Create,
    /// Only where the object still has this tag.
    Update(String),
}

/// What became of a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// Written; the new tag.
    Written(String),
    /// Somebody else wrote first; nothing was changed.
    Conflict,
}

/// Objects by key: a bucket, or a folder.
pub trait Store: Send + Sync {
    /// A stream of one object's bytes.
    type Reader: Reader;

    /// Reads a whole object that is known to be small; `None` where there is none.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Object>>> + Send;

    /// What is known of one object, without its content.
    fn head(&self, key: &str) -> impl Future<Output = Result<Option<ObjectMeta>>> + Send;

    /// Opens an object for streaming, at exactly this version: an object that was replaced meanwhile is an error of
    /// kind `unavailable`, at once or while reading.
    fn open(&self, meta: &ObjectMeta) -> impl Future<Output = Result<Self::Reader>> + Send;

    /// Writes an object whole or not at all.
    fn put(&self, key: &str, body: Bytes, condition: PutMode) -> impl Future<Output = Result<PutOutcome>> + Send;

    /// The same with the content of a file, which may be more than memory should hold.
    fn put_file(&self, key: &str, file: &Path, condition: PutMode) -> impl Future<Output = Result<PutOutcome>> + Send {
        async move {
            let body = std::fs::read(file).map_err(|cause| {
                Error::new(Kind::Unavailable, "store", key, "its temporary file cannot be read").with_source(cause)
            })?;
            self.put(key, body.into(), condition).await
        }
    }

    /// Every object whose key starts with `prefix`, in order of their keys.
    fn list(&self, prefix: &str) -> impl Future<Output = Result<Vec<ObjectMeta>>> + Send;

    /// Removes an object; one that is not there is success.
    fn delete(&self, key: &str) -> impl Future<Output = Result<()>> + Send;
}

/// A stream of bytes.
pub trait Reader: Send {
    /// The next piece, `None` at the end. Pieces are at most a few hundred KiB.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>>> + Send;
}

/// The right to speak to a connection's account: one run at a time.
pub trait Leases: Send + Sync {
    /// Takes the lease for `holder` (a run id), or renews it where that holder has it; `false` where another has it.
    fn take(&self, connection: &str, holder: &str) -> impl Future<Output = Result<bool>> + Send;

    /// Renews the lease; `false` where the holder has lost it and must stop.
    fn renew(&self, connection: &str, holder: &str) -> impl Future<Output = Result<bool>> + Send;

    /// Gives the lease back; giving back what one does not hold is success.
    fn release(&self, connection: &str, holder: &str) -> impl Future<Output = Result<()>> + Send;
}

/// The secrets of a connection.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// Opens the account.
    pub api_key: secrecy::SecretString,
    /// Keys the digests in the state.
    pub state_key: secrecy::SecretString,
}

/// Where secrets come from.
pub trait SecretSource: Send + Sync {
    /// The secrets of `connection`, whose configured secret name is `secret`. `again` asks past any cache.
    fn secrets(&self, connection: &str, secret: &str, again: bool) -> impl Future<Output = Result<Secrets>> + Send;
}

/// Runs on AWS: one execution of the workflow each.
pub trait Executions: Send + Sync {
    /// Starts a run, and gives its execution's name. One that was started before counts as started.
    fn start(&self, request: &RunRequest) -> impl Future<Output = Result<String>> + Send;

    /// Stops a run; one that has ended already is success.
    fn stop(&self, run_id: &str) -> impl Future<Output = Result<()>> + Send;
}

/// Autopilot: one call, one answer.
pub trait Autopilot: Send + Sync {
    /// Makes one call and waits for its answer no longer than `within`. `base_url` overrides the usual address.
    /// Every failure is an [`Response`]; nothing is retried here.
    fn call(
        &self,
        base_url: Option<&str>,
        key: &secrecy::SecretString,
        call: &Call,
        within: Duration,
    ) -> impl Future<Output = Response> + Send;
}

/// Who wants to see how a run goes: a bar, plain lines, nobody.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn saw(&self, event: Event<'_>);
}

/// What a run lets be seen as it goes. Counts and names only.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The run waits, this long, for this reason.
    Waits(Duration, &'a str),
    /// A drop is being read: rows so far.
    Reads(u64),
    /// The plan is made: rows (leavers too) that are to be sent.
    Planned(u64),
    /// A request left.
    Request,
    /// This many rows were settled, by an earlier attempt at the run or now.
    Settled(u64),
    /// A warning for people.
    Warns(&'a str),
}

/// Everything of the outside world that steps need.
pub trait Environment: Send + Sync {
    /// Objects.
    type Store: Store;
    /// Leases.
    type Leases: Leases;
    /// Secrets.
    type Secrets: SecretSource;
    /// Autopilot.
    type Autopilot: Autopilot;

    /// Objects.
    fn store(&self) -> &Self::Store;
    /// Leases.
    fn leases(&self) -> &Self::Leases;
    /// Secrets.
    fn secrets(&self) -> &Self::Secrets;
    /// Autopilot.
    fn autopilot(&self) -> &Self::Autopilot;
    /// The clock.
    fn clock(&self) -> &Clock;
    /// Who looks on.
    fn watcher(&self) -> &dyn Observer;
}
