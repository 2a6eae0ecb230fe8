//! One person: who holds them, and out of all of it.

mod erase;
mod history;
mod versions;
mod who;

use autopilot_export::report::Report;
use autopilot_export::run::RunRequest;
use autopilot_export::steps::{self, Cancellation};

use crate::support::kill::Kill;
use crate::support::sim::{Sim, SimWorld};

pub(crate) async fn run(world: &SimWorld, sim: &Sim, request: &RunRequest) -> Report {
    let earlier = steps::resume(world, &sim.config, request).await.unwrap();
    let report = steps::run(world, &sim.config, earlier.as_ref().unwrap_or(request), &Cancellation::default()).await;
    let report = report.unwrap();
    assert!(report.rows.add_up(), "{report:?}");
    report
}

pub(crate) async fn drop(sim: &Sim, name: &str, rows: &str) -> Report {
    let request = sim.drop(name, rows);
    run(&sim.world(&Kill::never()), sim, &request).await
}
