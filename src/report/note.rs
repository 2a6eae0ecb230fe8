//! Rows that were kept back without becoming rejects.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::contact::RejectCode;

/// Rows of newcomers that are suppressed, as a column of consent cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub segment: String,
    /// What is wrong.
    pub code: RejectCode,
    /// How many rows.
    pub count: u64,
    pub first_line: u64,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segment, code, count, first_line } = self;
        write!(
            f,
            "{segment}: {count} rows are suppressed, as their consent cannot be read ({code}), first in line {first_line}"
        )
    }
}
