//! UTF-8 under the name of another encoding: every byte of it is some letter there, so nothing else would notice.

use super::declared::Declared;
use crate::error::Result;

/// The fewest characters beyond ASCII that tell UTF-8 from an encoding of several bytes a character. In an encoding of
/// one byte a character no text has even one by chance: `Ã©` is not in any word.
const FEWEST_OF_SEVERAL_BYTES: u64 = 8;

/// Looks on as a file is decoded.
pub(super) struct Utf8Watch {
    declared: Declared,
    valid: bool,
    cut: Vec<u8>,
    beyond_ascii: u64,
}

impl Utf8Watch {
    pub(super) fn new(declared: Declared) -> Self {
        Self { declared, valid: true, cut: Vec::new(), beyond_ascii: 0 }
    }

    /// Takes the next bytes; at the end, an error where all of them were UTF-8 and not only ASCII.
    pub(super) fn look(&mut self, bytes: &[u8], last: bool) -> Result<()> {
        if self.valid {
            let mut joined = std::mem::take(&mut self.cut);
            joined.extend_from_slice(bytes);
            let sound = match std::str::from_utf8(&joined) {
                Ok(_) => joined.len(),
                Err(error) => {
                    self.valid = error.error_len().is_none();
                    error.valid_up_to()
                }
            };
            let (sound, cut) = joined.split_at(sound);
            self.beyond_ascii += sound.iter().filter(|byte| **byte >= 0xc0).count() as u64;
            self.cut = cut.to_vec();
        }
        let fewest = if self.declared.encoding.is_single_byte() { 1 } else { FEWEST_OF_SEVERAL_BYTES };
        if last && self.valid && self.cut.is_empty() && self.beyond_ascii >= fewest {
            return Err(self.declared.contradicted("is UTF-8"));
        }
        Ok(())
    }
}
