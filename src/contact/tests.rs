//! Every rule of a row's way to a contact. Names of tests are claims.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::{self, Export};

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
fn row(export: &Export, cells: &[(&str, &str)]) -> (MatchResult, Contact) {
    let names: Vec<&str> = cells.iter().map(|(name, _)| *name).collect();
    let matching = Matching::new(export, &columns(&names)).unwrap();
    let old = || "old".to_owned();
    let mut contact =
        Contact { email: old(), normal: old(), id: old(), cells: old(), digested: old(), opt_out: OptOut::Yes };
    let outcome = matching.apply(|place| cells[place].1, &mut contact);
    (outcome, contact)
}

/// The cells of a row with a good email and one more cell in column `C`.
fn body(match_: Value, cell: &str) -> Result<String, String> {
    match row(&export(match_, json!([])), &[("E", "a@b.example"), ("C", cell)]) {
        (MatchResult::Contact, contact) => Ok(contact.cells.replace('\t', "|")),
        (MatchResult::Reject(reject), contact) => {
            assert_eq!((reject.code, contact.normal.as_str()), (RejectCode::InvalidValue, "a@b.example"));
            assert_eq!((contact.cells.as_str(), contact.digested.as_str()), ("", ""));
            Err(reject.reason)
        }
        (other, _) => panic!("nothing is suppressed here: {other:?}"),
    }
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
    assert_eq!(outcome, MatchResult::Contact);
    assert_eq!((contact.email.as_str(), contact.normal.as_str()), ("Ann@Example.org", "ann@example.org"));
    assert_eq!(
        contact.cells.split('\t').collect::<Vec<_>>(),
        [r#""Ann@Example.org""#, r#""Ann""#, r#""A \"B\" \\ C\u0001""#, r#""l""#, r#""Bo""#, "true", "4", r#""t""#]
    );
}

#[test]
fn an_empty_cell_is_omitted_or_defaulted_or_clears_the_field() {
    assert_eq!(body(json!({ "title": "C" }), "  ").unwrap(), r#""a@b.example"|"#);
    let default = json!({ "title": { "column": "C", "default": "Dr", "clear_empty": true } });
    assert_eq!(body(default, " ").unwrap(), r#""a@b.example"|"Dr""#);
    let clearing = json!({ "title": "C", "clear_empty": true, "custom": { "N": { "column": "C", "type": "float" } } });
    assert_eq!(body(clearing, "").unwrap(), r#""a@b.example"|null|null"#);
}

#[test]
fn a_column_that_is_absent_has_its_default_and_clears_nothing() {
    let title = |more: Value| {
        let mut title = json!({ "column": "T", "optional": true });
        title.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body(json!({ "title": title }), "")
    };
    assert_eq!(title(json!({})).unwrap(), r#""a@b.example"|"#);
    assert_eq!(title(json!({ "default": "Dr" })).unwrap(), r#""a@b.example"|"Dr""#);
    assert_eq!(title(json!({ "default": "Dr", "clear_empty": true })).unwrap(), r#""a@b.example"|"Dr""#);
    assert_eq!(title(json!({ "clear_empty": true })).unwrap(), r#""a@b.example"|"#);
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
    assert_eq!(
        out("maybe").unwrap_err(),
        "unsubscribed: column C: not a boolean; add its word to \"true\" or \"false\""
    );
    for constant in [json!({ "value": false }), json!({ "column": "C", "default": false })] {
        assert_eq!(body(json!({ "unsubscribed": constant }), "").unwrap(), r#""a@b.example"|"#);
    }
    assert!(body(json!({ "unsubscribed": { "value": true } }), "").unwrap().ends_with("|true"));
    let custom = json!({ "custom": { "unsubscribed": { "column": "C", "type": "boolean" } } });
    let custom = body(custom, "false").unwrap();
    assert_eq!(custom, r#""a@b.example"|false"#, "a field of its own");
}

#[test]
fn a_row_without_email_differs_from_one_with_a_bad_email() {
    let export = export(json!({}), json!([]));
    let code = |cell: &str| match row(&export, &[("E", cell)]) {
        (MatchResult::Reject(reject), contact) => {
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
        assert_eq!(outcome("a@B.example", "many", "", not), (MatchResult::Suppressed, "a@b.example".into(), "".into()));
    }
    assert_eq!(outcome("a@b.example", "", "Österreich", "").0, MatchResult::Suppressed);
    assert_eq!(outcome("a@b.example", "5", "", "false").0, MatchResult::Contact);
    assert!(
        matches!(outcome("bad", "5", "", "true").0, MatchResult::Reject(reject) if reject.code == RejectCode::InvalidEmail)
    );
}

#[test]
fn a_reject_names_field_and_column_but_not_the_value() {
    let match_ = json!({ "custom": { "Lifetime Value": { "column": "C", "type": "float" } } });
    assert_eq!(body(match_, "many").unwrap_err(), "custom.Lifetime Value: column C: not a float");
    assert_eq!(
        body(json!({ "number_of_employees": "C" }), "10-50").unwrap_err(),
        "number_of_employees: column C: not an integer"
    );
}

#[test]
fn a_reject_lists_every_fault_of_its_row() {
    let match_ = json!({ "number_of_employees": "N", "unsubscribed": "Out", "custom": { "D": { "column": "D", "type": "date" } } });
    let suppress = json!([{ "column": "No", "equals": true }, { "column": "Gone", "equals": true }]);
    let faults = |email: &str| {
        let cells = [("E", email), ("N", "many"), ("Out", "x"), ("D", "soon"), ("No", "y?"), ("Gone", "z")];
        match row(&export(match_.clone(), suppress.clone()), &cells).0 {
            MatchResult::Reject(Reject { reason, .. }) | MatchResult::UnreadableConsent(reason) => reason,
            other => panic!("{other:?}"),
        }
    };
    let rest = "column No: not a boolean; column Gone: not a boolean; number_of_employees: column N: not an integer; \
                unsubscribed: column Out: not a boolean; add its word to \"true\" or \"false\"; custom.D: column D: not a date";
    assert_eq!(faults("a@b.example"), rest);
    assert_eq!(faults("nobody"), format!("the email is not a valid address; {rest}"));
    assert_eq!(faults(""), format!("the email is empty; {rest}"));
}

#[test]
fn every_missing_column_is_named_with_the_nearest() {
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
            MatchResult::Contact => {
                let values: Vec<&str> = contact.cells.split('\t').collect();
                prop_assert_eq!(values.len(), 7);
                for value in values.iter().filter(|value| !value.is_empty()) {
                    prop_assert!(serde_json::from_str::<Value>(value).is_ok(), "{}", value);
                }
                prop_assert!(matches!(values[3], "" | "true"));
                prop_assert!(!contact.normal.is_empty());
            }
            MatchResult::Suppressed | MatchResult::NoConsent | MatchResult::UnreadableConsent(_) => {
                prop_assert!(false, "nothing is suppressed here");
            }
            MatchResult::Reject(_) => prop_assert_eq!(contact.cells, ""),
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
