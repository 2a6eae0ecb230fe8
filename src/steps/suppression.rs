//! The suppression file of an export: read for the plan and again before a run goes on, and compared with that of the last
//! applied run.

use std::collections::HashSet;

use bytes::Bytes;

use crate::config::{Config, Export};
use crate::contact::SuppressionList;
use crate::error::{Error, Kind, Result};
use crate::ports::Store;
use crate::run::keys;
use crate::state::Digester;
use crate::steps::documents::read_json;
use crate::steps::opt_outs::OptOuts;

/// Who is not sent to.
pub(super) struct Suppression {
    pub(super) list: SuppressionList,
    /// Keyed digests of its entries, where there are corrections or customer ids of people on a list, whose addresses nobody knows; and half the profiles' keys
    /// of who opted out in the account, where that counts.
    pub(super) listed: HashSet<[u8; 16]>,
    /// Whether somebody opted out in the account, where that counts.
    pub(super) has_opt_outs: bool,
}

/// The list of an export for its plan: of its file, and of who opted out in the account where that counts.
///
/// # Errors
/// As [`listed`].
pub(super) async fn suppression(
    store: &impl Store,
    config: &Config,
    export: &Export,
    digester: &Digester,
    has_corrections: bool,
) -> Result<Suppression> {
    let opted_out = match export.honour_optouts {
        true => OptOuts::of(store, &export.connection).await?.keys(),
        false => HashSet::new(),
    };
    let has_opt_outs = !opted_out.is_empty();
    let Some(body) = file(store, config, export).await? else {
        let list = SuppressionList::default().with(digester, opted_out.clone());
        return Ok(Suppression { list, listed: opted_out, has_opt_outs });
    };
    let list = read(export, &body)?;
    let entries = list.digests().filter(|_| has_corrections).map(|entry| digester.listed(entry));
    let listed = entries.chain(opted_out.iter().copied()).collect();
    Ok(Suppression { list: list.with(digester, opted_out), listed, has_opt_outs })
}

/// The list of an export, as its file is now; an empty one where it names no file.
///
/// # Errors
/// Kind `config`: the file is not there, has lines that are neither an email nor a digest, or no entries at all.
pub(super) async fn listed(store: &impl Store, config: &Config, export: &Export) -> Result<SuppressionList> {
    match file(store, config, export).await? {
        Some(body) => read(export, &body),
        None => Ok(SuppressionList::default()),
    }
}

fn wrong(export: &Export, problem: String) -> Error {
    Error::new(Kind::Config, export.suppression_file.as_deref().unwrap_or_default(), problem)
}

/// Tells one content of an export's suppression file from another; none where there is no file.
pub(super) async fn version(store: &impl Store, config: &Config, export: &Export) -> Result<Option<String>> {
    for key in keys_of(config, export) {
        if let Some(found) = store.head(&key).await? {
            return Ok(Some(format!("{key} {}", found.version)));
        }
    }
    Ok(None)
}

/// Where an export's suppression file may be: in the store, or next to the configuration.
fn keys_of(config: &Config, export: &Export) -> impl Iterator<Item = String> {
    let name = export.suppression_file.as_ref();
    let beside = name.zip(config.folder.as_ref()).map(|(name, folder)| format!("{folder}{name}"));
    name.cloned().into_iter().chain(beside)
}

async fn file(store: &impl Store, config: &Config, export: &Export) -> Result<Option<Bytes>> {
    if export.suppression_file.is_none() {
        return Ok(None);
    }
    let mut object = None;
    for key in keys_of(config, export) {
        if object.is_none() {
            object = store.get(&key).await?;
        }
    }
    let object = object.ok_or_else(|| {
        wrong(export, "the suppression file is neither in the store nor next to the configuration".into())
            .hint("put it there, or take suppression_file out of the export")
    })?;
    Ok(Some(object.body))
}

fn read(export: &Export, body: &[u8]) -> Result<SuppressionList> {
    let (list, faulty) = SuppressionList::read(body);
    if let Some(line) = faulty.first() {
        let problem = format!("{} lines are neither an email nor a SHA-256, the first is line {line}", faulty.len());
        return Err(wrong(export, problem).hint("correct them; until then nothing is sent"));
    }
    if list.is_empty() {
        return Err(wrong(export, "the suppression file has no entries".into())
            .hint("put the whole file back, or take suppression_file out of the export"));
    }
    Ok(list)
}

/// How many entries the file had at the last applied run.
pub(super) async fn entries_before(store: &impl Store, export: &Export) -> Result<Option<u64>> {
    match &export.suppression_file {
        Some(_) => read_json(store, &keys::suppression(&export.name)).await.map_err(|error| match error.kind {
            Kind::Config => error.hint(
                "see that the suppression file is whole, and remove this one: it only holds how many entries that had at \
                 the last run, and guards against one that shrank",
            ),
            _ => error,
        }),
        None => Ok(None),
    }
}
