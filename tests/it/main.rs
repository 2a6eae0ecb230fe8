//! Everything that is tested from outside the library, in one binary.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(all(feature = "http", feature = "sandbox"))]
mod again;
#[cfg(all(feature = "cli", feature = "sandbox"))]
mod bad_input;
#[cfg(all(feature = "cli", feature = "sandbox"))]
mod command;
#[cfg(all(feature = "http", feature = "sandbox"))]
mod confirmed;
#[cfg(all(feature = "http", feature = "sandbox"))]
mod everywhere;
#[cfg(all(feature = "http", feature = "sandbox"))]
mod faults;
#[cfg(all(feature = "http", feature = "sandbox"))]
mod guarded;
#[cfg(all(feature = "http", feature = "sandbox"))]
mod hostile;
#[cfg(all(feature = "http", feature = "sandbox"))]
mod in_time;
#[cfg(all(feature = "cli", feature = "sandbox"))]
mod leaving;
#[cfg(all(target_os = "linux", feature = "cli", feature = "sandbox"))]
mod memory;
#[cfg(all(feature = "cli", feature = "sandbox"))]
mod model;
#[cfg(all(feature = "http", feature = "sandbox"))]
mod mortal;
#[cfg(feature = "sandbox")]
mod npm_client;
#[cfg(all(feature = "http", feature = "sandbox"))]
mod order;
#[cfg(all(feature = "cli", feature = "sandbox"))]
mod privacy;
#[cfg(all(feature = "cli", feature = "sandbox"))]
mod promises;
#[cfg(feature = "sandbox")]
mod renewed_key;
#[cfg(all(feature = "cli", feature = "sandbox"))]
mod retry;
#[cfg(all(feature = "http", feature = "sandbox"))]
mod scene;
#[cfg(all(feature = "http", feature = "sandbox"))]
mod sim;
#[cfg(all(feature = "cli", feature = "sandbox"))]
mod stops;
#[cfg(all(feature = "http", feature = "sandbox"))]
mod store_faults;
mod stores;
#[cfg(all(feature = "http", feature = "sandbox"))]
mod surroundings;
#[cfg(all(feature = "http", feature = "sandbox"))]
mod together;
#[cfg(all(feature = "cli", feature = "sandbox"))]
mod ways;
#[cfg(all(feature = "http", feature = "sandbox"))]
mod weather;
