//! Where the outside world is let in. Adapters decide nothing.

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "http")]
pub mod autopilot;
pub mod local;
