//! Which run of an export has not reached its end.

use crate::error::{Kind, Result};
use crate::ports::{ObjectMeta, Store};
use crate::run::keys;
use crate::steps::documents::read_json;

/// The run of an export that has not reached its end, as the note of it says. Where that is damaged, the newest run, if it
/// has no report.
pub(super) async fn noted(store: &impl Store, export: &str) -> Result<Option<String>> {
    match read_note(store, export).await? {
        Note::Run(run_id) => Ok(Some(run_id)),
        Note::None => Ok(None),
        Note::Damaged => Ok(newest_without_end(&store.list(&keys::runs(export)).await?)),
    }
}

/// The same; where there is no note, or none of a run that is there, the export's folders tell.
pub(super) async fn unfinished(store: &impl Store, export: &str) -> Result<Option<String>> {
    Ok(unfinished_in(store, export, &store.list(&keys::runs(export)).await?).await?.run)
}

/// What is known of a run that has not reached its end.
pub(super) struct Unfinished {
    pub(super) run: Option<String>,
    /// Whether there is a note, of whatever run.
    pub(super) is_noted: bool,
}

/// The same among these objects of the export's runs.
pub(super) async fn unfinished_in(store: &impl Store, export: &str, objects: &[ObjectMeta]) -> Result<Unfinished> {
    let note = read_note(store, export).await?;
    let is_noted = !matches!(note, Note::None);
    let run = match note {
        Note::Run(run_id) if has(objects, &keys::of_run(&run_id, "run.json")) => Some(run_id),
        _ => newest_without_end(objects),
    };
    Ok(Unfinished { run, is_noted })
}

/// Runs that may have sent something, whose record is gone: neither it nor a report is among these objects.
pub(super) fn without_record(objects: &[ObjectMeta]) -> Vec<String> {
    let folder = |meta: &ObjectMeta| {
        let run = meta.key.split('/').nth(2)?;
        let name = meta.key.split('/').nth(3)?;
        [OPENED, "lanes.json", "results"].contains(&name).then(|| run.to_owned())
    };
    let mut runs: Vec<String> = objects.iter().filter_map(folder).collect();
    runs.dedup();
    let is_there = |run: &String, name: &str| has(objects, &keys::of_run(run, name));
    runs.retain(|run| !is_there(run, "run.json") && !is_there(run, "report.json"));
    runs
}

/// Where a run has what it found out of the account.
const OPENED: &str = "open.json";

enum Note {
    Run(String),
    None,
    Damaged,
}

async fn read_note(store: &impl Store, export: &str) -> Result<Note> {
    match read_json::<String>(store, &keys::unfinished(export)).await {
        Ok(Some(run_id)) => Ok(Note::Run(run_id)),
        Ok(None) => Ok(Note::None),
        Err(error) if error.kind == Kind::Config => {
            tracing::warn!(error.kind = error.kind.name(), "{}", error.chain());
            Ok(Note::Damaged)
        }
        Err(error) => Err(error),
    }
}

fn has(objects: &[ObjectMeta], key: &str) -> bool {
    objects.iter().any(|meta| meta.key == key)
}

/// The run that began last, where it has no report: the runs of an export follow one another, and each ends the one before.
fn newest_without_end(objects: &[ObjectMeta]) -> Option<String> {
    let records = objects.iter().filter(|meta| meta.key.ends_with("/run.json"));
    let run = records.max_by_key(|meta| (meta.modified, &meta.key))?.key.strip_suffix("run.json")?;
    let run_id = run.trim_end_matches('/').rsplit('/').next()?;
    (!has(objects, &format!("{run}report.json"))).then(|| run_id.to_owned())
}
