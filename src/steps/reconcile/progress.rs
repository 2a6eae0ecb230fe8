//! How far a comparison has come that has not ended: `census/comparison.json` of its run.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::config::{Config, Connection};
use crate::delivery::pace::after;
use crate::error::{Error, Kind, Result};
use crate::ports::{ObjectMeta, PutMode, Store};
use crate::run::{ConnectionActivity, RunRequest, keys};
use crate::steps::calls::{Calls, LOOK_EVERY};
use crate::steps::documents::{read_if_whole, write_json, write_json_if};
use crate::steps::environment::Environment;
use crate::steps::stop::is_stopped;

/// How long a comparison that was cut off can be gone on with. Who is on a list changes by the day, and a schedule comes
/// about once a day; so long addresses are kept of a comparison that nobody goes on with.
const GOES_ON_FOR: SignedDuration = SignedDuration::from_hours(24);
/// Attempts to take a number.
const TRIES: u32 = 5;

/// What is known of a comparison.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Progress {
    request: RunRequest,
    pub(super) began: Timestamp,
    config_digest: String,
    /// The versions of the state and of the opt-outs that it compares with.
    state: [Option<String>; 2],
    pub(super) warnings: Vec<String>,
    #[serde(flatten)]
    pub(super) calls: Calls,
}

impl Progress {
    /// The comparison that a request goes on with, among these objects of the export's runs: the newest that asked for the
    /// same under the same configuration, and is not too old. Else the request itself.
    pub(super) async fn resumed<E: Environment>(
        env: &E,
        config: &Config,
        request: &RunRequest,
        objects: &[ObjectMeta],
    ) -> Result<RunRequest> {
        let store = env.store();
        let runs = objects.iter().filter_map(|meta| keys::run_of_comparison(&meta.key));
        let Some(run_id) = runs.max() else { return Ok(request.clone()) };
        let is_there = |key: String| objects.iter().any(|meta| meta.key == key);
        let Some(before) = read_if_whole::<Self>(store, &keys::comparison(run_id)).await? else {
            return Ok(request.clone());
        };
        let is_same = RunRequest { run_id: run_id.to_owned(), ..request.clone() } == before.request
            && before.config_digest == config.digest(&request.export)
            && env.clock().now().duration_since(before.began) <= GOES_ON_FOR;
        let is_over = is_there(keys::of_run(run_id, "report.json")) || is_stopped(store, run_id).await?;
        Ok(if is_same && !is_over { before.request } else { request.clone() })
    }

    /// Begins a call. Where the state has moved since the last one, everything is read anew.
    pub(super) async fn begin<E: Environment>(
        env: &E,
        config: &Config,
        connection: &Connection,
        request: &RunRequest,
        warnings: &[String],
    ) -> Result<Self> {
        let (store, key) = (env.store(), keys::comparison(&request.run_id));
        for _ in 0..TRIES {
            let condition = match store.head(&key).await? {
                Some(held) => PutMode::Update(held.version),
                None => PutMode::Create,
            };
            let before: Option<Self> = read_if_whole(store, &key).await?;
            let calls = before.as_ref().map(|before| before.calls).unwrap_or_default().next();
            let version = async |key: String| Ok::<_, Error>(store.head(&key).await?.map(|meta| meta.version));
            let state =
                [version(keys::profiles(&request.export)).await?, version(keys::opted_out(&connection.name)).await?];
            let now = match before {
                Some(before) if before.state == state || before.has_moved_it(store, connection).await? => {
                    Self { calls, ..before }
                }
                _ => {
                    forget(store, &request.run_id).await?;
                    Self {
                        request: request.clone(),
                        began: env.clock().now(),
                        config_digest: config.digest(&request.export),
                        state,
                        warnings: warnings.to_vec(),
                        calls: calls.afresh(),
                    }
                }
            };
            if write_json_if(store, &key, &now, condition).await? {
                return Ok(now);
            }
        }
        Err(Error::new(Kind::Unavailable, key, "is written by other calls at the same time").hint("reconcile again"))
    }

    /// Whether it was this comparison that changed the state: it knew what to change, and nobody else has spoken through
    /// the connection since.
    async fn has_moved_it(&self, store: &impl Store, connection: &Connection) -> Result<bool> {
        let run_id = self.request.run_id.as_str();
        if store.head(&keys::found(run_id)).await?.is_none() {
            return Ok(false);
        }
        let key = keys::connection_activity(&connection.name);
        Ok(read_if_whole::<ConnectionActivity>(store, &key).await?.is_some_and(|last| last.run_id == run_id))
    }

    /// Ends once another call has begun since.
    pub(super) async fn replaced<E: Environment>(&self, env: &E) -> Error {
        let key = keys::comparison(&self.request.run_id);
        loop {
            env.clock().sleep_until(after(env.clock().now(), LOOK_EVERY)).await;
            match read_if_whole::<Self>(env.store(), &key).await {
                Ok(Some(last)) if last.calls.number != self.calls.number => {
                    return Error::new(Kind::Unavailable, &self.request.export, "another call goes on with it")
                        .hint("nothing: that one reports");
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(error.kind = error.kind.name(), "{}", error.chain()),
            }
        }
    }

    /// Says that the call has ended in order, short of the comparison's end.
    ///
    /// # Errors
    /// Kind `unavailable`, where two calls in a row read nothing; those of the store.
    pub(super) async fn end(&mut self, store: &impl Store, has_read: bool) -> Result<()> {
        self.calls.end(has_read);
        write_json(store, &keys::comparison(&self.request.run_id), self).await?;
        if !self.calls.are_in_vain() {
            return Ok(());
        }
        let problem = "the account was read no further in two calls in a row";
        Err(Error::new(Kind::Unavailable, &self.request.export, problem).hint("reconcile again later"))
    }
}

/// Removes all that a comparison has read, but not what is known of it.
async fn forget(store: &impl Store, run_id: &str) -> Result<()> {
    let known = keys::comparison(run_id);
    for meta in store.list(&keys::census(run_id)).await?.iter().rev().filter(|meta| meta.key != known) {
        store.delete(&meta.key).await?;
    }
    Ok(())
}
