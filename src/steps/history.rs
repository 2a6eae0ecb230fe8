//! Reads what a run decided of each person from the store, some records at a time.

use crate::error::{Error, Kind, Result};
use crate::plan::history::{Decoder, Header, Record};
use crate::ports::{ObjectMeta, Reader, Store};

/// The records of a history, in the order in which they are stored.
pub(super) struct HistoryStream<R> {
    pub(super) header: Header,
    object: Object<R>,
    first: Option<Vec<Record>>,
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
        let first = Some(object.records().await?);
        let headless = || Error::new(Kind::Bug, &meta.key, "was read without its header");
        let header = object.decoder.header().cloned().ok_or_else(headless)?;
        Ok(Self { header, object, first })
    }

    /// The next records, at least one; none once the whole object was read.
    ///
    /// # Errors
    /// As [`HistoryStream::open`].
    pub(super) async fn next(&mut self) -> Result<Vec<Record>> {
        match self.first.take() {
            Some(first) => Ok(first),
            None => self.object.records().await,
        }
    }
}

impl<R: Reader> Object<R> {
    async fn records(&mut self) -> Result<Vec<Record>> {
        loop {
            let records = self.decoder.records()?;
            if !records.is_empty() || self.is_ended {
                return Ok(records);
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
