//! Where people and AWS come in.

#[cfg(feature = "cli")]
pub mod args;
#[cfg(feature = "cli")]
pub mod command;
#[cfg(feature = "lambda")]
pub mod handler;
#[cfg(all(feature = "aws", feature = "cli"))]
pub mod on_aws;
pub mod outside;
#[cfg(feature = "aws")]
mod overridden;
pub mod panics;
#[cfg(feature = "cli")]
pub mod show;
