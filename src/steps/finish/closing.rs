//! What is cleared away with the end of a run.

use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::error::Result;
use crate::ports::Store;
use crate::run::{ConnectionActivity, RunRequest, keys};
use crate::steps::documents::{read_if_whole, write_json};
use crate::steps::environment::Environment;
use crate::steps::turn;
use crate::steps::unfinished::noted;

/// How many objects are removed at once.
const AT_ONCE: usize = 16;

/// Clears away what goes with the run's end, and gives the lease back. `connection` is empty where the run had none.
pub(super) async fn close<W: Environment>(env: &W, connection: &str, request: &RunRequest, holder: &str) -> Result<()> {
    let store = env.store();
    let folder = keys::run(&request.run_id);
    let transient = store.list(&folder).await?.into_iter().filter(|meta| keys::is_transient(&meta.key));
    let removing = stream::iter(transient).map(|meta| async move { store.delete(&meta.key).await });
    removing.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    let unfinished = keys::unfinished(&request.export);
    if noted(store, &request.export).await?.as_deref() == Some(&request.run_id) {
        store.delete(&unfinished).await?;
    }
    if connection.is_empty() {
        return Ok(());
    }
    for key in turn::activity_keys(store, connection).await? {
        let last: Option<ConnectionActivity> = read_if_whole(store, &key).await?;
        if let Some(last) = last.filter(|last| last.run_id == request.run_id && last.ended_at.is_none()) {
            write_json(store, &key, &ConnectionActivity { ended_at: Some(env.clock().now()), ..last }).await?;
        }
    }
    if holder == request.run_id { turn::release(env, connection, holder).await } else { Ok(()) }
}
