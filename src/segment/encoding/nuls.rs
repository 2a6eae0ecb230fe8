//! What ends a file behind its text: the zeros that fill up a block, or that stand where an upload was cut, and before
//! them the character by which programs of old know the end.

use super::unreadable;
use crate::error::Result;

/// The most trailing NULs that are padding.
/// Source: the usual size of a block and of a page.
const MOST: u64 = 4096;
const ZEROS: [u8; 1024] = [0; 1024];
const END_OF_FILE: u8 = 0x1a;

/// Passes text on without the NULs that end it, and the end-of-file character before them.
pub(super) struct TrailingNuls {
    /// Not where one of them is the delimiter.
    drop: bool,
    /// From an end-of-file character on: nothing but line ends behind it.
    end: Vec<u8>,
    held: u64,
}

impl TrailingNuls {
    pub(super) fn new(delimiter: Option<char>) -> Self {
        let drop = !matches!(delimiter, Some('\0' | '\u{1a}'));
        Self { drop, end: Vec::new(), held: 0 }
    }

    /// Takes the next text; `last` where none follows.
    pub(super) fn pass(
        &mut self,
        text: &[u8],
        last: bool,
        out: &mut impl FnMut(&[u8], bool) -> Result<()>,
    ) -> Result<()> {
        let kept = text.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        let (body, nuls) = text.split_at(kept);
        let end = end_of(body);
        if !self.drop || self.held == 0 && self.end.is_empty() && nuls.is_empty() && end == body.len() {
            return out(text, last);
        }
        if self.held == 0 && !self.end.is_empty() && body.iter().all(is_line_end) {
            self.end.extend_from_slice(body);
        } else if !body.is_empty() {
            out(&std::mem::take(&mut self.end), false)?;
            while self.held > 0 {
                let next = usize::try_from(self.held).unwrap_or(usize::MAX).min(ZEROS.len());
                out(ZEROS.get(..next).unwrap_or_default(), false)?;
                self.held -= next as u64;
            }
            let (plain, end) = body.split_at(end);
            out(plain, false)?;
            self.end.extend_from_slice(end);
        }
        self.held += nuls.len() as u64;
        if last && self.held > MOST {
            return Err(unreadable(format!("ends in {} NUL bytes: it was cut", self.held))
                .hint("deliver the file again, whole"));
        }
        if !last {
            return Ok(());
        }
        self.end.retain(is_line_end);
        out(&self.end, true)
    }
}

/// Where the end-of-file characters begin that end a text, but for line ends; its length where there are none.
fn end_of(text: &[u8]) -> usize {
    let behind = |at: Option<usize>| at.map_or(0, |at| at + 1);
    let lines = behind(text.iter().rposition(|byte| !is_line_end(byte)));
    let begin = behind(text.get(..lines).unwrap_or_default().iter().rposition(|byte| *byte != END_OF_FILE));
    if begin < lines { begin } else { text.len() }
}

fn is_line_end(byte: &u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}
