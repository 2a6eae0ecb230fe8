//! The command line as a person uses it.

mod bad_input;
mod columns;
mod command;
mod drops;
mod hostile_input;
#[cfg(target_os = "linux")]
mod memory;
mod permissions;
mod retry;
