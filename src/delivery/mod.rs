//! What to do next with a lane: send, wait, load or done. No I/O: the caller asks for the next request and hands in its response.

pub mod backoff;
pub mod caution;
pub mod lane;
pub mod pace;
mod pending;
