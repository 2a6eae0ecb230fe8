//! Contacts against the state: joiners, changed, leavers, unchanged; the guards; the dealing to lanes.

pub mod address_changes;
mod columns;
pub mod corrections;
mod counts;
pub mod erased;
pub mod fingerprint;
pub mod guards;
pub mod history;
pub mod ids;
pub mod lanes;
pub mod members;
pub mod objection;
pub mod objections;
mod output;
pub mod people;
pub mod planner;
pub mod refusals;
pub mod retry;
pub mod stored_objections;

pub use counts::{Counts, LeftOut, Unreadable, is_zero};
pub use output::{ChunkKind, PlanOutput, RejectLine};
pub use planner::Planner;
