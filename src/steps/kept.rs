//! The configuration that a run began with: it ends under it, whatever is deployed meanwhile.

use crate::config::{Config, parse};
use crate::error::{Error, Kind, Result};
use crate::ports::{PutMode, Store};
use crate::run::keys;

/// Keeps the configuration of a run that begins; one that is kept already stays.
pub(super) async fn keep(store: &impl Store, config: &Config, run_id: &str) -> Result<()> {
    store.put(&keys::config_of(run_id), config.text.clone().into(), PutMode::Create).await.map(drop)
}

/// The configuration that a run began with; none where it has not begun.
///
/// # Errors
/// Those of the store; kind `config`, where it is damaged.
pub async fn config_of(store: &impl Store, run_id: &str) -> Result<Option<Config>> {
    let key = keys::config_of(run_id);
    let Some(object) = store.get(&key).await? else { return Ok(None) };
    parse(&String::from_utf8_lossy(&object.body)).map(Some).map_err(|_| {
        Error::new(Kind::Config, key, "cannot be read: it is damaged or of another version")
            .hint("restore an older version of it, or remove it: the run ends under the deployed configuration then")
    })
}
