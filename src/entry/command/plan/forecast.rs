//! What a run would ask of the account, and what it takes.

use crate::config::{Connection, Membership};
use crate::delivery::pace;
use crate::destination::{Assumption, Destination};
use crate::plan::lanes::{Costs, lanes_for, requests};
use crate::run::RunRecord;

/// Requests of `open`: account, lists, custom fields.
const OPEN_REQUESTS: u64 = 3;
/// What the canary and a new list may take on top.
const CANARY_REQUESTS: u64 = 24;

/// Seconds beside the requests' slots: reading the drop, the account's first answer and its last, the state.
/// Source: measured by `benches/run forecast`, with answers of 300 ms.
const BESIDE_SLOTS: f64 = 1.0;

/// The dollars of a run of so many seconds on AWS: one function of 256 MB on arm64, all lanes waiting together, its
/// workflow's transitions (a task and a choice for each call, the Map, the ends), its objects: a checkpoint a second and
/// lane, five for each four thousand rows, and a few. `make bench-cost` measures it.
/// Source: list prices of us-east-1: $0.0000133334 per GB-second, $0.025 per 1,000 transitions, $0.005 per 1,000 PUTs.
fn dollars(seconds: f64, lanes: u32, requests: u64, rows: u64) -> f64 {
    let (lanes, requests, rows) = (f64::from(lanes), requests as f64, rows as f64);
    let compute = seconds * lanes * 0.25 * 0.000_013_333_4;
    let calls = 3.0 + lanes * (seconds / 890.0).ceil();
    let transitions = 2.0 * calls + lanes + 2.0;
    let objects = requests.min(seconds * lanes) + rows * 5.0 / 4000.0 + 30.0;
    compute + transitions * 0.025 / 1000.0 + objects * 0.005 / 1000.0
}

/// Requests, seconds and dollars: the fewest, and where the canary has yet to learn, the most.
pub(super) struct Forecast {
    pub(super) requests: (u64, u64),
    pub(super) seconds: (f64, f64),
    pub(super) dollars: f64,
}

impl Forecast {
    pub(super) fn of(
        record: &RunRecord,
        connection: &Connection,
        destination: &dyn Destination,
        memberships: &[Membership],
    ) -> Self {
        let costs = |assumption| Costs { destination, memberships, assumption };
        let fewest = requests(&record.chunks, costs(Assumption::Cheapest));
        let most = requests(&record.chunks, costs(Assumption::Dearest));
        let opening = if record.chunks.is_empty() { 0 } else { OPEN_REQUESTS };
        let canary = if most > fewest { CANARY_REQUESTS } else { 0 };
        let slot = pace::interval(connection.requests_per_second).as_secs_f64();
        let seconds = |requests: u64| if requests == 0 { 0.0 } else { requests as f64 * slot + BESIDE_SLOTS };
        let (fewest, most) = (fewest + opening, most + opening + canary);
        let lanes = lanes_for(&record.chunks, costs(Assumption::Dearest), connection.lanes);
        let rows = record.chunks.iter().map(|chunk| u64::from(chunk.rows)).sum();
        Self {
            requests: (fewest, most),
            seconds: (seconds(fewest), seconds(most)),
            dollars: dollars(seconds(most), lanes, most, rows),
        }
    }
}
