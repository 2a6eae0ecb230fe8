//! Which run of an export has not reached its end.

use crate::error::{Kind, Result};
use crate::ports::Store;
use crate::run::keys;
use crate::steps::documents::read_json;

/// The run of an export that has not reached its end. Where the note of it is damaged, the newest run without a report.
pub(super) async fn unfinished(store: &impl Store, export: &str) -> Result<Option<String>> {
    match read_json::<String>(store, &keys::unfinished(export)).await {
        Err(error) if error.kind == Kind::Config => {
            tracing::warn!(error.kind = error.kind.name(), "{}", error.chain());
        }
        noted => return noted,
    }
    let listing = store.list(&keys::runs(export)).await?;
    let has = |run: &str, name: &str| listing.iter().any(|meta| meta.key.strip_prefix(run) == Some(name));
    let mut runs = listing.iter().rev().filter_map(|meta| meta.key.strip_suffix("run.json"));
    let without_report = runs.find(|run| !has(run, "report.json"));
    Ok(without_report.and_then(|run| run.trim_end_matches('/').rsplit('/').next()).map(str::to_owned))
}
