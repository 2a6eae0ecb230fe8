//! The command line as a person uses it.

mod bad_input;
mod columns;
pub(crate) mod command;
mod drops;
mod hostile_input;
#[cfg(target_os = "linux")]
mod memory;
mod retry;
