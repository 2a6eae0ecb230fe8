//! Autopilot (classic v1) over HTTPS: one call, one answer; whoever asks decides what it means.

mod answer;
mod client;
mod later;

pub use client::Client;
pub use later::LaterClient;
