//! What a plan hands to delivery: rows to send, in chunks.
//!
//! A chunk holds rows of one segment and one [`Operation`]. Values are neutral: typed, in one canonical spelling, without
//! anything of a destination's wire format, so a chunk can be written before any account was asked. A chunk holds
//! personal data: it is encrypted where it lies, and goes away with its run.

mod address;
mod codec;
mod divided;
mod field;
mod row;
mod seal;

pub use address::{
    AddressChange, AddressOutcome, ChangedAddress, read_address_changes, read_changed_addresses, seal_address_changes,
    seal_changed_addresses,
};
pub use codec::{
    LeaverName, NewRow, Origin, digests, origins, push_digests, quoted, read, unquoted, write_leaver, write_row,
};
pub use divided::{divided, lines};
pub use field::{FieldOrigin, FieldSpec};
pub use row::{Operation, Row};
pub use seal::{MAY_BE_SENT, seal, unseal};
