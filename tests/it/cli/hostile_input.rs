//! Hostile input: nothing panics, errors are clear; the corpus is in `tests/data/hostile/`. What memory it takes is in
//! `memory`.

use std::io::Write;

use autopilot_export::config;
use autopilot_export::error::{Error, Kind, Result};
use autopilot_export::report::rejects::{as_it_was, as_text};
use autopilot_export::segment::{
    Columns, Decoder, Flaw, Format, MAX_COLUMNS, MAX_ROW_BYTES, Model, Row, Sink, Summary,
};
use autopilot_export::{state, trigger};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Counts what comes, and the longest of it.
#[derive(Debug, Default)]
struct Counting {
    rows: u64,
    malformed: u64,
    longest: usize,
}

impl Sink for Counting {
    fn columns(&mut self, _columns: &Columns) -> Result<()> {
        Ok(())
    }

    fn row(&mut self, _row: Row<'_>) -> Result<()> {
        self.rows += 1;
        Ok(())
    }

    fn malformed(&mut self, _line: u64, text: &str, _flaw: Flaw) -> Result<()> {
        self.malformed += 1;
        self.longest = self.longest.max(text.len());
        Ok(())
    }
}

fn decode<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> (Counting, Result<Summary>) {
    let mut sink = Counting::default();
    let mut decoder = Decoder::new("drop.csv", &Format::default(), None, &["EMail".to_owned()]);
    for piece in pieces {
        if let Err(error) = decoder.feed(piece, &mut sink) {
            return (sink, Err(error));
        }
    }
    let done = decoder.finish(&mut sink);
    (sink, done)
}

fn segment_error(done: Result<Summary>, what: &str) -> Error {
    let Err(error) = done else { panic!("{what} was accepted") };
    assert_eq!(error.kind, Kind::Segment, "{what}: {error}");
    assert!(error.to_string().len() < 600, "{what}: {error}");
    error
}

/// 256 MB of rows of zeros, packed 900 times: deflate's most is 1032 times.
#[test]
fn a_gzip_bomb_is_an_error_at_lower_ratios_too() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = "0,0\n".repeat(1 << 18);
    let mut random = fastrand::Rng::with_seed(7);
    packed.write_all(b"EMail,FirstName\n").unwrap();
    for _ in 0..256 {
        packed.write_all(zeros.as_bytes()).unwrap();
        let noise: String = std::iter::repeat_with(|| random.alphanumeric()).take(140).collect();
        packed.write_all(noise.as_bytes()).unwrap();
    }
    let packed = packed.finish().unwrap();
    let ratio = (256 << 20) / packed.len();
    assert!((850..950).contains(&ratio), "{ratio}");
    let error = segment_error(decode(packed.chunks(4096)).1, "a bomb");
    assert!(error.to_string().contains("unpacks to more than 200 times its size"), "{error}");
}

#[test]
fn a_field_of_64_mb_is_one_malformed_row_and_reading_continues() {
    for open in ["", "\""] {
        let head = format!("EMail,FirstName\nann@example.com,{open}");
        let piece = vec![b'x'; 1 << 16];
        let pieces = std::iter::once(head.as_bytes())
            .chain(std::iter::repeat_n(&piece[..], 1024))
            .chain(std::iter::once(&b"\nbob@example.com,Bob\n"[..]));
        let (sink, done) = decode(pieces);
        done.unwrap();
        assert_eq!((sink.rows, sink.malformed), (1, 1), "{open}");
        assert!(sink.longest <= MAX_ROW_BYTES, "{}", sink.longest);
    }
}

#[test]
fn a_million_columns_are_an_error() {
    let header = "EMail".to_owned() + &",c".repeat(1_000_000) + "\n";
    let error = segment_error(decode([header.as_bytes()]).1, "columns");
    println!("{error} ({MAX_COLUMNS})");
    // Many fields in a row are that row's fault alone.
    let row = "EMail,FirstName\nx".to_owned() + &",".repeat(500_000) + "\nann@example.com,Ann\n";
    let (sink, done) = decode([row.as_bytes()]);
    assert!(done.is_ok() && (sink.rows, sink.malformed) == (1, 1), "{sink:?}");
}

#[test]
fn every_file_of_the_corpus_ends_as_its_name_says() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/hostile");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap();
        let (sink, done) = decode(bytes.chunks(7));
        match name.split('-').next().unwrap() {
            "error" => drop(segment_error(done, &name)),
            "malformed" => assert!(done.is_ok() && sink.malformed > 0 && sink.rows > 0, "{name}: {sink:?} {done:?}"),
            "rows" => assert!(done.is_ok() && sink.malformed == 0 && sink.rows > 0, "{name}: {sink:?} {done:?}"),
            other => panic!("{other}: unknown start of a name"),
        }
        files += 1;
    }
    assert!(files >= 8, "{files}");
}

#[test]
fn rejects_are_not_formulas_in_a_spreadsheet() {
    for cell in ["=cmd()", "+1+1", "-A1", "@SUM(A1)", "＝cmd()", "'=1"] {
        assert_eq!(as_text(cell), format!("'{cell}"));
        assert_eq!(as_it_was(&as_text(cell)), cell);
    }
    assert_eq!((as_text("\t=1"), as_text("\rx")), ("'\t'=1".into(), "'\rx".into()));
    for cell in ["", "Ana", "'", "O'Neill", "''quoted", "a=b", "ann+x@example.com", "a; b", "+4712345678", "-12.5"] {
        assert_eq!(as_text(cell), cell);
    }
    assert_eq!(as_it_was("=1"), "=1", "a cell from another hand stays");
}

/// An object that packs these bytes, as the state is packed.
fn packed(parts: &[&[u8]]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    parts.iter().for_each(|part| gzip.write_all(part).unwrap());
    gzip.finish().unwrap()
}

/// The profiles of a state object that is fed in pieces, and its header.
fn profiles(object: &[u8], piece: usize) -> Result<(Vec<state::Profile>, Option<state::Header>)> {
    let mut decoder = state::Decoder::new("profiles");
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
    Ok((profiles, decoder.header().cloned()))
}

/// Text in the manner of each decoder, with what breaks it.
fn broken_text() -> impl Strategy<Value = Vec<u8>> {
    let parts = prop_oneof![
        Just(b"EMail,FirstName\n".to_vec()),
        Just(b"\"".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b",;\t|".to_vec()),
        Just(b"{\"EMail\":\"a@b.c\"}\n".to_vec()),
        Just(b"[{".to_vec()),
        Just(b"\\u0000".to_vec()),
        Just(vec![0x1f, 0x8b, 8, 0]),
        Just(vec![0xff, 0xfe]),
        Just(vec![0xfe, 0xff]),
        Just(vec![0xef, 0xbb, 0xbf]),
        Just(vec![0]),
        Just(b"PK\x03\x04".to_vec()),
        Just(b"ann@example.com,".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    proptest::collection::vec(parts, 0..30).prop_map(|parts| parts.concat())
}

fn broken_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("aws.s3")),
        Just(json!("Object Created")),
        Just(json!("newsletter")),
        Just(json!("2026-11-24T00:00:00Z")),
    ];
    let key = prop_oneof![
        proptest::sample::select(vec![
            "connections",
            "exports",
            "eu",
            "newsletter",
            "segments",
            "match",
            "email",
            "custom",
            "guards",
            "consent",
            "Records",
            "s3",
            "object",
            "key",
            "bucket",
            "name",
            "detail",
            "detail-type",
            "source",
            "time",
            "export",
            "entities",
            "attributes",
            "partitions",
            "location",
            "dataType",
            "annotations",
            "$type",
            "drops",
            "full",
            "requests_per_second",
            "lanes",
            "membership",
            "schedule",
            "eventTime",
            "eventSource",
            "resources",
        ])
        .prop_map(str::to_owned),
        ".{0,6}",
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(key.clone(), inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_a_decoder_panic_and_pieces_make_no_difference(bytes in broken_text(), piece in 1_usize..50) {
        let (whole, done) = decode([&bytes[..]]);
        let (cut, done_cut) = decode(bytes.chunks(piece));
        prop_assert_eq!(done.as_ref().ok(), done_cut.as_ref().ok());
        if done.is_ok() {
            prop_assert_eq!((whole.rows, whole.malformed), (cut.rows, cut.malformed));
        }
        if let Err(error) = done {
            prop_assert_eq!(error.kind, Kind::Segment);
        }
    }

    #[test]
    fn no_bytes_make_the_state_or_a_model_panic(bytes in broken_text(), piece in 1_usize..50) {
        let segments = br#"[{"name":"News","target":"none"}]"#;
        let head = br#"{"format":2,"account":"a","key_fingerprint":"f","segments":"#;
        let header = [&head[..], segments, b"}\n"].concat();
        let profile = [&header[..], &[1; 32], &[2; 16], b"\0\x01a\0\x01"].concat();
        prop_assert_eq!(profiles(&packed(&[&profile]), piece).unwrap().0.len(), 1);
        for object in [bytes.clone(), packed(&[&bytes]), packed(&[&header, &bytes]), packed(&[&profile, &bytes])] {
            let (whole, cut) = (profiles(&object, usize::MAX), profiles(&object, piece));
            prop_assert_eq!(whole.as_ref().ok(), cut.as_ref().ok());
            if let Err(error) = whole {
                prop_assert_eq!(error.kind, Kind::Config);
            }
        }
        let _ = Model::parse("model.json", &bytes);
        let _ = config::parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_json_makes_configuration_model_or_events_panic(value in broken_json()) {
        let _ = config::parse(&value.to_string());
        let _ = Model::parse("model.json", value.to_string().as_bytes());
        let config = config::parse(&crate::support::fixture::settings("http://127.0.0.1:9/v1").to_string()).unwrap();
        let _ = trigger::triggered(&value, &config, jiff::Timestamp::UNIX_EPOCH, "seed");
        // As a part of what is right, too.
        for path in ["/connections/eu/consent", "/exports/newsletter/match", "/exports/newsletter/segments", "/exports/newsletter/guards"] {
            let mut settings = crate::support::fixture::settings("http://127.0.0.1:9/v1");
            *settings.pointer_mut(path).unwrap() = value.clone();
            let _ = config::parse(&settings.to_string());
        }
    }

    #[test]
    fn what_is_written_for_a_spreadsheet_is_read_back_exactly(cell in "[-'\"=+@＠;1\t\r\na ]{0,8}|.{0,20}") {
        let written = as_text(&cell);
        prop_assert_eq!(as_it_was(&written), cell.as_str());
        prop_assert!(!written.starts_with(['=', '@', '＠', '\t', '\r', '\n']));
    }
}
