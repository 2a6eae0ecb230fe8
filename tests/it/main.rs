//! Everything that is tested from outside the library, in one binary.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod addresses;
mod cli;
mod concurrency;
mod crash;
mod destination;
mod input;
mod person;
mod promises;
mod simulate;
mod support;
