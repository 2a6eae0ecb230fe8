//! The suppression file of an export: read, and compared with that of the last applied run.

use std::collections::HashSet;

use crate::config::{Config, Export};
use crate::contact::SuppressionList;
use crate::error::{Error, Kind, Result};
use crate::ports::Store;
use crate::run::keys;
use crate::state::{Digester, ProfileKey};
use crate::steps::documents::read_json;

/// Who is not sent to.
pub(super) struct Suppression {
    pub(super) list: SuppressionList,
    /// The profiles of the addresses that the file writes out; where there are corrections, whose addresses nobody knows.
    pub(super) profiles: HashSet<ProfileKey>,
}

/// The list of an export; an empty one where it names no file.
///
/// # Errors
/// Kind `config`: the file is not there, has lines that are neither an email nor a digest, or no entries at all.
pub(super) async fn suppression(
    store: &impl Store,
    (config, export): (&Config, &Export),
    digester: &Digester,
    has_corrections: bool,
) -> Result<Suppression> {
    let nobody = Suppression { list: SuppressionList::default(), profiles: HashSet::new() };
    let Some(name) = &export.suppression_file else { return Ok(nobody) };
    let wrong = |problem: String| Error::new(Kind::Config, name, problem);
    let mut object = store.get(name).await?;
    if object.is_none()
        && let Some(folder) = &config.folder
    {
        object = store.get(&format!("{folder}{name}")).await?;
    }
    let object = object.ok_or_else(|| {
        wrong("the suppression file is neither in the store nor next to the configuration".into())
            .hint("put it there, or take suppression_file out of the export")
    })?;
    let (list, faulty) = SuppressionList::read(&object.body);
    if let Some(line) = faulty.first() {
        let problem = format!("{} lines are neither an email nor a SHA-256, the first is line {line}", faulty.len());
        return Err(wrong(problem).hint("correct them; until then nothing is sent"));
    }
    if list.is_empty() {
        return Err(wrong("the suppression file has no entries".into())
            .hint("put the whole file back, or take suppression_file out of the export"));
    }
    let addresses = if has_corrections { SuppressionList::addresses(&object.body) } else { Vec::new() };
    Ok(Suppression { list, profiles: addresses.iter().map(|address| digester.profile(address)).collect() })
}

/// How many entries the file had at the last applied run.
pub(super) async fn entries_before(store: &impl Store, export: &Export) -> Result<Option<u64>> {
    match &export.suppression_file {
        Some(_) => read_json(store, &keys::suppression(&export.name)).await,
        None => Ok(None),
    }
}
