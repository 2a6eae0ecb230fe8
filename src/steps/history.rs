//! Reads what a run decided of each person from the store, record by record.

use crate::error::{Error, Kind, Result};
use crate::plan::history::{Decoder, Header, Record};
use crate::ports::{ObjectMeta, Reader, Store};

/// The records of a history, in the order in which they are stored.
pub(super) struct HistoryStream<R> {
    pub(super) header: Header,
    object: Object<R>,
    next: Option<Record>,
}

struct Object<R> {
    reader: R,
    decoder: Decoder,
    is_ended: bool,
}

impl<R: Reader> HistoryStream<R> {
    /// Opens a history at exactly this version.
    ///
    /// # Errors
    /// Kind `config`, where it is not a whole history of this format; those of the store.
    pub(super) async fn open(store: &impl Store<Reader = R>, meta: &ObjectMeta) -> Result<Self> {
        let decoder = Decoder::new(&meta.key);
        let mut object = Object { reader: store.open(meta).await?, decoder, is_ended: false };
        let next = object.record().await?;
        let headless = || Error::new(Kind::Bug, &meta.key, "was read without its header");
        let header = object.decoder.header().cloned().ok_or_else(headless)?;
        Ok(Self { header, object, next })
    }

    /// The next record; none once the whole object was read.
    ///
    /// # Errors
    /// As [`HistoryStream::open`].
    pub(super) async fn next(&mut self) -> Result<Option<Record>> {
        if self.next.is_none() {
            return Ok(None);
        }
        let after = self.object.record().await?;
        Ok(std::mem::replace(&mut self.next, after))
    }
}

impl<R: Reader> Object<R> {
    async fn record(&mut self) -> Result<Option<Record>> {
        loop {
            let record = self.decoder.record()?;
            if record.is_some() || self.is_ended {
                return Ok(record);
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
