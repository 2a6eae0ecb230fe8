//! JSON lines.

use super::*;

#[test]
fn json_lines_are_read_by_key() {
    for piece in [1, 1 << 16] {
        let seen = Case::new().decode(&fixture("objects.ndjson"), piece).unwrap().0;
        let columns = ["CustomerId", "EMail", "FirstName", "LifetimeValue", "Tags", "DoNotBulkEmail"];
        assert_eq!(seen.columns, names(&columns));
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
    assert_eq!(Case::new().seen("[EMail],FirstName\n").columns[0], "[EMail]");
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

fn keys(summary: &Summary) -> Vec<&str> {
    summary.keys.as_ref().unwrap().names.iter().map(String::as_str).collect()
}

#[test]
fn a_key_that_comes_late_or_never_is_an_empty_cell_till_then() {
    let pad = format!("{{\"EMail\":\"a@example.com\",\"Pad\":\"{}\"}}\n", "x".repeat(1000)).repeat(100);
    let late = "{\"EMail\":\"z@example.com\",\"FirstName\":\"Zoe\",\"Other\":1}\n";
    for piece in [1000, 1 << 16] {
        let (seen, summary) = Case::new().decode(format!("{pad}{late}").as_bytes(), piece).unwrap();
        assert_eq!(seen.columns, names(&["EMail", "Pad", "FirstName"]));
        assert_eq!((&seen.rows[0].1[2], &seen.rows[100].1[2]), (&String::new(), &"Zoe".to_owned()));
        assert_eq!(keys(&summary), ["EMail", "Pad", "FirstName"]);
        let (seen, summary) = Case::new().decode(pad.as_bytes(), piece).unwrap();
        assert_eq!((seen.columns.len(), keys(&summary)), (3, vec!["EMail", "Pad"]), "no row has it");
    }
}

#[test]
fn keys_are_compared_like_column_names() {
    let case = Case { wanted: names(&["EMail", "Prénom"]), ..Case::new() };
    let (seen, summary) =
        case.decode("{\" EMail\":\"a\"}\n{\"EMail\":\"b\",\"Pre\u{301}nom\":\"B\"}\n".as_bytes(), 99).unwrap();
    assert_eq!(fields(&seen), [["a", ""], ["b", "B"]]);
    assert_eq!(keys(&summary), [" EMail", "Pre\u{301}nom"]);
}

#[test]
fn marks_and_lines_of_nothing_are_dropped_between_objects() {
    let text = "\u{feff}\u{feff}{\"EMail\":\"a\"}\r\n\u{feff}{\"EMail\":\"b\"}\u{feff}\n \t\n{}\n{\"EMail\":\" \",\"x\":null}\n\u{1a}\n\
                {\"EMail\":null,\"x\":0}\n\u{1a}\0\0";
    for piece in [1, 1 << 16] {
        let seen = Case::new().decode(text.as_bytes(), piece).unwrap().0;
        assert_eq!(lines(&seen), [1, 2, 7], "{seen:?}");
        assert_eq!(seen.malformed, []);
    }
    let before = "\n \u{feff}\n\u{feff}{\"EMail\":\"a\"}\n";
    assert_eq!(lines(&Case::new().seen(before)), [3]);
}

#[test]
fn an_array_is_recognised_behind_marks_and_blanks() {
    for text in ["[]\n", "\u{feff}[{\"EMail\":\"a\"}]", "\n [\n {\"EMail\":\"a\"}]"] {
        assert!(Case::new().error(text).contains("is one JSON array"), "{text}");
    }
}

#[test]
fn an_empty_file_of_configured_json_lines_is_allowed_here() {
    let case = Case::of(Format { kind: Some(FileKind::Ndjson), ..Format::default() });
    for bytes in [&b""[..], b"\n", &gzip(b"")] {
        assert!(case.decode(bytes, 99).unwrap().1.is_empty);
    }
}
