//! Refusals that name a field of the run.

use super::*;
use crate::destination::ortto::setup::AccountField;
use crate::destination::ortto::steps::{FIELDS, MERGE};

const THERE: &str = r#"{"fields":[{"field":{"id":"str:cm:level","name":"Level","display_type":"text"}}]}"#;

fn case() -> Case {
    let field = AccountField {
        id: "str:cm:level".to_owned(),
        name: "Level".to_owned(),
        display_type: "text".to_owned(),
        choices: Vec::new(),
    };
    let setup = Setup { ortto_fields: [("Level".to_owned(), field)].into(), ..Setup::default() };
    let protocol = OrttoProtocol::new(&[FieldSpec::email()], setup, KnownContacts::new(profile, []));
    Case { protocol, ..Case::joiners(4) }
}

fn refusal() -> String {
    let bad = serde_json::json!({ "status": "invalid", "error": "failed to validate field str:cm:level: too long" });
    details(&serde_json::json!([bad, bad, bad, bad]))
}

#[test]
fn a_refusal_that_names_a_field_waits_for_the_list_of_fields() {
    for (listed, is_there) in [(THERE, true), ("{}", true), (r#"{"fields":null}"#, false), (r#"{"fields":[]}"#, false)]
    {
        let case = case();
        let asking = requests(case.of_all(MERGE, 400, &refusal()));
        assert_eq!((asking.len(), asking[0].step, asking[0].rows.len()), (1, FIELDS, 4));
        match case.answer(&asking[0], 200, listed) {
            Response::Ends { problem, .. } => assert!(!is_there && problem.contains("\"Level\""), "{listed}"),
            Response::Rows(rows) => {
                assert!(
                    is_there
                        && matches!(&rows[0].1, RowOutcome::Done(RowResult::Refused(why)) if why.contains("too long")),
                    "{listed}"
                );
                // It is there, so the next refusal is the rows' own at once.
                assert_eq!(outcomes(case.of_all(MERGE, 400, &refusal())).len(), 4, "{listed}");
            }
            other => panic!("{listed}: {other:?}"),
        }
    }
}

#[test]
fn a_refusal_is_asked_for_again_where_the_list_came_in_parts() {
    let case = case();
    let asking = requests(case.of_all(MERGE, 400, &refusal())).remove(0);
    let part = Request { rows: asking.rows[..2].to_vec(), ..asking };
    let again = requests(case.answer(&part, 200, THERE));
    assert_eq!((again.len(), again[0].step, &again[0].rows), (1, MERGE, &part.rows));
}

#[test]
fn a_refusal_that_names_no_field_of_the_run_is_not_asked_about() {
    let bad = serde_json::json!({ "status": "invalid", "error": "empty phone value for phn::phone" });
    assert_eq!(outcomes(case().of_all(MERGE, 400, &details(&serde_json::json!([bad, bad, bad, bad])))).len(), 4);
}
