//! Objects by key: a bucket, or a folder.

use std::fs::File;
use std::future::Future;
use std::io::{Read, Seek};

use bytes::Bytes;
use jiff::Timestamp;

use crate::error::{Error, Kind, Result};

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

    /// Where it is, for people: a folder's absolute path, or a bucket.
    fn location(&self) -> String {
        "this store".to_owned()
    }

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
    fn put_file(&self, key: &str, file: &File, condition: PutMode) -> impl Future<Output = Result<PutOutcome>> + Send {
        async move {
            let (mut body, mut file) = (Vec::new(), file);
            file.rewind().and_then(|()| file.read_to_end(&mut body)).map_err(|cause| {
                Error::new(Kind::Unavailable, key, "its temporary file cannot be read").with_source(cause)
            })?;
            self.put(key, body.into(), condition).await
        }
    }

    /// Every object whose key starts with `prefix`, in order of their keys.
    fn list(&self, prefix: &str) -> impl Future<Output = Result<Vec<ObjectMeta>>> + Send;

    /// Removes what writes that were cut off left below a folder's `prefix`; nobody else may write there meanwhile.
    fn sweep(&self, _prefix: &str) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// What objects below `prefix` held before they were replaced or removed, where the store keeps that: each by its key
    /// and its version.
    fn earlier(&self, _prefix: &str) -> impl Future<Output = Result<Vec<ObjectMeta>>> + Send {
        async { Ok(Vec::new()) }
    }

    /// Reads such content; none where it is gone.
    fn get_earlier(&self, _meta: &ObjectMeta) -> impl Future<Output = Result<Option<Bytes>>> + Send {
        async { Ok(None) }
    }

    /// Removes such content for good; where it is gone, that is success.
    fn delete_earlier(&self, _meta: &ObjectMeta) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Removes an object; one that is not there is success.
    fn delete(&self, key: &str) -> impl Future<Output = Result<()>> + Send;
}

/// A stream of bytes.
pub trait Reader: Send {
    /// The next piece, `None` at the end. Pieces are at most a few hundred KiB.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>>> + Send;
}
