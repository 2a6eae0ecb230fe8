//! What rows say against a person's being sent.

use crate::contact::{Consent, OptOut};

/// What the rows of one person object to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Objection {
    /// A row is not to be sent.
    pub suppressed: bool,
    /// A row opts out.
    pub opted_out: bool,
    /// A row has an opt-out or consent that cannot be read.
    pub unreadable: bool,
    /// A rejected row is in the drop in whose place the person was sent.
    pub corrected: bool,
}

impl Objection {
    /// What a row says by itself.
    pub fn of_row(consent: Consent, opt_out: OptOut) -> Self {
        let suppressed = matches!(consent, Consent::Suppressed | Consent::Missing);
        Self {
            suppressed,
            opted_out: opt_out == OptOut::Yes,
            unreadable: !suppressed && (consent == Consent::Unreadable || opt_out == OptOut::Unreadable),
            corrected: false,
        }
    }

    /// The same where the row is not to be sent for another reason either.
    #[must_use]
    pub fn or_suppressed(self, is_suppressed: bool) -> Self {
        let suppressed = self.suppressed || is_suppressed;
        Self { suppressed, unreadable: self.unreadable && !suppressed, ..self }
    }

    /// What either objects to.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            suppressed: self.suppressed || other.suppressed,
            opted_out: self.opted_out || other.opted_out,
            unreadable: self.unreadable || other.unreadable,
            corrected: self.corrected || other.corrected,
        }
    }

    /// Whether there is none.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}
