//! What is known of the export's profiles when a lane sends rows of them.

use std::collections::HashSet;

use secrecy::ExposeSecret;

use crate::chunk::{self, Operation};
use crate::config::Connection;
use crate::destination::{Known, WantedIds};
use crate::error::{Error, Kind, Result};
use crate::plan::lanes::Range;
use crate::ports::{Secrets, Store};
use crate::run::opening::OpenRecord;
use crate::run::{RunRecord, keys};
use crate::state::{Digester, ProfileKey, half};
use crate::steps::environment::Environment;
use crate::steps::profiles::ProfileStream;
use crate::steps::session::profile_of;

/// Who an address is, and the ids of the contacts that the destination asks for.
pub(super) async fn known<E: Environment>(
    env: &E,
    connection: &Connection,
    run: &RunRecord,
    opened: &OpenRecord,
    ranges: &[Range],
    secrets: &Secrets,
) -> Result<Known> {
    let digester = Digester::new(secrets.state_key.expose_secret())?;
    let ids = match ids(env, connection, run, opened, ranges, &digester).await {
        // With --full, a state that cannot be read is as good as none.
        Err(Error { kind: Kind::Config, .. }) if run.request.full => Vec::new(),
        ids => ids?,
    };
    Ok(Known::new(move |email| profile_of(&digester, email), ids))
}

async fn ids<E: Environment>(
    env: &E,
    connection: &Connection,
    run: &RunRecord,
    opened: &OpenRecord,
    ranges: &[Range],
    digester: &Digester,
) -> Result<Vec<(ProfileKey, Box<str>)>> {
    let (store, wanted) = (env.store(), env.destination(connection.api).wants_ids());
    let mut ids = Vec::new();
    if wanted == WantedIds::None {
        return Ok(ids);
    }
    let Some(meta) = store.head(&keys::profiles(&run.request.export)).await? else { return Ok(ids) };
    let mut profiles = ProfileStream::open(store, &meta).await?;
    let header = &profiles.header;
    let is_same = header.account == opened.account || opened.same_accounts.contains(&header.account);
    if !is_same || header.key_fingerprint != digester.fingerprint() {
        return Ok(ids);
    }
    let own = match wanted {
        WantedIds::OfItsRows => Some(rows(store, run, ranges, header.segments.len()).await?),
        _ => None,
    };
    let is_wanted = |key: &ProfileKey| own.as_ref().is_none_or(|own| own.contains(&half(key)));
    while let Some(profile) = profiles.next().await? {
        ids.extend(profile.contact_id.filter(|_| is_wanted(&profile.key)).map(|id| (profile.key, id)));
    }
    Ok(ids)
}

/// Those whom the state may know among the rows that a lane writes: who joins the only segment is not among them.
async fn rows(store: &impl Store, run: &RunRecord, ranges: &[Range], segments: usize) -> Result<HashSet<[u8; 16]>> {
    let mut found = HashSet::new();
    for range in ranges {
        let chunk = run.chunks.get(range.chunk);
        let is_known = |operation| operation == Operation::Update || operation == Operation::Join && segments > 1;
        let Some(chunk) = chunk.filter(|chunk| is_known(chunk.operation)) else { continue };
        let key = keys::of_run(&run.request.run_id, &chunk.name);
        let Some(object) = store.get(&key).await? else { continue };
        let rows = chunk::read(&key, &object.body, range.from as usize, range.to as usize)?;
        found.extend(rows.iter().map(|row| half(&row.key)));
    }
    Ok(found)
}
