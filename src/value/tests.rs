//! What is read as a value, and that equal values are equal text. Names of tests are claims.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;

fn json_of(kind: FieldType, text: &str) -> Result<String, Misfit> {
    let mut json = String::new();
    write(kind, text, None, &mut json).map(|()| json)
}

/// What a reader makes of a cell; `None` where it is empty.
fn read(reader: &Reader, cell: &str) -> Result<Option<String>, Misfit> {
    let mut json = "before".to_owned();
    let cell = reader.read(cell, &mut json);
    let json = json.strip_prefix("before").unwrap().to_owned();
    match cell {
        Ok(Cell::Value) => Ok(Some(json)),
        other => {
            assert_eq!(json, "", "nothing is written but a value");
            other.map(|_| None)
        }
    }
}

fn plain(kind: FieldType) -> Reader {
    Reader::new(kind, None, &Reading::default())
}

fn with_comma(kind: FieldType) -> Reader {
    Reader::new(kind, None, &Reading { decimal: Decimal::Comma, ..Reading::default() })
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[test]
fn what_cannot_be_seen_at_the_ends_of_a_cell_does_not_count() {
    let unseen =
        "\u{feff}\u{200b} \t\r\n\u{a0}\u{3000}\u{2028}\u{85}\u{200e}\u{202e}\u{2069}\u{61c}\u{ad}\u{2060}\u{180e}";
    for text in ["a", "ab", "a b", "é", "a\u{200d}b", "👨\u{200d}👩", "", "."] {
        assert_eq!(trim(&format!("{unseen}{text}{unseen}")), text);
    }
    assert_eq!(trim("❤\u{fe0f}"), "❤\u{fe0f}", "a picture is left whole");
}

#[test]
fn a_text_kept_by_a_spreadsheet_formula_is_read_as_text() {
    for (cell, text) in [
        ("=\"00123\"", "00123"),
        (" =\" 00123 \" ", "00123"),
        ("=\"\"", ""),
        ("=\"", "=\""),
        ("=\"a\"&\"b\"", "=\"a\"&\"b\""),
        ("=SUM(A1)", "=SUM(A1)"),
        ("\"a\"", "\"a\""),
    ] {
        assert_eq!(content(cell), text);
    }
    assert_eq!(read(&plain(FieldType::Integer), "=\"007\""), Ok(Some("7".to_owned())));
}

#[test]
fn a_text_is_a_json_string_in_composed_form() {
    for (text, json) in [
        (" René ", "\"René\""),
        ("Rene\u{301}", "\"René\""),
        ("\u{1112}\u{1161}\u{11ab}", "\"한\""),
        ("\u{212b}ngström", "\"Ångström\""),
        ("a\"b\\c\u{1}", "\"a\\\"b\\\\c\\u0001\""),
        ("Zoe\u{308} \"Z\"", "\"Zoë \\\"Z\\\"\""),
        ("👨\u{200d}👩\u{200d}👧 Bob", "\"👨\u{200d}👩\u{200d}👧 Bob\""),
        ("", "\"\""),
    ] {
        assert_eq!(json_of(FieldType::String, text).as_deref(), Ok(json), "{text}");
    }
    let mut json = String::new();
    string("Rene\u{301}", &mut json);
    assert_eq!(json, "\"Rene\u{301}\"", "a string that does not parse is left as it is");
}

#[test]
fn integers_are_whole_numbers_even_with_a_fraction_of_zeros() {
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
        ("9007199254740993", "9007199254740993"),
        ("-9223372036854775808", "-9223372036854775808"),
    ] {
        assert_eq!(integer(text).as_deref(), Ok(json), "{text}");
    }
    for text in ["12.5", "1,000", "1e3", "12.", ".0", "-", "12a", "1 000", "9223372036854775808", "٣", "250+", ""] {
        assert_eq!(integer(text), Err(Misfit::Integer), "{text}");
    }
}

#[test]
fn equal_numbers_are_written_alike_and_keep_their_digits() {
    let float = |text| json_of(FieldType::Float, text);
    for (text, json) in [
        ("1234.5", "1234.5"),
        ("1234.50", "1234.5"),
        ("12.5", "12.5"),
        ("1.25e1", "12.5"),
        ("125E-1", "12.5"),
        ("+0012.500", "12.5"),
        ("-1e3", "-1000"),
        ("1.23E+05", "123000"),
        ("12", "12"),
        ("12.0", "12"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        ("5.", "5"),
        ("0", "0"),
        ("-0", "0"),
        ("0.000", "0"),
        ("0e999", "0"),
        ("100", "100"),
        ("0.1000000000000000055", "0.1000000000000000055"),
        ("123456789012345678901", "123456789012345678901"),
        ("1234567890123456789012", "1.234567890123456789012e21"),
        ("1000000000000000000000", "1e21"),
        ("1e21", "1e21"),
        ("0.0000001", "0.0000001"),
        ("1e-7", "0.0000001"),
        ("0.00000012", "0.00000012"),
        ("0.000000012", "1.2e-8"),
        ("-12e-9", "-1.2e-8"),
        ("1.7976931348623157e308", "1.7976931348623157e308"),
    ] {
        assert_eq!(float(text).as_deref(), Ok(json), "{text}");
    }
    for text in [
        "1,234.5",
        "1 234.5",
        "NaN",
        "inf",
        "-Infinity",
        "1e999",
        "1.8e308",
        "1e99999999999",
        "",
        "e",
        "e5",
        "1e",
        ".",
        "-",
        "--1",
        "0x10",
        "1_000",
        "(12.5)",
        "12.5-",
        "1.2.3",
        "٣",
        "1e1.5",
    ] {
        assert_eq!(float(text), Err(Misfit::Float), "{text}");
    }
}

#[test]
fn a_number_with_a_sign_or_a_comma_says_so() {
    for kind in [FieldType::Float, FieldType::Integer] {
        for text in ["$19", "19 €", "£1", "₹ 5", "¥5", "￥5", "5₺"] {
            assert_eq!(json_of(kind, text), Err(Misfit::Currency), "{text}");
        }
        for text in ["12%", "12 %", "12％"] {
            assert_eq!(json_of(kind, text), Err(Misfit::Percent), "{text}");
        }
    }
    for text in ["1234,5", "0,5", "1.234,56", "-1,5", "1,000"] {
        assert_eq!(json_of(FieldType::Float, text), Err(Misfit::DecimalComma), "{text}");
    }
}

#[test]
fn a_decimal_comma_is_read_where_it_is_configured() {
    let float = with_comma(FieldType::Float);
    for (text, json) in [
        ("1234,50", "1234.5"),
        ("1.234,56", "1234.56"),
        ("1.234.567,8", "1234567.8"),
        ("1 234,56", "1234.56"),
        ("1\u{202f}234,56", "1234.56"),
        ("1\u{a0}234", "1234"),
        ("1.234", "1234"),
        ("-0,5", "-0.5"),
        ("-1.234,5", "-1234.5"),
        ("+1,5", "1.5"),
        (",5", "0.5"),
        ("7", "7"),
        ("1,5e3", "1500"),
    ] {
        assert_eq!(read(&float, text), Ok(Some(json.to_owned())), "{text}");
    }
    for text in [
        "1,234.56",
        "1.23",
        "12.50",
        "1234.567",
        "0.123",
        "1.234.56",
        "1. 234",
        "1.234 567",
        "1,2,3",
        ".123",
        "1.234.",
        "a,5",
    ] {
        assert_eq!(read(&float, text), Err(Misfit::Float), "{text}");
    }
    let integer = with_comma(FieldType::Integer);
    assert_eq!(read(&integer, "1.234"), Ok(Some("1234".to_owned())));
    assert_eq!(read(&integer, "12,00"), Ok(Some("12".to_owned())));
    assert_eq!(read(&integer, "12,5"), Err(Misfit::Integer));
}

#[test]
fn booleans_are_the_words_that_everybody_writes() {
    for yes in ["true", "True", "YES", "y", "T", "on", "1", "1.0", "-1", " y "] {
        assert_eq!(json_of(FieldType::Boolean, yes).as_deref(), Ok("true"), "{yes}");
    }
    for no in ["false", "nO", "N", "f", "OFF", "0", "0.0"] {
        assert_eq!(json_of(FieldType::Boolean, no).as_deref(), Ok("false"), "{no}");
    }
    for text in ["2", "", "wahr", "x", "enabled", "1.00", "--1", "truey", "ÿes", "Ja"] {
        assert_eq!(json_of(FieldType::Boolean, text), Err(Misfit::Boolean), "{text}");
    }
}

#[test]
fn the_configuration_adds_words_for_true_and_false() {
    let reading = Reading {
        true_words: words(&["Ja", " x ", "TÁ"]),
        false_words: words(&["Nein"]),
        null_values: words(&["n/a"]),
        ..Reading::default()
    };
    let reader = Reader::new(FieldType::Boolean, None, &reading);
    for (cell, truth) in [
        ("ja", Ok(Some(true))),
        ("X", Ok(Some(true))),
        ("ta\u{301}", Ok(Some(true))),
        ("NEIN", Ok(Some(false))),
        ("yes", Ok(Some(true))),
        ("0", Ok(Some(false))),
        ("n/a", Ok(None)),
        ("NULL", Ok(None)),
        (" ", Ok(None)),
        ("oui", Err(Misfit::Boolean)),
    ] {
        assert_eq!(reader.truth(cell), truth, "{cell}");
        assert_eq!(read(&reader, cell), truth.map(|truth| truth.map(|truth| truth.to_string())), "{cell}");
    }
}

#[test]
fn null_words_are_empty_in_typed_columns_and_text_elsewhere() {
    for word in ["", " ", "NULL", "null", "\\N", "\\n", "NaN", "nan", "None", "NONE", "\u{200b}null\u{a0}"] {
        for kind in [FieldType::Integer, FieldType::Float, FieldType::Boolean, FieldType::Date] {
            assert_eq!(read(&plain(kind), word), Ok(None), "{word}");
        }
    }
    for word in ["NULL", "\\N", "None", "NaN", "-", "N/A"] {
        assert_eq!(read(&plain(FieldType::String), word), Ok(Some(serde_json::to_string(word).unwrap())));
    }
    assert_eq!(read(&plain(FieldType::Float), "N/A"), Err(Misfit::Float));
}

#[test]
fn configured_null_values_are_empty_exactly_as_written() {
    let reading = Reading { null_values: words(&["NULL", "-", "é"]), ..Reading::default() };
    for kind in [FieldType::String, FieldType::Float, FieldType::Date] {
        let reader = Reader::new(kind, None, &reading);
        for word in ["NULL", " - ", "e\u{301}"] {
            assert_eq!(read(&reader, word), Ok(None), "{word}");
        }
    }
    let reader = Reader::new(FieldType::String, None, &reading);
    for word in ["Null", "Null Island", "--"] {
        assert_eq!(read(&reader, word), Ok(Some(format!("\"{word}\""))));
    }
}

#[test]
fn dates_are_iso_8601_in_its_usual_forms() {
    for (text, moment) in [
        ("2024-03-01", "2024-03-01T00:00:00Z"),
        ("20240301", "2024-03-01T00:00:00Z"),
        ("2024-03-01T10:20:30", "2024-03-01T10:20:30Z"),
        ("2024-03-01 10:20:30", "2024-03-01T10:20:30Z"),
        ("2024-03-01T10:20", "2024-03-01T10:20:00Z"),
        ("2024-03-01T10", "2024-03-01T10:00:00Z"),
        ("2024-03-01T10:20:30Z", "2024-03-01T10:20:30Z"),
        ("2024-03-01T10:20:30 Z", "2024-03-01T10:20:30Z"),
        ("2024-03-01t10:20:30z", "2024-03-01T10:20:30Z"),
        ("2024-03-01 10:20:30 UTC", "2024-03-01T10:20:30Z"),
        ("2024-03-01 10:20:30.123456 utc", "2024-03-01T10:20:30Z"),
        ("20240301T101112Z", "2024-03-01T10:11:12Z"),
        ("20240301T1011+0200", "2024-03-01T08:11:00Z"),
        ("2024-03-01T10:20:30.1234567Z", "2024-03-01T10:20:30Z"),
        ("2024-03-01T10:20:30.123456789012345", "2024-03-01T10:20:30Z"),
        ("2024-03-01T10:20:30,5Z", "2024-03-01T10:20:30Z"),
        ("2024-03-01T10:20:30+01:00", "2024-03-01T09:20:30Z"),
        ("2024-03-01T10:20:30+0100", "2024-03-01T09:20:30Z"),
        ("2024-03-01T10:20:30+01", "2024-03-01T09:20:30Z"),
        ("1900-01-01T00:00:00+00:19:32", "1899-12-31T23:40:28Z"),
        ("2024-03-01T00:20:30.9999999-0330", "2024-03-01T03:50:30Z"),
        ("2024-03-01 10:20:30.0000000 +01:00", "2024-03-01T09:20:30Z"),
        ("2024-03-01 10:20:30 +01:00", "2024-03-01T09:20:30Z"),
        ("2024-12-31T23:30:00-01:00", "2025-01-01T00:30:00Z"),
        ("2024-03-01Z", "2024-03-01T00:00:00Z"),
        ("20240301Z", "2024-03-01T00:00:00Z"),
        ("2024-03-01 UTC", "2024-03-01T00:00:00Z"),
        ("2024-03-01+02:00", "2024-02-29T22:00:00Z"),
        ("2024-03-01-05:00", "2024-03-01T05:00:00Z"),
        ("2024-03-01 10:00:00 UTC", "2024-03-01T10:00:00Z"),
        ("2024-03-01T10:00:00 Z", "2024-03-01T10:00:00Z"),
        ("2024-03-01T24:00:00", "2024-03-02T00:00:00Z"),
        ("2024-02-29T24:00", "2024-03-01T00:00:00Z"),
        ("2024-03-01T24:00:00.000+01:00", "2024-03-01T23:00:00Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ("1969-12-31T23:59:58.9Z", "1969-12-31T23:59:58Z"),
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00Z"),
        ("9999-12-31", "9999-12-31T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ("9999-12-31T23:59:59+14:00", "9999-12-31T09:59:59Z"),
        (" 2024-02-29 ", "2024-02-29T00:00:00Z"),
    ] {
        assert_eq!(json_of(FieldType::Date, text), Ok(format!("\"{moment}\"")), "{text}");
    }
    for text in [
        "2023-02-29",
        "2024-02-30",
        "2024-13-01",
        "0000-00-00",
        "0000-00-00 00:00:00",
        "0000-01-01",
        "0001-01-01T00:00:00+01:00",
        "2024-03-01-05",
        "20240301-0500",
        "2024-03-01 -05:00",
        "2024-03-01 CET",
        "9999-12-31T24:00:00",
        "9999-12-31T23:59:59-01:00",
        "2024-03-01T25:00:00",
        "2024-03-01T24:00:01",
        "2024-03-01T24:00:00.5",
        "2024-03-01T10:20:30+24:00",
        "2024-03-01T10:20:30+01:60",
        "2024-03-01T10:20:30+",
        "2024-03-01T10:20:30 CET",
        "2024-03-01T10:20:30+01:00[Europe/Oslo]",
        "2024-03-01T10:20:30[Europe/Oslo]",
        "2024-03-01T10:20:30.Z",
        "2024-03-01T10:20.5",
        "2024-03-01T10:",
        "2024-03-01T10:2030",
        "2024-03-01T",
        "2024-03-01X10:00:00",
        "2024-0301",
        "202403-01",
        "-2024-03-01",
        "45352",
        "1709287230000",
        "/Date(1709287230000)/",
        "yesterday",
        "",
        "2024-03-0é",
    ] {
        assert_eq!(json_of(FieldType::Date, text), Err(Misfit::Date), "{text}");
    }
}

#[test]
fn a_refused_date_proposes_the_format_that_fits() {
    for (text, reason) in [
        ("31.12.1984", r#"not a date in ISO 8601; add "format": "%d.%m.%Y""#),
        ("03.04.2024", r#"not a date in ISO 8601; add "format": "%d.%m.%Y""#),
        ("12.31.1984", r#"not a date in ISO 8601; add "format": "%m.%d.%Y""#),
        ("31.12.84", r#"not a date in ISO 8601; add "format": "%d.%m.%y""#),
        ("31/12/1984", r#"not a date in ISO 8601; add "format": "%d/%m/%Y""#),
        ("12/31/1984", r#"not a date in ISO 8601; add "format": "%m/%d/%Y""#),
        ("12/31/1984 11:59:59 PM", r#"not a date in ISO 8601; add "format": "%m/%d/%Y %I:%M:%S %p""#),
        ("31.12.1984 17:05", r#"not a date in ISO 8601; add "format": "%d.%m.%Y %H:%M""#),
        ("31.12.1984, 17:05:06", r#"not a date in ISO 8601; add "format": "%d.%m.%Y, %H:%M:%S""#),
        ("2024/03/04", r#"not a date in ISO 8601; add "format": "%Y/%m/%d""#),
        ("2024-3-4", r#"not a date in ISO 8601; add "format": "%Y-%m-%d""#),
        ("2024-03-01 10:00 PM", r#"not a date in ISO 8601; add "format": "%Y-%m-%d %I:%M %p""#),
        ("01-Mar-24", r#"not a date in ISO 8601; add "format": "%d-%b-%y""#),
        ("March 1, 2024", r#"not a date in ISO 8601; add "format": "%B %d, %Y""#),
        ("20240301101112", r#"not a date in ISO 8601; add "format": "%Y%m%d%H%M%S""#),
        ("31121984", r#"not a date in ISO 8601; add "format": "%d%m%Y""#),
        ("1709287230", r#"not a date in ISO 8601; add "format": "%s""#),
        ("3/4/2024", r#"ambiguous date; add "format": "%d/%m/%Y" or "format": "%m/%d/%Y""#),
        ("04-03-2024", r#"ambiguous date; add "format": "%d-%m-%Y" or "format": "%m-%d-%Y""#),
        ("3/4/24 10:00 PM", r#"ambiguous date; add "format": "%d/%m/%y %I:%M %p" or "format": "%m/%d/%y %I:%M %p""#),
    ] {
        let misfit = json_of(FieldType::Date, text).unwrap_err();
        assert_eq!(misfit.to_string(), reason, "{text}");
        let format = match misfit {
            Misfit::NotIso(format) | Misfit::AmbiguousDate(_, format) => format.to_string(),
            _ => panic!("{text}"),
        };
        assert!(write(FieldType::Date, text, Some(&format), &mut String::new()).is_ok(), "{text} in {format}");
    }
}

#[test]
fn a_format_reads_other_dates_and_nothing_else() {
    let read = |format: &str, text: &str| {
        let mut json = String::new();
        write(FieldType::Date, text, Some(format), &mut json).map(|()| json)
    };
    for (format, text, moment) in [
        ("%m/%d/%Y", "3/4/2024", "2024-03-04T00:00:00Z"),
        ("%m/%d/%Y", " 3/4/2024 ", "2024-03-04T00:00:00Z"),
        ("%d.%m.%Y %H:%M", "04.03.2024 17:05", "2024-03-04T17:05:00Z"),
        ("%m/%d/%Y %I:%M %p", "3/4/2024 5:05 PM", "2024-03-04T17:05:00Z"),
        ("%m/%d/%Y %I:%M:%S %p", "03/01/2024 1:05:09 am", "2024-03-01T01:05:09Z"),
        ("%Y%m%d %H:%M:%S %z", "20240304 17:05:06 +0100", "2024-03-04T16:05:06Z"),
        ("%d-%b-%Y", "01-MAR-2024", "2024-03-01T00:00:00Z"),
        ("%d.%m.%y", "01.03.24", "2024-03-01T00:00:00Z"),
        ("%d.%m.%Y", "01.03.0024", "0024-03-01T00:00:00Z"),
        ("%F %T%.f", "2024-03-04 17:05:06.789", "2024-03-04T17:05:06Z"),
        ("%d.%m.%Y", "31.12.9999", "9999-12-31T00:00:00Z"),
        ("%F %T %z", "9999-12-31 23:59:59 +0100", "9999-12-31T22:59:59Z"),
        ("%s", "1709287230", "2024-03-01T10:00:30Z"),
        ("%s", "-1", "1969-12-31T23:59:59Z"),
    ] {
        assert_eq!(read(format, text), Ok(format!("\"{moment}\"")), "{text}");
    }
    for (format, text) in [
        ("%m/%d/%Y", "2/30/2024"),
        ("%m/%d/%Y", "3/4/2024x"),
        ("%d.%m.%Y", "01.03.-024"),
        ("%d.%m.%Y", "01.03.+2024"),
        ("%F", "24-03-01x"),
        ("%H%M %d.%m.%Y", "0024 01.03.24"),
        ("%F %Q", "2024-03-04 Europe/Oslo"),
        ("%s", "1709287230000"),
    ] {
        assert_eq!(read(format, text), Err(Misfit::Format), "{text}");
    }
}

#[test]
fn a_year_of_two_digits_is_not_one_of_the_first_century() {
    for text in ["30.04.81", "01.03.24", "01.03.024"] {
        let misfit = Reader::new(FieldType::Date, Some("%d.%m.%Y".to_owned()), &Reading::default());
        let misfit = read(&misfit, text).unwrap_err();
        assert!(matches!(misfit, Misfit::Format | Misfit::OtherFormat(_)), "{text}");
    }
    let mut json = String::new();
    let misfit = write(FieldType::Date, "30.04.81", Some("%d.%m.%Y"), &mut json).unwrap_err();
    assert_eq!(misfit.to_string(), r#"not a date in the given format; it fits "%d.%m.%y""#);
}

/// A number's digits and where its point is, in three spellings.
fn spellings() -> impl Strategy<Value = [String; 3]> {
    (any::<bool>(), "[0-9]{1,25}", "[0-9]{0,25}", 0..4usize, 0..4usize, -30..30i32).prop_map(
        |(minus, whole, fraction, before, behind, shift)| {
            let sign = if minus { "-" } else { "" };
            let fraction = format!("{fraction}{}", "0".repeat(behind));
            let plain = format!("{sign}{whole}.{fraction}");
            let padded = format!("{sign}{}{whole}.{fraction}0e0", "0".repeat(before));
            // The point moved to the very end, or beyond.
            let exponent = -(fraction.len() as i32) - shift.max(0);
            let moved = format!("{sign}{whole}{fraction}{}E{exponent}", "0".repeat(shift.max(0) as usize));
            [plain, padded, moved]
        },
    )
}

proptest! {
    #[test]
    fn equal_numbers_are_equal_text(spellings in spellings()) {
        let json: Vec<String> = spellings.iter().map(|text| json_of(FieldType::Float, text).unwrap()).collect();
        prop_assert_eq!(&json[0], &json[1]);
        prop_assert_eq!(&json[0], &json[2]);
        let number: f64 = json[0].parse().unwrap();
        prop_assert_eq!(number, spellings[0].parse::<f64>().unwrap());
        prop_assert_eq!(json_of(FieldType::Float, &json[0]).unwrap(), json[0].clone());
    }

    #[test]
    fn other_numbers_are_other_text(one in -1000i64..1000, other in -1000i64..1000, scale in 0..12u32) {
        let text = |number: i64| json_of(FieldType::Float, &format!("{number}e-{scale}")).unwrap();
        prop_assert_eq!(text(one) == text(other), one == other);
    }

    #[test]
    fn a_text_composed_or_decomposed_is_one(text in "\\PC{0,20}") {
        let decomposed = icu_normalizer::DecomposingNormalizerBorrowed::new_nfd().normalize(&text).into_owned();
        // A form may begin with what is trimmed only where the other does.
        let inner = |text: &str| format!("|{text}|");
        prop_assert_eq!(json_of(FieldType::String, &inner(&text)), json_of(FieldType::String, &inner(&decomposed)));
        prop_assert_eq!(folded(&text), folded(&decomposed));
    }

    #[test]
    fn a_moment_is_one_whatever_its_zone(seconds in -62_000_000_000i64..253_000_000_000, minutes in -840..=840i32) {
        let utc = jiff::Timestamp::from_second(seconds).unwrap();
        let local = jiff::tz::Offset::from_seconds(minutes * 60).unwrap().to_datetime(utc);
        let (sign, minutes) = (if minutes < 0 { '-' } else { '+' }, minutes.abs());
        let zoned = format!("{local}{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        prop_assert_eq!(json_of(FieldType::Date, &zoned).unwrap(), format!("\"{utc}\""));
        prop_assert_eq!(json_of(FieldType::Date, &utc.to_string()).unwrap(), format!("\"{utc}\""));
    }

    /// Nothing panics, what is written is JSON, and reading it again changes nothing.
    #[test]
    fn any_cell_is_a_value_or_a_misfit(
        cell in prop_oneof!["\\PC*", "[-+0-9.,eE:T/ ZaN%$]{0,24}", "[0-9]{1,4}[-./ ][0-9]{1,2}[-./ ][0-9]{1,4}( [0-9:]{1,8}( [AP]M)?)?"],
        decimal in proptest::sample::select(vec![Decimal::Point, Decimal::Comma]),
    ) {
        for kind in [FieldType::String, FieldType::Integer, FieldType::Float, FieldType::Boolean, FieldType::Date] {
            let reader = Reader::new(kind, None, &Reading { decimal, ..Reading::default() });
            if let Ok(Some(json)) = read(&reader, &cell) {
                let value: serde_json::Value = serde_json::from_str(&json).unwrap();
                let text = value.as_str().map_or_else(|| json.clone(), str::to_owned);
                prop_assert_eq!(read(&plain(kind), &text).unwrap_or_default(), Some(json));
            }
        }
    }
}
