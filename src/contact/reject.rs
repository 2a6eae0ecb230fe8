//! Why a row is not delivered: the closed set of reasons.

use std::fmt;

/// Why a row is not delivered. [`RejectCode::Refused`] comes from the destination; all others are found before anything is
/// sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectCode {
    /// The email's cell is empty.
    MissingEmail,
    /// The email is not an address that mail can go to.
    InvalidEmail,
    /// An earlier row has the same email.
    DuplicateEmail,
    /// The row cannot be read: too few or too many cells, broken quotes.
    MalformedRow,
    /// A cell does not fit its field's type.
    InvalidValue,
    /// The destination refused the contact.
    Refused,
}

impl RejectCode {
    /// Every code, in the order of the report.
    pub const ALL: [RejectCode; 6] = [
        RejectCode::MissingEmail,
        RejectCode::InvalidEmail,
        RejectCode::DuplicateEmail,
        RejectCode::MalformedRow,
        RejectCode::InvalidValue,
        RejectCode::Refused,
    ];

    /// The code as it stands in `rejects.csv` and the report.
    pub const fn name(self) -> &'static str {
        match self {
            RejectCode::MissingEmail => "missing_email",
            RejectCode::InvalidEmail => "invalid_email",
            RejectCode::DuplicateEmail => "duplicate_email",
            RejectCode::MalformedRow => "malformed_row",
            RejectCode::InvalidValue => "invalid_value",
            RejectCode::Refused => "refused",
        }
    }
}

impl fmt::Display for RejectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A row that is not delivered, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The reason's class.
    pub code: RejectCode,
    /// The reason for people, in `rejects.csv`: it may name field and column, never the value.
    pub reason: String,
    /// The setting below `match` to which `reason` proposes to add something, such as `custom.Value`.
    pub setting: Option<String>,
}

impl Reject {
    /// A reject that no setting would prevent.
    pub const fn new(code: RejectCode, reason: String) -> Self {
        Self { code, reason, setting: None }
    }
}
