//! A state that was lost: a run that does not know of it would send everybody again and remove nobody.

use crate::config::Export;
use crate::error::{Error, Kind, Result};
use crate::ports::Store;
use crate::report::Report;
use crate::run::keys;
use crate::steps::documents::read_if_whole;

/// The error of a segment whose state is not where it should be.
pub(super) fn lost_state(store: &impl Store, export: &str, segment: &str, why: &str) -> Error {
    let location = store.location();
    let problem = format!("its state is not in {location}, {why}");
    Error::new(Kind::Config, format!("{export}: {segment}"), problem).hint(format!(
        "name the store that has it with --store, take over what the account holds with autopilot-export reconcile \
         {export} --adopt, or send every row once with --full"
    ))
}

/// Checks that no run has confirmed rows of a segment that has no state.
///
/// # Errors
/// Kind `config`, where one has.
pub(super) async fn nothing_was_confirmed(store: &impl Store, export: &Export, segment: &str) -> Result<()> {
    let runs = store.list(&format!("runs/{}/", export.name)).await?;
    for meta in runs.iter().rev().filter(|meta| meta.key.ends_with("/report.json")) {
        // One that is damaged says nothing.
        let report: Option<Report> = read_if_whole(store, &meta.key).await?;
        if let Some(report) = report.filter(|report| report.confirmed.get(segment).is_some_and(|rows| *rows > 0)) {
            let why = format!("though the run {} confirmed rows of it", report.run_id);
            return Err(lost_state(store, &export.name, segment, &why));
        }
    }
    Ok(())
}

/// The error where a state is gone that there must have been.
pub(super) fn missing_state(store: &impl Store, export: &str) -> Error {
    let problem = format!("is not in {}, though the export has members", store.location());
    Error::new(Kind::Config, keys::profiles(export), problem).hint(format!(
        "restore it, name the store that has it with --store, take over what the account holds with autopilot-export \
         reconcile {export} --adopt, or send every row once as if there were no state with --full"
    ))
}
