//! Everything that is tested from outside the library, in one binary.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(feature = "sandbox")]
mod npm_client;
mod stores;
