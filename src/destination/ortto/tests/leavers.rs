//! Leavers whose whereabouts cannot be read.

use super::*;
use crate::destination::ortto::steps::{CHECK, FIND, LOOK, SCAN, UNMARK};

const ODD: [(u16, &str); 4] =
    [(400, r#"{"error":"no"}"#), (400, r#"{"details":["no"]}"#), (200, "{}"), (200, r#"{"contacts":7}"#)];

fn leavers(rows: u32) -> Case {
    Case::of(Operation::Leave, rows)
}

#[test]
fn a_page_that_is_refused_withholds_who_is_left() {
    for (status, body) in ODD {
        let case = leavers(2);
        let request = Request { note: "500 c".to_owned(), ..case.request(SCAN) };
        let said = outcomes(case.answer_again(&request, status, body));
        assert!(
            matches!(&said[..], [RowOutcome::Done(RowResult::Refused(one)), RowOutcome::Done(RowResult::Refused(_))] if one.contains("list"))
        );
    }
}

#[test]
fn everybody_is_read_where_ids_cannot_be_looked_up() {
    for (status, body) in ODD {
        let scan = RowOutcome::ThenTogether(SCAN, String::new());
        let said = |rows, step| {
            let case = leavers(rows);
            outcomes(case.answer_again(&case.request(step), status, body))
        };
        assert_eq!(said(2, LOOK), [scan.clone(), scan], "{status} {body}");
        assert!(matches!(&said(1, CHECK)[..], [RowOutcome::Then(FIND, _)]));
        assert!(matches!(&said(1, FIND)[..], [RowOutcome::Done(RowResult::Refused(_))]));
    }
}

// ORTTO_API 3: what a banned client sees is unknown.
#[test]
fn a_reading_that_is_refused_is_repeated_after_a_ban() {
    for step in [LOOK, SCAN, CHECK, FIND] {
        let case = leavers(1);
        let request = case.request(step);
        let again = match case.answer(&request, 400, "{}") {
            Response::Doubted(again) => again,
            other => panic!("{other:?}"),
        };
        assert_eq!(outcomes(case.answer(&again[0], 200, r#"{"contacts":null}"#)).len(), 1, "{step}");
        // What is refused time and again is not waited for.
        let other = Request { note: "500 c".to_owned(), ..request.clone() };
        assert!(matches!(case.answer(&other, 400, "{}"), Response::Doubted(_)), "{step}");
        assert!(!matches!(case.answer(&other, 400, "{}"), Response::Doubted(_)), "{step}");
        let third = Request { note: "1000 c".to_owned(), ..request };
        assert!(!matches!(case.answer(&third, 400, "{}"), Response::Doubted(_)), "{step}");
    }
}

// ORTTO_API 6: a merge may restore who is archived.
#[test]
fn an_archived_leaver_is_merged_only_if_another_is_there() {
    let mut archived = Setup::default();
    archived.archived.add(&profile(&email(0)));
    let there = |tags: &str| {
        let person = format!(r#"{{"id":"{}","fields":{{"str::email":"{}","tags":[{tags}]}}}}"#, id(0), email(0));
        (format!(r#"{{"contacts":{{"{}":{person}}}}}"#, id(0)), format!(r#"{{"contacts":[{person}]}}"#))
    };
    let mut case = leavers(1);
    case.protocol = OrttoProtocol::new(&[FieldSpec::email()], archived, KnownContacts::new(profile, []));
    // By its id it shows, archived as it is.
    let (by_id, by_address) = there(r#""T""#);
    assert!(matches!(&outcomes(case.of_all(LOOK, 200, &by_id))[..], [RowOutcome::Then(FIND, _)]));
    assert_eq!(outcomes(case.of_all(FIND, 200, r#"{"contacts":null}"#)), [RowOutcome::Done(RowResult::Left)]);
    case.held.rows[0].contact_id = email(0).into();
    assert!(matches!(&outcomes(case.of_all(FIND, 200, &by_address))[..], [RowOutcome::ThenTogether(UNMARK, _)]));
    let rows: Vec<(RowId, &Row)> = vec![(at(0), &case.held.rows[0])];
    assert_eq!(case.protocol.requests(&case.held.group, &rows)[0].step, FIND);
}

#[test]
fn a_full_page_that_says_nothing_of_more_is_not_the_last() {
    let contacts = (100..600).map(|n| serde_json::json!({ "id": id(n), "fields": { "str::email": email(n) } }));
    let page = serde_json::json!({ "contacts": contacts.collect::<Vec<_>>() }).to_string();
    let next = requests(leavers(1).of_all(SCAN, 200, &page));
    assert_eq!((next[0].step, next[0].note.trim_end()), (SCAN, "500"));
    assert_eq!(outcomes(leavers(1).of_all(SCAN, 200, r#"{"contacts":null}"#)), [RowOutcome::Done(RowResult::Left)]);
}

// Somebody who moves to the place of one that is deleted is on neither page.
#[test]
fn everybody_is_read_again_where_there_were_fewer_meanwhile() {
    let page = |n: u32, total: u32, more: bool| {
        let person = serde_json::json!({ "id": id(n), "fields": { "str::email": email(n) } });
        let meta = serde_json::json!({ "total_matches": total });
        serde_json::json!({ "contacts": [person], "has_more": more, "next_offset": n + 1, "meta": meta }).to_string()
    };
    let case = leavers(1);
    for (totals, is_read_again) in [([9, 9], false), ([9, 8], true), ([8, 9], false)] {
        let next = requests(case.of_all(SCAN, 200, &page(100, totals[0], true))).remove(0);
        let said = case.answer(&next, 200, &page(101, totals[1], false));
        if !is_read_again {
            assert_eq!(outcomes(said), [RowOutcome::Done(RowResult::Left)]);
            continue;
        }
        let again = requests(said).remove(0);
        assert_eq!((again.step, again.rows.len()), (SCAN, 1));
        let next = requests(case.answer(&again, 200, &page(100, 8, true))).remove(0);
        let fewer = case.answer(&next, 200, &page(101, 7, false));
        assert!(matches!(&outcomes(fewer)[..], [RowOutcome::Done(RowResult::Refused(why))] if why.contains("list")));
        assert_eq!(outcomes(case.answer(&next, 200, &page(101, 8, false))), [RowOutcome::Done(RowResult::Left)]);
    }
}
