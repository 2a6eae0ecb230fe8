//! A store in memory, for unit tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;

use super::{Object, ObjectMeta, PutMode, PutOutcome, Reader, Store};
use crate::error::Result;

/// Objects by key, each with the number of the write that made it.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<BTreeMap<String, (Bytes, u64)>>);

fn meta((key, (body, write)): (&String, &(Bytes, u64))) -> ObjectMeta {
    let (bytes, modified) = (body.len() as u64, Timestamp::UNIX_EPOCH);
    ObjectMeta { key: key.clone(), bytes, modified, version: write.to_string() }
}

impl Memory {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, (Bytes, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    type Reader = Option<Bytes>;

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        let found = self.objects().get(key).cloned();
        // So that another task can write before the caller does.
        tokio::task::yield_now().await;
        Ok(found.map(|(body, write)| Object { body, tag: write.to_string() }))
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        Ok(self.objects().get_key_value(key).map(meta))
    }

    async fn open(&self, meta: &ObjectMeta) -> Result<Self::Reader> {
        Ok(self.objects().get(&meta.key).map(|(body, _)| body.clone()))
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutMode) -> Result<PutOutcome> {
        let mut objects = self.objects();
        let before = objects.get(key).map(|(_, write)| *write);
        let may_write = match condition {
            PutMode::Overwrite => true,
            PutMode::Create => before.is_none(),
            PutMode::Update(tag) => before.is_some_and(|write| write.to_string() == tag),
        };
        if !may_write {
            return Ok(PutOutcome::Conflict);
        }
        let write = before.unwrap_or_default() + 1;
        objects.insert(key.to_owned(), (body, write));
        Ok(PutOutcome::Written(write.to_string()))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
        Ok(self.objects().iter().filter(|(key, _)| key.starts_with(prefix)).map(meta).collect())
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.objects().remove(key);
        Ok(())
    }
}

impl Reader for Option<Bytes> {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        Ok(self.take())
    }
}
