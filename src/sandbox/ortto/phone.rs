//! Phone numbers: two documented forms, and everything else.

use serde_json::{Value, json};

use super::change::{Change, odd, wrong};
use super::fields::Field;
use crate::sandbox::options::Odd;

/// Calling codes of two digits. Those of one digit are 1 and 7; all others have three.
///
/// Source: ITU-T E.164.
const TWO_DIGITS: [&str; 44] = [
    "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49", "51",
    "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81", "82", "84", "86", "90",
    "91", "92", "93", "94", "95", "98",
];

/// How numbers do not begin: codes that no country has.
///
/// Source: ITU-T E.164, spare codes.
const SPARE: [&str; 5] = ["28", "83", "89", "990", "999"];

/// Fewest and most digits of a number with its calling code.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// Checks a phone number, and turns it into `{"c","n"}`.
///
/// Source: `docs/ORTTO_API.md` 4.
pub(super) fn check(field: &Field, value: &Value, odd_phones: Odd) -> Result<Change, String> {
    let Some(phone) = value.as_object() else { return Err(wrong(field)) };
    let text = |name| phone.get(name).and_then(Value::as_str).unwrap_or_default().trim();
    let (code, number, whole) = (text("c"), text("n"), text("phone"));
    if number.is_empty() && whole.is_empty() {
        return Err(format!("empty phone value for {}", field.id));
    }
    let parsed = if whole.is_empty() {
        (is_number(&format!("{code}{number}")) && !code.is_empty() && !number.starts_with('0'))
            .then(|| (code.to_owned(), number.to_owned()))
    } else {
        let starts_with_code = phone.get("parse_with_country_code") == Some(&Value::Bool(true));
        starts_with_code.then(|| parse(whole)).flatten()
    };
    match parsed {
        Some((code, number)) => Ok(Change::Set(json!({ "c": code, "n": number }))),
        None => odd(field, odd_phones, || {
            let digits: String = format!("{code}{number}{whole}").chars().filter(char::is_ascii_digit).collect();
            let (code, number) = parse(&digits).unwrap_or((code.to_owned(), digits));
            Change::Set(json!({ "c": code, "n": number }))
        }),
    }
}

/// `4712345678` -> 47, 12345678.
fn parse(whole: &str) -> Option<(String, String)> {
    if !is_number(whole) || whole.starts_with('0') || SPARE.iter().any(|code| whole.starts_with(code)) {
        return None;
    }
    let code = match whole.get(..1)? {
        "1" | "7" => 1,
        _ if TWO_DIGITS.contains(&whole.get(..2)?) => 2,
        _ => 3,
    };
    let (code, number) = whole.split_at_checked(code)?;
    Some((code.to_owned(), number.to_owned()))
}

fn is_number(digits: &str) -> bool {
    DIGITS.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}
