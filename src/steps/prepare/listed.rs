//! Who is on a list by another address than the row's: the customer ids of people whom the suppression file names, or who
//! opted out in the account.

use crate::config::Export;
use crate::error::{Error, Kind, Result};
use crate::plan::ids::ListedIds;
use crate::plan::stored_objections::ListMark;
use crate::ports::Store;
use crate::run::keys;
use crate::state::{Digester, MatchId, half};
use crate::steps::profiles::ProfileStream;
use crate::steps::suppression::Suppression;

/// The customer ids of people who are on a list by whichever address: those of the drops that were applied last, and of the
/// state's profiles that opted out in the account.
pub(super) async fn listed_ids(
    store: &impl Store,
    listed: Vec<(MatchId, ListMark)>,
    suppression: &Suppression,
    export: &Export,
    digester: &Digester,
) -> Result<ListedIds> {
    let mut ids = ListedIds::default();
    let still = listed.into_iter().filter(|(_, mark)| suppression.listed.contains(mark));
    still.for_each(|(id, mark)| ids.add(id, mark));
    if export.match_.id.is_none() || !suppression.has_opt_outs {
        return Ok(ids);
    }
    let Some(meta) = store.head(&keys::profiles(&export.name)).await? else { return Ok(ids) };
    let mut profiles = match ProfileStream::open(store, &meta).await {
        Ok(profiles) if profiles.header.key_fingerprint == digester.fingerprint() => profiles,
        // One that cannot be read is an error elsewhere, unless it is passed over.
        Ok(_) | Err(Error { kind: Kind::Config, .. }) => return Ok(ids),
        Err(error) => return Err(error),
    };
    while let Some(profile) = profiles.next().await? {
        let mark = half(&profile.key);
        if let Some(id) = profile.match_id.filter(|_| suppression.listed.contains(&mark)) {
            ids.add(id, mark);
        }
    }
    Ok(ids)
}
