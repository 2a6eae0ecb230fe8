//! What a file may do to the people on a list, and what it may not.

mod cells;
mod consent;
mod consent_elsewhere;
mod consent_kept;
mod corrections;
mod leavers;
mod lost_state;
