//! The secrets on one machine: the key as it was given, the state key made on first use.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use secrecy::SecretString;

use super::disk::{Witness, private_file};
use super::store::{blocking, failed};
use crate::error::{Error, Kind, Result};
use crate::ports::{Freshness, SecretSource, Secrets};
use crate::state::hex;

/// Secrets on one machine.
#[derive(Debug)]
pub struct LocalSecrets {
    api_key: Option<SecretString>,
    /// Where the key was read, and is read again for a newer one.
    key_file: Option<PathBuf>,
    state_key: PathBuf,
    webhook: Option<SecretString>,
}

impl LocalSecrets {
    /// The key as given by a person, and the state key in the store at `root`.
    pub fn new(api_key: Option<SecretString>, root: impl Into<PathBuf>) -> Self {
        Self { api_key, key_file: None, state_key: root.into().join("state.key"), webhook: None }
    }

    /// The same with the file that the key was read from, which may be given a newer one while a run works.
    #[must_use]
    pub fn with_key_file(self, key_file: Option<PathBuf>) -> Self {
        Self { key_file, ..self }
    }

    /// The same with the address of a webhook.
    #[must_use]
    pub fn with_webhook(self, webhook: Option<SecretString>) -> Self {
        Self { webhook, ..self }
    }
}

/// The key that a file holds; none where it does not hold a key alone.
fn key_in(text: &str) -> Option<SecretString> {
    let key = text.trim();
    (!key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic())).then(|| key.to_owned().into())
}

/// A new state key: 32 random bytes, as hexadecimal digits.
///
/// # Errors
/// Kind `unavailable`, where the operating system has no randomness.
pub fn new_state_key() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|cause| {
        Error::new(Kind::Unavailable, "state key", "cannot be made: no randomness").with_source(cause.to_string())
    })?;
    Ok(hex(&bytes))
}

fn state_key(path: PathBuf) -> Result<String> {
    let key = path.display().to_string();
    let unwritable = |cause| failed("written", &key, cause);
    loop {
        match fs::read_to_string(&path) {
            Ok(text) if text.trim().len() >= 32 => return Ok(text.trim().to_owned()),
            Ok(_) => {
                return Err(Error::new(Kind::Config, key, "holds no state key")
                    .hint("restore it, or remove it and send every row once with --full"));
            }
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed("read", &key, cause));
            }
            Err(_) => {}
        }
        let (disk, folder) = (Witness::default(), path.parent().unwrap_or(&path));
        disk.private_folder(folder).map_err(unwritable)?;
        let made = new_state_key()?;
        let unfinished = path.with_extension(format!("{}", std::process::id()));
        let mut file = private_file().truncate(true).open(&unfinished).map_err(unwritable)?;
        file.write_all(made.as_bytes()).and_then(|()| file.sync_all()).map_err(unwritable)?;
        // A hard link never replaces: of two first runs, one makes the key and both read it.
        let _ = fs::hard_link(&unfinished, &path);
        // Without the key, the state that it digests is worth nothing: it must outlive a power failure.
        fs::remove_file(&unfinished).and_then(|()| disk.sync_folder(folder)).map_err(unwritable)?;
    }
}

/// Secrets in memory: a key that is yet to be stored.
#[derive(Clone, Debug)]
pub struct GivenSecrets(pub Secrets);

impl SecretSource for GivenSecrets {
    async fn secrets(&self, _connection: &str, _secret: &str, _freshness: Freshness) -> Result<Secrets> {
        Ok(self.0.clone())
    }
}

impl SecretSource for LocalSecrets {
    async fn secrets(&self, connection: &str, _secret: &str, freshness: Freshness) -> Result<Secrets> {
        let newer = match self.key_file.clone().filter(|_| freshness == Freshness::Newest) {
            Some(path) => blocking(move || Ok(fs::read_to_string(path).ok().as_deref().and_then(key_in))).await?,
            None => None,
        };
        let Some(api_key) = newer.or_else(|| self.api_key.clone()) else {
            return Err(Error::new(Kind::Config, connection, "the key is missing")
                .hint("give it with --api-key-file FILE, or in the environment as AUTOPILOT_API_KEY"));
        };
        let path = self.state_key.clone();
        let state_key = blocking(move || state_key(path)).await?.into();
        Ok(Secrets { api_key, state_key })
    }

    async fn state_key(&self, _connection: &str, _secret: &str) -> Result<Option<SecretString>> {
        let path = self.state_key.clone();
        if !path.exists() {
            return Ok(None);
        }
        Ok(Some(blocking(move || state_key(path)).await?.into()))
    }

    async fn webhook(&self, _secret: &str) -> Result<Option<SecretString>> {
        Ok(self.webhook.clone())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[tokio::test]
    async fn a_newer_key_is_read_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        fs::write(&file, "first").unwrap();
        let secrets =
            LocalSecrets::new(Some("first".to_owned().into()), folder.path()).with_key_file(Some(file.clone()));
        let key =
            async |refresh| secrets.secrets("eu", "eu", refresh).await.unwrap().api_key.expose_secret().to_owned();
        for (text, expected) in [("second\n", "second"), ("", "first"), ("two words", "first")] {
            fs::write(&file, text).unwrap();
            assert_eq!(
                (key(Freshness::MayBeKept).await, key(Freshness::Newest).await),
                ("first".to_owned(), expected.to_owned())
            );
        }
        fs::remove_file(&file).unwrap();
        assert_eq!(key(Freshness::Newest).await, "first", "a file that is being replaced");
    }
}
