//! Rows: quoting, delimiters, and lines that are not rows.

use super::*;

#[test]
fn quoted_cells_hold_quotes_commas_and_line_ends() {
    let seen = people();
    assert_eq!(seen.columns, names(&["CustomerId", "EMail", "FirstName", "LastName", "City"]));
    assert_eq!(lines(&seen), [2, 3, 4, 5, 7]);
    assert_eq!(seen.rows[3].1, names(&["c-4", "jiri@example.org", "Jiří", "Dvořák, \"ml.\"", "Brno\nČernovice"]));
    assert_eq!(seen.malformed, []);
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
fn a_quote_unclosed_for_too_long_costs_its_own_line_only() {
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
fn blank_lines_are_not_rows_but_count_as_lines() {
    assert_eq!(lines(&Case::new().seen(fixture("blank-lines.csv"))), [5, 7, 9]);
    assert_eq!(lines(&Case::new().seen("EMail,FirstName\r\ra,A\rb,B\r")), [3, 4]);
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
fn an_error_of_the_sink_ends_the_decoding() {
    struct Refusing;
    impl Sink for Refusing {
        fn columns(&mut self, _: &Columns) -> Result<()> {
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
fn rows_without_anything_in_them_are_skipped() {
    let blanks =
        [" ", "\t\t", ",", ",,,,", "\"\",\"\"", " , \u{a0}", "\u{3000}", "\u{1a}", "\u{feff}", "\u{200b},\u{feff}"];
    for blank in blanks {
        for end in ["\n", "\r\n", ""] {
            let text = format!("EMail,FirstName\na@example.com,A\n{blank}\nb@example.com,B\n{blank}{end}");
            let seen = Case::new().seen(&text);
            assert_eq!((lines(&seen), &seen.malformed), (vec![2, 4], &vec![]), "{blank:?}");
        }
    }
    let seen = Case::new().seen("EMail,FirstName\n,A\n\"\",\".\"\n\0,\n");
    assert_eq!((seen.rows.len(), seen.malformed.len()), (2, 1), "something is in these");
}

#[test]
fn a_repeated_header_is_not_a_row() {
    let part = "\"EMail\", FirstName\nann@example.com,Ann\n";
    let text = format!("{part}\u{feff}{part}EMail,FirstName \n EMail,FirstName\nEMail,First\n");
    let seen = Case::new().seen(&text);
    assert_eq!(fields(&seen), [["ann@example.com", "Ann"], ["ann@example.com", "Ann"], ["EMail", "First"]]);
    assert_eq!(lines(&seen), [2, 4, 7]);
    let parts = [gzip(part.as_bytes()), gzip(part.as_bytes())].concat();
    assert_eq!(lines(&Case::new().seen(parts)), [2, 4]);
    let separated = "sep=;\r\nEMail;FirstName\r\nann@example.com;Ann\r\n";
    assert_eq!(lines(&Case::new().seen(separated.repeat(2))), [3, 6]);
}

#[test]
fn any_character_may_separate_fields() {
    for delimiter in ['^', '\u{1}', '\u{1f}', ' ', '§', '→', '😀', 'x', '\0', '~', '\t'] {
        let rows = format!("a@y.de{delimiter}\"A{delimiter}\"\"B\nC\"\nb@y.de{delimiter}B\n");
        let text = format!("EMail{delimiter}FirstName\n{rows}");
        for piece in [1, 1 << 16] {
            let seen = Case::separated_by(delimiter).decode(text.as_bytes(), piece).unwrap().0;
            let quoted = format!("A{delimiter}\"B\nC");
            assert_eq!(fields(&seen), [["a@y.de", quoted.as_str()], ["b@y.de", "B"]], "{delimiter:?}");
            assert_eq!(lines(&seen), [2, 4]);
        }
    }
    // Characters that begin with the same byte separate nothing.
    let seen = Case::separated_by('§').seen("EMail§FirstName\nann@example.com§©A«\n");
    assert_eq!(fields(&seen), [["ann@example.com", "©A«"]]);
}
