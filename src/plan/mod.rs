//! Contacts against the state: joiners, changed, leavers, unchanged; the guards; the dealing to lanes.

mod columns;
mod counts;
pub mod guards;
mod ids;
pub mod lanes;
pub mod members;
pub mod objections;
mod output;
pub mod planner;

pub use counts::{Counts, LeftOut, Unreadable};
pub use output::{ChunkKind, PlanOutput, RejectLine};
pub use planner::Planner;
