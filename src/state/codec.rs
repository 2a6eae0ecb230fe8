//! The state object of an export, packed as `packed` says: a line of JSON (the [`Header`]), then a record per profile in
//! order of the keys:
//!
//! | bytes | |
//! | --- | --- |
//! | 32 | key |
//! | 16 | digest of the fields |
//! | 2 | length of the contact id, big endian; 0 where it is unknown |
//! | that many | contact id |
//! | 1 | flags: 1 with a digest of `match.id`, 2 the opt-out was sent apart from the fields |
//! | 0 or 16 | that digest |
//! | 1 for each of the header's segments | 0 absent, 1 confirmed, 2 unconfirmed, 3 leaving |

use std::io::Write;

use serde::Deserialize;

use super::packed::{Packer, Unpacker};
use super::{Header, MemberStatus, Profile, ProfileKey};
use crate::error::{Error, Kind, Result};

/// The version of the layout that this program writes and reads.
pub const FORMAT: u32 = 2;

/// A profile's flags.
const HAS_ID: u8 = 1;
const OPTED_OUT: u8 = 2;

/// Writes a state object; profiles must come in order of their keys.
#[derive(Debug)]
pub struct Writer<W: Write> {
    packed: Packer<W>,
    segments: usize,
}

impl<W: Write> Writer<W> {
    /// Begins a state object.
    ///
    /// # Errors
    /// Kind `unavailable`, where `out` cannot be written.
    pub fn new(header: &Header, out: W) -> Result<Self> {
        let packed = Packer::new(header, out).map_err(unwritable)?;
        Ok(Self { packed, segments: header.segments.len() })
    }

    /// Adds a profile. A contact id that is too long to be written counts as unknown.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn profile(&mut self, profile: &Profile) -> Result<()> {
        self.write(profile).map_err(unwritable)
    }

    fn write(&mut self, profile: &Profile) -> std::io::Result<()> {
        let out = &mut self.packed;
        out.write_all(&profile.key)?;
        out.write_all(&profile.digest)?;
        let id = profile.contact_id.as_deref().unwrap_or_default();
        let (length, id) = u16::try_from(id.len()).map_or((0, ""), |length| (length, id));
        out.write_all(&length.to_be_bytes())?;
        out.write_all(id.as_bytes())?;
        let has_id = if profile.match_id.is_some() { HAS_ID } else { 0 };
        out.write_all(&[has_id | if profile.is_opted_out { OPTED_OUT } else { 0 }])?;
        out.write_all(profile.match_id.as_ref().map_or(&[], |id| id.as_slice()))?;
        for segment in 0..self.segments {
            let byte = match profile.status(segment) {
                MemberStatus::Absent => 0,
                MemberStatus::Confirmed => 1,
                MemberStatus::Unconfirmed => 2,
                MemberStatus::Leaving => 3,
            };
            out.write_all(&[byte])?;
        }
        Ok(())
    }

    /// The whole object.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn finish(self) -> Result<W> {
        self.packed.finish().map_err(unwritable)
    }
}

fn unwritable(cause: std::io::Error) -> Error {
    Error::new(Kind::Unavailable, "profiles", "cannot be written to a temporary file")
        .hint("make room on the disk and run again; nothing that was confirmed is lost")
        .with_source(cause)
}

/// Reads a state object that comes in pieces: feed it, then take profiles until it wants more.
#[derive(Debug)]
pub struct Decoder {
    subject: String,
    packed: Unpacker,
    header: Option<Header>,
    last: Option<ProfileKey>,
}

impl Decoder {
    /// A decoder for the state object of this name.
    pub fn new(subject: &str) -> Self {
        Self { subject: subject.into(), packed: Unpacker::default(), header: None, last: None }
    }

    /// Takes the next piece of the object.
    ///
    /// # Errors
    /// Kind `config`, where it is damaged.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        self.packed.feed(bytes).map_err(|cause| self.corrupt().with_source(cause))
    }

    /// Records that the object has ended; the last profiles may come only now.
    ///
    /// # Errors
    /// Kind `config`, where it is cut short.
    pub fn end(&mut self) -> Result<()> {
        self.packed.end().map_err(|cause| self.corrupt().with_source(cause))
    }

    /// The header; none before enough of the object was fed and [`Decoder::profile`] was called.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// The next profile; none where the object has to be fed first, or has ended.
    ///
    /// # Errors
    /// Kind `config`, where the object is not a state object of this format, or not whole.
    pub fn profile(&mut self) -> Result<Option<Profile>> {
        let Some(header) = &self.header else { return self.read_header() };
        let rest = self.packed.rest();
        let mut fields = Fields(rest);
        let profile = match record(&mut fields, header.segments.len()) {
            Err(Flaw::Incomplete) if !self.packed.is_ended() || rest.is_empty() => return Ok(None),
            Err(_) => return Err(self.corrupt()),
            Ok(profile) => profile,
        };
        if self.last.is_some_and(|last| last >= profile.key) {
            return Err(self.corrupt());
        }
        self.last = Some(profile.key);
        let read = rest.len() - fields.0.len();
        self.packed.take(read);
        Ok(Some(profile))
    }

    fn read_header(&mut self) -> Result<Option<Profile>> {
        let Some(line) = self.packed.head() else {
            return if self.packed.is_ended() { Err(self.corrupt()) } else { Ok(None) };
        };
        let damaged = |cause| self.corrupt().with_source(cause);
        let Version { format } = serde_json::from_slice(line).map_err(damaged)?;
        if format != FORMAT {
            let problem = format!("has format {format}, this program reads format {FORMAT}");
            return Err(Error::new(Kind::Config, &self.subject, problem)
                .hint("use the version of the program that wrote it, or send every row once with --full"));
        }
        self.header = Some(serde_json::from_slice(line).map_err(damaged)?);
        let read = line.len() + 1;
        self.packed.take(read);
        self.profile()
    }

    /// The error of every state object that cannot be trusted.
    fn corrupt(&self) -> Error {
        Error::new(Kind::Config, &self.subject, "cannot be read: it is damaged or cut short")
            .hint("restore an older version of it, or send every row once as if there were no state with --full")
    }
}

#[derive(Deserialize)]
struct Version {
    format: u32,
}

/// Why there is no record.
enum Flaw {
    /// More bytes are needed.
    Incomplete,
    /// No bytes make it one.
    Damaged,
}

/// What is left of the bytes.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> std::result::Result<[u8; N], Flaw> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(Flaw::Incomplete)?;
        self.0 = rest;
        Ok(*array)
    }

    fn bytes(&mut self, length: usize) -> std::result::Result<&'a [u8], Flaw> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Flaw::Incomplete)?;
        self.0 = rest;
        Ok(bytes)
    }
}

fn record(fields: &mut Fields<'_>, segments: usize) -> std::result::Result<Profile, Flaw> {
    let (key, digest) = (fields.array()?, fields.array()?);
    let length = u16::from_be_bytes(fields.array()?);
    let id = std::str::from_utf8(fields.bytes(length.into())?).map_err(|_| Flaw::Damaged)?;
    let contact_id = (!id.is_empty()).then(|| id.into());
    let [flags] = fields.array()?;
    if flags & !(HAS_ID | OPTED_OUT) != 0 {
        return Err(Flaw::Damaged);
    }
    let match_id = if flags & HAS_ID != 0 { Some(fields.array()?) } else { None };
    let is_opted_out = flags & OPTED_OUT != 0;
    let status = |byte: &u8| match byte {
        0 => Ok(MemberStatus::Absent),
        1 => Ok(MemberStatus::Confirmed),
        2 => Ok(MemberStatus::Unconfirmed),
        3 => Ok(MemberStatus::Leaving),
        _ => Err(Flaw::Damaged),
    };
    let memberships = fields.bytes(segments)?.iter().map(status).collect::<std::result::Result<_, _>>()?;
    Ok(Profile { key, digest, contact_id, match_id, is_opted_out, memberships })
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::membership::MembershipTarget;
    use crate::state::{Digester, SegmentHeader};

    fn header() -> Header {
        let list = MembershipTarget::List { title: "News".into(), id: "list_1".into() };
        let segment = |name: &str, target| SegmentHeader { name: name.into(), target };
        Header {
            format: FORMAT,
            account: "acct".into(),
            key_fingerprint: Digester::new("k").unwrap().fingerprint(),
            segments: vec![segment("News", list), segment("VIP", MembershipTarget::None)],
            sent_at: None,
        }
    }

    fn profile(n: u8, id: &str) -> Profile {
        Profile {
            key: [n; 32],
            digest: [n; 16],
            contact_id: (!id.is_empty()).then(|| id.into()),
            match_id: n.is_multiple_of(2).then_some([n; 16]),
            is_opted_out: n > 2,
            memberships: vec![MemberStatus::Confirmed, MemberStatus::Unconfirmed],
        }
    }

    fn written(profiles: &[Profile]) -> Vec<u8> {
        let mut writer = Writer::new(&header(), Vec::new()).unwrap();
        profiles.iter().for_each(|profile| writer.profile(profile).unwrap());
        writer.finish().unwrap()
    }

    fn read(bytes: &[u8], piece: usize) -> Result<(Header, Vec<Profile>)> {
        let mut decoder = Decoder::new("state");
        let mut profiles = Vec::new();
        for piece in bytes.chunks(piece) {
            decoder.feed(piece)?;
            while let Some(profile) = decoder.profile()? {
                profiles.push(profile);
            }
        }
        decoder.end()?;
        while let Some(profile) = decoder.profile()? {
            profiles.push(profile);
        }
        Ok((decoder.header().unwrap().clone(), profiles))
    }

    #[test]
    fn what_is_written_is_read_back_however_it_is_cut() {
        let absent = Profile { memberships: vec![MemberStatus::Absent; 2], ..profile(4, "x") };
        let profiles = [profile(1, "person_0a1B"), profile(2, ""), profile(3, "another id, ü"), absent];
        let bytes = written(&profiles);
        for piece in [1, 7, 1000] {
            assert_eq!(read(&bytes, piece).unwrap(), (header(), profiles.to_vec()));
        }
    }

    #[test]
    fn an_id_that_cannot_be_written_harms_no_other_profile() {
        for (id, kept) in [("ü".repeat(1 << 15), ""), ("x".repeat(65_535), &*"x".repeat(65_535))] {
            let (_, got) = read(&written(&[profile(1, &id), profile(2, "another id")]), 99).unwrap();
            assert_eq!(got, [profile(1, kept), profile(2, "another id")]);
        }
    }

    #[test]
    fn an_object_that_is_damaged_cut_short_or_emptied_is_an_error() {
        let bytes = written(&[profile(1, "x"), profile(2, "y")]);
        let cut = (0..bytes.len()).map(|end| bytes[..end].to_vec());
        let flipped = (0..bytes.len()).filter(|at| !(3..=9).contains(at)).map(|at| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            bytes
        });
        let longer = [&bytes[..], b"x"].concat();
        for broken in cut.chain(flipped).chain([longer, b"not gzip".to_vec()]) {
            for piece in [5, 10_000] {
                let error = read(&broken, piece).unwrap_err();
                assert_eq!(error.kind, Kind::Config);
                assert!(error.to_string().contains("--full"), "{error}");
            }
        }
        assert!(read(&written(&[profile(2, "x"), profile(1, "y")]), 99).is_err(), "out of order");
    }

    #[test]
    fn another_format_is_refused_with_the_remedy() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
        gzip.write_all(b"{\"format\":1,\"account\":\"a\",\"marked\":\"none\",\"key_fingerprint\":\"f\"}\n").unwrap();
        let error = read(&gzip.finish().unwrap(), 99).unwrap_err().to_string();
        assert!(error.contains("has format 1, this program reads format 2") && error.contains("--full"), "{error}");
    }
}
