//! Which encoding a file is in: what is declared, against what its first bytes show.

use super::{Encoding, MARK, unreadable};
use crate::error::{Error, Result};

/// Encodings worth a try where none was configured, or a wrong one: the commonest of Windows, macOS and East Asia.
const COMMON: [&str; 6] = ["utf-8", "windows-1252", "windows-1250", "macintosh", "shift_jis", "gb18030"];

/// An encoding that a person or a program names.
#[derive(Clone, Copy)]
pub(super) struct Declared {
    pub(super) encoding: Encoding,
    by_settings: bool,
}

impl Declared {
    /// What the settings say, else a `model.json`: of the latter only what leaves no trace in the bytes.
    pub(super) fn new(settings: Option<Encoding>, model: Option<Encoding>) -> Option<Self> {
        let model = model.filter(|encoding| !encoding.is_utf_16() && *encoding != Encoding::UTF_8);
        let by_settings = settings.is_some();
        settings.or(model).map(|encoding| Self { encoding, by_settings })
    }

    /// The error of a file that shows another encoding than the configured one.
    pub(super) fn contradicted(self, seen: &str) -> Error {
        // What the standard calls so has other labels that are better known.
        let is_latin = self.encoding == Encoding::WINDOWS_1252;
        let name = if is_latin { "windows-1252 (iso-8859-1, latin1)" } else { self.encoding.name() };
        if self.by_settings {
            unreadable(format!("{seen}, but segments[].format.encoding says {name}"))
                .hint("correct segments[].format.encoding, or leave it out")
        } else {
            unreadable(format!("{seen}, but model.json says {name}"))
                .hint("set segments[].format.encoding to the right one, or correct model.json")
        }
    }
}

/// What to try instead of this configured encoding, or of UTF-8.
pub(in crate::segment) fn encodings_to_try(configured: Option<Encoding>) -> String {
    let tried = configured.unwrap_or(Encoding::UTF_8);
    let others: Vec<&str> = COMMON.into_iter().filter(|label| Encoding::of(label) != Some(tried)).collect();
    others.join(", ")
}

/// The encoding of a file that starts with `head`.
pub(super) fn encoding_of(head: &[u8], declared: Option<Declared>) -> Result<Encoding> {
    if head.starts_with(&[0xff, 0xfe, 0, 0]) || head.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Err(unreadable("is in UTF-32, which is not read").hint("save it as UTF-8"));
    }
    let marked = by_mark(head);
    let seen = marked.or_else(|| by_zeros(head));
    let Some(declared) = declared else { return Ok(seen.unwrap_or(Encoding::UTF_8)) };
    match seen {
        // A model.json describes a whole export, not this file.
        Some(seen) if !declared.by_settings => Ok(seen),
        Some(seen) if seen != declared.encoding && marked.is_some() => {
            Err(declared.contradicted(&format!("begins with the byte-order mark of {}", seen.name())))
        }
        Some(seen) if seen != declared.encoding => Err(declared.contradicted(&format!("looks like {}", seen.name()))),
        None if declared.encoding.is_utf_16() && is_text_of_bytes(head) => {
            Err(declared.contradicted(&format!("looks like {}", Encoding::UTF_8.name())))
        }
        _ => Ok(declared.encoding),
    }
}

fn by_mark(head: &[u8]) -> Option<Encoding> {
    if head.starts_with(MARK) {
        Some(Encoding::UTF_8)
    } else if head.starts_with(&[0xff, 0xfe]) {
        Some(Encoding::UTF_16LE)
    } else if head.starts_with(&[0xfe, 0xff]) {
        Some(Encoding::UTF_16BE)
    } else {
        None
    }
}

/// UTF-16 without a mark: delimiters, digits and addresses leave every second byte zero, on one side only.
fn by_zeros(head: &[u8]) -> Option<Encoding> {
    let zeros = |offset: usize| head.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let (high_first, low_first) = (zeros(0), zeros(1));
    let enough = |count: usize| count * 10 > head.len();
    if enough(low_first) && low_first > high_first * 4 {
        Some(Encoding::UTF_16LE)
    } else if enough(high_first) && high_first > low_first * 4 {
        Some(Encoding::UTF_16BE)
    } else {
        None
    }
}

/// Whether this is text of an encoding that is like ASCII: in UTF-16, line ends and delimiters hold zeros.
fn is_text_of_bytes(head: &[u8]) -> bool {
    let line_ends = head.iter().any(|byte| matches!(byte, b'\n' | b'\r' | b',' | b';' | b'\t'));
    line_ends && !head.contains(&0)
}
