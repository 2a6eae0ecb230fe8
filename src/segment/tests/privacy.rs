//! A first line is shown only where it holds names for certain.

use super::*;

const BELOW: &str = "\nann@example.com,Ann,1\nbea@example.com,Bea,2\n";

fn is_certain(text: &str) -> bool {
    Case::new().seen(text).certain.unwrap()
}

#[test]
fn a_line_that_may_hold_values_is_not_shown() {
    for first in [
        ",Emil,Larsen",
        "Emil,Larsen,+4790000001",
        "\u{200b},Emil,Larsen",
        "NULL,Emil,Larsen",
        "-,Emil,Larsen",
        "unknown,Emil,Larsen",
        "emil at example.com,Emil,Larsen",
        "Emil,Larsen,1980-05-12",
        "Emil,Larsen,12 May 1980",
        "Emil,Larsen,https://example.com/emil",
        "# exported 2024-11-23,by,crm",
    ] {
        assert!(!is_certain(&format!("{first}{BELOW}")), "{first}");
    }
}

#[test]
fn a_line_above_no_address_is_not_shown() {
    assert!(!is_certain("Emil,Larsen,Oslo\nOlga,Larsen,Rome\n"));
    assert!(!is_certain("Emil,Larsen,Oslo"));
    assert!(!is_certain(&format!("Emil;Larsen;Oslo{BELOW}")), "rows of another width tell nothing");
}

#[test]
fn names_above_addresses_are_shown_and_so_is_a_mapped_name() {
    for first in ["Mail Address,Given Name,Town", "EMAIL,FIRSTNAME,Q1", "Kontakt,Vorname,Straße 2", "#EMail,x,y"] {
        assert!(is_certain(&format!("{first}{BELOW}")), "{first}");
    }
    assert!(is_certain("x,FirstName,"), "a mapped name is in it");
    assert!(is_certain("Mail;Name\n\n\"broken\"x\n;\nann@example.com;Ann\n"), "below what cannot be read");
    let far = format!("Mail,Name\n{}ann@example.com,Ann\n", "none,x\n".repeat(20_000));
    assert!(!is_certain(&far), "so far down nobody looks");
}

#[test]
fn a_header_that_is_vouched_for_is_trusted() {
    assert_eq!(Case::of(with_header(true)).seen("Emil,Larsen,7\n").certain, Some(true));
    let case = Case { layout: layout(&["Mail", "Name"], Some(true)), ..Case::new() };
    assert_eq!(case.seen("Emil,Larsen\n").certain, Some(true));
    let case = Case { layout: layout(&["Mail", "Name"], Some(false)), ..Case::new() };
    let seen = case.seen("ann@example.com,Ann\n");
    assert_eq!((seen.certain, seen.columns), (Some(true), names(&["Mail", "Name"])), "the names of model.json");
}

#[test]
fn keys_of_json_lines_are_shown_on_the_same_terms() {
    for (text, certain) in [
        ("{\"EMail\":\"a\"}", true),
        ("{\"Mail\":\"ann@example.com\",\"Name\":\"Ann\"}", true),
        ("{\"Mail\":\"ann\",\"Name\":\"Ann\"}", false),
        ("{\"ann@example.com\":\"ann@example.com\"}", false),
        ("{\"Ann Larsen\":{\"Mail\":\"ann@example.com\"}}", false),
    ] {
        assert_eq!(is_certain(text), certain, "{text}");
    }
}

#[test]
fn how_much_is_looked_at_does_not_depend_on_the_pieces() {
    for rows in [10, 9_000] {
        let text = format!("Mail,Name\n{}ann@example.com,Ann\n", "none,x\n".repeat(rows));
        let seen = |piece| Case::new().decode(text.as_bytes(), piece).unwrap().0.certain;
        assert_eq!(seen(3), seen(1 << 20), "{rows}");
    }
}
