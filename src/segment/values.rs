//! What looks like a customer's data and not like a column's name. Not a check of addresses, numbers or dates.

use super::names::is_blank;

/// What writers leave in a cell that holds nothing.
const NOTHING: [&str; 9] = ["null", "nil", "none", "nan", "na", "n/a", "\\n", "undefined", "unknown"];
/// Ends of hosts that no column's name has.
const HOSTS: [&str; 6] = ["com", "net", "org", "edu", "gov", "example"];
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Whether a field looks like an address.
pub(super) fn looks_like_address(field: &str) -> bool {
    let field = field.trim_matches(is_blank);
    field.split_once('@').is_some_and(|(local, domain)| {
        let dotted = domain.split_once('.').is_some_and(|(name, top)| !name.is_empty() && !top.is_empty());
        !local.is_empty() && dotted && !field.contains(char::is_whitespace)
    })
}

/// Whether an address may be in a field, in whatever form: an `@` behind something, which `@timestamp` has not.
pub fn may_be_an_address(field: &str) -> bool {
    field.trim_matches(is_blank).find(['@', '＠']).is_some_and(|at| at > 0)
}

/// Whether a field is blank, or holds what may be a value: anything with an `@` or a scheme, a host's name, more digits
/// than letters, a date.
pub fn may_be_a_value(field: &str) -> bool {
    let field = field.trim_matches(is_blank).to_lowercase();
    let digits = field.chars().filter(|c| c.is_numeric()).count();
    let letters = field.chars().filter(|c| c.is_alphabetic()).count();
    digits + letters == 0
        || NOTHING.contains(&field.as_str())
        || may_be_an_address(&field)
        || field.contains("://")
        || is_host(&field)
        || digits > letters
        || (digits > 0 && has_a_date(&field))
}

/// A host's name, such as in an address that lost its `@`. Other names with dots are a column's, as `traits.id`.
fn is_host(field: &str) -> bool {
    field.rsplit_once('.').is_some_and(|(_, top)| HOSTS.contains(&top))
}

/// Whether a lower-case field holds a day: two numbers or a month's name beside a number.
fn has_a_date(field: &str) -> bool {
    let parts: Vec<&str> = field.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let is_number = |part: &&str| part.chars().all(|c| c.is_ascii_digit());
    let is_month = |part: &&str| MONTHS.iter().any(|month| part.starts_with(month));
    let beside = |pair: &[&str]| match pair {
        [one, other] => is_number(one) && (is_number(other) || is_month(other)) || is_month(one) && is_number(other),
        _ => false,
    };
    parts.windows(2).any(beside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_numbers_dates_and_blanks_may_be_values() {
        for value in [
            "",
            " \u{200b}",
            "-",
            "NULL",
            "n/a",
            "ann@example.com",
            "Ann <ann@example.com>",
            "ann at example.com",
            "ann.example.org",
            "+47 900 00 001",
            "1,234.56",
            "€ 12",
            "12 %",
            "2024-11-23",
            "2024-11-23T06:00:00Z",
            "28 Feb 2024",
            "November 23, 2024",
            "23.11.2024",
            "exported 2024-11-23",
            "https://example.com",
            "0150",
        ] {
            assert!(may_be_a_value(value), "{value}");
        }
    }

    #[test]
    fn names_of_columns_are_not_values() {
        for name in [
            "EMail",
            "Mail Address",
            "#EMail",
            "First\nName",
            "address_2",
            "Prénom",
            "<b>EMail</b>",
            "Q1",
            "traits.id",
            "@id",
        ] {
            assert!(!may_be_a_value(name), "{name}");
        }
    }
}
