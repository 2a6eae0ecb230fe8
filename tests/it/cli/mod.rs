//! The command line as a person uses it.

mod bad_input;
mod browser;
mod columns;
pub(crate) mod command;
mod drops;
mod escapes;
mod explain;
mod hostile_input;
pub(crate) mod init;
mod init_columns;
mod init_terminal;
mod limit;
#[cfg(target_os = "linux")]
mod memory;
mod migrate;
mod odd_folders;
mod offline;
mod page;
mod permissions;
mod plan;
mod readme;
mod reconcile;
mod retry;
mod stop;
mod terminal;
mod try_one;
mod unused_consent;
mod webhook;
mod which_aws;
