//! Gzip, recognised by its first bytes and not by the file's name.
//!
//! Output comes in pieces of 64 KiB, so a bomb is never in memory whole.

use flate2::{Decompress, FlushDecompress, Status};

use super::unreadable;
use crate::error::{Error, Result};

/// From how many unpacked bytes on the share is looked at: 64 MiB.
const BOMB_BYTES: u64 = 64 << 20;

/// How many times as long as the packed bytes the unpacked ones may be. Tables pack 3 to 20 times, those that say the same
/// repeatedly a hundred times; deflate's most is 1032 times.
/// Source: RFC 1951: a length of 258 takes two bits at least.
const BOMB_RATIO: u64 = 200;

const PIECE: usize = 64 << 10;
const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];
const WINDOW_BITS: u8 = 15;

/// Passes plain bytes on as they are, and gzip unpacked.
pub(super) struct Unpack {
    state: State,
    packed: u64,
    unpacked: u64,
}

enum State {
    /// Fewer bytes than tell gzip from others.
    Undecided(Vec<u8>),
    Plain,
    Member(Box<Decompress>, Vec<u8>),
    /// Behind a member: the buffer to go on with, and the first bytes of what may be another.
    Between(Vec<u8>, Vec<u8>),
}

impl Unpack {
    pub(super) fn new() -> Self {
        Self { state: State::Undecided(Vec::new()), packed: 0, unpacked: 0 }
    }

    /// Takes the next bytes; `last` where none follow.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        last: bool,
        out: &mut impl FnMut(&[u8], bool) -> Result<()>,
    ) -> Result<()> {
        self.packed += bytes.len() as u64;
        if let State::Undecided(head) = &mut self.state {
            head.extend_from_slice(bytes);
            if head.len() < GZIP.len() && !last {
                return Ok(());
            }
            let head = std::mem::take(head);
            if last && head.len() > 1 && GZIP.starts_with(&head) {
                return Err(truncated());
            }
            if !head.starts_with(&GZIP) {
                self.state = State::Plain;
                return plain(&head, last, out);
            }
            self.state = State::member(vec![0; PIECE]);
            return self.inflate(&head, last, out);
        }
        match self.state {
            State::Plain => plain(bytes, last, out),
            _ => self.inflate(bytes, last, out),
        }
    }

    fn inflate(&mut self, mut bytes: &[u8], last: bool, out: &mut impl FnMut(&[u8], bool) -> Result<()>) -> Result<()> {
        loop {
            match &mut self.state {
                State::Member(inflate, piece) => {
                    let (read, written) = (inflate.total_in(), inflate.total_out());
                    let status = inflate.decompress(bytes, piece, FlushDecompress::None).map_err(corrupt)?;
                    let read = usize::try_from(inflate.total_in() - read).unwrap_or(usize::MAX);
                    let written = usize::try_from(inflate.total_out() - written).unwrap_or(usize::MAX);
                    bytes = bytes.get(read..).unwrap_or_default();
                    self.unpacked += written as u64;
                    if self.unpacked > BOMB_BYTES && self.unpacked / BOMB_RATIO > self.packed {
                        return Err(unreadable(format!("unpacks to more than {BOMB_RATIO} times its size"))
                            .hint("check the program that wrote it; real segments do not compress this well"));
                    }
                    out(piece.get(..written).unwrap_or_default(), false)?;
                    match status {
                        Status::StreamEnd => self.state = State::Between(std::mem::take(piece), Vec::new()),
                        _ if read == 0 && written == 0 => break,
                        _ => {}
                    }
                }
                State::Between(piece, begun) => {
                    let Some((first, rest)) = bytes.split_first() else { break };
                    bytes = rest;
                    // Tapes and some tools fill up with zeros.
                    if *first == 0 && begun.is_empty() {
                        continue;
                    }
                    begun.push(*first);
                    if !GZIP.starts_with(begun) {
                        return Err(unreadable("has other bytes behind its gzip data")
                            .hint("deliver the gzip data alone; check the program that wrote it"));
                    }
                    if begun.len() == GZIP.len() {
                        self.state = State::member(std::mem::take(piece));
                        self.inflate(&GZIP, false, out)?;
                    }
                }
                State::Undecided(_) | State::Plain => break,
            }
        }
        match &self.state {
            State::Member(..) if last => Err(truncated()),
            State::Between(_, begun) if last && !begun.is_empty() => Err(truncated()),
            _ if last => out(&[], true),
            _ => Ok(()),
        }
    }
}

impl State {
    fn member(piece: Vec<u8>) -> Self {
        Self::Member(Box::new(Decompress::new_gzip(WINDOW_BITS)), piece)
    }
}

fn truncated() -> Error {
    unreadable("the gzip data is truncated").hint("deliver the file again, whole")
}

fn corrupt(cause: flate2::DecompressError) -> Error {
    unreadable("the gzip data is corrupt").hint("deliver the file again, whole").with_source(cause)
}

fn plain(bytes: &[u8], last: bool, out: &mut impl FnMut(&[u8], bool) -> Result<()>) -> Result<()> {
    let mut pieces = bytes.chunks(PIECE).peekable();
    while let Some(piece) = pieces.next() {
        out(piece, last && pieces.peek().is_none())?;
    }
    if bytes.is_empty() && last { out(&[], true) } else { Ok(()) }
}
