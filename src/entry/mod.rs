//! Where people and AWS come in.

#[cfg(feature = "aws")]
mod address;
#[cfg(feature = "cli")]
pub mod args;
#[cfg(feature = "cli")]
pub mod command;
pub mod environment;
#[cfg(feature = "lambda")]
pub mod handler;
#[cfg(all(feature = "aws", feature = "cli"))]
pub mod on_aws;
pub mod panics;
#[cfg(feature = "cli")]
pub mod show;
