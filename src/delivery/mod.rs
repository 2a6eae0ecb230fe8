//! What to do next with a lane: send, wait, load or done. No I/O: it is asked for the next request and given the response.

pub mod backoff;
pub mod caution;
pub mod lane;
pub mod pace;
mod pending;
