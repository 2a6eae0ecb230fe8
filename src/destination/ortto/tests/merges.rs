//! What answers to merges say of their rows.

use serde_json::json;

use super::*;
use crate::destination::ortto::steps::{AGAIN, ALONE, MERGE, OPT_OUT, READ, SEEK};

const MERGES: [&str; 3] = [MERGE, AGAIN, ALONE];

#[test]
fn a_row_with_several_details_is_refused_for_all_of_them() {
    let body = details(&json!([{ "status": "invalid", "error": "a" }, { "status": "invalid", "error": "b" }]));
    for step in [MERGE, AGAIN, ALONE, OPT_OUT] {
        let case = if step == OPT_OUT { Case::opting_out(1) } else { Case::joiners(1) };
        assert_eq!(outcomes(case.of_all(step, 400, &body)), [refused("a; b")], "{step}");
    }
    let suppressed = json!({ "status": "suppressed", "error": "Email is suppressed" });
    for (all, wanted) in [
        (json!([suppressed, suppressed]), RowOutcome::Done(RowResult::Suppressed)),
        (json!([suppressed, { "status": "invalid", "error": "a" }]), refused("a")),
    ] {
        assert_eq!(outcomes(Case::joiners(1).of_all(ALONE, 400, &details(&all))), [wanted]);
    }
}

#[test]
fn two_details_that_may_be_of_one_row_blame_no_other() {
    let body = details(&json!([{ "status": "invalid", "error": "a" }, { "status": "invalid", "error": "b" }]));
    let alone = RowOutcome::Then(ALONE, String::new());
    assert_eq!(outcomes(Case::joiners(2).of_all(MERGE, 400, &body)), [alone.clone(), alone]);
}

#[test]
fn a_status_that_is_not_known_judges_its_row() {
    for detail in [json!({ "status": "rejected", "error": "a" }), json!("a"), json!({ "message": "a" })] {
        for step in MERGES {
            let said = outcomes(Case::joiners(1).of_all(step, 400, &details(&json!([detail]))));
            assert_eq!(said, [refused("a")], "{detail} {step}");
        }
    }
    for body in [r#"{"status":"failed","error":"a"}"#, r#"{"people":[{"status":"failed","error":"a"}]}"#] {
        for step in MERGES {
            assert_eq!(outcomes(Case::joiners(1).of_all(step, 200, body)), [refused("a")], "{body} {step}");
        }
    }
    let bare = details(&json!([{ "status": "rejected" }]));
    assert_eq!(outcomes(Case::joiners(1).of_all(ALONE, 400, &bare)), [refused("refused without a reason")]);
}

// Whatever 200 or 400 says of a single row, the row has a verdict at last.
#[test]
fn no_answer_leaves_a_single_row_without_a_verdict() {
    let odd = [
        json!({}),
        json!([]),
        json!("ok"),
        json!(1),
        json!({ "people": null }),
        json!({ "people": [] }),
        json!({ "people": {} }),
        json!({ "people": [7] }),
        json!({ "people": [{ "status": "weird" }] }),
        json!({ "people": [{ "status": "skipped" }] }),
        json!({ "people": [{ "status": "queued" }] }),
        json!({ "people": [{ "status": "merged" }, { "status": "weird" }] }),
        json!({ "people": [{ "status": "merged", "person_id": id(1) }, { "status": "skipped" }] }),
        json!({ "details": [{ "status": "merged" }, { "status": "weird" }] }),
        json!({ "details": [{}] }),
        json!({ "details": "bad" }),
        json!({ "error": "bad", "people": [] }),
    ];
    for operation in [Operation::Join, Operation::Update] {
        for (status, step) in [200, 400].into_iter().flat_map(|status| [MERGE, OPT_OUT].map(|step| (status, step))) {
            for body in &odd {
                let case = Case::of(operation, 1);
                // What is said without details is another matter.
                if status == 400 && body.get("details").is_none() {
                    continue;
                }
                let mut request = case.request(step);
                let is_judged = (0..12).any(|_| {
                    let next = match case.answer(&request, status, &body.to_string()) {
                        Response::Rows(outcomes) => match &outcomes[0].1 {
                            RowOutcome::Then(step, _) | RowOutcome::ThenTogether(step, _) => case.request(step),
                            _ => return true,
                        },
                        Response::Partly(_, requests) => requests[0].clone(),
                        other => panic!("{other:?}"),
                    };
                    request = next;
                    false
                });
                assert!(is_judged, "{operation:?} {step} {status} {body}");
            }
        }
    }
}

#[test]
fn a_person_who_opts_out_and_is_gone_is_asked_for_again() {
    for entry in [json!({ "status": "not_found" }), json!({ "status": "odd" })] {
        let said = outcomes(Case::opting_out(1).of_all(OPT_OUT, 200, &people(&json!([entry]))));
        assert_eq!(said, [RowOutcome::Done(RowResult::Suppressed)], "{entry}");
    }
    let two = people(&json!([{ "status": "not_found" }, { "status": "skipped" }]));
    assert_eq!(
        outcomes(Case::opting_out(2).of_all(OPT_OUT, 200, &two)),
        [RowOutcome::Done(RowResult::Suppressed), RowOutcome::Done(RowResult::Suppressed)]
    );
}

// Source: ORTTO_API 10, a skipped row may be called merged.
#[test]
fn a_changed_row_that_is_merged_without_an_id_is_looked_for() {
    let (named, unnamed) = (json!({ "status": "merged", "person_id": id(0) }), json!({ "status": "merged" }));
    for (rows, answer) in [(1, json!([unnamed])), (2, json!([unnamed, unnamed])), (2, json!([named, unnamed]))] {
        let requests = requests(Case::of(Operation::Update, rows).of_all(MERGE, 200, &people(&answer)));
        assert_eq!((requests.len(), requests[0].step, requests[0].rows.len()), (1, SEEK, rows as usize), "{answer}");
    }
    // Where nobody can be read, it is merged once more, as one that may be gone.
    let case = Case::of(Operation::Update, 1);
    let seek = requests(case.of_all(MERGE, 200, &people(&json!([unnamed])))).remove(0);
    assert_eq!(outcomes(case.answer(&seek, 200, "{}")), [RowOutcome::ThenTogether(AGAIN, String::new())]);
}

#[test]
fn a_status_counts_without_an_id_or_with_an_odd_one() {
    for entry in [json!({ "status": "merged" }), json!({ "status": "created", "person_id": "7" })] {
        let said = outcomes(Case::joiners(2).of_all(MERGE, 200, &people(&json!([entry, entry]))));
        assert_eq!(
            said,
            [
                RowOutcome::Done(RowResult::Delivered(String::new())),
                RowOutcome::Done(RowResult::Delivered(String::new()))
            ],
            "{entry}"
        );
    }
    // Nothing says which of the rows was merged.
    let mixed = people(&json!([{ "status": "merged" }, { "status": "invalid", "error": "a" }]));
    let halves = requests(Case::joiners(2).of_all(AGAIN, 200, &mixed));
    assert_eq!(halves.iter().map(|half| (half.step, half.rows.len())).collect::<Vec<_>>(), [(AGAIN, 1), (AGAIN, 1)]);
}

#[test]
fn rows_that_are_queued_are_looked_for_by_their_addresses() {
    let case = Case::joiners(2);
    let [seek] =
        &requests(case.of_all(MERGE, 200, &people(&json!([{ "status": "queued" }, { "status": "queued" }]))))[..]
    else {
        panic!()
    };
    assert_eq!((seek.step, seek.rows.len()), (SEEK, 2));
    let call = case.protocol.call(seek, &case.held).unwrap();
    assert!(String::from_utf8_lossy(&call.body).contains("$or"));
    let there = |n, tags| json!({ "id": id(n), "fields": { "str::email": email(n), "tags": tags } });
    let page = json!({ "contacts": [there(0, json!(["T"])), there(1, json!([]))] });
    match case.answer(seek, 200, &page.to_string()) {
        Response::Partly(outcomes, requests) => {
            assert_eq!(outcomes, [(at(0), RowOutcome::Done(RowResult::Delivered(id(0))))]);
            assert_eq!((requests[0].step, &requests[0].rows[..]), (SEEK, &[at(1)][..]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn rows_are_merged_again_in_halves_where_nobody_can_be_read() {
    for (status, body) in [(400, r#"{"error":"no"}"#), (200, "{}"), (400, r#"{"details":[{"error":"no"}]}"#)] {
        let case = Case::joiners(4);
        let mixed = json!([{ "status": "merged", "person_id": id(1) }, { "status": "invalid" }]);
        let read = requests(case.of_all(MERGE, 200, &people(&mixed))).remove(0);
        assert_eq!(read.step, READ);
        let halves = requests(case.answer_again(&read, status, body));
        assert_eq!(
            halves.iter().map(|half| (half.step, half.rows.len())).collect::<Vec<_>>(),
            [(AGAIN, 2), (AGAIN, 2)]
        );
    }
}

#[test]
fn many_reasons_are_given_by_place() {
    let faults: Vec<Value> = (0..5).map(|n| json!({ "status": "invalid", "error": format!("r{n}") })).collect();
    let said = outcomes(Case::joiners(5).of_all(MERGE, 400, &details(&json!(faults))));
    assert_eq!((said.len(), &said[3]), (5, &refused("probably: r3")));
}
