//! What a comparison found, once everything is read: `census/found.json` of its run. It is stored before anything follows from
//! it, and what follows can be done twice.

use serde::{Deserialize, Serialize};

use super::adopt::Adopted;
use super::spool::Spool;
use crate::destination::Usage;
use crate::error::{Error, Kind, Result};
use crate::membership::MembershipTarget;
use crate::ports::Store;
use crate::report::Reconciled;
use crate::run::keys;
use crate::state::{FORMAT, Header};
use crate::steps::documents::{read_if_whole, write_json};
use crate::steps::opt_outs::OptOuts;
use crate::steps::reconcile::progress::Progress;

/// A segment whose members the state is to have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TakenOver {
    pub(super) segment: String,
    pub(super) target: MembershipTarget,
    /// How many entries its [`Spool`] has.
    pub(super) people: u64,
}

/// What was found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) account: String,
    pub(super) reconciled: Vec<Reconciled>,
    pub(super) warnings: Vec<String>,
    pub(super) requests: Usage,
    pub(super) opt_outs: OptOuts,
    pub(super) taken_over: Vec<TakenOver>,
    /// Whether the state's id of a contact is that contact's for certain.
    pub(super) proves_ids: bool,
}

impl Found {
    /// What was stored; none where a part of it is missing.
    pub(super) async fn stored(store: &impl Store, run_id: &str) -> Result<Option<Self>> {
        let Some(found) = read_if_whole::<Self>(store, &keys::found(run_id)).await? else { return Ok(None) };
        for taken in &found.taken_over {
            if store.head(&keys::there(run_id, &taken.segment)).await?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(found))
    }

    pub(super) async fn store(&self, store: &impl Store, run_id: &str) -> Result<()> {
        write_json(store, &keys::found(run_id), self).await.map(drop)
    }

    /// Stores the opt-outs, and takes over who is there.
    pub(super) async fn apply(
        &self,
        store: &impl Store,
        connection: &str,
        key_fingerprint: &str,
        export: &str,
        run_id: &str,
        progress: &Progress,
    ) -> Result<()> {
        self.opt_outs.write(store, connection).await?;
        for TakenOver { segment, target, people } in &self.taken_over {
            let key = keys::there(run_id, segment);
            let gone = || Error::new(Kind::Unavailable, &key, "was removed").hint("reconcile again");
            let meta = store.head(&key).await?.ok_or_else(gone)?;
            let mut spool = Spool::stored(store, &meta, *people).await?;
            let held = store.head(&keys::profiles(export)).await?;
            let empty = Header {
                format: FORMAT,
                account: self.account.clone(),
                key_fingerprint: key_fingerprint.to_owned(),
                segments: Vec::new(),
                sent_at: None,
            };
            let adopted =
                Adopted { export, segment, target, empty, run: (run_id, progress.began), proves_ids: self.proves_ids };
            adopted.write(store, held.as_ref(), &mut spool).await?;
        }
        Ok(())
    }
}
