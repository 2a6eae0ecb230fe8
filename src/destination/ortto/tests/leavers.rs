//! Leavers whose whereabouts cannot be read.

use super::*;
use crate::destination::ortto::steps::{CHECK, FIND, LOOK, SCAN};

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
        let said = outcomes(case.answer(&request, status, body));
        assert!(matches!(&said[..], [RowOutcome::Refused(one), RowOutcome::Refused(_)] if one.contains("list")));
    }
}

#[test]
fn everybody_is_read_where_ids_cannot_be_looked_up() {
    for (status, body) in ODD {
        let scan = RowOutcome::ThenTogether(SCAN, String::new());
        assert_eq!(outcomes(leavers(2).of_all(LOOK, status, body)), [scan.clone(), scan], "{status} {body}");
        assert!(matches!(&outcomes(leavers(1).of_all(CHECK, status, body))[..], [RowOutcome::Then(FIND, _)]));
        assert!(matches!(&outcomes(leavers(1).of_all(FIND, status, body))[..], [RowOutcome::Refused(_)]));
    }
}

#[test]
fn a_full_page_that_says_nothing_of_more_is_not_the_last() {
    let contacts = (100..600).map(|n| serde_json::json!({ "id": id(n), "fields": { "str::email": email(n) } }));
    let page = serde_json::json!({ "contacts": contacts.collect::<Vec<_>>() }).to_string();
    let next = requests(leavers(1).of_all(SCAN, 200, &page));
    assert_eq!((next[0].step, next[0].note.as_str()), (SCAN, "500 "));
    assert_eq!(outcomes(leavers(1).of_all(SCAN, 200, r#"{"contacts":null}"#)), [RowOutcome::Left]);
}
