//! Everything that is tested from outside the library, in one binary.

#[cfg(feature = "sandbox")]
mod npm_client;
