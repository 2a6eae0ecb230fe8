//! A state object: what is read in any pieces is the same, and what was read is written and read back. The bytes are
//! taken as an object, as what an object packs, as the members behind a header, and as a contact's id.
#![no_main]

use std::io::Write;

use autopilot_export::error::{Kind, Result};
use autopilot_export::state::{ContactId, Decoder, FORMAT, Header, Member, MembershipTarget, Writer};
use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;

fn header() -> Header {
    let marked = MembershipTarget::List { title: "News".into(), id: "contactlist_1".into() };
    Header { format: FORMAT, account: "account".into(), marked, key_fingerprint: "0123456789abcdef".into() }
}

fn read(object: &[u8], piece: usize) -> Result<(Header, Vec<Member>)> {
    let mut members = Vec::new();
    let mut decoder = Decoder::new("members");
    let mut on = |member| {
        members.push(member);
        Ok(())
    };
    object.chunks(piece).try_for_each(|piece| decoder.feed(piece, &mut on))?;
    let header = decoder.finish(on)?;
    Ok((header, members))
}

fn written(header: &Header, members: &[Member]) -> Vec<u8> {
    let mut writer = Writer::new(header, Vec::new()).unwrap();
    members.iter().for_each(|member| writer.member(member).unwrap());
    writer.finish().unwrap()
}

fn packed(parts: [&[u8]; 2]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    parts.iter().for_each(|part| gzip.write_all(part).unwrap());
    gzip.finish().unwrap()
}

fn check(object: &[u8], piece: usize) {
    match (read(object, usize::MAX), read(object, piece)) {
        (Ok(whole), Ok(cut)) => {
            assert_eq!(whole, cut);
            assert!(whole.1.is_sorted_by(|one, next| one.key < next.key));
            assert_eq!(read(&written(&whole.0, &whole.1), piece).unwrap(), whole);
        }
        (Err(whole), Err(cut)) => assert!(whole.kind == Kind::Config && cut.kind == Kind::Config),
        (whole, cut) => panic!("{whole:?} whole, {cut:?} in pieces of {piece}"),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let piece = 1 + usize::from(bytes.last().copied().unwrap_or_default());
    let line = written(&header(), &[]);
    let header_line = serde_json::to_vec(&header()).unwrap();
    assert_eq!(read(&line, piece).unwrap().0, header());
    check(bytes, piece);
    check(&packed([bytes, b""]), piece);
    check(&packed([&[&header_line[..], b"\n"].concat(), bytes]), piece);
    let id = String::from_utf8_lossy(bytes);
    let members = [1, 2].map(|n| Member { key: [n; 32], digest: [n; 16], contact_id: ContactId::from(&*id) });
    assert_eq!(read(&written(&header(), &members), piece).unwrap().1, members);
});
