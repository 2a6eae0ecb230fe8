//! What a file may do to the people on a list, and what it may not.

mod cells;
mod consent;
mod corrections;
mod leavers;
mod lost_state;
