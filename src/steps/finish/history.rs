//! The runs' page, and the trend of the members, which a run's end adds itself to.

use crate::config::Export;
use crate::error::Result;
use crate::ports::{PutMode, Store};
use crate::report::history::Runs;
use crate::report::{Outcome, Report, html};
use crate::run::keys;
use crate::steps::documents::{confirmed_members, write_json_if};

/// Runs of other connections may end at the same moment; so often a run tries to be listed beside them.
const TRIES: usize = 5;

/// Enters a run into the list of all, and the members of the last runs into its report. A run does not fail for it.
pub(super) async fn enter(store: &impl Store, export: Option<&Export>, report: &mut Report) {
    if let Err(error) = entered(store, export, report).await {
        tracing::warn!(error.kind = error.kind.name(), "{}", error.chain());
    }
}

async fn entered(store: &impl Store, export: Option<&Export>, report: &mut Report) -> Result<()> {
    let is_applied =
        matches!(report.outcome, Outcome::Succeeded | Outcome::SucceededWithRejects | Outcome::NothingToDo);
    let members = match export.filter(|_| is_applied) {
        Some(export) => Some(confirmed_members(store, export).await?),
        None => None,
    };
    for _ in 0..TRIES {
        let object = store.get(keys::LISTED).await?;
        let mut runs: Runs =
            object.as_ref().and_then(|object| serde_json::from_slice(&object.body).ok()).unwrap_or_default();
        runs.enter(report, members);
        report.trend = runs.trend(&report.export);
        let condition = object.map_or(PutMode::Create, |object| PutMode::Update(object.tag));
        if write_json_if(store, keys::LISTED, &runs, condition).await? {
            store.put(keys::INDEX, html::index(&runs).into(), PutMode::Overwrite).await?;
            return Ok(());
        }
    }
    Ok(())
}
