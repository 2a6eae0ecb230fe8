//! Classic Autopilot over raw HTTP.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod contacts;
mod lists;

use serde_json::{Value, json};

use crate::sandbox::tests::{bulk, call, get, numbered, sandbox, upsert};
use crate::sandbox::{AutopilotOptions, BulkLists, Options, RefuseInvalid, Sandbox};
