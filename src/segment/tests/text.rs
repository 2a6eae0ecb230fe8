//! Bytes to text: encodings, marks, padding, packing, and what is not text.

use super::*;

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
fn windows_1252_is_read_where_it_is_configured() {
    let mut case = Case::new();
    case.format.encoding = Some(Encoding::WINDOWS_1252);
    let seen = case.seen(fixture("windows-1252.csv"));
    assert_eq!(seen.rows[..2], people().rows[..2]);
    let untold = Case::new().seen(fixture("windows-1252.csv"));
    assert_eq!(untold.malformed.iter().map(|row| row.2).collect::<Vec<_>>(), [Flaw::Encoding; 2]);
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
fn truncated_and_corrupt_gzip_are_errors() {
    assert!(Case::new().error(fixture("gzip-truncated.csv.gz")).contains("truncated"));
    let mut bytes = fixture("gzip-without-gz-name.csv");
    let checksum = bytes.len() - 6;
    bytes[checksum] ^= 1;
    assert!(Case::new().error(&bytes).contains("corrupt"));
    let mut bytes = gzip(b"EMail,FirstName\na,b\n");
    bytes.extend([0; 512]);
    assert_eq!(Case::new().seen(&bytes).rows.len(), 1);
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
fn a_binary_file_is_named_with_what_to_do() {
    for (bytes, what) in [
        (&b"PK\x03\x04\x14\0\x06\0[Content_Types].xml"[..], "an Excel workbook"),
        (b"PK\x03\x04\x14\0\0\0segment.csv", "a zip archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook"),
        (b"PAR1\x15\x04\x15", "a Parquet file"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"\n<!DOCTYPE html><html>", "a web page or XML"),
        (b"SQLite format 3\0\x10\0\x01", "a SQLite database"),
        (b"ORC\n\x01\x02\x03\x04", "an ORC file"),
        (b"\x78\x9c\x01\x02\x03\x04\x05\xff\xfe", "packed in another way than gzip"),
        (b"\x04\x22\x4d\x18\x64\x40\xa7", "packed in another way than gzip"),
        (b"\xff\x06\0\0sNaPpY", "packed in another way than gzip"),
        (b"\x1f\x9d\x90abc", "packed in another way than gzip"),
        (b"EMail\x01FirstName\x01C\n", "a binary file"),
    ] {
        let message = Case::new().error(bytes);
        assert!(message.contains(what) && message.contains("; export it as CSV, plain or gzip"), "{what}: {message}");
    }
    assert!(Case::new().error(gzip(&gzip(b"EMail"))).contains("packed by gzip twice"));
}

#[test]
fn a_file_without_text_has_neither_columns_nor_rows() {
    for bytes in [&b""[..], "\u{feff}".as_bytes(), b"\n\r\n \n", &gzip(b""), &[0; 4096], b"sep=;\n", b",,\n"] {
        let (seen, summary) = Case::new().decode(bytes, 1 << 16).unwrap();
        assert_eq!((seen, summary.is_empty), (Seen::default(), true), "{bytes:?}");
    }
    assert!(!Case::new().decode(b"EMail,FirstName\n", 99).unwrap().1.is_empty);
}

#[test]
fn byte_order_marks_before_a_file_or_a_row_are_dropped() {
    let text =
        "\u{feff}\u{feff}EMail,FirstName\n\u{feff}\"ann@example.com\",\"A\nnn\"\n\u{feff}\u{feff}bea@example.com,Bea\n";
    let wide = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    for bytes in [text.as_bytes().to_vec(), wide(u16::to_le_bytes), wide(u16::to_be_bytes), gzip(text.as_bytes())] {
        for piece in [1, 1 << 16] {
            let seen = Case::new().decode(&bytes, piece).unwrap().0;
            assert_eq!(seen.columns, names(&["EMail", "FirstName"]));
            assert_eq!(fields(&seen), [["ann@example.com", "A\nnn"], ["bea@example.com", "Bea"]]);
            assert_eq!(lines(&seen), [2, 4]);
        }
    }
    let inside = "EMail,FirstName\nann@example.com,A\u{feff}nn\n";
    assert_eq!(fields(&Case::new().seen(inside)), [["ann@example.com", "A\u{feff}nn"]], "a mark in a cell is its own");
}

#[test]
fn any_label_of_an_encoding_may_be_configured() {
    for (label, bytes, text) in [
        ("windows-1250", &b"\xa3ukasz"[..], "Łukasz"),
        ("cp1251", b"\xce\xeb\xfc\xe3\xe0", "Ольга"),
        ("Macintosh", b"Ren\x8e", "René"),
        ("iso-8859-15", b"\xa4", "€"),
        ("Shift_JIS", b"\x89\xd4\x8eq", "花子"),
        ("gbk", b"\xc0\xf6", "丽"),
        ("iso-2022-jp", b"\x1b$B2V;R\x1b(B", "花子"),
    ] {
        let file = [b"EMail,FirstName\nann@example.com,", bytes, b"\n"].concat();
        for piece in [1, 1 << 16] {
            let seen = Case::in_encoding(label).decode(&file, piece).unwrap().0;
            assert_eq!(fields(&seen), [["ann@example.com", text]], "{label}");
        }
    }
    assert_eq!(Encoding::of("utf-7"), None);
}

#[test]
fn an_encoding_that_contradicts_the_bytes_is_an_error() {
    let utf8 = "EMail,FirstName\nann@example.com,Jürgen\n";
    let wide: Vec<u8> = utf8.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [b"\xff\xfe", &wide[..]].concat();
    let many = format!("EMail,FirstName\nann@example.com,{}\n", "é雪".repeat(9));
    for (label, bytes, says) in [
        ("windows-1252", utf8.as_bytes(), "is UTF-8, but segments[].format.encoding says windows-1252"),
        ("macintosh", utf8.as_bytes(), "is UTF-8, but segments[].format.encoding says macintosh"),
        ("gb18030", many.as_bytes(), "is UTF-8, but segments[].format.encoding says gb18030"),
        ("utf-16le", utf8.as_bytes(), "looks like UTF-8, but segments[].format.encoding says UTF-16LE"),
        ("utf-8", &wide, "looks like UTF-16LE, but segments[].format.encoding says UTF-8"),
        ("utf-16be", &wide, "looks like UTF-16LE, but segments[].format.encoding says UTF-16BE"),
        ("utf-8", &marked, "begins with the byte-order mark of UTF-16LE, but segments[].format.encoding says UTF-8"),
        (
            "latin1",
            b"\xef\xbb\xbfEMail\n",
            "begins with the byte-order mark of UTF-8, but segments[].format.encoding says",
        ),
    ] {
        for piece in [1, 1 << 16] {
            let error = Case::in_encoding(label).decode(bytes, piece).unwrap_err().to_string();
            assert!(error.contains(says), "{label}: {error}");
        }
        assert!(Case::new().decode(bytes, 99).is_ok(), "{label}: not configured, it is read");
    }
    for (label, bytes) in
        [("utf-8", "\u{feff}EMail,FirstName\n".as_bytes()), ("utf-16le", &marked), ("utf-16le", &wide)]
    {
        assert_eq!(Case::in_encoding(label).seen(bytes).columns.len(), 2, "{label}");
    }
    for (label, bytes) in
        [("windows-1252", &b"EMail,FirstName\na,J\xfcrgen \xc3\xa9\n"[..]), ("windows-1252", b"EMail,FirstName\n")]
    {
        assert_eq!(Case::in_encoding(label).seen(bytes).columns.len(), 2, "{label}");
    }
}

#[test]
fn an_encoding_of_model_json_that_is_wrong_is_an_error_too() {
    let mut case = Case { layout: layout(&["EMail", "FirstName"], Some(false)), ..Case::new() };
    case.layout.as_mut().unwrap().encoding = Some(Encoding::WINDOWS_1252);
    assert_eq!(fields(&case.seen(b"ann@example.com,Ren\xe9\n")), [["ann@example.com", "René"]]);
    assert!(case.error("ann@example.com,René\n").contains("is UTF-8, but model.json says windows-1252"));
    case.format.encoding = Some(Encoding::UTF_8);
    assert_eq!(fields(&case.seen("ann@example.com,René\n")), [["ann@example.com", "René"]]);
}

#[test]
fn a_first_line_that_is_not_text_suggests_encodings() {
    let error = Case::new().error(b"EMail,Pr\xe9nom\nann@example.com,Ann\n");
    assert!(error.contains("try windows-1252, windows-1250, macintosh"), "{error}");
    let error = Case::in_encoding("shift_jis").error(b"EMail,Pr\xfe\nann@example.com,Ann\n");
    assert!(error.contains("try utf-8, windows-1252") && !error.contains("shift_jis"), "{error}");
}

#[test]
fn utf_32_is_refused_by_its_name() {
    let wide: Vec<u8> = "\u{feff}EMail\n".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    assert!(Case::new().error(&wide).contains("is in UTF-32"));
    let wide: Vec<u8> = "\u{feff}EMail\n".chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
    assert!(Case::new().error(&wide).contains("is in UTF-32"));
}

#[test]
fn an_end_of_file_character_does_not_reach_the_last_cell() {
    for (text, rows) in [
        ("EMail,FirstName\nann@example.com,Ann\u{1a}", 1),
        ("EMail,FirstName\r\nann@example.com,Ann\u{1a}\r\n", 1),
        ("EMail,FirstName\nann@example.com,Ann\n\u{1a}", 1),
        ("EMail,FirstName\nann@example.com,\"Ann\"\u{1a}\u{1a}\n\n", 1),
        ("EMail,FirstName\nann@example.com,Ann\u{1a}\0\0\0", 1),
        ("{\"EMail\":\"ann@example.com\",\"FirstName\":\"Ann\"}\u{1a}\n", 1),
        ("EMail,FirstName\u{1a}", 0),
    ] {
        for piece in [1, 2, 7, 1 << 16] {
            let seen = Case::new().decode(text.as_bytes(), piece).unwrap().0;
            assert_eq!(
                (fields(&seen), seen.malformed.len()),
                (vec![vec!["ann@example.com", "Ann"]; rows], 0),
                "{text:?}"
            );
        }
    }
    for piece in [1, 3, 1 << 16] {
        let text = "EMail,FirstName\nann@example.com,A\u{1a}\nbea@example.com,\u{1a}B\n";
        let seen = Case::new().decode(text.as_bytes(), piece).unwrap().0;
        let kept = vec![vec!["ann@example.com", "A\u{1a}"], vec!["bea@example.com", "\u{1a}B"]];
        assert_eq!(fields(&seen), kept, "amid a file it is a character");
    }
}

#[test]
fn trailing_nuls_are_padding_up_to_a_block() {
    for text in ["EMail,FirstName\nann@example.com,Ann\n", "EMail,FirstName\nann@example.com,Ann"] {
        for nuls in [1, 17, 4096] {
            let padded = [text.as_bytes(), &vec![0; nuls]].concat();
            for piece in [1, 1000, 1 << 16] {
                let seen = Case::new().decode(&padded, piece).unwrap().0;
                assert_eq!((fields(&seen), seen.malformed.len()), (vec![vec!["ann@example.com", "Ann"]], 0), "{nuls}");
            }
        }
        let cut = [text.as_bytes(), &[0; 4097]].concat();
        for piece in [1, 1 << 16] {
            let error = Case::new().decode(&cut, piece).unwrap_err();
            assert!(error.to_string().contains("ends in 4097 NUL bytes: it was cut"), "{error}");
        }
    }
    // What more text follows is not padding.
    let amid =
        ["EMail,FirstName\n", &"bea@example.com,Bea\n".repeat(4000), &"\0".repeat(3000), "\nann@example.com,Ann\n"];
    for piece in [7, 1 << 16] {
        let seen = Case::new().decode(amid.concat().as_bytes(), piece).unwrap().0;
        assert_eq!((seen.rows.len(), seen.malformed.len(), seen.malformed[0].1.len()), (4001, 1, 3000));
    }
}

#[test]
fn gzip_members_are_one_file_and_trailing_bytes_an_error() {
    let (one, other) = (gzip(b"EMail,FirstName\na,A\n"), gzip(b"b,B\n"));
    let read = |parts: &[&[u8]], piece| Case::new().decode(&parts.concat(), piece).map(|(seen, _)| seen.rows.len());
    for piece in [1, 3, 1 << 16] {
        assert_eq!(read(&[&one, &other, &[0; 700]], piece).unwrap(), 2);
        assert_eq!(read(&[&one, &[0; 5], &other], piece).unwrap(), 2);
        for behind in [&b"\n"[..], b"x", b"\x1f\x8c", b"\0\0\n", b"PK\x03\x04"] {
            let error = read(&[&one, behind], piece).unwrap_err().to_string();
            assert!(error.contains("has other bytes behind its gzip data") && !error.contains("truncated"), "{error}");
        }
        for cut in [&one[..one.len() - 1], &one[..one.len() - 9], &one[..2], &[&one[..], b"\x1f\x8b"].concat()] {
            assert!(read(&[cut], piece).unwrap_err().to_string().contains("is truncated"));
        }
        let mut spoilt = one.clone();
        spoilt[14] ^= 0xff;
        let error = read(&[&spoilt], piece).unwrap_err().to_string();
        assert!(error.contains("is corrupt") && !error.contains("truncated"), "{error}");
    }
}
