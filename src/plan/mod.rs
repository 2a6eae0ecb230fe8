//! Contacts against the state: joiners, changed, leavers, unchanged; the guards; the dealing to lanes.

mod columns;
pub mod guards;
pub mod lanes;
pub mod members;
pub mod planner;

pub use planner::{Counts, Planner};
