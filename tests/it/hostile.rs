//! Hostile input: nothing panics, memory stays bounded, errors are clear; the corpus is in `tests/data/hostile/`.

use std::io::Write;

use autopilot_export::config;
use autopilot_export::error::{Error, Kind, Result};
use autopilot_export::report::rejects::{as_it_was, as_text};
use autopilot_export::segment::{Decoder, Flaw, Format, MAX_COLUMNS, MAX_ROW_BYTES, Model, Row, Sink, Summary};
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
    fn columns(&mut self, _names: &[String]) -> Result<()> {
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

#[test]
fn a_gzip_bomb_is_an_error() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![b'a'; 1 << 20];
    packed.write_all(b"EMail\n").unwrap();
    (0..256).for_each(|_| packed.write_all(&zeros).unwrap());
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 300_000, "{}", packed.len());
    let error = segment_error(decode(packed.chunks(4096)).1, "a bomb");
    println!("{error}");
}

#[test]
fn one_field_of_64_mb_is_one_malformed_row_and_the_next_row_is_read() {
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
    let row = "EMail,FirstName\n".to_owned() + &",".repeat(500_000) + "\nann@example.com,Ann\n";
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
            other => panic!("{other} is no beginning of a name"),
        }
        files += 1;
    }
    assert!(files >= 8, "{files}");
}

#[test]
fn rejects_are_no_formulas_in_a_spreadsheet() {
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

/// What the whole program does with a file while it may have 200 MB of addresses, threads and their stacks included.
#[cfg(all(target_os = "linux", feature = "cli", feature = "sandbox"))]
#[test]
fn memory_is_bounded_whatever_the_file() {
    let packed = |head: &str, piece: &str, times: usize, tail: &str| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(head.as_bytes()).unwrap();
        // Not so alike that it would be a bomb.
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..times {
            let noise: String = std::iter::repeat_with(|| random.alphanumeric()).take(2000).collect();
            packed.write_all(noise.as_bytes()).unwrap();
            packed.write_all(piece.as_bytes()).unwrap();
        }
        packed.write_all(tail.as_bytes()).unwrap();
        packed.finish().unwrap()
    };
    let (head, good) = ("EMail,FirstName,Value\n", "\nann@example.com,Ann,1\n");
    let piece = "x".repeat(62_000);
    let cases = [
        ("one field of 1 GB", packed(&format!("{head}bob@example.com,"), &piece, 16_000, good), 0),
        ("one quoted field of 1 GB", packed(&format!("{head}bob@example.com,\""), &piece, 16_000, good), 0),
        ("a header of 1 GB", packed("EMail,", &piece, 16_000, good), 4),
        ("a line of JSON of 256 MB", packed("{\"EMail\":\"", &piece, 4_000, "\"}\n"), 4),
        ("fields without number", packed(head, &",".repeat(62_000), 1_000, good), 0),
        ("100,000 malformed rows", packed(head, &"one,two\n".repeat(100), 1_000, good), 0),
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut settings = crate::scene::settings("http://127.0.0.1:9/v1");
    settings["exports"]["newsletter"]["guards"]["max_reject_share"] = json!(1);
    std::fs::write(folder.path().join("exports.json"), settings.to_string()).unwrap();
    for (name, bytes, code) in cases {
        std::fs::write(folder.path().join("drop"), bytes).unwrap();
        let ended = std::process::Command::new("sh")
            .args(["-c", "ulimit -v 200000; exec \"$0\" plan newsletter --drop drop"])
            .arg(env!("CARGO_BIN_EXE_autopilot-export"))
            .current_dir(folder.path())
            .env("AUTOPILOT_API_KEY", "key")
            .env("MALLOC_ARENA_MAX", "2")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(code), "{name}: {said}");
        assert!(said.len() < 5_000, "{name}: {said}");
    }
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
    fn no_bytes_make_the_state_or_a_model_panic(bytes in broken_text()) {
        let mut decoder = state::Decoder::new("members");
        if decoder.feed(&bytes, |_| Ok(())).is_ok() {
            let _ = decoder.finish(|_| Ok(()));
        }
        let _ = Model::parse("model.json", &bytes);
        let _ = config::parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_json_makes_configuration_model_or_events_panic(value in broken_json()) {
        let _ = config::parse(&value.to_string());
        let _ = Model::parse("model.json", value.to_string().as_bytes());
        let config = config::parse(&crate::scene::settings("http://127.0.0.1:9/v1").to_string()).unwrap();
        let _ = trigger::triggered(&value, &config, jiff::Timestamp::UNIX_EPOCH, "seed");
        // As a part of what is right, too.
        for path in ["/connections/eu/consent", "/exports/newsletter/match", "/exports/newsletter/segments", "/exports/newsletter/guards"] {
            let mut settings = crate::scene::settings("http://127.0.0.1:9/v1");
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
