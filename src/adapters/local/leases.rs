//! Leases as the operating system's file locks: gone with the process that held them.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::disk::{Witness, private_file};
use super::store::locked;
use crate::error::Result;
use crate::ports::Leases;

/// Lease files in a folder.
#[derive(Debug)]
pub struct FileLeases {
    folder: PathBuf,
    held: Mutex<HashMap<String, (String, File)>>,
}

impl FileLeases {
    /// The leases of the store in `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { folder: root.into().join("leases"), held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, (String, File)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, connection: &str) -> PathBuf {
        self.folder.join(format!("{connection}.json"))
    }

    fn lock(&self, connection: &str, holder: &str) -> std::io::Result<Option<File>> {
        Witness::default().private_folder(&self.folder)?;
        let mut file = private_file().open(self.path(connection))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(cause)) => return Err(cause),
        }
        file.set_len(0)?;
        writeln!(file, "{}", serde_json::json!({ "holder": holder, "process": std::process::id() }))?;
        Ok(Some(file))
    }
}

impl Leases for FileLeases {
    async fn take(&self, connection: &str, holder: &str) -> Result<bool> {
        let mut held = self.held();
        if let Some((who, _)) = held.get(connection) {
            return Ok(who == holder);
        }
        let file = self.lock(connection, holder);
        let file = file.map_err(|cause| locked(connection, &self.path(connection), cause))?;
        Ok(file.map(|file| held.insert(connection.into(), (holder.into(), file))).is_some())
    }

    async fn renew(&self, connection: &str, holder: &str) -> Result<bool> {
        Ok(self.held().get(connection).is_some_and(|(who, _)| who == holder))
    }

    async fn release(&self, connection: &str, holder: &str) -> Result<()> {
        let mut held = self.held();
        if held.get(connection).is_some_and(|(who, _)| who == holder)
            && let Some((_, file)) = held.remove(connection)
        {
            // Closing the file would unlock it as well; an error here changes nothing.
            let _ = file.set_len(0);
            let _ = file.unlock();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_holder_at_a_time_and_the_same_holder_again() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (FileLeases::new(folder.path()), FileLeases::new(folder.path()));
        assert!(one.take("eu", "a").await.unwrap());
        assert!(one.take("eu", "a").await.unwrap(), "twice is once");
        assert!(!one.take("eu", "b").await.unwrap());
        assert!(!other.take("eu", "b").await.unwrap(), "another process");
        assert!(other.take("us", "b").await.unwrap(), "another connection");
        one.release("eu", "b").await.unwrap();
        assert!(one.renew("eu", "a").await.unwrap(), "b had nothing to give back");
        drop(one);
        assert!(other.take("eu", "b").await.unwrap(), "gone with its holder");
        assert!(!other.renew("eu", "a").await.unwrap());
    }
}
