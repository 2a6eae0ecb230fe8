//! What a plan was made of: a run by it begins only while all of that is as it was.

use sha2::{Digest, Sha256};

use crate::config::{Config, Export};
use crate::error::{Error, Kind, Result};
use crate::ports::Store;
use crate::run::{Expected, RunRecord, SourceRecord, keys};
use crate::state::hex;

/// What the plan of a record was made of.
///
/// # Errors
/// Those of the store.
pub(super) async fn expected(
    store: &impl Store,
    config: &Config,
    export: &Export,
    sources: &[SourceRecord],
) -> Result<Expected> {
    let sources = sources.iter().map(|source| (source.key.clone(), source.version.clone())).collect();
    Ok(Expected { config_digest: config.digest(&export.name), state: state(store, config, export).await?, sources })
}

/// Checks that a run finds what its plan was made of.
///
/// # Errors
/// Kind `config`, where the drop, the configuration or the state moved since.
pub(super) async fn check(store: &impl Store, config: &Config, export: &Export, record: &RunRecord) -> Result<()> {
    let Some(planned) = &record.request.terms.expected else { return Ok(()) };
    let found = expected(store, config, export, &record.sources).await?;
    let moved = [
        (found.config_digest != planned.config_digest, "the configuration has changed"),
        (found.sources != planned.sources, "the drop is another"),
        (found.state != planned.state, "the state has moved"),
    ];
    let moved: Vec<&str> = moved.iter().filter(|(is_moved, _)| *is_moved).map(|(_, what)| *what).collect();
    if moved.is_empty() {
        return Ok(());
    }
    let problem = format!("{} since the plan was made", moved.join(", and "));
    Err(Error::new(Kind::Config, &export.name, problem).hint("nothing was sent; plan again with --out, and look at it"))
}

/// A digest of everything of the store that a plan depends on besides its drops.
async fn state(store: &impl Store, config: &Config, export: &Export) -> Result<String> {
    let unfinished = keys::unfinished(&export.name);
    let mut digest = Sha256::new();
    let mut metas = store.list(&keys::state(&export.name)).await?;
    metas.retain(|meta| meta.key != unfinished);
    if let Some(name) = &export.suppression_file {
        let beside = config.folder.as_ref().map(|folder| format!("{folder}{name}"));
        for key in std::iter::once(name).chain(&beside) {
            metas.extend(store.head(key).await?);
        }
    }
    if export.honour_optouts {
        metas.extend(store.head(&keys::opted_out(&export.connection)).await?);
    }
    for meta in metas {
        digest.update(format!("{}\t{}\n", meta.key, meta.version));
    }
    let digest: [u8; 32] = digest.finalize().into();
    Ok(hex(&digest))
}
