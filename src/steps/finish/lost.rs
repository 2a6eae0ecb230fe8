//! What can no longer be known of a run, and what is said of it.

use crate::error::Result;
use crate::ports::Store;
use crate::run::{RunRecord, Stage, keys};

/// What can no longer be read of a run, as after a power failure.
#[derive(Clone, Copy, Default)]
pub(super) struct Lost {
    pub(super) results: u64,
    /// Joiners that may have been sent.
    pub(super) joiners: u64,
    /// Changed rows and leavers that may have been sent.
    pub(super) others: u64,
}

impl Lost {
    /// What people should know of it.
    pub(super) fn warnings(self, export: &str) -> impl Iterator<Item = String> {
        let Self { results, joiners, others } = self;
        let of_results = format!(
            "{results} results are damaged or gone, as after a power failure; their rows count as sent without an answer, and \
             the next run sends them again"
        );
        let of_joiners = format!(
            "{joiners} people may have been sent whom the state does not know: their chunk is damaged or gone; the next \
             run sends those who are in its drop; autopilot-export reconcile {export} names the others as extra, to be taken \
             off by hand"
        );
        let of_others = format!(
            "{others} changed rows or leavers may have been sent, which the state does not know: their chunk is damaged or \
             gone; a run with --full sends every row once more"
        );
        let all = [(results, of_results), (joiners, of_joiners), (others, of_others)];
        all.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text)
    }
}

/// What is to be said of a run that sent something, and whose `open.json` is gone: its results belong to lanes that nobody
/// knows.
pub(super) async fn lost_with_lanes(store: &impl Store, run: &RunRecord) -> Result<Option<String>> {
    if run.stage != Stage::Ready {
        return Ok(None);
    }
    let objects = store.list(&keys::run(&run.request.run_id)).await?;
    let is_trace = |key: &str| keys::is_results(key) || key.ends_with("/lanes.json");
    let export = &run.request.export;
    Ok(objects.iter().any(|meta| is_trace(&meta.key)).then(|| {
        format!(
            "its open.json is gone, so it is not known what it sent; the next run sends the rows of its drop, and \
             autopilot-export reconcile {export} names the others as extra"
        )
    }))
}
