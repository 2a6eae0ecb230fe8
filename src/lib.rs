//! Exports customer segments to Autopilot: every row accounted for, at the rate Autopilot allows.
pub mod error;
pub mod ports;
#[cfg(feature = "sandbox")]
pub mod sandbox;
