//! The suppression file of an export: read for the plan, and again before a run goes on.

use crate::config::Export;
use crate::contact::SuppressionList;
use crate::error::{Error, Kind, Result};
use crate::ports::Store;

/// The export's suppression list, as its file is now.
///
/// # Errors
/// Kind `config`, where the file is not in the store, or a line of it cannot be read.
pub(super) async fn suppression(store: &impl Store, export: &Export) -> Result<SuppressionList> {
    let Some(key) = &export.suppression_file else { return Ok(SuppressionList::default()) };
    let object = store.get(key).await?.ok_or_else(|| {
        Error::new(Kind::Config, key, "the suppression file is not in the store")
            .hint("put it there, or take suppression_file out of the export")
    })?;
    let text = String::from_utf8_lossy(&object.body);
    let (list, faulty) = SuppressionList::parse(&text);
    match faulty.first() {
        None => Ok(list),
        Some(line) => {
            let what = format!("{} lines are neither an email nor a SHA-256, the first is line {line}", faulty.len());
            Err(Error::new(Kind::Config, key, what).hint("correct them; until then nothing is sent"))
        }
    }
}
