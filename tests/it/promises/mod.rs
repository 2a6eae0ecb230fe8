//! The promises of docs/ARCHITECTURE.md, each quoted above its test.

mod each;
mod in_time;
mod leaving;
mod model;
mod one_account;
mod overlapping;
mod privacy;
mod rate;
mod stores;
