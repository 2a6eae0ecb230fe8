//! Why a run did not come to its end.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};
use crate::report::Failed;

/// Why a run did not come to its end, as the workflow hands it over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Who must act.
    pub kind: Kind,
    /// What, where, what to do.
    pub message: String,
}

impl Failure {
    /// The failure that an error is.
    pub fn of(error: &Error) -> Self {
        Self { kind: error.kind, message: error.chain() }
    }
}

impl From<Failure> for Failed {
    fn from(Failure { kind, message }: Failure) -> Self {
        Self { kind, message }
    }
}
