//! Where people and AWS come in.

#[cfg(feature = "cli")]
pub mod args;
#[cfg(feature = "cli")]
pub mod command;
#[cfg(feature = "lambda")]
pub mod handler;
pub mod outside;
#[cfg(feature = "cli")]
pub mod show;
