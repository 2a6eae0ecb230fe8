//! Turns one row of a drop into a contact, or into a reject with a reason.
//!
//! A [`Matching`] is compiled once for the columns of a file and applied to each row. It writes the contact's cells
//! straight into a reused buffer. Two rules stand above all mapping: `unsubscribed` is only ever written as true, and
//! a reject's reason names field and column but never the value.

mod consent;
mod criterion;
pub mod email;
pub mod matching;
pub mod reject;
pub mod suppression;
#[cfg(test)]
mod tests;

pub use consent::Consent;
pub use criterion::{Answer, Criterion};
pub use email::normalise;
pub use matching::{Contact, MatchResult, Matching, OptOut, UnknownColumn};
pub use reject::{Reject, RejectCode};
pub use suppression::SuppressionList;
