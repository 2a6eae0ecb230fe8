//! When two column names are the same: white space and zero-width characters around them, and how an accent is
//! composed, make no difference.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

use crate::error::is_invisible;

/// A column's name as it is compared: trimmed, in NFC.
pub fn clean(name: &str) -> Cow<'_, str> {
    let name = name.trim_matches(is_blank);
    if name.is_ascii() { Cow::Borrowed(name) } else { ComposingNormalizerBorrowed::new_nfc().normalize(name) }
}

/// What programs of old write behind the last line.
pub(super) const END_OF_FILE: char = '\u{1a}';

/// Whether a character is white space, or takes no room at all.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_trimmed_and_composed() {
        for same in ["EMail", " EMail\t", "\u{feff}EMail", "\u{a0}EMail\u{200b}", "\u{3000}\u{2060}EMail\r\n"] {
            assert_eq!(clean(same), "EMail");
        }
        assert_eq!(clean("Pre\u{301}nom "), "Prénom");
        assert_eq!(clean("\u{7}EMail"), "\u{7}EMail", "a bell is not blank");
        assert_eq!(clean("E Mail"), "E Mail");
    }
}
