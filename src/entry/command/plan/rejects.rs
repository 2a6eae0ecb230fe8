//! The rows that a run would reject, in the form of rejects.csv.

#[cfg(unix)]
use std::fs::Permissions;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, Write};
#[cfg(unix)]
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::entry::show::say;
use crate::error::{Error, Kind, Result};
use crate::plan::RejectLine;
use crate::report::rejects::{ADDED, Rejects};
use crate::run::RunRecord;

/// Opens a file that only this user can read, even if others could read what it held.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    options.mode(0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    {
        // The mode above is for a new file. A pipe or a terminal is nobody else's.
        let data = file.metadata()?;
        if data.is_file() && data.permissions().mode() & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
    }
    Ok(file)
}

/// Whether a file has the form of rejects.csv.
pub(super) fn are_rejects(bytes: &[u8]) -> bool {
    let header = String::from_utf8_lossy(bytes.split(|byte| *byte == b'\n').next().unwrap_or_default());
    ADDED.iter().all(|column| header.contains(column))
}

/// Writes them into a file that only this user can read.
///
/// # Errors
/// Kind `bad_request`, where it cannot be written.
pub(super) fn write(path: &Path, record: &RunRecord, kept: Option<File>) -> Result<()> {
    let unwritable = |cause: io::Error| {
        Error::new(Kind::BadRequest, path.display().to_string(), "cannot be written")
            .hint("name another file with --rejects")
            .with_source(cause)
    };
    let file = private(path).map_err(unwritable)?;
    let mut rejects = Rejects::new(record, file)?;
    if let Some(mut kept) = kept {
        kept.rewind().map_err(unwritable)?;
        for line in BufReader::new(kept).lines() {
            let mut row: RejectLine = serde_json::from_str(&line.map_err(unwritable)?)
                .map_err(|cause| Error::new(Kind::Bug, "rejects", "are damaged").with_source(cause))?;
            // It names a run, and there is none.
            row.fingerprint.clear();
            rejects.add(row)?;
        }
    }
    rejects.warning().iter().for_each(|warning| say(&format!("note: {warning}")));
    rejects.finish()?.flush().map_err(unwritable)?;
    say(&format!("{}: the rows that would be rejected, with their reasons: personal data", path.display()));
    Ok(())
}
