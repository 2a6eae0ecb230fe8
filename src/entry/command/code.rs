//! How a command ends.

use crate::error::Error;

/// Where the exit code of a command goes.
pub type Code = Result<u8, Error>;
