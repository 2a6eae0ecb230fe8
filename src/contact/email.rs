//! Which email addresses are sent, and when two of them are one.
//!
//! Internationalised addresses are accepted as they are written: local parts in UTF-8 (RFC 6531) and domains in
//! Unicode or in ASCII. Two addresses are one if they differ only in case, in the composition of their characters
//! (NFC), or in the form of their domain: `jörg@münchen.example` is `jörg@xn--mnchen-3ya.example`.

use std::borrow::Cow;

use email_address::{EmailAddress, Options};
use idna::{AsciiDenyList, domain_to_ascii_cow};

use super::reject::RejectCode;
use crate::value;

/// The longest address that mail can go to, in bytes.
/// Source: RFC 5321, 4.5.3.1.3 (a path of 256, less its angle brackets).
pub const MAX_BYTES: usize = 254;

/// Why a cell holds no address that mail can go to. Its text is the reject's reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailFault {
    /// Nothing is in the cell.
    #[error("the email is empty")]
    Missing,
    /// A link that opens a mail program.
    #[error("the email is a mailto: link; write the address alone")]
    Link,
    /// A display name with an address in angle brackets.
    #[error("the email is a name with an address in <>; write the address alone")]
    Named,
    /// More than one address.
    #[error("the email is several addresses; write a row for each")]
    Several,
    /// Something else.
    #[error("the email is not a valid address")]
    Invalid,
}

impl EmailFault {
    /// The code of the row that is rejected for it.
    pub const fn code(self) -> RejectCode {
        match self {
            EmailFault::Missing => RejectCode::MissingEmail,
            _ => RejectCode::InvalidEmail,
        }
    }
}

/// Reads a cell. `email` becomes the address as it is sent: as written, without what surrounds it and what cannot be
/// seen within; `normal` becomes the address as it is compared. Both replace what was there.
///
/// # Errors
/// The cell holds no address that mail can go to; `normal` is empty.
pub fn read(cell: &str, email: &mut String, normal: &mut String) -> Result<(), EmailFault> {
    email.clear();
    let text = value::content(cell);
    match text.is_ascii() {
        true => email.push_str(text),
        false => email.extend(text.chars().filter(|c| !is_unseen(*c))),
    }
    match compare(email, normal) {
        true => Ok(()),
        false => Err(fault(email)),
    }
}

/// Whether `address`, cleaned as [`read`] cleans it, is one that mail can go to: a local part and a domain with a dot
/// in it; no display name, no address literal, nothing invisible.
pub fn is_valid(address: &str) -> bool {
    compare(address, &mut String::new())
}

/// Writes `address` as it is compared. Replaces what `normal` held.
pub fn normalise(address: &str, normal: &mut String) {
    if address.is_ascii() || !compare(address, normal) {
        normal.clear();
        normal.push_str(&value::folded(address));
    }
}

/// Writes the address as it is compared, if mail can go to it; otherwise leaves `normal` empty.
fn compare(address: &str, normal: &mut String) -> bool {
    normal.clear();
    if address.is_ascii() {
        let is_valid = !address.bytes().any(|byte| byte <= b' ' || byte == 0x7f) && is_address(address);
        if is_valid {
            normal.push_str(address);
            normal.make_ascii_lowercase();
        }
        return is_valid;
    }
    if address.len() > MAX_BYTES || address.chars().any(is_unfit) {
        return false;
    }
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let domain = match domain.is_ascii() {
        true => Cow::Owned(domain.to_ascii_lowercase()),
        false => match domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::STD3) {
            Ok(domain) => domain,
            Err(_) => return false,
        },
    };
    normal.push_str(&value::folded(local));
    normal.push('@');
    normal.push_str(&domain);
    let is_valid = is_address(normal);
    if !is_valid {
        normal.clear();
    }
    is_valid
}

/// Whether an address has the parts that mail needs. The domain is in ASCII.
fn is_address(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    address.len() <= MAX_BYTES && (is_plain(local, domain) || is_host(domain) && is_parsed(address))
}

/// Whether an address is letters, digits, `_`, `+` and `-` between single dots, as nearly all are. Parsing those as well
/// would take 6 % of the time that a row takes to be planned.
fn is_plain(local: &str, domain: &str) -> bool {
    let words = |text: &str, others: &[u8]| {
        let mut last = b'.';
        for byte in text.bytes() {
            let fits = byte.is_ascii_alphanumeric() || others.contains(&byte) || byte == b'.' && last != b'.';
            if !fits {
                return false;
            }
            last = byte;
        }
        last != b'.'
    };
    // Longer ones, and labels that begin or end with a hyphen, are left to the crate.
    local.len() < 64 && domain.len() < 64 && words(local, b"_+-") && words(domain, b"") && domain.contains('.')
}

/// The crate lets any character of a local part into a domain.
fn is_host(domain: &str) -> bool {
    domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

fn is_parsed(address: &str) -> bool {
    let options = Options { minimum_sub_domains: 2, allow_domain_literal: false, allow_display_text: false };
    EmailAddress::parse_with_options(address, options).is_ok()
}

/// What is wrong with an address that is not valid.
fn fault(address: &str) -> EmailFault {
    let parts = address.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|'));
    if address.is_empty() {
        EmailFault::Missing
    } else if address.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("mailto:")) {
        EmailFault::Link
    } else if parts.filter(|part| part.contains('@')).count() > 1 {
        EmailFault::Several
    } else if address.contains('<') && address.ends_with('>') {
        EmailFault::Named
    } else {
        EmailFault::Invalid
    }
}

/// What is left out of an address: it takes no room on a screen, so nobody can have meant it.
const fn is_unseen(c: char) -> bool {
    value::is_invisible(c)
        || matches!(c, '\u{34f}' | '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

/// What no address has: white space, control characters, what cannot be seen, blanks that count as letters, and the
/// mark of a character that was lost.
fn is_unfit(c: char) -> bool {
    c.is_control()
        || c.is_whitespace()
        || is_unseen(c)
        || matches!(c, '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffd}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The address that a cell holds as it is sent and as it is compared, or what is wrong with it.
    fn read_cell(cell: &str) -> Result<(String, String), EmailFault> {
        let (mut email, mut normal) = ("old".to_owned(), "old".to_owned());
        let result = read(cell, &mut email, &mut normal);
        assert_eq!(result.is_err(), normal.is_empty(), "{cell}");
        result.map(|()| (email, normal))
    }

    fn compared(cell: &str) -> String {
        read_cell(cell).unwrap().1
    }

    #[test]
    fn addresses_are_those_that_mail_can_go_to() {
        for good in [
            "a@b.co",
            "first.last+tag@sub.example.org",
            "x&y@example.com",
            "%user@example.com",
            "o'neil@example.ie",
            "jürgen@example.de",
            "info@bücher.example",
            "info@xn--bcher-kva.example",
            "用户@例子.广告",
            "\"a.b\"@example.org",
            "\"a,b@c\"@example.org",
            "1@1.example",
            "a@b--c.example",
        ] {
            assert!(is_valid(good), "{good}");
            assert_eq!(read_cell(good).unwrap().0, good);
        }
        let long = format!("a@{}.example", ["b"; 130].join("."));
        let label = format!("a@{}.example", "ü".repeat(63));
        for bad in [
            "a",
            "a@",
            "@b.co",
            "a@localhost",
            "a@ö",
            "a@b..co",
            "a@ö..co",
            "a@.co",
            "a@b.co.",
            "a@ö.co.",
            "a@-b.co",
            "a b@c.co",
            "a@b c.co",
            "a\u{a0}b@c.co",
            "a\u{3164}b@c.co",
            "a@[127.0.0.1]",
            "a@b@c.co",
            "a@@ö.co",
            "a..b@c.co",
            ".a@b.co",
            "a@b!c.co",
            "a@b_c.co",
            "a@ö_c.co",
            "'a@b.co'",
            "a@b.co\u{0}",
            "a@b\u{fffd}.co",
            long.as_str(),
            label.as_str(),
        ] {
            assert!(!is_valid(bad), "{bad}");
            assert_eq!(read_cell(bad), Err(EmailFault::Invalid), "{bad}");
        }
        assert!(!is_valid("") && !is_valid("a\u{200b}@b.co"));
    }

    #[test]
    fn what_cannot_be_seen_around_or_within_an_address_is_left_out() {
        for cell in [
            " ann@b.example ",
            "ann@b.example\u{a0}",
            "\u{feff}ann@b.example",
            "\u{200b}ann@b.example\u{200e}",
            "a\u{200b}nn@b.example",
            "ann@b\u{ad}.exam\u{ad}ple",
            "\u{202a}ann\u{2060}@b.example\u{202c}\t",
            "=\"ann@b.example\"",
        ] {
            assert_eq!(read_cell(cell).unwrap(), ("ann@b.example".to_owned(), "ann@b.example".to_owned()), "{cell}");
        }
        assert_eq!(read_cell("\u{200b} \u{feff}"), Err(EmailFault::Missing));
        assert_eq!(EmailFault::Missing.code(), RejectCode::MissingEmail);
    }

    #[test]
    fn a_fault_says_what_the_cell_holds_instead() {
        use EmailFault::{Invalid, Link, Named, Several};
        for (cell, fault) in [
            ("mailto:ida@b.example", Link),
            ("MAILTO:ida@b.example?subject=x", Link),
            ("Hal <hal@b.example>", Named),
            ("<hal@b.example>", Named),
            ("\"Hal, Jr.\" <hal@b.example>", Named),
            ("jo@b.example;jo2@b.example", Several),
            ("jo@b.example, jo2@b.example", Several),
            ("jo@b.example jo2@b.example", Several),
            ("jo@b.example\njo2@b.example", Several),
            ("Jo <jo@b.example>, Al <al@b.example>", Several),
            ("jo at b.example", Invalid),
            ("NULL", Invalid),
        ] {
            assert_eq!(read_cell(cell), Err(fault), "{cell}");
            assert!(!cell.contains('@') || !fault.to_string().contains('@'));
            assert_eq!(fault.code(), RejectCode::InvalidEmail);
        }
    }

    #[test]
    fn spellings_of_one_address_are_compared_as_one() {
        let one = "jörg@xn--mnchen-3ya.example";
        for spelling in [
            "jörg@münchen.example",
            "JÖRG@MÜNCHEN.EXAMPLE",
            "jo\u{308}rg@mu\u{308}nchen.example",
            "JO\u{308}RG@münchen.example",
            "jörg@xn--mnchen-3ya.example",
            "Jörg@XN--MNCHEN-3YA.example",
            "jörg@münchen。example",
        ] {
            assert_eq!(compared(spelling), one, "{spelling}");
        }
        assert_eq!(read_cell("Jörg@München.example").unwrap().0, "Jörg@München.example", "and sent as written");
        assert_eq!(compared("Info@XN--BCHER-KVA.example"), compared("info@bücher.example"));
        assert_eq!(compared("\u{212a}im@b.example"), "kim@b.example");
        assert_ne!(compared("ann.b@mail.example"), compared("annb@mail.example"));
        assert_ne!(compared("jorg@b.example"), compared("jörg@b.example"));
    }

    proptest! {
        #[test]
        fn the_address_as_compared_is_compared_as_itself(cell in "[a-zA-ZäÖßσΣ\u{308}İ.]{1,6}@[a-zA-ZüÉß\u{301}-]{1,6}\\.[a-z]{2,3}") {
            if let Ok((email, normal)) = read_cell(&cell) {
                prop_assert_eq!(compared(&normal), normal.clone());
                prop_assert_eq!(compared(&value::composed(&cell)), normal.clone());
                let mut by_itself = String::new();
                normalise(&email, &mut by_itself);
                prop_assert_eq!(by_itself, normal);
            }
        }

        #[test]
        fn no_cell_makes_an_address_with_a_blank_in_it(cell in prop_oneof!["\\PC*", "[a@<>. ,;\"\\[\\]\u{200b}]{0,12}"]) {
            if let Ok((email, _)) = read_cell(&cell) {
                prop_assert!(is_valid(&email) && !email.chars().any(is_unfit));
            }
        }
    }

    proptest! {
        #[test]
        fn plain_addresses_are_those_that_the_crate_takes_too(
            local in "[a-zA-Z0-9_+.-]{0,66}", domain in "[a-zA-Z0-9.-]{0,66}",
        ) {
            let address = format!("{local}@{domain}");
            prop_assert_eq!(is_plain(&local, &domain) && !is_parsed(&address), false, "{}", address);
        }
    }
}
