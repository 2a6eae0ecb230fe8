//! Where the outside world is let in. Adapters decide nothing.

#[cfg(feature = "http")]
pub mod autopilot;
pub mod local;
