//! Exports customer segments to Autopilot: every row accounted for, at the rate Autopilot allows.
pub mod adapters;
pub mod config;
pub mod contact;
pub mod delivery;
pub mod error;
pub mod ports;
pub mod state;
