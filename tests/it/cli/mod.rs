//! The command line as a person uses it.

mod bad_input;
mod columns;
pub(crate) mod command;
mod drops;
mod escapes;
mod hostile_input;
#[cfg(target_os = "linux")]
mod memory;
mod migrate;
mod odd_folders;
mod permissions;
mod retry;
