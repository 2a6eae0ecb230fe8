//! An address in place of that of every connection, from the environment: tests, and a sandbox.

use crate::config::base_url_fault;
use crate::error::{Error, Kind, Result};

/// The variable that holds it.
const NAME: &str = "AUTOPILOT_BASE_URL";

/// The address, held to the same as one in the configuration: the key must not leave in plain text.
///
/// # Errors
/// Kind `config`, where it is no address to send a key to.
pub(crate) fn base_url() -> Result<Option<String>> {
    let Some(url) = std::env::var(NAME).ok().filter(|url| !url.is_empty()) else { return Ok(None) };
    let url = url.trim().trim_end_matches('/');
    match base_url_fault(url) {
        None => Ok(Some(url.to_owned())),
        Some(fault) => Err(Error::new(Kind::Config, "config", NAME, fault)),
    }
}
