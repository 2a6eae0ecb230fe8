//! Several runs, drops and processes at once.

mod order;
mod processes;
