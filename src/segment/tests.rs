//! Each rule of decoding as a claim, on the files in `tests/data/segments`.

use std::io::Write as _;

use proptest::prelude::*;

use super::*;
use crate::error::Result;

/// All that a sink is given.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    columns: Vec<Vec<String>>,
    rows: Vec<(u64, Vec<String>)>,
    malformed: Vec<(u64, String, Flaw)>,
}

impl Sink for Seen {
    fn columns(&mut self, columns: &[String]) -> Result<()> {
        assert!(self.rows.is_empty() && self.malformed.is_empty(), "columns come first");
        self.columns.push(columns.to_vec());
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> Result<()> {
        self.rows.push((row.line, row.iter().map(str::to_owned).collect()));
        Ok(())
    }

    fn malformed(&mut self, line: u64, raw: &str, flaw: Flaw) -> Result<()> {
        self.malformed.push((line, raw.to_owned(), flaw));
        Ok(())
    }
}

/// How a file is decoded in a test.
#[derive(Clone, Default)]
struct Case {
    format: Format,
    layout: Option<Layout>,
    wanted: Vec<String>,
}

impl Case {
    fn new() -> Self {
        Self { wanted: names(&["EMail", "FirstName"]), ..Self::default() }
    }

    fn decode(&self, bytes: &[u8], piece: usize) -> Result<(Seen, Summary)> {
        let mut seen = Seen::default();
        let mut decoder = Decoder::new("file.csv", &self.format, self.layout.as_ref(), &self.wanted);
        for piece in bytes.chunks(piece) {
            decoder.feed(piece, &mut seen)?;
        }
        let summary = decoder.finish(&mut seen)?;
        assert_eq!(summary.rows, seen.rows.len() as u64);
        assert_eq!(summary.malformed, seen.malformed.len() as u64);
        assert_eq!(summary.bytes, bytes.len() as u64);
        Ok((seen, summary))
    }

    fn seen(&self, bytes: impl AsRef<[u8]>) -> Seen {
        self.decode(bytes.as_ref(), 1 << 16).unwrap().0
    }

    fn error(&self, bytes: impl AsRef<[u8]>) -> String {
        let error = self.decode(bytes.as_ref(), 1 << 16).unwrap_err();
        assert_eq!(error.kind, Kind::Segment);
        error.to_string()
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/segments/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn layout(columns: &[&str], header: Option<bool>) -> Option<Layout> {
    Some(Layout { columns: names(columns), header, delimiter: Some(','), encoding: None, quoted: true })
}

fn told(header: bool) -> Format {
    Format { header: Some(header), ..Format::default() }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// The five profiles that most files hold, with the line each starts at.
fn people() -> Seen {
    Case::new().seen(fixture("header-always-quoted.csv"))
}

fn lines(seen: &Seen) -> Vec<u64> {
    seen.rows.iter().map(|(line, _)| *line).collect()
}

#[test]
fn always_quoted_rows_are_read_with_quotes_commas_and_line_ends_inside() {
    let seen = people();
    assert_eq!(seen.columns, [names(&["CustomerId", "EMail", "FirstName", "LastName", "City"])]);
    assert_eq!(lines(&seen), [2, 3, 4, 5, 7]);
    assert_eq!(seen.rows[3].1, names(&["c-4", "jiri@example.org", "Jiří", "Dvořák, \"ml.\"", "Brno\nČernovice"]));
    assert_eq!(seen.malformed, []);
}

#[test]
fn every_way_of_writing_the_same_profiles_reads_the_same() {
    let files = [
        "header-quoted-where-needed.csv",
        "utf8-bom.csv",
        "utf16le-bom.csv",
        "utf16be-bom.csv",
        "utf16le-no-bom.csv",
        "utf16be-no-bom.csv",
        "semicolon.csv",
        "tab.csv",
        "pipe.csv",
        "gzip-without-gz-name.csv",
        "gzip-two-members.csv.gz",
    ];
    for file in files {
        for piece in [1, 7, 1 << 16] {
            assert_eq!(Case::new().decode(&fixture(file), piece).unwrap().0, people(), "{file} by {piece}");
        }
    }
}

#[test]
fn windows_1252_is_read_where_it_is_told() {
    let mut case = Case::new();
    case.format.encoding = Some(Encoding::Windows1252);
    let seen = case.seen(fixture("windows-1252.csv"));
    assert_eq!(seen.rows[..2], people().rows[..2]);
    let untold = Case::new().seen(fixture("windows-1252.csv"));
    assert_eq!(untold.malformed.iter().map(|row| row.2).collect::<Vec<_>>(), [Flaw::Encoding; 2]);
}

#[test]
fn an_unclosed_quote_costs_its_own_line_only() {
    let seen = Case::new().seen(fixture("unclosed-quote-in-row-3.csv"));
    assert_eq!(lines(&seen), [2, 3, 5, 7]);
    assert_eq!(seen.malformed, [(4, "c-3,yuki@example.com,\"雪,田中,東京".to_owned(), Flaw::Quote)]);
    let seen = Case::new().seen(fixture("text-after-closing-quote-in-row-2.csv"));
    assert_eq!(lines(&seen), [2, 4]);
    assert_eq!((seen.malformed[0].0, seen.malformed[0].2), (3, Flaw::Quote));
}

#[test]
fn a_quote_unclosed_for_longer_than_a_row_may_be_costs_its_own_line_only() {
    let mut text = "EMail,FirstName\nann@example.com,\"Ann\n".to_owned();
    for _ in 0..100_000 {
        text.push_str("bea@example.com,Bea\n");
    }
    let seen = Case::new().seen(&text);
    assert_eq!((seen.rows.len(), seen.malformed.len()), (100_000, 1));
    assert_eq!(seen.malformed[0], (2, "ann@example.com,\"Ann".to_owned(), Flaw::Quote));
}

#[test]
fn a_row_of_another_width_is_malformed_once_with_its_line() {
    let seen = Case::new().seen(fixture("row-2-one-field-short.csv"));
    assert_eq!(lines(&seen), [2, 4, 6]);
    assert_eq!((seen.malformed[0].0, seen.malformed[0].2), (3, Flaw::Width { columns: 5, fields: 4 }));
    let seen = Case::new().seen("EMail,FirstName\na@example.com,\"x\ny\",z\nb@example.com,B\n");
    assert_eq!(seen.malformed, [(2, "a@example.com,\"x\ny\",z".to_owned(), Flaw::Width { columns: 2, fields: 3 })]);
    assert_eq!(lines(&seen), [4]);
}

#[test]
fn bytes_that_are_not_text_cost_their_row_only() {
    let seen = Case::new().seen(fixture("invalid-utf8-in-row-2.csv"));
    assert_eq!(lines(&seen), [2, 4]);
    assert_eq!((seen.malformed[0].0, seen.malformed[0].2), (3, Flaw::Encoding));
    // Two halves of one character, with the delimiter between them.
    let seen = Case::new().seen(b"EMail,FirstName\n\xc3,\xa9\nb@example.com,B\n");
    assert_eq!((lines(&seen), seen.malformed[0].2), (vec![3], Flaw::Encoding));
    let mut broken: Vec<u8> = "\u{feff}EMail,FirstName\na,".encode_utf16().flat_map(u16::to_le_bytes).collect();
    broken.extend([0x00, 0xd8]);
    broken.extend("\nb,B\n".encode_utf16().flat_map(u16::to_le_bytes));
    let seen = Case::new().seen(broken);
    assert_eq!((lines(&seen), seen.malformed[0].2), (vec![3], Flaw::Encoding));
}

#[test]
fn a_nul_costs_its_row_and_many_are_a_binary_file() {
    let mut text = "EMail,FirstName\nann@example.com,A\0nn\n".to_owned();
    text.push_str(&"bea@example.com,Bea\n".repeat(10));
    let seen = Case::new().seen(text);
    assert_eq!((seen.rows.len(), seen.malformed[0].0, seen.malformed[0].2), (10, 2, Flaw::Nul));
    assert!(Case::new().error([b'a', 0, 0, 0, 1, 2, 0, 0]).contains("looks like a binary file"));
}

#[test]
fn blank_lines_are_no_rows_and_are_counted() {
    assert_eq!(lines(&Case::new().seen(fixture("blank-lines.csv"))), [5, 7, 9]);
    assert_eq!(lines(&Case::new().seen("EMail,FirstName\r\ra,A\rb,B\r")), [3, 4]);
}

#[test]
fn a_file_without_text_has_neither_columns_nor_rows() {
    for text in ["", "\u{feff}", "\n\r\n \n"] {
        assert_eq!(Case::new().seen(text), Seen::default());
    }
    assert_eq!(Case::new().seen(gzip(b"")), Seen::default());
}

#[test]
fn a_header_alone_tells_its_columns() {
    let seen = Case::new().seen(fixture("header-only.csv"));
    assert_eq!((seen.columns.len(), seen.rows.len()), (1, 0));
}

#[test]
fn a_file_without_header_takes_its_names_from_model_json() {
    let model = Model::parse("no-header/model.json", &fixture("no-header/model.json")).unwrap();
    let case = Case { layout: model.layout_for("no-header/no-header.csv"), ..Case::new() };
    let seen = case.seen(fixture("no-header/no-header.csv"));
    assert_eq!((lines(&seen), &seen.columns), (vec![1, 2, 3, 4, 6], &people().columns));
}

#[test]
fn a_header_that_model_json_denies_is_not_exported_as_a_row() {
    let columns = ["CustomerId", "EMail", "FirstName", "LastName", "City"];
    let case = Case { layout: layout(&columns, Some(false)), ..Case::new() };
    assert_eq!(case.seen(fixture("header-always-quoted.csv")), people());
    let case = Case { layout: layout(&["CustomerId", "EMail"], Some(false)), ..Case::new() };
    assert!(case.error("EMail,FirstName\na@example.com,Ann\n").contains("holds column names, but model.json says"));
}

#[test]
fn a_row_is_not_swallowed_as_a_header() {
    let data = "ann@example.com,Ann\nbea@example.com,Bea\n";
    assert!(
        Case::new().error(data).contains("the first line looks like data, not column names; set segments[].format")
    );
    assert!(Case { format: told(true), ..Case::new() }.error(data).contains("looks like data, but segments[]"));
    let case = Case { layout: layout(&["EMail", "FirstName"], Some(true)), ..Case::new() };
    assert!(case.error(data).contains("looks like data, but model.json says"));
    // A value that happens to be a column's name does not make its row a header.
    assert!(Case::new().error("ann@example.com,EMail\n").contains("looks like data"));
    let case = Case { layout: layout(&["EMail", "FirstName"], None), ..Case::new() };
    assert_eq!(case.seen(data).rows.len(), 2);
}

#[test]
fn names_that_are_not_the_wanted_ones_are_the_sinks_to_judge() {
    assert_eq!(Case::new().seen("Email,First\na@example.com,A\n").columns, [names(&["Email", "First"])]);
}

#[test]
fn a_file_that_nothing_names_the_columns_of_is_an_error() {
    let case = Case { format: told(false), ..Case::new() };
    assert!(case.error("ann@example.com,Ann\n").contains("nothing names its columns"));
}

#[test]
fn a_first_line_that_cannot_be_read_is_an_error_where_it_would_be_the_header() {
    assert!(Case::new().error("\"EMail\"x,FirstName\na,b\n").contains("the first line cannot be read"));
    let case = Case { layout: layout(&["EMail", "FirstName"], Some(false)), ..Case::new() };
    let seen = case.seen("\"a\"x,b\na@example.com,Ann\n");
    assert_eq!((lines(&seen), seen.malformed[0].0), (vec![2], 1));
    let long = format!("{}\nann@example.com,Ann\n", "x".repeat(MAX_ROW_BYTES + 1));
    assert!(Case { format: told(true), ..Case::new() }.error(&long).contains("longer than 1 MiB"));
}

#[test]
fn a_wrong_delimiter_is_an_error_that_names_the_right_one() {
    let mut case = Case::new();
    case.format.delimiter = Some(',');
    assert!(case.error(fixture("semicolon.csv")).contains("is separated by ';', not by ','"));
    let case = Case { layout: layout(&["EMail", "FirstName", "City"], Some(false)), ..Case::new() };
    assert!(case.error("a@example.com;1,5;X\n").contains("is separated by ';'"));
    let mut case = Case::new();
    case.format.delimiter = Some('§');
    assert!(case.error("a").contains("cannot be separated"));
}

#[test]
fn the_delimiter_is_the_one_that_finds_the_wanted_columns() {
    let seen = Case::new().seen("EMail;FirstName;a,b,c,d,e\nann@example.com;Ann;1\n");
    assert_eq!(seen.columns[0].len(), 3);
    let one = Case { wanted: names(&["EMail"]), ..Case::new() };
    assert_eq!(one.seen("EMail\nann@example.com\n").rows, [(2, names(&["ann@example.com"]))]);
}

#[test]
fn two_columns_of_one_wanted_name_are_an_error() {
    assert!(Case::new().error("EMail,FirstName,EMail\n").contains("several columns named `EMail`"));
    assert_eq!(Case::new().seen("EMail,FirstName,x,x\na,b,c,d\n").rows.len(), 1);
}

#[test]
fn too_many_columns_are_an_error() {
    assert!(Case::new().error(format!("EMail{}\n", ",x".repeat(MAX_COLUMNS))).contains("more than 10000 columns"));
}

#[test]
fn without_quoting_a_quote_is_a_character() {
    let mut case = Case { layout: layout(&["EMail", "FirstName"], Some(false)), ..Case::new() };
    case.layout.as_mut().unwrap().quoted = false;
    assert_eq!(case.seen("a@example.com,\"Ann\n").rows, [(1, names(&["a@example.com", "\"Ann"]))]);
}

#[test]
fn a_line_without_end_is_one_malformed_row_in_bounded_memory() {
    let mut seen = Seen::default();
    let mut decoder = Decoder::new("x", &Format::default(), None, &Case::new().wanted);
    decoder.feed(b"EMail,FirstName\na@example.com,A\nb@example.com,", &mut seen).unwrap();
    for _ in 0..300 {
        decoder.feed(&[b'x'; 1 << 16], &mut seen).unwrap();
    }
    decoder.feed(b"\nc@example.com,C\n", &mut seen).unwrap();
    decoder.finish(&mut seen).unwrap();
    assert_eq!(lines(&seen), [2, 4]);
    assert_eq!(
        (seen.malformed[0].0, seen.malformed[0].1.len(), seen.malformed[0].2),
        (3, MAX_ROW_BYTES, Flaw::TooLong)
    );
    assert_eq!(seen.malformed.len(), 1);
}

#[test]
fn truncated_and_corrupt_gzip_are_errors() {
    assert!(Case::new().error(fixture("gzip-truncated.csv.gz")).contains("truncated"));
    let mut bytes = fixture("gzip-without-gz-name.csv");
    let checksum = bytes.len() - 6;
    bytes[checksum] ^= 1;
    assert!(Case::new().error(&bytes).contains("corrupt"));
    let mut bytes = gzip(b"EMail,FirstName\na,b\n");
    bytes.extend([0; 512]);
    assert_eq!(Case::new().seen(&bytes).rows.len(), 1);
    bytes.push(b'x');
    assert!(Case::new().error(&bytes).contains("truncated"));
}

#[test]
fn a_bomb_is_an_error() {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(b"EMail,FirstName\n").unwrap();
    for _ in 0..66 {
        bomb.write_all(&vec![b'x'; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(Case::new().error(bomb).contains("unpacks to more than 200 times its size"));
}

#[test]
fn what_is_no_text_is_named_with_what_to_do() {
    for (bytes, what) in [
        (&b"PK\x03\x04\x14\0\x06\0[Content_Types].xml"[..], "an Excel workbook"),
        (b"PK\x03\x04\x14\0\0\0segment.csv", "a zip archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook"),
        (b"PAR1\x15\x04\x15", "a Parquet file"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"\n<!DOCTYPE html><html>", "a web page or XML"),
    ] {
        let message = Case::new().error(bytes);
        assert!(message.contains(what) && message.ends_with("; export it as CSV, plain or gzip"), "{message}");
    }
    assert!(Case::new().error(gzip(&gzip(b"EMail"))).contains("packed by gzip twice"));
}

#[test]
fn json_lines_are_read_by_key() {
    for piece in [1, 1 << 16] {
        let seen = Case::new().decode(&fixture("objects.ndjson"), piece).unwrap().0;
        let columns = ["CustomerId", "EMail", "FirstName", "LifetimeValue", "Tags", "DoNotBulkEmail"];
        assert_eq!(seen.columns, [names(&columns)]);
        assert_eq!(seen.rows[0].1, names(&["c-1", "ana.perez@example.com", "Ana", "120.50", "[\"a\",\"b\"]", ""]));
        assert_eq!(seen.rows[1].1, names(&["c-2", "siobhan@example.org", "", "", "", "true"]));
        assert_eq!(seen.rows[2].1, names(&["c-3", "yuki@example.com", "雪 \"Y\"", "", "", ""]));
        assert_eq!(lines(&seen), [1, 2, 3, 5]);
        assert_eq!((seen.malformed[0].0, seen.malformed[0].2), (4, Flaw::Json));
    }
}

#[test]
fn a_json_array_is_an_error_that_says_what_to_do() {
    assert!(
        Case::new()
            .error(fixture("array.json"))
            .ends_with("is one JSON array; write one JSON object per line, without the array")
    );
    assert_eq!(Case::new().seen("[EMail],FirstName\n").columns[0][0], "[EMail]");
}

#[test]
fn an_error_of_the_sink_ends_the_decoding() {
    struct Refusing;
    impl Sink for Refusing {
        fn columns(&mut self, _: &[String]) -> Result<()> {
            Err(Error::new(Kind::Config, "newsletter", "no column `Mail`"))
        }
        fn row(&mut self, _: Row<'_>) -> Result<()> {
            unreachable!()
        }
        fn malformed(&mut self, _: u64, _: &str, _: Flaw) -> Result<()> {
            unreachable!()
        }
    }
    let mut decoder = Decoder::new("x", &Format::default(), None, &[]);
    decoder.feed(b"A,B\n1,2\n", &mut Refusing).unwrap();
    let error = decoder.finish(&mut Refusing).unwrap_err();
    assert_eq!((error.kind, error.subject.as_str()), (Kind::Config, "newsletter"));
}

#[test]
fn a_format_is_written_in_the_words_of_the_settings() {
    let json = r#"{"kind":"ndjson","delimiter":";","header":false,"encoding":"utf-16le"}"#;
    let format: Format = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&format).unwrap(), json);
    assert!(serde_json::from_str::<Format>(r#"{"delimeter":";"}"#).is_err());
}

#[test]
fn an_endless_json_line_is_one_malformed_row() {
    let mut text = b"{\"EMail\":\"a@example.com\",\"FirstName\":\"A\"}\n{\"EMail\":\"".to_vec();
    text.resize(text.len() + 3 * MAX_ROW_BYTES, b'x');
    text.extend(b"\"}\n\xff{}\n\n[1]\n{\"EMail\":\"\\u0000\"}\n{\"FirstName\":\"B\"}");
    for piece in [1 << 10, 1 << 23] {
        let seen = Case::new().decode(&text, piece).unwrap().0;
        assert_eq!(seen.rows, [(1, names(&["a@example.com", "A"])), (7, names(&["", "B"]))]);
        let flaws: Vec<_> = seen.malformed.iter().map(|(line, _, flaw)| (*line, *flaw)).collect();
        assert_eq!(flaws, [(2, Flaw::TooLong), (3, Flaw::Encoding), (5, Flaw::Json), (6, Flaw::Nul)]);
        assert_eq!(seen.malformed[0].1.len(), MAX_ROW_BYTES);
    }
}

#[test]
fn a_first_line_that_is_too_long_is_the_same_error_in_any_pieces() {
    for (open, close) in [("{\"EMail\":\"", "\"}"), ("EMail,\"", "\""), ("EMail,", "")] {
        for end in ["", "\n"] {
            let text = format!("{open}{}{close}{end}", "x".repeat(MAX_ROW_BYTES + 4000));
            let error = |piece| Case::new().decode(text.as_bytes(), piece).unwrap_err().to_string();
            assert_eq!(error(1000), error(1 << 23), "{open}");
        }
    }
}

#[test]
fn a_wide_header_is_read_however_small_the_pieces() {
    let header: Vec<String> = (0..9_000).map(|place| format!("\"a rather long column, {place}\"")).collect();
    let text = format!("EMail,FirstName,{}\na,b{}\n", header.join(","), ",".repeat(9_000));
    let seen = Case::new().decode(text.as_bytes(), 5).unwrap().0;
    assert_eq!((seen.columns[0].len(), lines(&seen)), (9_002, vec![2]));
}

/// Text that breaks in interesting ways.
fn rough() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\""),
        Just(","),
        Just("\n"),
        Just("\r\n"),
        Just("\r"),
        Just("\"\""),
        Just("é"),
        Just("a"),
        Just("雪"),
        Just("\",\""),
        Just("x,y\n"),
        Just("\"x\",\"y\"\n")
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn decoding_does_not_depend_on_how_the_bytes_are_cut(
        body in rough(), cuts in prop::collection::vec(1usize..9, 1..20), way in 0u8..4,
    ) {
        let text = format!("EMail,FirstName\n{body}");
        let bytes = match way {
            0 => text.into_bytes(),
            1 => gzip(text.as_bytes()),
            2 => format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect(),
            _ => { let mut bytes = text.into_bytes(); bytes.push(0xc3); bytes }
        };
        let whole = Case::new().seen(&bytes);
        let mut seen = Seen::default();
        let mut decoder = Decoder::new("x", &Format::default(), None, &Case::new().wanted);
        let (mut rest, mut cut) = (&bytes[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((*cut.next().unwrap()).min(rest.len()));
            decoder.feed(piece, &mut seen).unwrap();
            rest = after;
        }
        decoder.finish(&mut seen).unwrap();
        prop_assert_eq!(seen, whole);
    }

    #[test]
    fn what_the_csv_writer_writes_reads_back_with_its_lines(
        rows in prop::collection::vec(prop::collection::vec("[a-z\",;\né雪 \r]{0,6}", 3), 0..12), crlf: bool, always: bool,
    ) {
        let mut writer = ::csv::WriterBuilder::new();
        writer.quote_style(if always { ::csv::QuoteStyle::Always } else { ::csv::QuoteStyle::Necessary });
        writer.terminator(if crlf { ::csv::Terminator::CRLF } else { ::csv::Terminator::Any(b'\n') });
        let mut writer = writer.from_writer(Vec::new());
        writer.write_record(["EMail", "FirstName", "City"]).unwrap();
        let (mut line, mut expected) = (2, Vec::new());
        for row in &rows {
            writer.write_record(row).unwrap();
            expected.push((line, row.clone()));
            let text = row.join("|");
            line += 1 + text.replace("\r\n", "\n").matches(['\n', '\r']).count() as u64;
        }
        let seen = Case::new().seen(writer.into_inner().unwrap());
        prop_assert_eq!(seen.rows, expected);
        prop_assert_eq!(seen.malformed, []);
    }
}

#[path = "../../examples/generate/mod.rs"]
mod generate;

/// Decodes a generated drop, the parts in order.
fn generated(options: &generate::Options, counts: &generate::Counts) -> Vec<Vec<String>> {
    let folder = walk(&options.out);
    let key = |path: &std::path::Path| path.strip_prefix(&options.out).unwrap().to_str().unwrap().to_owned();
    let metas: Vec<crate::ports::ObjectMeta> = folder
        .iter()
        .map(|path| crate::ports::ObjectMeta {
            key: key(path),
            bytes: 1,
            modified: jiff::Timestamp::UNIX_EPOCH,
            version: "1".to_owned(),
        })
        .collect();
    let drop = drops::drops("", &metas, DropKind::Folder).pop().unwrap();
    let model = drop.model.as_deref().unwrap();
    let model = Model::parse(model, &std::fs::read(options.out.join(model)).unwrap()).unwrap();
    assert_eq!(drops::missing_parts(&drop, &model), Some(vec![]));
    let (mut rows, mut malformed) = (Vec::new(), 0);
    for part in &drop.parts {
        let case = Case { layout: model.layout_for(&part.key), ..Case::new() };
        let seen = case.seen(std::fs::read(options.out.join(&part.key)).unwrap());
        assert_eq!(seen.columns, [names(&generate::COLUMNS)]);
        rows.extend(seen.rows.into_iter().map(|(_, fields)| fields));
        malformed += seen.malformed.len() as u64;
    }
    assert_eq!((rows.len() as u64 + malformed, malformed), (counts.rows, counts.malformed_row));
    rows
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_generated_segment_holds_what_its_counts_say() {
    use std::collections::{HashMap, HashSet};
    for header in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().to_owned();
        let mut options =
            generate::Options { rows: 1000, parts: 3, out, bad_share: 0.05, header, ..Default::default() };
        let counts = generate::generate(&options).unwrap();
        assert_eq!((counts.rows, counts.good), (1000, 950));
        assert_eq!([counts.missing_email, counts.duplicate_email, counts.invalid_value], [10; 3]);
        let today = generated(&options, &counts);
        assert_eq!(today.iter().filter(|row| row[1].is_empty()).count(), 10);
        assert_eq!(today.iter().filter(|row| row[7] == "unknown").count(), 10);
        let emails: HashSet<&str> = today.iter().map(|row| row[1].as_str()).collect();
        // All but the ten empty ones are one, and the ten duplicates one with the first.
        assert_eq!(emails.len(), today.len() - 9 - 10);

        options.mutate = Some(0.03);
        let counts = generate::generate(&options).unwrap();
        let tomorrow = generated(&options, &counts);
        assert_eq!((counts.changed, counts.leavers, counts.joiners), (Some(10), Some(10), Some(10)));
        let by_id = |rows: &[Vec<String>]| -> HashMap<String, Vec<String>> {
            rows.iter().map(|row| (row[0].clone(), row.clone())).collect()
        };
        let (today, tomorrow) = (by_id(&today), by_id(&tomorrow));
        assert_eq!(today.keys().filter(|id| !tomorrow.contains_key(*id)).count(), 10);
        assert_eq!(tomorrow.keys().filter(|id| !today.contains_key(*id)).count(), 10);
        assert_eq!(today.iter().filter(|(id, row)| tomorrow.get(*id).is_some_and(|now| now != *row)).count(), 10);
    }
}
