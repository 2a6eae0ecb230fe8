//! Every rule of a row's way to a contact. Names of tests are claims.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::{self, Export};
use crate::value::FieldType;
use crate::value::{self, Misfit};

/// An export with these settings for `match` (its email is the column `E`) and `suppress`.
fn export(mut match_: Value, suppress: Value) -> Export {
    match_["email"] = json!("E");
    let file = json!({
        "connections": { "c": { "secret": "s" } },
        "exports": { "x": {
            "connection": "c",
            "segments": [{ "name": "S", "prefix": "segments/s/" }],
            "match": match_,
            "suppress": suppress,
        } },
    });
    config::parse(&file.to_string()).unwrap().exports.remove("x").unwrap()
}

fn columns(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// What becomes of one row, given as pairs of column and cell.
fn row(export: &Export, cells: &[(&str, &str)]) -> (Outcome, Contact) {
    let names: Vec<&str> = cells.iter().map(|(name, _)| *name).collect();
    let matching = Matching::new(export, &columns(&names)).unwrap();
    let old = || "old".to_owned();
    let mut contact = Contact { email: old(), normal: old(), cells: old(), digested: old() };
    let outcome = matching.apply(|place| cells[place].1, &mut contact);
    (outcome, contact)
}

/// The cells of a row with a good email and one more cell in column `C`.
fn body(match_: Value, cell: &str) -> Result<String, String> {
    match row(&export(match_, json!([])), &[("E", "a@b.example"), ("C", cell)]) {
        (Outcome::Contact, contact) => Ok(contact.cells.replace('\t', "|")),
        (Outcome::Reject(reject), contact) => {
            assert_eq!((reject.code, contact.normal.as_str()), (RejectCode::InvalidValue, "a@b.example"));
            assert_eq!((contact.cells.as_str(), contact.digested.as_str()), ("", ""));
            Err(reject.reason)
        }
        (Outcome::Suppressed, _) => panic!("nothing is suppressed here"),
    }
}

fn json_of(kind: FieldType, text: &str) -> Result<String, Misfit> {
    let mut json = String::new();
    value::write(kind, text, None, &mut json).map(|()| json)
}

#[test]
fn a_row_becomes_values_in_the_order_of_the_fields() {
    let export = export(
        json!({
            "first_name": "F", "company": "Co", "linked_in": "L", "owner_name": "O", "unsubscribed": "Out",
            "custom": {
                "Test Field": { "column": "T", "type": "string" },
                "Age": { "column": "A", "type": "integer" },
            },
        }),
        json!([]),
    );
    let cells = [("O", "Bo"), ("E", " Ann@Example.org "), ("F", " Ann "), ("Co", "A \"B\" \\ C\u{1}"), ("L", "l")];
    let cells: Vec<_> = cells.into_iter().chain([("Out", "TRUE"), ("T", "t"), ("A", "4")]).collect();
    let (outcome, contact) = row(&export, &cells);
    assert_eq!(outcome, Outcome::Contact);
    assert_eq!((contact.email.as_str(), contact.normal.as_str()), ("Ann@Example.org", "ann@example.org"));
    assert_eq!(
        contact.cells.split('\t').collect::<Vec<_>>(),
        [r#""Ann@Example.org""#, r#""Ann""#, r#""A \"B\" \\ C\u0001""#, r#""l""#, r#""Bo""#, "true", "4", r#""t""#]
    );
}

#[test]
fn an_empty_cell_is_left_out_or_takes_the_default_or_clears_the_field() {
    assert_eq!(body(json!({ "title": "C" }), "  ").unwrap(), r#""a@b.example"|"#);
    let default = json!({ "title": { "column": "C", "default": "Dr", "clear_empty": true } });
    assert_eq!(body(default, " ").unwrap(), r#""a@b.example"|"Dr""#);
    let clearing = json!({ "title": "C", "clear_empty": true, "custom": { "N": { "column": "C", "type": "float" } } });
    assert_eq!(body(clearing, "").unwrap(), r#""a@b.example"|null|null"#);
}

#[test]
fn constants_fit_their_field() {
    let match_ = json!({
        "lead_source": { "value": "Export" }, "number_of_employees": { "value": 12 },
        "custom": {
            "D": { "value": "2024-03-01", "type": "date" },
            "F": { "value": 1.5, "type": "float" },
            "T": { "value": true, "type": "boolean" },
        },
    });
    assert_eq!(body(match_, "").unwrap(), r#""a@b.example"|12|"Export"|"2024-03-01T00:00:00Z"|1.5|true"#);
}

#[test]
fn a_default_of_a_column_with_a_format_is_iso_8601() {
    let date = json!({ "column": "C", "type": "date", "format": "%d/%m/%Y", "default": "2024-03-01" });
    let match_ = json!({ "custom": { "D": date } });
    assert!(body(match_.clone(), "").unwrap().contains("\"2024-03-01T00:00:00Z\""));
    assert!(body(match_, "02/03/2024").unwrap().contains("\"2024-03-02T00:00:00Z\""));
}

/// "No opt-in by accident. `unsubscribed: false` is never sent, whatever is mapped. An opt-out is sent only when
/// mapped." (Promise 8.)
#[test]
fn only_a_true_opt_out_is_sent() {
    let out = |cell: &str| body(json!({ "unsubscribed": "C" }), cell);
    for yes in ["true", "True", " YES ", "1"] {
        assert_eq!(out(yes).unwrap(), r#""a@b.example"|true"#);
    }
    for no in ["false", "0", "No", ""] {
        assert_eq!(out(no).unwrap(), r#""a@b.example"|"#);
    }
    assert_eq!(out("maybe").unwrap_err(), "unsubscribed: column C: not a boolean");
    for constant in [json!({ "value": false }), json!({ "column": "C", "default": false })] {
        assert_eq!(body(json!({ "unsubscribed": constant }), "").unwrap(), r#""a@b.example"|"#);
    }
    assert!(body(json!({ "unsubscribed": { "value": true } }), "").unwrap().ends_with("|true"));
    let custom = json!({ "custom": { "unsubscribed": { "column": "C", "type": "boolean" } } });
    let custom = body(custom, "false").unwrap();
    assert_eq!(custom, r#""a@b.example"|false"#, "a field of its own");
}

#[test]
fn a_row_without_email_is_told_from_one_with_a_bad_email() {
    let export = export(json!({}), json!([]));
    let code = |cell: &str| match row(&export, &[("E", cell)]) {
        (Outcome::Reject(reject), contact) => {
            assert_eq!((contact.normal.as_str(), contact.cells.as_str()), ("", ""));
            Some(reject.code)
        }
        _ => None,
    };
    assert_eq!(code(" \t "), Some(RejectCode::MissingEmail));
    assert_eq!(code("nobody"), Some(RejectCode::InvalidEmail));
    assert_eq!(code("\u{a0}a@b.example\r"), None, "space around it is fine");
}

#[test]
fn addresses_are_those_that_mail_can_go_to() {
    for good in [
        "a@b.co",
        "first.last+tag@sub.example.org",
        "o'neil@example.ie",
        "jürgen@example.de",
        "info@bücher.example",
        "info@xn--bcher-kva.example",
        "用户@例子.广告",
        "\"a.b\"@example.org",
        "1@1.example",
    ] {
        assert!(email::is_valid(good), "{good}");
    }
    let long = format!("a@{}.example", ["b"; 130].join("."));
    for bad in [
        "",
        "a",
        "a@",
        "@b.co",
        "a@localhost",
        "a@b..co",
        "a@.co",
        "a@b.co.",
        "a@-b.co",
        "a b@c.co",
        "a@b c.co",
        "Ann <a@b.co>",
        "<a@b.co>",
        "a@[127.0.0.1]",
        "a@b@c.co",
        "a..b@c.co",
        ".a@b.co",
        "a@b!c.co",
        "a@b_c.co",
        "a@b.co,c@d.co",
        "a@b.co;c@d.co",
        "mailto:a@b.co",
        "a\u{200b}@b.co",
        "a@b.co\u{0}",
        "a@b\u{fffd}.co",
        long.as_str(),
    ] {
        assert!(!email::is_valid(bad), "{bad}");
    }
}

#[test]
fn emails_are_compared_in_lower_case_beyond_ascii_too() {
    let mut normal = "old".to_owned();
    email::normalise("JÜRGEN@Example.DE", &mut normal);
    assert_eq!(normal, "jürgen@example.de");
}

#[test]
fn a_suppressed_row_is_suppressed_even_with_an_invalid_value() {
    let export = export(
        json!({ "number_of_employees": "N" }),
        json!([{ "column": "DoNot", "equals": "true" }, { "column": "Land", "equals": "ÖSTERREICH" }]),
    );
    let outcome = |email: &str, n: &str, land: &str, not: &str| {
        let (outcome, contact) = row(&export, &[("E", email), ("N", n), ("Land", land), ("DoNot", not)]);
        (outcome, contact.normal, contact.cells)
    };
    for not in ["true", " True ", "TRUE"] {
        assert_eq!(outcome("a@B.example", "many", "", not), (Outcome::Suppressed, "a@b.example".into(), "".into()));
    }
    assert_eq!(outcome("a@b.example", "", "Österreich", "").0, Outcome::Suppressed);
    assert_eq!(outcome("a@b.example", "5", "", "false").0, Outcome::Contact);
    assert!(
        matches!(outcome("bad", "5", "", "true").0, Outcome::Reject(reject) if reject.code == RejectCode::InvalidEmail)
    );
}

#[test]
fn integers_are_whole_numbers_even_when_written_with_a_fraction_of_zeros() {
    let integer = |text| json_of(FieldType::Integer, text);
    for (text, json) in [
        ("12", "12"),
        (" 12 ", "12"),
        ("12.0", "12"),
        ("12.000", "12"),
        ("-3", "-3"),
        ("+3", "3"),
        ("007", "7"),
        ("-0", "0"),
    ] {
        assert_eq!(integer(text).as_deref(), Ok(json), "{text}");
    }
    for text in ["12.5", "1,000", "1e3", "12.", ".0", "-", "12a", "1 000", "99999999999999999999", "٣"] {
        assert_eq!(integer(text), Err(Misfit::Integer), "{text}");
    }
}

#[test]
fn floats_keep_their_text_where_it_is_json() {
    let float = |text| json_of(FieldType::Float, text);
    for (text, json) in [
        ("1234.5", "1234.5"),
        ("1234.50", "1234.50"),
        ("-1e3", "-1e3"),
        ("12", "12"),
        ("+1.5", "1.5"),
        (".5", "0.5"),
        ("5.", "5.0"),
        ("007.5", "7.5"),
        ("0.1000000000000000055", "0.1000000000000000055"),
    ] {
        assert_eq!(float(text).as_deref(), Ok(json), "{text}");
    }
    for text in ["1,234.5", "1234,5", "NaN", "inf", "-Infinity", "1e999", "", "e", "--1", "0x10", "1_000", "€5"] {
        assert_eq!(float(text), Err(Misfit::Float), "{text}");
    }
}

#[test]
fn booleans_are_six_words_in_any_case() {
    for (text, json) in
        [("True", "true"), ("1", "true"), ("YES", "true"), ("false", "false"), ("0", "false"), ("nO", "false")]
    {
        assert_eq!(json_of(FieldType::Boolean, text).as_deref(), Ok(json));
    }
    for text in ["y", "on", "2", "", "wahr"] {
        assert_eq!(json_of(FieldType::Boolean, text), Err(Misfit::Boolean));
    }
}

#[test]
fn dates_are_iso_8601_in_its_usual_forms() {
    for (text, moment) in [
        ("2024-03-01", "2024-03-01T00:00:00Z"),
        ("2024-03-01T10:20:30", "2024-03-01T10:20:30Z"),
        ("2024-03-01 10:20:30", "2024-03-01T10:20:30Z"),
        ("2024-03-01T10:20", "2024-03-01T10:20:00Z"),
        ("2024-03-01T10:20:30Z", "2024-03-01T10:20:30Z"),
        ("2024-03-01t10:20:30z", "2024-03-01T10:20:30Z"),
        ("2024-03-01T10:20:30.1234567Z", "2024-03-01T10:20:30Z"),
        ("2024-03-01T10:20:30.123456789012345", "2024-03-01T10:20:30Z"),
        ("2024-03-01T10:20:30,5Z", "2024-03-01T10:20:30Z"),
        ("2024-03-01T10:20:30+01:00", "2024-03-01T09:20:30Z"),
        ("2024-03-01T10:20:30+0100", "2024-03-01T09:20:30Z"),
        ("2024-03-01T00:20:30.9999999-0330", "2024-03-01T03:50:30Z"),
        ("2024-03-01 10:20:30.0000000 +01:00", "2024-03-01T09:20:30Z"),
        ("2024-03-01 10:20:30 +01:00", "2024-03-01T09:20:30Z"),
        ("2024-12-31T23:30:00-01:00", "2025-01-01T00:30:00Z"),
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00Z"),
        (" 2024-02-29 ", "2024-02-29T00:00:00Z"),
    ] {
        assert_eq!(json_of(FieldType::Date, text), Ok(format!("\"{moment}\"")), "{text}");
    }
    for text in ["3/4/2024", "03.04.2024", "04-03-2024", "3/4/24 10:00 PM", "2024/03/04"] {
        assert_eq!(json_of(FieldType::Date, text), Err(Misfit::AmbiguousDate), "{text}");
    }
    for text in [
        "2023-02-29",
        "2024-13-01",
        "2024-03-01T25:00:00",
        "2024-03-01 10:00 PM",
        "2024-03-01T10:20:30+01:00[Europe/Oslo]",
        "2024-03-01T10:20:30[Europe/Oslo]",
        "2024-03-01T10:20:30.Z",
        "2024-03-01T",
        "2024-03-01X10:00:00",
        "1709287230",
        "yesterday",
        "",
        "2024-03-0é",
    ] {
        assert_eq!(json_of(FieldType::Date, text), Err(Misfit::Date), "{text}");
    }
}

#[test]
fn a_format_reads_other_dates_and_nothing_else() {
    let read = |format: &str, text: &str| {
        let mut json = String::new();
        value::write(FieldType::Date, text, Some(format), &mut json).map(|()| json)
    };
    assert_eq!(read("%m/%d/%Y", "3/4/2024").as_deref(), Ok("\"2024-03-04T00:00:00Z\""));
    assert_eq!(read("%d.%m.%Y %H:%M", "04.03.2024 17:05").as_deref(), Ok("\"2024-03-04T17:05:00Z\""));
    assert_eq!(read("%m/%d/%Y %I:%M %p", "3/4/2024 5:05 PM").as_deref(), Ok("\"2024-03-04T17:05:00Z\""));
    assert_eq!(read("%Y%m%d %H:%M:%S %z", "20240304 17:05:06 +0100").as_deref(), Ok("\"2024-03-04T16:05:06Z\""));
    assert_eq!(read("%s", "1709287230").as_deref(), Ok("\"2024-03-01T10:00:30Z\""));
    assert!(read("%m/%d/%Y", " 3/4/2024 ").is_ok());
    for text in ["2024-03-04", "13/13/2024", "2/30/2024", "3/4/2024x"] {
        assert_eq!(read("%m/%d/%Y", text), Err(Misfit::Format), "{text}");
    }
    assert_eq!(read("%F %Q", "2024-03-04 Europe/Oslo"), Err(Misfit::Format), "a zone by its name is not read");
}

#[test]
fn a_reject_names_field_and_column_but_not_the_value() {
    let match_ = json!({ "custom": { "Lifetime Value": { "column": "C", "type": "float" } } });
    assert_eq!(body(match_, "1.234,5").unwrap_err(), "custom.Lifetime Value: column C: not a float");
    assert_eq!(
        body(json!({ "number_of_employees": "C" }), "10-50").unwrap_err(),
        "number_of_employees: column C: not an integer"
    );
}

#[test]
fn every_column_that_the_file_lacks_is_told_with_the_nearest() {
    let custom = json!({ "V": { "column": "Value", "type": "float" } });
    let export =
        export(json!({ "first_name": "FirstName", "custom": custom }), json!([{ "column": "Zzz", "equals": 1 }]));
    let unknown = Matching::new(&export, &columns(&["E", "Firstname", "LifetimeValue"])).unwrap_err();
    let unknown: Vec<_> = unknown.iter().map(|u| (u.path.as_str(), u.column.as_str(), u.nearest.as_deref())).collect();
    assert_eq!(
        unknown,
        [
            ("exports.x.suppress[0].column", "Zzz", None),
            ("exports.x.match.first_name", "FirstName", Some("Firstname")),
            ("exports.x.match.custom.V", "Value", None),
        ]
    );
}

#[test]
fn wanted_columns_are_named_once_with_the_email_first() {
    let match_ = json!({ "title": "T", "phone": "T", "fax": { "value": "x" }, "unsubscribed": "Out" });
    let export = export(match_, json!([{ "column": "Out", "equals": "x" }, { "column": "S", "equals": "x" }]));
    assert_eq!(Matching::wanted(&export), ["E", "T", "Out", "S"]);
}

#[test]
fn a_code_is_written_as_it_is_named() {
    for code in RejectCode::ALL {
        assert_eq!(serde_json::to_value(code).unwrap(), json!(code.name()));
    }
}

#[test]
fn a_suppression_list_holds_emails_and_digests_and_tells_its_faulty_lines() {
    let text = "\u{feff}# who asked us to stop\r\n Ann@Example.org \r\n\r\nnot an email\n\
                28C9AC5B14267DDC2AE2D0B8C2C0FE1F3A1C7B1F3E7B5B6F7E0F4D3B9A8C7D6E\nabc\n";
    let (list, faulty) = SuppressionList::parse(text);
    assert_eq!((list.len(), faulty), (2, vec![4, 6]));
    assert!(list.contains("ann@example.org") && !list.contains("bo@example.org"));
    // SHA-256 of `bo@example.org`, from another program.
    let (list, _) = SuppressionList::parse("bcab8abd827bdcdde4241c4dbd6459b261bb853faa281af0bbbe50c9354b1e12");
    assert!(list.contains("bo@example.org") && !list.is_empty());
    assert!(SuppressionList::parse("").0.is_empty());
}

fn cell() -> impl Strategy<Value = String> {
    let known =
        vec!["", "true", "false", "0", "12", "1.5", "2024-03-01", "2024-03-01T10:00:00.5+01:00", "3/4/2024", "null"];
    prop_oneof![any::<String>(), proptest::sample::select(known).prop_map(str::to_owned), "[-+0-9.eE:T/ Z]{0,24}"]
}

fn address() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-zA-Z\"'ü.+]{1,8}@[a-zä-]{1,6}\\.[a-z]{2,3}", 1 => any::<String>(), 1 => "[a@<>. \"\\[\\]]{0,8}"]
}

proptest! {
    /// Promise 8 again, for any cells at all.
    #[test]
    fn whatever_the_cells_each_value_is_json_and_no_opt_in(
        email in address(), cells in proptest::collection::vec(cell(), 6), clear in any::<bool>(),
    ) {
        let match_ = json!({
            "clear_empty": clear, "first_name": "A", "number_of_employees": "B", "unsubscribed": "C",
            "custom": {
                "F f": { "column": "D", "type": "float" },
                "Day": { "column": "E2", "type": "date" },
                "unsubscribed": { "column": "F", "type": "string" },
            },
        });
        let export = export(match_, json!([]));
        let matching = Matching::new(&export, &columns(&["E", "A", "B", "C", "D", "E2", "F"])).unwrap();
        let row: Vec<&str> = std::iter::once(&email).chain(&cells).map(String::as_str).collect();
        let mut contact = Contact::default();
        match matching.apply(|place| row[place], &mut contact) {
            Outcome::Contact => {
                let values: Vec<&str> = contact.cells.split('\t').collect();
                prop_assert_eq!(values.len(), 7);
                for value in values.iter().filter(|value| !value.is_empty()) {
                    prop_assert!(serde_json::from_str::<Value>(value).is_ok(), "{}", value);
                }
                prop_assert_eq!(values[0], json!(email.trim()).to_string());
                prop_assert!(matches!(values[3], "" | "true"));
                prop_assert_eq!(contact.normal, email.trim().to_lowercase());
            }
            Outcome::Suppressed => prop_assert!(false, "nothing is suppressed here"),
            Outcome::Reject(_) => prop_assert_eq!(contact.cells, ""),
        }
    }

    /// What is digested says which field has which value: mapping another, empty field changes nothing.
    #[test]
    fn digests_are_of_the_values_that_are_there(cells in proptest::collection::vec("[a-z0-9]{0,3}", 2)) {
        let digested = |match_: Value| {
            let row = [("E", "a@b.example"), ("A", &cells[0]), ("B", &cells[1]), ("Z", "")];
            row_of(&export(match_, json!([])), &row)
        };
        let one = digested(json!({ "first_name": "A", "last_name": "B" }));
        prop_assert_eq!(&one, &digested(json!({ "first_name": "A", "last_name": "B", "title": "Z" })));
        let swapped = digested(json!({ "first_name": "B", "last_name": "A" }));
        prop_assert_eq!(one == swapped, cells[0] == cells[1]);
    }
}

fn row_of(export: &Export, cells: &[(&str, &str)]) -> String {
    row(export, cells).1.digested
}
