//! Files anywhere on this machine, beside the objects of a store: drops that a person names on the command line.

use std::fs::File;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::store::{FILE, FileReader, failed, meta_of, metadata, walk};
use crate::error::{Error, Kind, Result};
use crate::ports::{Object, ObjectMeta, PutMode, PutOutcome, Reader, Store};

/// A store that also reads keys of the form `file:/absolute/path`.
#[derive(Clone, Debug)]
pub struct WithFiles<S>(pub S);

fn path_of(key: &str) -> Option<PathBuf> {
    key.strip_prefix(FILE).map(PathBuf::from)
}

/// A file as an object, or all files of a folder, and whether it was a folder.
///
/// # Errors
/// Kind `bad_request`, where there is no such file or folder.
pub fn file_metas(path: &Path) -> Result<(Vec<ObjectMeta>, bool)> {
    let shown = path.display().to_string();
    let full = std::fs::canonicalize(path).map_err(|cause| {
        Error::new(Kind::BadRequest, &shown, "cannot be found").hint("name a file or a folder").with_source(cause)
    })?;
    let key = format!("{FILE}{}", full.display());
    if let Some(data) = metadata(&full, &shown)? {
        return Ok((vec![meta_of(&key, &data)], false));
    }
    let mut found = Vec::new();
    walk(&full, &key, &key, &mut found).map_err(|cause| failed("read", &shown, cause))?;
    found.sort_by(|a, b| a.key.cmp(&b.key));
    Ok((found, true))
}

/// Reads from the store or from a file.
#[derive(Debug)]
pub enum WithFilesReader<R> {
    /// An object of the store.
    Stored(R),
    File(FileReader),
}

impl<R: Reader> Reader for WithFilesReader<R> {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        match self {
            Self::Stored(reader) => reader.next().await,
            Self::File(reader) => reader.next().await,
        }
    }
}

impl<S: Store> Store for WithFiles<S> {
    type Reader = WithFilesReader<S::Reader>;

    fn location(&self) -> String {
        self.0.location()
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        let Some(path) = path_of(key) else {
            return self.0.get(key).await;
        };
        let Some(data) = metadata(&path, key)? else {
            return Ok(None);
        };
        let body = std::fs::read(&path).map_err(|cause| failed("read", key, cause))?;
        Ok(Some(Object { body: body.into(), tag: meta_of(key, &data).version }))
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        match path_of(key) {
            Some(path) => Ok(metadata(&path, key)?.map(|data| meta_of(key, &data))),
            None => self.0.head(key).await,
        }
    }

    async fn open(&self, meta: &ObjectMeta) -> Result<Self::Reader> {
        match path_of(&meta.key) {
            Some(path) => Ok(WithFilesReader::File(FileReader::open(path, meta.clone()).await?)),
            None => Ok(WithFilesReader::Stored(self.0.open(meta).await?)),
        }
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutMode) -> Result<PutOutcome> {
        self.0.put(key, body, condition).await
    }

    async fn put_file(&self, key: &str, file: &File, condition: PutMode) -> Result<PutOutcome> {
        self.0.put_file(key, file, condition).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
        match path_of(prefix) {
            Some(path) => Ok(file_metas(&path)?.0),
            None => self.0.list(prefix).await,
        }
    }

    async fn sweep(&self, prefix: &str) -> Result<()> {
        self.0.sweep(prefix).await
    }

    async fn earlier(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
        self.0.earlier(prefix).await
    }

    async fn get_earlier(&self, meta: &ObjectMeta) -> Result<Option<Bytes>> {
        self.0.get_earlier(meta).await
    }

    async fn delete_earlier(&self, meta: &ObjectMeta) -> Result<()> {
        self.0.delete_earlier(meta).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.0.delete(key).await
    }
}
