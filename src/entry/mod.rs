//! Where people and AWS come in.

#[cfg(feature = "cli")]
pub mod args;
#[cfg(feature = "cli")]
pub mod command;
pub mod outside;
#[cfg(feature = "cli")]
pub mod show;
