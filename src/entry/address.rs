//! An address in place of that of every connection of one API, from the environment: tests, and a sandbox.

use crate::config::{Api, base_url_fault};
use crate::error::{Error, Kind, Result};

/// The variable that holds it.
fn variable(api: Api) -> String {
    format!("{}_BASE_URL", api.name().to_uppercase())
}

/// The address, held to the same as one in the configuration: the key must not leave in plain text.
///
/// # Errors
/// Kind `config`, where a key cannot be sent to it.
pub(crate) fn base_url(api: Api) -> Result<Option<String>> {
    let name = variable(api);
    checked(&name, &std::env::var(&name).unwrap_or_default())
}

fn checked(name: &str, url: &str) -> Result<Option<String>> {
    let url = url.trim().trim_end_matches('/');
    match base_url_fault(url) {
        _ if url.is_empty() => Ok(None),
        None => Ok(Some(url.to_owned())),
        Some(fault) => Err(Error::new(Kind::Config, name, fault)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "AUTOPILOT_BASE_URL";

    #[test]
    fn the_environments_address_is_checked_like_the_configurations() {
        assert_eq!(variable(Api::Autopilot), NAME);
        assert_eq!(checked(NAME, "").unwrap(), None);
        assert_eq!(checked(NAME, "http://127.0.0.1:8080/v1/ ").unwrap().as_deref(), Some("http://127.0.0.1:8080/v1"));
        for url in
            ["http://autopilot.example/v1", "HTTP://127.0.0.1/v1", "https://key@autopilot.example/v1", "no address"]
        {
            let error = checked(NAME, url).unwrap_err();
            assert_eq!((error.kind, error.subject.as_str()), (Kind::Config, NAME), "{url}");
            assert!(!error.to_string().contains("autopilot.example"), "{error}");
        }
    }
}
