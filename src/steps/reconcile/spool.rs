//! Who is there, by key and contact id, in a temporary file: read back in slices, each in order of the keys.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};

use crate::error::{Error, Kind, Result};
use crate::ports::{ObjectMeta, PutMode, Reader, Store};
use crate::state::ProfileKey;
use crate::steps::temporary::temporary;

/// People of one slice, about.
const IN_A_SLICE: u64 = 50_000;

/// People who are there.
pub(super) struct Spool {
    file: BufWriter<File>,
    people: u64,
}

/// One of them.
pub(super) type Spooled = (ProfileKey, Box<str>);

fn failed(cause: std::io::Error) -> Error {
    Error::new(Kind::Unavailable, "people", "cannot be written to a temporary file")
        .hint("make room on the disk and try again")
        .with_source(cause)
}

impl Spool {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { file: BufWriter::new(temporary("people")?), people: 0 })
    }

    /// The people of an object that [`Spool::store`] has written.
    pub(super) async fn stored(store: &impl Store, meta: &ObjectMeta, people: u64) -> Result<Self> {
        let mut file = BufWriter::new(temporary("people")?);
        let mut reader = store.open(meta).await?;
        while let Some(piece) = reader.next().await? {
            file.write_all(&piece).map_err(failed)?;
        }
        Ok(Self { file, people })
    }

    /// Stores it; says how many entries it has.
    pub(super) async fn store(&mut self, store: &impl Store, key: &str) -> Result<u64> {
        self.file.flush().map_err(failed)?;
        store.put_file(key, self.file.get_ref(), PutMode::Overwrite).await?;
        Ok(self.people)
    }

    /// Adds a person. An id that is too long to be kept counts as unknown.
    pub(super) fn add(&mut self, key: &ProfileKey, id: &str) -> Result<()> {
        let (length, id) = u16::try_from(id.len()).map_or((0, ""), |length| (length, id));
        self.people += 1;
        let parts = [&key[..], &length.to_be_bytes(), id.as_bytes()];
        parts.into_iter().try_for_each(|part| self.file.write_all(part)).map_err(failed)
    }

    /// How many slices there are.
    pub(super) fn slices(&self) -> u32 {
        u32::try_from(self.people / IN_A_SLICE + 1).unwrap_or(u32::MAX).min(1 << 16)
    }

    /// Which slice a key belongs to. Slices are in order of the keys.
    pub(super) fn slice_of(&self, key: &ProfileKey) -> u32 {
        let [first, second, ..] = key;
        u32::from(u16::from_be_bytes([*first, *second])) * self.slices() / (1 << 16)
    }

    /// The people of a slice, each once.
    pub(super) fn slice(&mut self, number: u32) -> Result<Vec<Spooled>> {
        self.file.flush().map_err(failed)?;
        let mut file = self.file.get_ref().try_clone().map_err(failed)?;
        file.rewind().map_err(failed)?;
        let mut reader = BufReader::new(file);
        let mut found = Vec::new();
        for _ in 0..self.people {
            let (mut key, mut length) = ([0; 32], [0; 2]);
            reader.read_exact(&mut key).and_then(|()| reader.read_exact(&mut length)).map_err(failed)?;
            let mut id = vec![0; u16::from_be_bytes(length).into()];
            reader.read_exact(&mut id).map_err(failed)?;
            if self.slice_of(&key) == number {
                found.push((key, String::from_utf8_lossy(&id).into()));
            }
        }
        found.sort_unstable();
        found.dedup_by(|one, other| one.0 == other.0);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_hold_everybody_once_and_in_order() {
        let mut spool = Spool::new().unwrap();
        for n in (0..2 * IN_A_SLICE).chain(0..10) {
            let mut key = [0; 32];
            let spread = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            key.iter_mut().zip(spread.to_be_bytes()).for_each(|(to, from)| *to = from);
            spool.add(&key, &format!("id {n}")).unwrap();
        }
        let all: Vec<Spooled> = (0..spool.slices()).flat_map(|slice| spool.slice(slice).unwrap()).collect();
        assert_eq!((spool.slices(), all.len() as u64), (3, 2 * IN_A_SLICE));
        assert!(all.is_sorted_by_key(|(key, _)| *key));
    }
}
