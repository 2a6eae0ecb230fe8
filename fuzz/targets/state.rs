//! A state object: what is read in any pieces is the same, and what was read is written and read back. The bytes are
//! taken as an object, as what an object packs, as the profiles behind a header, and as a contact's id.
#![no_main]

use std::io::Write;

use autopilot_export::error::{Kind, Result};
use autopilot_export::membership::MembershipTarget;
use autopilot_export::state::{Decoder, FORMAT, Header, MemberStatus, Profile, SegmentHeader, Writer};
use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;

fn header() -> Header {
    let target = MembershipTarget::List { title: "News".into(), id: "contactlist_1".into() };
    let segments = vec![
        SegmentHeader { name: "News".into(), target },
        SegmentHeader { name: "VIP".into(), target: MembershipTarget::None },
    ];
    let (account, key_fingerprint) = ("account".into(), "0123456789abcdef".into());
    Header { format: FORMAT, account, key_fingerprint, segments, sent_at: None }
}

fn read(object: &[u8], piece: usize) -> Result<(Header, Vec<Profile>)> {
    let mut decoder = Decoder::new("profiles");
    let mut profiles = Vec::new();
    for piece in object.chunks(piece) {
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

fn written(header: &Header, profiles: &[Profile]) -> Vec<u8> {
    let mut writer = Writer::new(header, Vec::new()).unwrap();
    profiles.iter().for_each(|profile| writer.profile(profile).unwrap());
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
    let profiles = [1, 2].map(|n| Profile {
        key: [n; 32],
        digest: [n; 16],
        contact_id: (!id.is_empty() && id.len() <= usize::from(u16::MAX)).then(|| (&*id).into()),
        match_id: (n == 1).then_some([n; 16]),
        is_opted_out: n == 2,
        memberships: vec![MemberStatus::Confirmed, MemberStatus::Unconfirmed],
    });
    assert_eq!(read(&written(&header(), &profiles), piece).unwrap().1, profiles);
});
