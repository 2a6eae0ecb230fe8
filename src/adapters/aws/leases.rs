//! Leases as objects, `leases/<connection>.json`: who holds the connection, compared and set. A lease counts for its
//! term after it was last written; its age is the time between the object's `LastModified` and the `Date` of the very
//! answer that tells it, so that S3's clock alone decides.

use serde::{Deserialize, Serialize};

use super::store::Bucket;
use crate::error::{Error, Kind, Result};
use crate::ports::{Leases, PutMode, PutOutcome, Store};
use crate::state::hex;

/// Seconds that a lease counts unless it is renewed. Longer than any pause between two renewals: deliver renews every
/// 15 s, and the workflow waits 60 s at most before it calls a step again.
const TERM_SECONDS: u64 = 120;
/// A lease younger than this is not written again: of several lanes, one renews for all.
const FRESH_SECONDS: i64 = 10;
/// Tries where another writes at the same time.
const TRIES: u32 = 5;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Lease {
    /// The run that holds it; none once it is given back.
    holder: Option<String>,
    /// The process that holds it, where the run is one process's alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<String>,
    /// Seconds that it counts.
    term: u64,
    /// Makes every writing another content, and so another ETag.
    mark: u64,
}

/// A lease as it was found.
struct Found {
    lease: Lease,
    tag: String,
    age_seconds: i64,
}

impl Found {
    fn is_free(&self) -> bool {
        self.lease.holder.is_none() || u64::try_from(self.age_seconds).is_ok_and(|age| age > self.lease.term)
    }
}

/// Lease objects in a bucket.
#[derive(Clone, Debug)]
pub struct S3Leases {
    bucket: Bucket,
    term: u64,
    process: Option<String>,
}

impl S3Leases {
    /// The leases of this store.
    pub fn new(bucket: Bucket) -> Self {
        Self::with_term(bucket, TERM_SECONDS)
    }

    /// The same for one process: another that resumes the same run does not hold its leases, and has to wait for
    /// their term.
    pub fn of_process(bucket: Bucket) -> Self {
        let mut mark = [0; 8];
        // Without the system's randomness, that of the moment must do.
        if getrandom::fill(&mut mark).is_err() {
            mark = fastrand::u64(..).to_be_bytes();
        }
        Self { process: Some(hex(&mark)), ..Self::new(bucket) }
    }

    /// The same with another term, for tests that wait for its end.
    pub fn with_term(bucket: Bucket, seconds: u64) -> Self {
        Self { bucket, term: seconds, process: None }
    }

    /// Whether a lease is `holder`'s, and of this process where it is a process's alone.
    fn is_of(&self, found: &Found, holder: &str) -> bool {
        found.lease.holder.as_deref() == Some(holder) && found.lease.process == self.process
    }

    async fn find(&self, key: &str) -> Result<Option<Found>> {
        let Some(whole) = self.bucket.whole(key).await? else { return Ok(None) };
        let unclear = || Error::new(Kind::Unavailable, key, "S3 does not tell its time");
        let age_seconds = whole.now.ok_or_else(unclear)?.duration_since(whole.modified).as_secs();
        let lease = serde_json::from_slice(&whole.body).map_err(|cause| {
            Error::new(Kind::Config, key, "is not what this program wrote").hint("remove it").with_source(cause)
        })?;
        Ok(Some(Found { lease, tag: whole.tag, age_seconds }))
    }

    async fn write(&self, key: &str, holder: Option<&str>, condition: PutMode) -> Result<bool> {
        let (holder, process) = (holder.map(str::to_owned), self.process.clone());
        let lease = Lease { holder, process, term: self.term, mark: fastrand::u64(..) };
        let body = serde_json::to_vec(&lease)
            .map_err(|cause| Error::new(Kind::Bug, key, "cannot be written").with_source(cause))?;
        Ok(matches!(self.bucket.put(key, body.into(), condition).await?, PutOutcome::Written(_)))
    }
}

fn key(connection: &str) -> String {
    format!("leases/{connection}.json")
}

fn contended(key: &str) -> Error {
    Error::new(Kind::Unavailable, key, "keeps being changed by other processes").hint("run again later")
}

impl Leases for S3Leases {
    async fn take(&self, connection: &str, holder: &str) -> Result<bool> {
        let key = key(connection);
        // Who loses a race looks again: perhaps its own earlier writing has won, whose answer was lost.
        for _ in 0..TRIES {
            let condition = match self.find(&key).await? {
                None => PutMode::Create,
                Some(found) if self.is_of(&found, holder) && found.age_seconds < FRESH_SECONDS => return Ok(true),
                Some(found) if self.is_of(&found, holder) || found.is_free() => PutMode::Update(found.tag),
                Some(_) => return Ok(false),
            };
            if self.write(&key, Some(holder), condition).await? {
                return Ok(true);
            }
        }
        Err(contended(&key))
    }

    async fn renew(&self, connection: &str, holder: &str) -> Result<bool> {
        let key = key(connection);
        for _ in 0..TRIES {
            match self.find(&key).await? {
                Some(found) if self.is_of(&found, holder) => {
                    if found.age_seconds < FRESH_SECONDS {
                        return Ok(true);
                    }
                    // Also past its term: nobody else has taken it.
                    if self.write(&key, Some(holder), PutMode::Update(found.tag)).await? {
                        return Ok(true);
                    }
                }
                _ => return Ok(false),
            }
        }
        Err(contended(&key))
    }

    async fn release(&self, connection: &str, holder: &str) -> Result<()> {
        let key = key(connection);
        for _ in 0..TRIES {
            match self.find(&key).await? {
                Some(found) if self.is_of(&found, holder) => {
                    if self.write(&key, None, PutMode::Update(found.tag)).await? {
                        return Ok(());
                    }
                }
                _ => return Ok(()),
            }
        }
        Err(contended(&key))
    }
}
