//! A bucket as a store. An object's tag and version are its ETag: it is compared by conditional writes, and by reads
//! of exactly one version, whether or not the bucket is versioned. Encryption is the bucket's own default.

use std::fs::File;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::time::Duration;

use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::{Client, Config};
use bytes::Bytes;
use jiff::Timestamp;

use super::{failed, status};
use crate::error::{Error, Kind, Result};
use crate::ports::{Object, ObjectMeta, PutMode, PutOutcome, Reader, Store};
use crate::run::keys;

/// The tag of objects that hold personal data, by which the bucket's rules let them and their versions expire early: rules know
/// prefixes and tags, and such objects lie beside reports.
const PERSONAL: &str = "content=personal";
/// Tries of a conditional write that met another at the same moment.
/// Source: the S3 user guide, "Conditional writes": 409 ConditionalRequestConflict is to be tried again.
const CONFLICTS: u32 = 5;
/// How often a stream that was cut off is resumed.
const CUTS: u32 = 5;
/// Uploads of larger files time out after [`LONG`], because the SDK's timeout includes the upload. Stalled uploads end
/// much sooner.
const LONG_BYTES: u64 = 8 << 20;
/// 256 MiB at 1 MB a second.
const LONG: Duration = Duration::from_secs(300);

#[derive(Clone, Debug)]
pub struct Bucket {
    pub(super) client: Client,
    pub(super) name: String,
}

impl Bucket {
    /// The store in this bucket.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// The bucket's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the bucket exists. Who may not look at it takes it for granted.
    ///
    /// # Errors
    /// Kind `unavailable`.
    pub async fn is_there(&self) -> Result<bool> {
        match self.client.head_bucket().bucket(&self.name).send().await {
            Ok(_) => Ok(true),
            Err(cause) => match status(&cause) {
                Some(404) => Ok(false),
                Some(300..=499) => Ok(true),
                _ => Err(failed(&self.name, "looked at", &cause)),
            },
        }
    }

    async fn stream(&self, meta: &ObjectMeta, from: u64) -> Result<ByteStream> {
        let request = self.client.get_object().bucket(&self.name).key(&meta.key).if_match(quoted(&meta.version));
        let request = if from > 0 { request.range(format!("bytes={from}-")) } else { request };
        match request.send().await {
            Ok(answer) => Ok(answer.body),
            Err(cause) if matches!(status(&cause), Some(404 | 412)) => {
                Err(Error::new(Kind::Unavailable, &meta.key, "was replaced while it was read").hint("run again"))
            }
            Err(cause) => Err(failed(&meta.key, "read", &cause)),
        }
    }

    /// Writes an object, again where another wrote at the same moment.
    async fn write(&self, key: &str, body: Body<'_>, condition: PutMode) -> Result<PutOutcome> {
        let mut conflicts = 0;
        loop {
            let request = self.client.put_object().bucket(&self.name).key(key).body(body.stream(key).await?);
            let request = match &condition {
                PutMode::Overwrite => request,
                PutMode::Create => request.if_none_match("*"),
                PutMode::Update(tag) => request.if_match(quoted(tag)),
            };
            let request = if keys::is_personal(key) { request.tagging(PERSONAL) } else { request };
            let mut request = request.customize();
            if body.is_long() {
                let timeouts = TimeoutConfig::builder().read_timeout(LONG).build();
                request = request.config_override(Config::builder().timeout_config(timeouts));
            }
            let cause = match request.send().await {
                Ok(answer) => return Ok(PutOutcome::Written(plain(answer.e_tag()))),
                Err(cause) => cause,
            };
            match status(&cause) {
                Some(412) => return Ok(PutOutcome::Conflict),
                // The object to be replaced is gone.
                Some(404) if condition != PutMode::Overwrite && !is_bucket_absent(&cause) => {
                    return Ok(PutOutcome::Conflict);
                }
                Some(409) if conflicts < CONFLICTS => {
                    conflicts += 1;
                    tokio::time::sleep(Duration::from_millis(50 + fastrand::u64(..100)) * conflicts).await;
                }
                _ => return Err(failed(key, "written", &cause)),
            }
        }
    }
}

/// What is to be written.
enum Body<'a> {
    Bytes(Bytes),
    File(&'a File),
}

impl Body<'_> {
    fn is_long(&self) -> bool {
        match self {
            Self::Bytes(_) => false,
            Self::File(file) => file.metadata().is_ok_and(|data| data.len() > LONG_BYTES),
        }
    }

    /// Of a file, read as it is sent: a state or many rejects may be more than the function's memory.
    async fn stream(&self, key: &str) -> Result<ByteStream> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.clone().into()),
            Self::File(file) => {
                let unreadable = |cause: Box<dyn std::error::Error + Send + Sync>| {
                    Error::new(Kind::Unavailable, key, "its temporary file cannot be read").with_source(cause)
                };
                // It has no name, and is opened anew for each attempt.
                #[cfg(target_os = "linux")]
                return ByteStream::from_path(format!("/proc/self/fd/{}", file.as_raw_fd()))
                    .await
                    .map_err(|cause| unreadable(cause.into()));
                #[cfg(not(target_os = "linux"))]
                return whole(file).map(ByteStream::from).map_err(|cause| unreadable(cause.into()));
            }
        }
    }
}

/// A file's content. Only a function is short of memory, and that is Linux.
#[cfg(not(target_os = "linux"))]
fn whole(mut file: &File) -> std::io::Result<Vec<u8>> {
    use std::io::{Read, Seek};
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// An ETag as S3 wants to have it.
fn quoted(tag: &str) -> String {
    format!("\"{tag}\"")
}

/// An ETag without its quotes.
pub(super) fn plain(tag: Option<&str>) -> String {
    tag.unwrap_or_default().trim_matches('"').to_owned()
}

pub(super) fn timestamp(at: Option<&DateTime>) -> Timestamp {
    at.and_then(|at| Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

fn size(length: Option<i64>) -> u64 {
    length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default()
}

/// An object that is read in the pieces that the network brings.
#[derive(Debug)]
pub struct ObjectReader {
    bucket: Bucket,
    meta: ObjectMeta,
    stream: ByteStream,
    read: u64,
    cuts: u32,
}

impl Reader for ObjectReader {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            match self.stream.next().await {
                Some(Ok(piece)) => {
                    self.read += piece.len() as u64;
                    return Ok(Some(piece));
                }
                None if self.read >= self.meta.bytes => return Ok(None),
                // Cut, by an error or by an early end: resume where it was, at the same version.
                _ if self.cuts < CUTS => {
                    self.cuts += 1;
                    tokio::time::sleep(Duration::from_millis(200) * self.cuts).await;
                    self.stream = self.bucket.stream(&self.meta, self.read).await?;
                }
                _ => {
                    return Err(
                        Error::new(Kind::Unavailable, &self.meta.key, "was cut off repeatedly").hint("run again later")
                    );
                }
            }
        }
    }
}

impl Store for Bucket {
    type Reader = ObjectReader;

    fn location(&self) -> String {
        format!("s3://{}", self.name)
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        let whole = self.whole(key).await?;
        Ok(whole.map(|whole| Object { body: whole.body, tag: whole.tag }))
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        match self.client.head_object().bucket(&self.name).key(key).send().await {
            Ok(answer) => Ok(Some(ObjectMeta {
                key: key.to_owned(),
                bytes: size(answer.content_length()),
                modified: timestamp(answer.last_modified()),
                version: plain(answer.e_tag()),
            })),
            Err(cause) if status(&cause) == Some(404) => Ok(None),
            Err(cause) => Err(failed(key, "read", &cause)),
        }
    }

    async fn open(&self, meta: &ObjectMeta) -> Result<ObjectReader> {
        let stream = self.stream(meta, 0).await?;
        Ok(ObjectReader { bucket: self.clone(), meta: meta.clone(), stream, read: 0, cuts: 0 })
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutMode) -> Result<PutOutcome> {
        self.write(key, Body::Bytes(body), condition).await
    }

    async fn put_file(&self, key: &str, file: &File, condition: PutMode) -> Result<PutOutcome> {
        self.write(key, Body::File(file), condition).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
        let mut found = Vec::new();
        let mut pages = self.client.list_objects_v2().bucket(&self.name).prefix(prefix).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|cause| failed(prefix, "listed", &cause))?;
            found.extend(page.contents().iter().filter_map(|object| {
                Some(ObjectMeta {
                    key: object.key()?.to_owned(),
                    bytes: size(object.size()),
                    modified: timestamp(object.last_modified()),
                    version: plain(object.e_tag()),
                })
            }));
        }
        // S3 orders by the keys' bytes, which is our order as well; other stores that speak its language may not.
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    async fn earlier(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
        let (mut found, mut from) = (Vec::new(), (None, None));
        loop {
            let (key, version): (Option<String>, Option<String>) = from;
            let request = self.client.list_object_versions().bucket(&self.name).prefix(prefix);
            let request = request.set_key_marker(key).set_version_id_marker(version);
            let page = request.send().await.map_err(|cause| failed(prefix, "listed", &cause))?;
            let earlier = page.versions().iter().filter(|version| version.is_latest() == Some(false));
            found.extend(earlier.filter_map(|version| {
                Some(ObjectMeta {
                    key: version.key()?.to_owned(),
                    bytes: size(version.size()),
                    modified: timestamp(version.last_modified()),
                    version: version.version_id()?.to_owned(),
                })
            }));
            from = (page.next_key_marker().map(str::to_owned), page.next_version_id_marker().map(str::to_owned));
            if page.is_truncated() != Some(true) || from.0.is_none() {
                return Ok(found);
            }
        }
    }

    async fn get_earlier(&self, meta: &ObjectMeta) -> Result<Option<Bytes>> {
        let request = self.client.get_object().bucket(&self.name).key(&meta.key).version_id(&meta.version);
        match request.send().await {
            Ok(answer) => {
                let body = answer.body.collect().await;
                let body = body.map_err(|cause| {
                    Error::new(Kind::Unavailable, &meta.key, "is cut off").hint("try again").with_source(cause)
                })?;
                Ok(Some(body.into_bytes()))
            }
            Err(cause) if status(&cause) == Some(404) && !is_bucket_absent(&cause) => Ok(None),
            Err(cause) => Err(failed(&meta.key, "read", &cause)),
        }
    }

    async fn delete_earlier(&self, meta: &ObjectMeta) -> Result<()> {
        let request = self.client.delete_object().bucket(&self.name).key(&meta.key).version_id(&meta.version);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(cause) if status(&cause) == Some(404) && !is_bucket_absent(&cause) => Ok(()),
            Err(cause) => Err(failed(&meta.key, "removed", &cause)),
        }
    }

    async fn delete(&self, key: &str) -> Result<()> {
        match self.client.delete_object().bucket(&self.name).key(key).send().await {
            Ok(_) => Ok(()),
            Err(cause) if status(&cause) == Some(404) && !is_bucket_absent(&cause) => Ok(()),
            Err(cause) => Err(failed(key, "removed", &cause)),
        }
    }
}

pub(super) fn is_bucket_absent<E>(cause: &aws_sdk_s3::error::SdkError<E>) -> bool
where
    E: ProvideErrorMetadata,
{
    cause.as_service_error().and_then(|error| error.code()) == Some("NoSuchBucket")
}
