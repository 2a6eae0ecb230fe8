//! Requests that are refused as a whole, without a word on any row.

use serde_json::json;

use super::*;
use crate::destination::ortto::response::BAN;
use crate::destination::ortto::steps::{AGAIN, ALONE, MERGE, OPT_OUT, UNMARK};

const REFUSAL: &str = r#"{"code":400,"error":"too many contacts this month"}"#;

/// The requests that a doubted one is replaced by.
fn doubted(response: Response) -> Vec<Request> {
    match response {
        Response::Doubted(requests) => requests,
        other => panic!("{other:?}"),
    }
}

fn end(response: Response) -> String {
    match response {
        Response::Ends { problem, .. } => problem.into_owned(),
        other => panic!("{other:?}"),
    }
}

/// The halves of a request that was refused twice.
fn halves(case: &Case, request: &Request) -> Vec<Request> {
    let [again] = &doubted(case.answer(request, 400, REFUSAL))[..] else { panic!() };
    assert_eq!((again.wait, &again.rows), (BAN, &request.rows), "it waits for a ban to end");
    doubted(case.answer(again, 400, REFUSAL))
}

fn accepted(case: &Case, request: &Request) {
    let merged = |RowId { number, .. }: &RowId| json!({ "status": "merged", "person_id": id(*number) });
    let body = people(&request.rows.iter().map(merged).collect());
    assert_eq!(outcomes(case.answer(request, 200, &body)).len(), request.rows.len());
}

#[test]
fn where_both_halves_are_refused_alike_the_run_ends() {
    for step in [MERGE, AGAIN, OPT_OUT, UNMARK] {
        let case = Case::joiners(8);
        let [first, second] = &halves(&case, &case.request(step))[..] else { panic!() };
        let cut = doubted(case.answer(first, 400, REFUSAL));
        assert!(cut.iter().all(|part| !part.wait.is_zero()), "what is said of the other half comes first");
        let said = end(case.answer(second, 400, REFUSAL));
        assert!(said.contains("status 400") && said.contains("too many contacts this month"), "{said}");
    }
}

#[test]
fn a_bad_row_among_good_ones_is_found_and_it_alone_is_refused() {
    let case = Case::joiners(8);
    let mut parts = halves(&case, &case.request(MERGE));
    let mut refusals = 2;
    let said = loop {
        let part = parts.remove(0);
        if !part.rows.contains(&at(5)) {
            accepted(&case, &part);
            continue;
        }
        refusals += 1;
        match case.answer(&part, 400, REFUSAL) {
            Response::Doubted(more) => parts.extend(more),
            said => break said,
        }
    };
    assert!(parts.is_empty(), "{parts:?}");
    assert_eq!(said, Response::Rows(vec![(at(5), refused("too many contacts this month"))]));
    assert_eq!(refusals, 6, "a whole twice, a half, a quarter, the row twice");
}

#[test]
fn the_only_row_of_a_drop_is_sent_twice_and_not_blamed() {
    let case = Case::joiners(1);
    let again = doubted(case.answer(&case.request(MERGE), 400, REFUSAL)).remove(0);
    assert_eq!(again.wait, BAN);
    end(case.answer(&again, 400, REFUSAL));
    // Where others were accepted meanwhile, it is the row.
    let again = doubted(case.answer(&case.request(MERGE), 400, REFUSAL)).remove(0);
    accepted(&case, &case.request(MERGE));
    assert_eq!(outcomes(case.answer(&again, 400, REFUSAL)), [refused("too many contacts this month")]);
    let alone = doubted(case.answer(&case.request(ALONE), 400, REFUSAL)).remove(0);
    assert_eq!(outcomes(case.answer(&alone, 400, REFUSAL)).len(), 1, "those it was sent with were");
}

#[test]
fn what_the_server_lacks_ends_the_run_at_once() {
    let case = Case::joiners(3);
    assert!(end(case.of_all(MERGE, 501, "{}")).contains("status 501"));
}

// Promise 10.
#[test]
fn the_end_quotes_nothing_of_the_rows() {
    for error in ["bad address person.0@example.com", "no such person: PERSON.0@EXAMPLE.COM", "ask a@b.org"] {
        let case = Case::joiners(1);
        let said = end(case.of_all(MERGE, 501, &json!({ "error": error }).to_string()));
        assert!(!said.to_lowercase().contains("person.0") && !said.contains('@'), "{said}");
    }
}
