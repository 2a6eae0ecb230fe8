//! What to do next with a lane: send, wait, load or done. No I/O: it is asked for the next action and told the answer.

pub mod backoff;
pub mod call;
pub mod lane;
pub mod pace;
mod span;
