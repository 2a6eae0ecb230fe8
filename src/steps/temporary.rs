//! Files for what is put together before it is stored.

use std::fs::File;

use crate::error::{Error, Kind, Result};

/// A file for something that is put together first and then stored. It has no name: it goes with its process.
pub(super) fn temporary(subject: &str) -> Result<File> {
    tempfile::tempfile().map_err(|cause| {
        Error::new(Kind::Unavailable, subject, "cannot make a temporary file")
            .hint("let this user write to the folder for temporary files (TMPDIR)")
            .with_source(cause)
    })
}
