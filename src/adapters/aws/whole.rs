//! Reads an object whole, and hears S3's time with it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use bytes::Bytes;
use jiff::Timestamp;

use super::store::{Bucket, is_bucket_absent, plain, timestamp};
use super::{failed, status};
use crate::error::{Error, Kind, Result};

/// Times that an object is asked for whose body is cut: the SDK itself tries again up to the headers only.
const READS: u32 = 3;

/// A whole object, as one response described it.
pub(super) struct Whole {
    pub(super) body: Bytes,
    pub(super) tag: String,
    pub(super) modified: Timestamp,
    /// The time of the answer, by S3's clock.
    pub(super) now: Option<Timestamp>,
}

impl Bucket {
    /// Reads a whole object; `None` where there is none.
    pub(super) async fn whole(&self, key: &str) -> Result<Option<Whole>> {
        let mut reads = 0;
        loop {
            let response_time = ResponseTime::default();
            let request =
                self.client.get_object().bucket(&self.name).key(key).customize().interceptor(response_time.clone());
            let answer = match request.send().await {
                Ok(answer) => answer,
                Err(cause) if status(&cause) == Some(404) && !is_bucket_absent(&cause) => return Ok(None),
                Err(cause) => return Err(failed(key, "read", &cause)),
            };
            let (tag, modified) = (plain(answer.e_tag()), timestamp(answer.last_modified()));
            reads += 1;
            match answer.body.collect().await {
                Ok(body) => {
                    return Ok(Some(Whole { body: body.into_bytes(), tag, modified, now: response_time.time() }));
                }
                Err(_) if reads < READS => tokio::time::sleep(Duration::from_millis(100) * reads).await,
                Err(cause) => {
                    return Err(Error::new(Kind::Unavailable, key, "was cut off repeatedly")
                        .hint("run again later")
                        .with_source(cause.to_string()));
                }
            }
        }
    }
}

/// S3's time, from the headers of a response.
#[derive(Clone, Debug, Default)]
struct ResponseTime(Arc<Mutex<Option<Timestamp>>>);

impl ResponseTime {
    fn time(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for ResponseTime {
    fn name(&self) -> &'static str {
        "ResponseTime"
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
