//! Exports customer segments to Autopilot or Ortto: every row accounted for, at the rate the account allows.
//!
//! The path of the data, in the order of a run; `steps` walks it:
//!
//! ```text
//! trigger -> segment -> contact -> plan -> delivery -> ledger -> state, report
//! ```
//!
//! These modules know no AWS, no HTTP, no clock and no environment: values in, values out. `ports` are the few small
//! traits of the outside world, `adapters` implement them, `entry` is where people and AWS come in.

pub mod chunk;
pub mod config;
pub mod contact;
pub mod delivery;
pub mod destination;
pub mod error;
pub mod ledger;
pub mod membership;
pub mod plan;
pub mod ports;
pub mod report;
pub mod run;
pub mod segment;
pub mod state;
pub mod steps;
pub mod trigger;
pub mod value;

pub mod adapters;
pub mod entry;
#[cfg(feature = "sandbox")]
pub mod sandbox;
