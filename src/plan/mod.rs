//! Contacts against the state: joiners, changed, leavers, unchanged; the guards; the dealing to lanes.

pub mod deal;
pub mod draw;
pub mod guards;
pub mod known;

pub use draw::{Counts, Drawing};
