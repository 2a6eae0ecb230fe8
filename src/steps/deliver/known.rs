//! What is known of the export's profiles when a lane sends rows of them.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::chunk::{self, FieldSpec, Operation};
use crate::config::Connection;
use crate::delivery::pace::after;
use crate::destination::{KnownContacts, WantedIds};
use crate::error::{Error, Kind, Result};
use crate::plan::lanes::Range;
use crate::ports::{Secrets, Store};
use crate::run::opening::OpenRecord;
use crate::run::{RunRecord, keys};
use crate::state::{Digester, ProfileKey, half};
use crate::steps::environment::Environment;
use crate::steps::profiles::ProfileStream;
use crate::steps::quiet::CLOCKS_DIFFER;
use crate::steps::session::profile_of;

/// Who an address is, and the ids of the contacts that the destination asks for.
pub(super) async fn known<E: Environment>(
    env: &E,
    connection: &Connection,
    run: &RunRecord,
    opened: &OpenRecord,
    ranges: &[Range],
    secrets: &Secrets,
) -> Result<KnownContacts> {
    let digester = Digester::new(secrets.state_key.expose_secret())?;
    let held = match held(env, connection, run, opened, ranges, &digester).await {
        // With --full, a state that cannot be read is as good as none.
        Err(Error { kind: Kind::Config, .. }) if run.request.full => Held::default(),
        held => held?,
    };
    let now = env.clock().now();
    // A time that is far ahead is of a clock that was wrong.
    let is_soon = held.sent_at.is_some_and(|at| now < after(at, UNSEEN) && at <= after(now, CLOCKS_DIFFER));
    let known = KnownContacts::new(move |email| profile_of(&digester, email), held.ids);
    Ok(known.with_opt_outs(held.opt_outs).so_soon(is_soon))
}

/// What the state has of the profiles that are asked for.
#[derive(Default)]
struct Held {
    /// The ids of their contacts.
    ids: Vec<(ProfileKey, Box<str>)>,
    /// Who opts out in a row, and is not known to have been opted out apart from one.
    opt_outs: Vec<ProfileKey>,
    /// When the last rows were sent.
    sent_at: Option<Timestamp>,
}

/// For how long reads may not show who was sent. How long they do not is unknown. Source: ORTTO_API 7.
const UNSEEN: Duration = Duration::from_secs(5 * 60);

async fn held<E: Environment>(
    env: &E,
    connection: &Connection,
    run: &RunRecord,
    opened: &OpenRecord,
    ranges: &[Range],
    digester: &Digester,
) -> Result<Held> {
    let (store, wanted) = (env.store(), env.destination(connection.api).wants_ids());
    let mut held = Held::default();
    if wanted == WantedIds::None {
        return Ok(held);
    }
    let Some(meta) = store.head(&keys::profiles(&run.request.export)).await? else { return Ok(held) };
    let mut profiles = ProfileStream::open(store, &meta).await?;
    let header = &profiles.header;
    let is_same = header.account == opened.account || opened.same_accounts.contains(&header.account);
    if !is_same || header.key_fingerprint != digester.fingerprint() {
        return Ok(held);
    }
    held.sent_at = header.sent_at;
    let has_all = wanted == WantedIds::All;
    let own = match has_all && !run.fields.iter().any(FieldSpec::is_opt_out) {
        true => LaneRows::default(),
        false => LaneRows::of(store, run, ranges, header.segments.len()).await?,
    };
    while let Some(profile) = profiles.next().await? {
        let short = half(&profile.key);
        if !profile.is_opted_out && own.opt_outs.contains(&short) {
            held.opt_outs.push(profile.key);
        }
        if has_all || own.rows.contains(&short) {
            held.ids.extend(profile.contact_id.map(|id| (profile.key, id)));
        }
    }
    Ok(held)
}

/// Whose rows a lane writes.
#[derive(Default)]
struct LaneRows {
    /// Those whom the state may know: who joins the only segment is not among them.
    rows: HashSet<[u8; 16]>,
    /// Those who opt out.
    opt_outs: HashSet<[u8; 16]>,
}

impl LaneRows {
    async fn of(store: &impl Store, run: &RunRecord, ranges: &[Range], segments: usize) -> Result<Self> {
        let mut own = Self::default();
        let opt_out = run.fields.iter().position(FieldSpec::is_opt_out);
        for range in ranges {
            let Some(chunk) = run.chunks.get(range.chunk) else { continue };
            let may_be_known = match chunk.operation {
                Operation::Update => true,
                Operation::Join => segments > 1,
                Operation::Leave => continue,
            };
            if !may_be_known && opt_out.is_none() {
                continue;
            }
            let key = keys::of_run(&run.request.run_id, &chunk.name);
            let Some(object) = store.get(&key).await? else { continue };
            for row in chunk::read(&key, &object.body, range.from as usize, range.to as usize)? {
                if opt_out.and_then(|at| row.values().nth(at)) == Some("true") {
                    own.opt_outs.insert(half(&row.key));
                }
                if may_be_known {
                    own.rows.insert(half(&row.key));
                }
            }
        }
        Ok(own)
    }
}
