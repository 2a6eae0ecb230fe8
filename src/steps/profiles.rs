//! Reads the state of an export from the store, profile by profile.

use crate::error::{Error, Kind, Result};
use crate::ports::{ObjectMeta, Reader, Store};
use crate::run::keys;
use crate::state::{Decoder, Header, Profile};

/// The profiles of a state object, in order of their keys.
pub(super) struct ProfileStream<R> {
    pub(super) header: Header,
    object: Object<R>,
    next: Option<Profile>,
}

struct Object<R> {
    reader: R,
    decoder: Decoder,
    is_ended: bool,
}

/// The account that an export's state is of; none where there is no state that can be read.
///
/// # Errors
/// Those of the store.
pub async fn account_of_state(store: &impl Store, export: &str) -> Result<Option<String>> {
    let Some(meta) = store.head(&keys::profiles(export)).await? else { return Ok(None) };
    match ProfileStream::open(store, &meta).await {
        Ok(profiles) => Ok(Some(profiles.header.account)),
        Err(error) if error.kind == Kind::Config => Ok(None),
        Err(error) => Err(error),
    }
}

impl<R: Reader> ProfileStream<R> {
    /// Opens a state object at exactly this version.
    ///
    /// # Errors
    /// Kind `config`, where it is not a whole state object of this format; those of the store.
    pub(super) async fn open(store: &impl Store<Reader = R>, meta: &ObjectMeta) -> Result<Self> {
        let decoder = Decoder::new(&meta.key);
        let mut object = Object { reader: store.open(meta).await?, decoder, is_ended: false };
        let next = object.profile().await?;
        let headless = || Error::new(Kind::Bug, &meta.key, "was read without its header");
        let header = object.decoder.header().cloned().ok_or_else(headless)?;
        Ok(Self { header, object, next })
    }

    /// The profile that is next.
    pub(super) fn peek(&self) -> Option<&Profile> {
        self.next.as_ref()
    }

    /// The next profile; none once the whole object was read.
    ///
    /// # Errors
    /// As [`ProfileStream::open`].
    pub(super) async fn next(&mut self) -> Result<Option<Profile>> {
        if self.next.is_none() {
            return Ok(None);
        }
        let after = self.object.profile().await?;
        Ok(std::mem::replace(&mut self.next, after))
    }
}

impl<R: Reader> Object<R> {
    async fn profile(&mut self) -> Result<Option<Profile>> {
        loop {
            let profile = self.decoder.profile()?;
            if profile.is_some() || self.is_ended {
                return Ok(profile);
            }
            match self.reader.next().await? {
                Some(piece) => self.decoder.feed(&piece)?,
                None => {
                    self.is_ended = true;
                    self.decoder.end()?;
                }
            }
        }
    }
}
