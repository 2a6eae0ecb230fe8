//! Leases as objects, `leases/<connection>.json`: who holds the connection, compared and set. A lease counts for its
//! term after it was last written; its age is the time between the object's `LastModified` and the `Date` of the very
//! answer that tells it, so that S3's clock alone decides.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::store::{Bucket, plain, timestamp};
use super::{failed, status};
use crate::error::{Error, Kind, Result};
use crate::ports::{Condition, Leases, Put, Store};

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
    fn is_of(&self, holder: &str, process: Option<&str>) -> bool {
        self.lease.holder.as_deref() == Some(holder) && self.lease.process.as_deref() == process
    }

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

    /// The same for one process: another that goes on with the same run does not hold its leases.
    pub fn of_process(bucket: Bucket) -> Self {
        Self { process: Some(format!("{:016x}", fastrand::u64(..))), ..Self::new(bucket) }
    }

    /// The same with another term, for tests that wait for its end.
    pub fn with_term(bucket: Bucket, seconds: u64) -> Self {
        Self { bucket, term: seconds, process: None }
    }

    async fn find(&self, key: &str) -> Result<Option<Found>> {
        let told = Told::default();
        let request = self.bucket.client.get_object().bucket(&self.bucket.name).key(key);
        let answer = match request.customize().interceptor(told.clone()).send().await {
            Ok(answer) => answer,
            Err(cause) if status(&cause) == Some(404) => return Ok(None),
            Err(cause) => return Err(failed("lease", key, "read", &cause)),
        };
        let unclear = |what| Error::new(Kind::Unavailable, "lease", key, what);
        let now = told.time().ok_or_else(|| unclear("S3 does not tell its time"))?;
        let (tag, written) = (plain(answer.e_tag()), timestamp(answer.last_modified()));
        let body = answer.body.collect().await.map_err(|cause| unclear("cannot be read").because(cause.to_string()))?;
        let lease = serde_json::from_slice(&body.into_bytes()).map_err(|cause| {
            Error::new(Kind::Config, "lease", key, "is not what this program wrote").to_do("remove it").because(cause)
        })?;
        Ok(Some(Found { lease, tag, age_seconds: now.duration_since(written).as_secs() }))
    }

    async fn write(&self, key: &str, holder: Option<&str>, condition: Condition) -> Result<bool> {
        let (holder, process) = (holder.map(str::to_owned), self.process.clone());
        let lease = Lease { holder, process, term: self.term, mark: fastrand::u64(..) };
        let body = serde_json::to_vec(&lease)
            .map_err(|cause| Error::new(Kind::Bug, "lease", key, "cannot be written").because(cause))?;
        Ok(matches!(self.bucket.put(key, body.into(), condition).await?, Put::Written(_)))
    }
}

fn key(connection: &str) -> String {
    format!("leases/{connection}.json")
}

fn contended(key: &str) -> Error {
    Error::new(Kind::Unavailable, "lease", key, "is written by others again and again").to_do("run again later")
}

impl Leases for S3Leases {
    async fn take(&self, connection: &str, holder: &str) -> Result<bool> {
        let key = key(connection);
        // Who loses a race looks again: perhaps its own earlier writing has won, whose answer was lost.
        for _ in 0..TRIES {
            let condition = match self.find(&key).await? {
                None => Condition::IfAbsent,
                Some(found) if found.is_of(holder, self.process.as_deref()) && found.age_seconds < FRESH_SECONDS => {
                    return Ok(true);
                }
                Some(found) if found.is_of(holder, self.process.as_deref()) || found.is_free() => {
                    Condition::IfMatch(found.tag)
                }
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
                Some(found) if found.is_of(holder, self.process.as_deref()) => {
                    if found.age_seconds < FRESH_SECONDS {
                        return Ok(true);
                    }
                    // Also past its term: nobody else has taken it.
                    if self.write(&key, Some(holder), Condition::IfMatch(found.tag)).await? {
                        return Ok(true);
                    }
                }
                _ => return Ok(false),
            }
        }
        Err(contended(&key))
    }

    async fn give_back(&self, connection: &str, holder: &str) -> Result<()> {
        let key = key(connection);
        for _ in 0..TRIES {
            match self.find(&key).await? {
                Some(found) if found.is_of(holder, self.process.as_deref()) => {
                    if self.write(&key, None, Condition::IfMatch(found.tag)).await? {
                        return Ok(());
                    }
                }
                _ => return Ok(()),
            }
        }
        Err(contended(&key))
    }
}

/// Hears S3's time from the headers of an answer.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<Option<Timestamp>>>);

impl Told {
    fn time(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Told {
    fn name(&self) -> &'static str {
        "TimeTold"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> std::result::Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let time = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = time;
        Ok(())
    }
}
