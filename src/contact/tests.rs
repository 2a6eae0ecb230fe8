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
fn row(export: &Export, cells: &[(&str, &str)]) -> (Outcome, Contact) {
    let names: Vec<&str> = cells.iter().map(|(name, _)| *name).collect();
    let matching = Matching::new(export, &columns(&names), None).unwrap();
    let mut contact = Contact { email: "old".into(), normal: "old".into(), body: "old".into() };
    let outcome = matching.apply(|place| cells[place].1, &mut contact);
    (outcome, contact)
}

/// The body of a row with a good email and one more cell in column `C`.
fn body(match_: Value, cell: &str) -> Result<String, String> {
    match row(&export(match_, json!([])), &[("E", "a@b.example"), ("C", cell)]) {
        (Outcome::Contact, contact) => Ok(contact.body),
        (Outcome::Reject(reject), contact) => {
            assert_eq!((reject.code, contact.normal.as_str()), (RejectCode::InvalidValue, "a@b.example"));
            assert_eq!(contact.body, "");
            Err(reject.reason)
        }
        (Outcome::Suppressed, _) => panic!("nothing is suppressed here"),
    }
}

#[test]
fn a_row_becomes_a_contact_with_autopilots_spellings_in_a_fixed_order() {
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
        contact.body,
        r#"{"Email":"Ann@Example.org","FirstName":"Ann","Company":"A \"B\" \\ C\u0001","LinkedIn":"l","owner_name":"Bo","unsubscribed":true,"custom":{"integer--Age":4,"string--Test--Field":"t"}}"#
    );
}

#[test]
fn an_empty_cell_is_left_out_or_takes_the_default_or_clears_the_field() {
    assert_eq!(body(json!({ "title": "C" }), "  ").unwrap(), r#"{"Email":"a@b.example"}"#);
    let default = json!({ "title": { "column": "C", "default": "Dr", "clear_empty": true } });
    assert_eq!(body(default, " ").unwrap(), r#"{"Email":"a@b.example","Title":"Dr"}"#);
    let clearing = json!({ "title": "C", "clear_empty": true, "custom": { "N": { "column": "C", "type": "float" } } });
    assert_eq!(body(clearing, "").unwrap(), r#"{"Email":"a@b.example","Title":null,"custom":{"float--N":null}}"#);
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
    assert_eq!(
        body(match_, "").unwrap(),
        r#"{"Email":"a@b.example","NumberOfEmployees":12,"LeadSource":"Export","custom":{"boolean--T":true,"date--D":"2024-03-01T00:00:00Z","float--F":1.5}}"#
    );
}

#[test]
fn a_default_of_a_column_with_a_format_is_iso_8601() {
    let date = json!({ "column": "C", "type": "date", "format": "%d/%m/%Y", "default": "2024-03-01" });
    let match_ = json!({ "custom": { "D": date } });
    assert!(body(match_.clone(), "").unwrap().contains("\"2024-03-01T00:00:00Z\""));
    assert!(body(match_, "02/03/2024").unwrap().contains("\"2024-03-02T00:00:00Z\""));
}

#[test]
fn the_membership_field_is_true_and_stands_among_the_custom_fields() {
    let export = export(json!({ "custom": { "Z": { "column": "Z", "type": "string" } } }), json!([]));
    let matching = Matching::new(&export, &columns(&["E", "Z"]), Some("In News")).unwrap();
    let mut contact = Contact::default();
    let cells = ["a@b.example", "z"];
    assert_eq!(matching.apply(|place| cells[place], &mut contact), Outcome::Contact);
    assert_eq!(contact.body, r#"{"Email":"a@b.example","custom":{"boolean--In--News":true,"string--Z":"z"}}"#);
}

/// "No opt-in by accident. `unsubscribed: false` is never sent, whatever is mapped. An opt-out is sent only when
/// mapped." (Promise 8.)
#[test]
fn only_a_true_opt_out_is_sent() {
    let out = |cell: &str| body(json!({ "unsubscribed": "C" }), cell);
    for yes in ["true", "True", " YES ", "1"] {
        assert_eq!(out(yes).unwrap(), r#"{"Email":"a@b.example","unsubscribed":true}"#);
    }
    for no in ["false", "0", "No", ""] {
        assert_eq!(out(no).unwrap(), r#"{"Email":"a@b.example"}"#);
    }
    assert_eq!(
        out("maybe").unwrap_err(),
        "unsubscribed: column C: not a boolean; add its word to \"true\" or \"false\""
    );
    for constant in [json!({ "value": false }), json!({ "column": "C", "default": false })] {
        assert_eq!(body(json!({ "unsubscribed": constant }), "").unwrap(), r#"{"Email":"a@b.example"}"#);
    }
    assert!(body(json!({ "unsubscribed": { "value": true } }), "").unwrap().contains("\"unsubscribed\":true"));
    let custom = json!({ "custom": { "unsubscribed": { "column": "C", "type": "boolean" } } });
    let custom = body(custom, "false").unwrap();
    assert_eq!(custom, r#"{"Email":"a@b.example","custom":{"boolean--unsubscribed":false}}"#, "a field of its own");
}

#[test]
fn a_row_without_email_is_told_from_one_with_a_bad_email() {
    let export = export(json!({}), json!([]));
    let code = |cell: &str| match row(&export, &[("E", cell)]) {
        (Outcome::Reject(reject), contact) => {
            assert_eq!((contact.normal.as_str(), contact.body.as_str()), ("", ""));
            Some(reject.code)
        }
        _ => None,
    };
    assert_eq!(code(" \t "), Some(RejectCode::MissingEmail));
    assert_eq!(code("nobody"), Some(RejectCode::InvalidEmail));
    assert_eq!(code("\u{a0}a@b.example\r"), None, "space around it is no fault");
}

#[test]
fn a_suppressed_row_is_suppressed_even_with_an_invalid_value() {
    let export = export(
        json!({ "number_of_employees": "N" }),
        json!([{ "column": "DoNot", "equals": "true" }, { "column": "Land", "equals": "ÖSTERREICH" }]),
    );
    let outcome = |email: &str, n: &str, land: &str, not: &str| {
        let (outcome, contact) = row(&export, &[("E", email), ("N", n), ("Land", land), ("DoNot", not)]);
        (outcome, contact.normal, contact.body)
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
fn a_reject_names_field_and_column_but_not_the_value() {
    let match_ = json!({ "custom": { "Lifetime Value": { "column": "C", "type": "float" } } });
    assert_eq!(body(match_, "many").unwrap_err(), "custom.Lifetime Value: column C: not a float");
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
    let unknown = Matching::new(&export, &columns(&["E", "Firstname", "LifetimeValue"]), None).unwrap_err();
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
    fn whatever_the_cells_the_body_is_json_with_an_email_and_never_an_opt_in(
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
        let matching = Matching::new(&export, &columns(&["E", "A", "B", "C", "D", "E2", "F"]), Some("Member")).unwrap();
        let row: Vec<&str> = std::iter::once(&email).chain(&cells).map(String::as_str).collect();
        let mut contact = Contact::default();
        match matching.apply(|place| row[place], &mut contact) {
            Outcome::Contact => {
                let value: Value = serde_json::from_str(&contact.body).unwrap();
                prop_assert_eq!(value["Email"].as_str(), Some(email.trim()));
                prop_assert!(matches!(value.get("unsubscribed"), None | Some(Value::Bool(true))));
                prop_assert!(!contact.body.contains("\"unsubscribed\":false"));
                prop_assert_eq!(&value["custom"]["boolean--Member"], &json!(true));
                prop_assert!(!contact.normal.is_empty());
            }
            Outcome::Suppressed => prop_assert!(false, "nothing is suppressed here"),
            Outcome::Reject(_) => prop_assert_eq!(contact.body, ""),
        }
    }
}
