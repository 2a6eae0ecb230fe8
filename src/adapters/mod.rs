//! Where the outside world is let in. Adapters decide nothing.

#[cfg(feature = "http")]
pub mod autopilot;
#[cfg(feature = "aws")]
pub mod aws;
pub mod local;
