//! The first line: the delimiter, and whether it holds names.

use super::*;

#[test]
fn a_header_alone_tells_its_columns() {
    let seen = Case::new().seen(fixture("header-only.csv"));
    assert_eq!((seen.columns.len(), seen.rows.len()), (5, 0));
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
    assert!(Case { format: with_header(true), ..Case::new() }.error(data).contains("looks like data, but segments[]"));
    let case = Case { layout: layout(&["EMail", "FirstName"], Some(true)), ..Case::new() };
    assert!(case.error(data).contains("looks like data, but model.json says"));
    // A value that happens to be a column's name does not make its row a header.
    assert!(Case::new().error("ann@example.com,EMail\n").contains("looks like data"));
    let case = Case { layout: layout(&["EMail", "FirstName"], None), ..Case::new() };
    assert_eq!(case.seen(data).rows.len(), 2);
}

#[test]
fn names_that_are_not_the_wanted_ones_are_the_sinks_to_judge() {
    assert_eq!(Case::new().seen("Email,First\na@example.com,A\n").columns, names(&["Email", "First"]));
}

#[test]
fn a_file_that_nothing_names_the_columns_of_is_an_error() {
    let case = Case { format: with_header(false), ..Case::new() };
    assert!(case.error("ann@example.com,Ann\n").contains("nothing names its columns"));
}

#[test]
fn an_unreadable_header_line_is_an_error() {
    assert!(Case::new().error("\"EMail\"x,FirstName\na,b\n").contains("the first line cannot be read"));
    let case = Case { layout: layout(&["EMail", "FirstName"], Some(false)), ..Case::new() };
    let seen = case.seen("\"a\"x,b\na@example.com,Ann\n");
    assert_eq!((lines(&seen), seen.malformed[0].0), (vec![2], 1));
    let long = format!("{}\nann@example.com,Ann\n", "x".repeat(MAX_ROW_BYTES + 1));
    assert!(Case { format: with_header(true), ..Case::new() }.error(&long).contains("longer than 1 MiB"));
}

#[test]
fn a_wrong_delimiter_is_an_error_that_names_the_right_one() {
    let case = Case::separated_by(',');
    assert!(case.error(fixture("semicolon.csv")).contains("is separated by ';', not by ','"));
    let case = Case { layout: layout(&["EMail", "FirstName", "City"], Some(false)), ..Case::new() };
    assert!(case.error("a@example.com;1,5;X\n").contains("is separated by ';'"));
}

#[test]
fn the_delimiter_is_the_one_that_finds_the_wanted_columns() {
    let seen = Case::new().seen("EMail;FirstName;a,b,c,d,e\nann@example.com;Ann;1\n");
    assert_eq!(seen.columns.len(), 3);
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
fn a_first_line_too_long_is_the_same_error_in_any_pieces() {
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
    assert_eq!((seen.columns.len(), lines(&seen)), (9_002, vec![2]));
}

#[test]
fn a_format_is_written_in_the_words_of_the_settings() {
    let json = r#"{"kind":"ndjson","delimiter":";","header":false,"encoding":"utf-16le"}"#;
    let format: Format = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&format).unwrap(), json);
    assert!(serde_json::from_str::<Format>(r#"{"delimeter":";"}"#).is_err());
}

#[test]
fn a_separator_line_is_not_the_header() {
    for (text, first) in [
        ("sep=;\nEMail;FirstName\nann@example.com;Ann, A\n", 3),
        ("\u{feff}\"sep=;\"\r\nEMail;FirstName\r\nann@example.com;Ann, A\r\n", 3),
        ("\n\nSEP=^\n\nEMail^FirstName\nann@example.com^Ann, A\n", 6),
        ("sep=\u{1}\nEMail\u{1}FirstName\nann@example.com\u{1}Ann, A\n", 3),
        ("sep=→\rEMail→FirstName\rann@example.com→Ann, A", 3),
    ] {
        for piece in [1, 1 << 16] {
            let seen = Case::new().decode(text.as_bytes(), piece).unwrap().0;
            assert_eq!((fields(&seen), lines(&seen)), (vec![vec!["ann@example.com", "Ann, A"]], vec![first]), "{text}");
        }
    }
    assert_eq!(Case::separated_by(',').seen("sep=;\nEMail;FirstName\na;b\n").rows.len(), 1, "the file knows better");
    assert!(
        Case::new()
            .error("sep=;\nEMail,FirstName\na,b\n")
            .contains("is separated by ',', not by ';'; correct its first")
    );
    let case = Case { layout: layout(&["EMail", "FirstName"], Some(false)), ..Case::new() };
    assert_eq!(lines(&case.seen("sep=;\nann@example.com;Ann\n")), [2]);
    assert_eq!(Case::new().seen("sep=x,FirstName\n").columns, names(&["sep=x", "FirstName"]));
}

#[test]
fn lines_of_nothing_come_before_the_header() {
    for before in ["\n\n", " \t\r\n", ",,,\n", "\"\",\"\"\n", ";;\n", "\u{1a}\n", "\u{feff}\n\u{a0}\n"] {
        let text = format!("{before}EMail,FirstName\nann@example.com,Ann\n");
        for piece in [1, 1 << 16] {
            let seen = Case::new().decode(text.as_bytes(), piece).unwrap().0;
            assert_eq!((seen.columns.len(), seen.rows.len()), (2, 1), "{before:?}");
            assert_eq!(lines(&seen)[0], before.matches('\n').count() as u64 + 2, "{before:?}");
        }
    }
}

#[test]
fn names_are_compared_trimmed_and_composed() {
    let case = Case { wanted: names(&["EMail", "Prénom "]), ..Case::new() };
    for header in ["EMail, Pre\u{301}nom", "\u{a0}EMail\u{200b};\u{3000}Prénom\u{2060}", "\"EMail\t\"|\"Prénom\n\""] {
        let seen = case.seen(format!("{header}\n"));
        assert_eq!((seen.columns.len(), seen.certain), (2, Some(true)), "{header}");
    }
    assert!(case.error("EMail,Prénom,Pre\u{301}nom\n").contains("has several columns named `Prénom`"));
    let case = Case { layout: layout(&["EMail", "Prénom"], Some(false)), wanted: case.wanted, ..Case::default() };
    let seen = case.seen("EMail ,Pre\u{301}nom\nann@example.com,Ann\n");
    assert_eq!(lines(&seen), [2], "model.json names the same columns: a header it does not know of");
}
