//! Runs that are stopped anywhere, and gone on with.

mod confirmed;
mod crash_every_call;
mod damaged_records;
mod left_behind;
mod power;
mod power_cut;
mod processes;
mod repeated_steps;
mod stopped;
mod stops;
mod store_faults;
mod suppressed_meanwhile;
