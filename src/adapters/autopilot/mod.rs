//! Autopilot (classic v1) over HTTPS: one call, one answer; whoever asks decides what it means.

pub mod answer;
mod client;
#[cfg(feature = "sandbox")]
mod inside;

pub use client::Client;
#[cfg(feature = "sandbox")]
pub use inside::Inside;
