//! Why a text is not a value of its type, and the date format to propose.

use std::fmt;

/// Why a text is not a value of its type, and what to add to the configuration where that helps. Its text never holds the
/// value: `rejects.csv` shows it beside the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Not a whole number, or one of more than 64 bits.
    #[error("not an integer")]
    Integer,
    /// Not a finite number.
    #[error("not a float")]
    Float,
    /// A number with a comma in it, read with a decimal point.
    #[error("not a float; where its comma is the decimal sign, add \"decimal\": \",\"")]
    DecimalComma,
    /// A number with the sign of a currency.
    #[error("not a number alone: it has a currency sign")]
    Currency,
    /// A number with a per cent sign.
    #[error("not a number alone: it has a per cent sign")]
    Percent,
    /// None of the accepted words.
    #[error("not a boolean; add its word to \"true\" or \"false\"")]
    Boolean,
    /// Not a date at all, or one that is not from year 1 to 9999.
    #[error("not a date")]
    Date,
    /// A date that is not ISO 8601, and the format that fits it.
    #[error("not a date in ISO 8601; add \"format\": \"{0}\"")]
    NotIso(DateFormat),
    /// A date such as 3/4/2024, and the two formats that fit it.
    #[error("ambiguous date; add \"format\": \"{0}\" or \"format\": \"{1}\"")]
    AmbiguousDate(DateFormat, DateFormat),
    /// Not a date in the format that is given.
    #[error("not a date in the given format")]
    Format,
    /// The same, and the format that fits it.
    #[error("not a date in the given format; it fits \"{0}\"")]
    OtherFormat(DateFormat),
}

impl Misfit {
    /// Whether its text proposes what to add to the field's settings.
    pub const fn proposes(&self) -> bool {
        match self {
            Self::DecimalComma | Self::Boolean | Self::NotIso(_) | Self::AmbiguousDate(..) | Self::OtherFormat(_) => {
                true
            }
            Self::Integer | Self::Float | Self::Currency | Self::Percent | Self::Date | Self::Format => false,
        }
    }
}

/// A format that fits a date: what to write in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateFormat {
    pub(super) date: &'static str,
    pub(super) gap: &'static str,
    pub(super) time: &'static str,
}

impl fmt::Display for DateFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.date, self.gap, self.time)
    }
}
