//! The zeros that fill up a block behind the text, or that stand where an upload was cut.

use super::unreadable;
use crate::error::Result;

/// The most trailing NULs that are padding.
/// Source: the usual size of a block and of a page.
const MOST: u64 = 4096;
const ZEROS: [u8; 1024] = [0; 1024];

/// Passes text on without the NULs that end it.
pub(super) struct TrailingNuls {
    /// Not where NUL is the delimiter.
    drop: bool,
    held: u64,
}

impl TrailingNuls {
    pub(super) fn new(drop: bool) -> Self {
        Self { drop, held: 0 }
    }

    /// Takes the next text; `last` where none follows.
    pub(super) fn pass(
        &mut self,
        text: &[u8],
        last: bool,
        out: &mut impl FnMut(&[u8], bool) -> Result<()>,
    ) -> Result<()> {
        if !self.drop || (self.held == 0 && text.last() != Some(&0)) {
            return out(text, last);
        }
        let kept = text.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        if kept > 0 {
            while self.held > 0 {
                let next = usize::try_from(self.held).unwrap_or(usize::MAX).min(ZEROS.len());
                out(ZEROS.get(..next).unwrap_or_default(), false)?;
                self.held -= next as u64;
            }
            out(text.get(..kept).unwrap_or_default(), false)?;
        }
        self.held += (text.len() - kept) as u64;
        if last && self.held > MOST {
            return Err(unreadable(format!("ends in {} NUL bytes: it was cut", self.held))
                .hint("deliver the file again, whole"));
        }
        if last { out(&[], true) } else { Ok(()) }
    }
}
