//! Bytes to UTF-8, and files that are not text at all.
//!
//! A configured encoding counts, and one that contradicts the bytes is an error. Else a byte-order mark counts, then
//! the zero bytes that UTF-16 leaves, then the `model.json`, then UTF-8. UTF-8 goes on as it is; its rows are checked
//! one by one. What is wrong in another encoding goes on as the byte FF, which is in no UTF-8, so that the row around it
//! is found malformed like any other. Byte-order marks go on too: each row drops those it starts with.

mod binary;
mod declared;
mod label;
mod nuls;
mod utf8_watch;

use encoding_rs::DecoderResult;

use super::{separator, unreadable};
use crate::error::Result;
use declared::Declared;
use nuls::TrailingNuls;
use utf8_watch::Utf8Watch;

pub(super) use declared::encodings_to_try;
pub use label::Encoding;
pub(super) use label::MARK;

/// How many bytes tell the encoding.
const HEAD: usize = 4096;
const PIECE: usize = 64 << 10;

/// Passes text on as UTF-8.
pub(super) struct Text {
    declared: Option<Declared>,
    delimiter: Option<char>,
    head: Vec<u8>,
    coding: Option<Coding>,
    nuls: TrailingNuls,
}

enum Coding {
    Utf8,
    Other { decoder: Box<encoding_rs::Decoder>, piece: Vec<u8>, watch: Option<Utf8Watch> },
}

impl Text {
    /// `settings` and `model` are the encodings that the settings and a `model.json` name; `delimiter` is the one that
    /// is configured, which may be a control character.
    pub(super) fn new(settings: Option<Encoding>, model: Option<Encoding>, delimiter: Option<char>) -> Self {
        let (declared, nuls) = (Declared::new(settings, model), TrailingNuls::new(delimiter));
        Self { declared, delimiter, head: Vec::new(), coding: None, nuls }
    }

    /// Takes the next bytes; `last` where none follow.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        last: bool,
        out: &mut impl FnMut(&[u8], bool) -> Result<()>,
    ) -> Result<()> {
        let mut out = |text: &[u8], last| self.nuls.pass(text, last, out);
        if let Some(coding) = &mut self.coding {
            return coding.pass(bytes, last, &mut out);
        }
        let (head, rest) = bytes.split_at(bytes.len().min(HEAD - self.head.len()));
        self.head.extend_from_slice(head);
        if self.head.len() < HEAD && !last {
            return Ok(());
        }
        let head = std::mem::take(&mut self.head);
        let encoding = declared::encoding_of(&head, self.declared)?;
        let plain = head.strip_prefix(MARK).unwrap_or(&head);
        binary::refuse(plain, encoding, separator::of(plain).or(self.delimiter))?;
        let watched = self.declared.filter(|declared| declared.encoding == encoding);
        let coding = self.coding.insert(Coding::new(encoding, watched));
        coding.pass(&head, last && rest.is_empty(), &mut out)?;
        if rest.is_empty() { Ok(()) } else { coding.pass(rest, last, &mut out) }
    }
}

impl Coding {
    fn new(encoding: Encoding, declared: Option<Declared>) -> Self {
        if encoding == Encoding::UTF_8 {
            return Self::Utf8;
        }
        let watch = declared.filter(|_| !encoding.is_utf_16()).map(Utf8Watch::new);
        Self::Other { decoder: Box::new(encoding.decoder()), piece: vec![0; PIECE], watch }
    }

    fn pass(&mut self, mut bytes: &[u8], last: bool, out: &mut impl FnMut(&[u8], bool) -> Result<()>) -> Result<()> {
        let Self::Other { decoder, piece, watch } = self else { return out(bytes, last) };
        if let Some(watch) = watch {
            watch.look(bytes, last)?;
        }
        loop {
            let (result, read, written) = decoder.decode_to_utf8_without_replacement(bytes, piece, last);
            bytes = bytes.get(read..).unwrap_or_default();
            let done = result == DecoderResult::InputEmpty;
            out(piece.get(..written).unwrap_or_default(), last && done)?;
            match result {
                DecoderResult::InputEmpty => return Ok(()),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => out(&[0xff], false)?,
            }
        }
    }
}
