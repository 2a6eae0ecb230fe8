//! Which email addresses are sent, and when two of them are one.
//!
//! Internationalised addresses are accepted as they are written: local parts in UTF-8 (RFC 6531) and domains in
//! Unicode or punycode. Two spellings of one domain, Unicode and punycode, count as two addresses.

use email_address::{EmailAddress, Options};

/// The longest address that mail can go to, in bytes.
/// Source: RFC 5321, 4.5.3.1.3 (a path of 256, less its angle brackets).
pub const MAX_BYTES: usize = 254;

/// Whether `address`, already trimmed, is one that mail can go to: a local part and a domain with a dot in it; no
/// display name, no address literal, nothing invisible.
pub fn is_valid(address: &str) -> bool {
    let options = Options { minimum_sub_domains: 2, allow_domain_literal: false, allow_display_text: false };
    let is_unfit = match address.is_ascii() {
        true => address.bytes().any(|byte| byte <= b' ' || byte == 0x7f),
        false => address.chars().any(is_unfit),
    };
    address.len() <= MAX_BYTES
        && !is_unfit
        && address.rsplit_once('@').is_some_and(|(_, domain)| is_host(domain))
        && EmailAddress::parse_with_options(address, options).is_ok()
}

/// Writes `address` as it is compared: in lower case. Replaces what `normal` held.
pub fn normalise(address: &str, normal: &mut String) {
    normal.clear();
    if address.is_ascii() {
        normal.push_str(address);
        normal.make_ascii_lowercase();
    } else {
        normal.push_str(&address.to_lowercase());
    }
}

/// White space, control characters, and characters that cannot be seen and come from copying.
fn is_unfit(c: char) -> bool {
    c.is_control()
        || c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fffd}')
}

/// Letters, digits and hyphens: the crate lets any character of a local part into a domain.
fn is_host(domain: &str) -> bool {
    domain.chars().all(|c| !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
}
