//! Whatever the text: what comes out depends on the bytes alone, not on the pieces that they come in.

use proptest::prelude::*;

use super::*;

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
        Just("\"x\",\"y\"\n"),
        Just("\u{feff}"),
        Just("\0"),
        Just("\u{1a}\n"),
        Just("EMail,FirstName\n"),
        Just(" ,\"\"\n"),
        Just("sep=,\n"),
        Just("{\"EMail\":\"a\"}\n"),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// What comes of bytes in pieces of these sizes, in turn. Of an error only its text counts.
fn outcome(case: &Case, bytes: &[u8], cuts: &[usize]) -> Result<(Seen, Summary), String> {
    let mut seen = Seen::default();
    let mut decoder = Decoder::new("x", &case.format, None, &case.wanted);
    let (mut rest, mut cut) = (bytes, cuts.iter().cycle());
    while !rest.is_empty() {
        let (piece, after) = rest.split_at((*cut.next().unwrap()).min(rest.len()));
        decoder.feed(piece, &mut seen).map_err(|error| error.to_string())?;
        rest = after;
    }
    let summary = decoder.finish(&mut seen).map_err(|error| error.to_string())?;
    Ok((seen, summary))
}

/// What the file begins with, and the delimiter that is configured.
const HEADS: [(&str, Option<char>); 6] = [
    ("EMail,FirstName\n", None),
    ("\r\n \u{feff}\n\u{feff}\u{feff}sep=§\r\nEMail§FirstName\r\n", None),
    ("\"EMail\"→\"FirstName\"\n", Some('→')),
    ("\u{feff}{\"EMail\":\"a\",\"FirstName\":null}\r\n", None),
    (",,\n\"\",\nMail,First\nann@example.com,x\n", None),
    ("", None),
];

proptest! {
    #[test]
    fn decoding_does_not_depend_on_how_the_bytes_are_cut(
        head in 0..HEADS.len(), body in rough(), cuts in prop::collection::vec(1usize..9, 1..20), way in 0u8..6,
    ) {
        let (head, delimiter) = HEADS[head];
        let text = format!("{head}{body}");
        let mut case = Case { format: Format { delimiter, ..Format::default() }, ..Case::new() };
        let bytes = match way {
            0 => text.into_bytes(),
            1 => gzip(text.as_bytes()),
            2 => format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect(),
            3 => [text.as_bytes(), &[0xc3]].concat(),
            4 => [text.as_bytes(), &[0; 40]].concat(),
            _ => { case.format.encoding = Encoding::of("gb18030"); text.into_bytes() }
        };
        prop_assert_eq!(outcome(&case, &bytes, &cuts), outcome(&case, &bytes, &[1 << 16]));
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
            // Where all cells are blank there is no row.
            if row.iter().any(|cell| !cell.trim().is_empty()) {
                expected.push((line, row.clone()));
            }
            let text = row.join("|");
            line += 1 + text.replace("\r\n", "\n").matches(['\n', '\r']).count() as u64;
        }
        let seen = Case::new().seen(writer.into_inner().unwrap());
        prop_assert_eq!(seen.rows, expected);
        prop_assert_eq!(seen.malformed, []);
    }
}
