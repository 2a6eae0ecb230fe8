//! What Autopilot is known to hold for a segment of an export: one record per delivered profile, no personal data.
//!
//! A state object is gzip: a line of JSON (the [`Header`]), then binary records in order of their keys. A profile is
//! known by a keyed digest of its email, its mapped fields by another, so the object tells nothing to whoever lacks
//! the connection's state key.

use std::io::{BufWriter, Write};

use flate2::Compression;
use flate2::write::{GzDecoder, GzEncoder};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::error::{Error, Kind, Result};
use crate::membership::MembershipTarget;

/// The version of the layout that this program writes and reads.
pub const FORMAT: u32 = 1;

/// A profile's key: HMAC-SHA-256 of its normalised email.
pub type ProfileKey = [u8; 32];
/// A digest of the mapped fields: the first half of an HMAC-SHA-256.
pub type FieldsDigest = [u8; 16];

/// The digest of fields that were sent without an answer: no fields have it, so the profile counts as changed.
pub const FIELDS_UNCONFIRMED: FieldsDigest = [0; 16];
/// In the digest's place, where it is not sure either that the contact is marked as a member, or that the mark is gone.
pub const UNCONFIRMED: FieldsDigest = [u8::MAX; 16];

/// Makes the digests of one connection.
#[derive(Clone)]
pub struct Digester(Hmac<Sha256>);

impl std::fmt::Debug for Digester {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digester(***)")
    }
}

impl Digester {
    /// Digests under the connection's state key.
    ///
    /// # Errors
    /// Never for the keys this program makes; HMAC takes keys of any length.
    pub fn new(state_key: &str) -> Result<Self> {
        Hmac::new_from_slice(state_key.as_bytes())
            .map(Self)
            .map_err(|cause| Error::new(Kind::Bug, "state", "state key", "cannot be used").with_source(cause))
    }

    fn digest(&self, what: u8, text: &str) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(&[what]);
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// The key of the profile with this normalised email.
    pub fn profile(&self, normal_email: &str) -> ProfileKey {
        self.digest(b'e', normal_email)
    }

    /// The digest of mapped fields, as they would be sent.
    pub fn fields(&self, body: &str) -> FieldsDigest {
        half(&self.digest(b'f', body))
    }

    /// Tells one state key from another without telling the key.
    pub fn fingerprint(&self) -> String {
        hex(&half(&self.digest(b'k', "autopilot-export")))
    }
}

/// The first sixteen bytes of a digest.
pub fn half(digest: &[u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    half
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const_hex::encode(bytes)
}

/// Writes bytes as [`hex`] does at the end of a text.
pub fn push_hex<const N: usize>(bytes: &[u8; N], text: &mut String) {
    text.push_str(const_hex::Buffer::<N>::new().format(bytes));
}

/// The bytes behind exactly `2 N` hexadecimal digits.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    (text.len() == 2 * N).then(|| const_hex::decode_to_array(text).ok())?
}

/// What a state object belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`].
    pub format: u32,
    /// The Autopilot account.
    pub account: String,
    /// How members are marked there.
    pub marked: MembershipTarget,
    /// The fingerprint of the state key.
    pub key_fingerprint: String,
}

/// One delivered profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub key: ProfileKey,
    /// What was last confirmed of the mapped fields; [`FIELDS_UNCONFIRMED`] or [`UNCONFIRMED`] where a run ended before the answer.
    pub digest: FieldsDigest,
    /// Autopilot's id of the contact.
    pub contact_id: ContactId,
}

/// Autopilot's id of a contact, small enough to hold many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContactId {
    /// As Autopilot makes them: `person_` and a UUID, all its letters of one case.
    Person(Case, [u8; 16]),
    /// Any other.
    Text(Box<str>),
}

/// The case of a UUID's letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// All are small, or there is none.
    Lower,
    /// All are capitals.
    Upper,
}

impl ContactId {
    /// Of a contact that was sent without an answer. No id of Autopilot's.
    pub fn unknown() -> Self {
        Self::Text(UNKNOWN.into())
    }

    /// Whether it is not known.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Text(id) if **id == *UNKNOWN)
    }
}

/// An id that cannot be written, for its length, counts as unknown: it would make the members around it unreadable.
impl From<&str> for ContactId {
    fn from(id: &str) -> Self {
        if id.is_empty() || id.len() >= usize::from(UPPER) {
            return Self::unknown();
        }
        packed(id).map_or_else(|| Self::Text(id.into()), |(case, uuid)| Self::Person(case, uuid))
    }
}

impl std::fmt::Display for ContactId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Person(case, uuid) => f.write_str(&unpacked(*case, uuid)),
            Self::Text(id) => f.write_str(id),
        }
    }
}

const UNKNOWN: &str = "?";
const PERSON: &str = "person_";
/// The digits of a UUID's parts, between which dashes stand.
const DIGITS: [usize; 5] = [8, 4, 4, 4, 12];
/// Before an id's bytes: a UUID in lower case, a UUID in upper case, else the id's length.
const LOWER: u8 = 0;
const UPPER: u8 = u8::MAX;

fn write_member(out: &mut impl Write, member: &Member) -> std::io::Result<()> {
    out.write_all(&member.key)?;
    out.write_all(&member.digest)?;
    match &member.contact_id {
        ContactId::Person(case, uuid) => {
            out.write_all(&[if *case == Case::Lower { LOWER } else { UPPER }])?;
            out.write_all(uuid)
        }
        ContactId::Text(id) => {
            // Longer ones are unknown.
            out.write_all(&[u8::try_from(id.len()).unwrap_or(UPPER - 1)])?;
            out.write_all(id.as_bytes())
        }
    }
}

/// The UUID of an id and its case, where writing it back gives the very same id.
fn packed(id: &str) -> Option<(Case, [u8; 16])> {
    let text = id.strip_prefix(PERSON)?;
    let (mut rest, mut digits) = (text.as_bytes(), [0; 32]);
    let mut places = digits.as_mut_slice();
    for length in DIGITS {
        let (part, after) = rest.split_at_checked(length)?;
        let (place, free) = places.split_at_mut_checked(length)?;
        place.copy_from_slice(part);
        (rest, places) = (if free.is_empty() { after } else { after.strip_prefix(b"-")? }, free);
    }
    if !rest.is_empty() {
        return None;
    }
    let uuid = const_hex::decode_to_array(digits).ok()?;
    match (text.bytes().any(|b| b.is_ascii_lowercase()), text.bytes().any(|b| b.is_ascii_uppercase())) {
        (_, false) => Some((Case::Lower, uuid)),
        (false, true) => Some((Case::Upper, uuid)),
        (true, true) => None,
    }
}

fn unpacked(case: Case, uuid: &[u8; 16]) -> String {
    let mut text = hex(uuid);
    if case == Case::Upper {
        text.make_ascii_uppercase();
    }
    [8, 13, 18, 23].iter().for_each(|at| text.insert(*at, '-'));
    text.insert_str(0, PERSON);
    text
}

/// Writes a state object; members must come in order of their keys.
#[derive(Debug)]
pub struct Writer<W: Write> {
    /// Compressing costs by the call more than by the byte.
    gzip: BufWriter<GzEncoder<W>>,
}

impl<W: Write> Writer<W> {
    /// Begins a state object.
    ///
    /// # Errors
    /// Kind `unavailable`, where `out` cannot be written.
    pub fn new(header: &Header, out: W) -> Result<Self> {
        // Digests and UUIDs do not get smaller: gzip stores them, and its checksum tells damage.
        let mut gzip = BufWriter::with_capacity(64 * 1024, GzEncoder::new(out, Compression::none()));
        let line = serde_json::to_string(header).map_err(|cause| unwritable(cause.into()))?;
        writeln!(gzip, "{line}").map_err(unwritable)?;
        Ok(Self { gzip })
    }

    /// Adds a member.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn member(&mut self, member: &Member) -> Result<()> {
        write_member(&mut self.gzip, member).map_err(unwritable)
    }

    /// The whole object.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn finish(self) -> Result<W> {
        let gzip = self.gzip.into_inner().map_err(|error| unwritable(error.into_error()))?;
        gzip.finish().map_err(unwritable)
    }
}

fn unwritable(cause: std::io::Error) -> Error {
    Error::new(Kind::Unavailable, "state", "members", "cannot be written to a temporary file")
        .hint("make room on the disk and run again; nothing that was confirmed is lost")
        .with_source(cause)
}

/// Reads a state object that comes in pieces.
#[derive(Debug)]
pub struct Decoder {
    subject: String,
    gzip: GzDecoder<Vec<u8>>,
    header: Option<Header>,
    last: Option<ProfileKey>,
}

impl Decoder {
    /// A decoder for the state object of this name.
    pub fn new(subject: &str) -> Self {
        Self { subject: subject.into(), gzip: GzDecoder::new(Vec::new()), header: None, last: None }
    }

    /// The error of every state object that cannot be trusted.
    fn corrupt(&self) -> Error {
        corrupt(&self.subject)
    }

    /// Takes the next piece and gives out the members that are complete with it.
    ///
    /// # Errors
    /// Kind `config`, where the object is not a state object or not whole.
    pub fn feed(&mut self, bytes: &[u8], mut on: impl FnMut(Member) -> Result<()>) -> Result<()> {
        self.gzip.write_all(bytes).map_err(|cause| self.corrupt().with_source(cause))?;
        self.drain(&mut on)
    }

    /// Says that the object has ended; gives its header.
    ///
    /// # Errors
    /// Kind `config`, where the object is not whole.
    pub fn finish(mut self, mut on: impl FnMut(Member) -> Result<()>) -> Result<Header> {
        self.gzip.try_finish().map_err(|cause| self.corrupt().with_source(cause))?;
        self.drain(&mut on)?;
        match self.header.take() {
            Some(header) if self.gzip.get_ref().is_empty() => Ok(header),
            _ => Err(self.corrupt()),
        }
    }

    fn drain(&mut self, on: &mut impl FnMut(Member) -> Result<()>) -> Result<()> {
        let subject = self.subject.clone();
        let out = std::mem::take(self.gzip.get_mut());
        let mut rest = out.as_slice();
        if self.header.is_none() {
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                *self.gzip.get_mut() = out;
                return Ok(());
            };
            let (line, after) = rest.split_at(end);
            let header: Header = serde_json::from_slice(line).map_err(|cause| corrupt(&subject).with_source(cause))?;
            if header.format != FORMAT {
                let what = format!("has format {}, this program reads format {FORMAT}", header.format);
                return Err(Error::new(Kind::Config, "state", subject, what)
                    .hint("use the version of the program that wrote it, or send every row once with --full"));
            }
            self.header = Some(header);
            rest = after.get(1..).unwrap_or_default();
        }
        while let Some((member, after)) = read_member(rest).map_err(|()| corrupt(&subject))? {
            if self.last.is_some_and(|last| last >= member.key) {
                return Err(corrupt(&subject));
            }
            self.last = Some(member.key);
            rest = after;
            on(member)?;
        }
        *self.gzip.get_mut() = rest.to_vec();
        Ok(())
    }
}

fn corrupt(subject: &str) -> Error {
    Error::new(Kind::Config, "state", subject, "cannot be read: it is damaged or cut short")
        .hint("restore an older version of it, or send every row once as if there were no state with --full")
}

type Rest<'a> = Option<(Member, &'a [u8])>;

/// One member and what follows it; `None` where the record is not complete yet.
fn read_member(bytes: &[u8]) -> std::result::Result<Rest<'_>, ()> {
    let Some((key, rest)) = bytes.split_first_chunk::<32>() else {
        return Ok(None);
    };
    let Some((digest, rest)) = rest.split_first_chunk::<16>() else {
        return Ok(None);
    };
    let Some((length, rest)) = rest.split_first() else {
        return Ok(None);
    };
    let (contact_id, rest) = match length {
        case @ (&LOWER | &UPPER) => match rest.split_first_chunk::<16>() {
            Some((uuid, rest)) => {
                let case = if *case == LOWER { Case::Lower } else { Case::Upper };
                (ContactId::Person(case, *uuid), rest)
            }
            None => return Ok(None),
        },
        length => match rest.split_at_checked(usize::from(*length)) {
            Some((id, rest)) => (ContactId::Text(std::str::from_utf8(id).map_err(drop)?.into()), rest),
            None => return Ok(None),
        },
    };
    Ok(Some((Member { key: *key, digest: *digest, contact_id }, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            format: FORMAT,
            account: "acct".into(),
            marked: MembershipTarget::List { title: "News".into(), id: "contactlist_1".into() },
            key_fingerprint: Digester::new("k").unwrap().fingerprint(),
        }
    }

    fn member(n: u8, id: &str) -> Member {
        Member { key: [n; 32], digest: [n; 16], contact_id: ContactId::from(id) }
    }

    fn written(members: &[Member]) -> Vec<u8> {
        let mut writer = Writer::new(&header(), Vec::new()).unwrap();
        members.iter().for_each(|m| writer.member(m).unwrap());
        writer.finish().unwrap()
    }

    fn read(bytes: &[u8], piece: usize) -> Result<(Header, Vec<Member>)> {
        let mut decoder = Decoder::new("state");
        let mut members = Vec::new();
        for piece in bytes.chunks(piece) {
            decoder.feed(piece, |m| {
                members.push(m);
                Ok(())
            })?;
        }
        let header = decoder.finish(|m| {
            members.push(m);
            Ok(())
        })?;
        Ok((header, members))
    }

    #[test]
    fn what_is_written_is_read_back_however_it_is_cut() {
        let members = [
            member(1, "person_0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"),
            member(2, "person_0A1B2C3D-0A1B-0A1B-0A1B-0A1B2C3D4E5F"),
            member(3, "another id"),
        ];
        let bytes = written(&members);
        for piece in [1, 7, 1000] {
            let (head, got) = read(&bytes, piece).unwrap();
            assert_eq!((head, got), (header(), members.to_vec()));
        }
    }

    #[test]
    fn an_id_that_cannot_be_written_harms_no_other_member() {
        for (id, kept) in [(String::new(), "?"), ("ü".repeat(128), "?"), ("x".repeat(254), &"x".repeat(254))] {
            let members = [member(1, &id), member(2, "another id")];
            let (_, got) = read(&written(&members), 99).unwrap();
            assert_eq!(got, [member(1, kept), member(2, "another id")]);
        }
    }

    #[test]
    fn a_damaged_or_cut_object_is_an_error_that_says_what_to_do() {
        let bytes = written(&[member(1, "x"), member(2, "y")]);
        for broken in [&bytes[..bytes.len() - 9], b"not gzip".as_slice(), &[]] {
            let error = read(broken, 5).unwrap_err();
            assert_eq!(error.kind, Kind::Config);
            assert!(error.to_string().contains("--full"), "{error}");
        }
        assert!(read(&written(&[member(2, "x"), member(1, "y")]), 99).is_err(), "out of order");
    }

    #[test]
    fn digests_need_the_state_key() {
        let (one, other) = (Digester::new("one").unwrap(), Digester::new("other").unwrap());
        assert_ne!(one.profile("a@example.org"), other.profile("a@example.org"));
        assert_ne!(half(&one.profile("a")), one.fields("a"));
        assert_eq!(unhex(&hex(&one.profile("a"))), Some(one.profile("a")));
        assert_eq!(unhex::<2>("zz00"), None);
    }
}
