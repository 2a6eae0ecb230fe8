//! `connect`: asks for a key and verifies it; the caller stores it.

use std::io::{BufRead, IsTerminal, stdin};

use secrecy::SecretString;

use crate::config::{Config, Connection, nearest};
use crate::error::{Error, Kind, Result};
use crate::steps::environment::Environment;
use crate::steps::survey;

/// A connection of the configuration.
///
/// # Errors
/// Kind `bad_request`, where there is no such connection.
pub fn connection<'c>(config: &'c Config, name: &str) -> Result<&'c Connection> {
    config.connections.get(name).ok_or_else(|| {
        let error = Error::new(Kind::BadRequest, name, "unknown connection");
        match nearest(name, config.connections.keys().map(String::as_str)) {
            Some(nearest) => error.hint(format!("the nearest is {nearest}")),
            None => error,
        }
    })
}

/// Asks for the key: hidden on a terminal, else the first line of standard input.
///
/// # Errors
/// Kind `bad_request`, where nothing was given.
pub fn ask_key(connection: &str) -> Result<SecretString> {
    let mut line = String::new();
    let asked = if stdin().is_terminal() {
        rpassword::prompt_password(format!("API key for {connection} (hidden): ")).map(|key| line = key)
    } else {
        stdin().lock().read_line(&mut line).map(|_| ())
    };
    let none = || Error::new(Kind::BadRequest, connection, "no key was given");
    asked.map_err(|cause| none().with_source(cause))?;
    let key = line.trim();
    if key.is_empty() {
        return Err(none().hint("type it, or pipe it into the command"));
    }
    Ok(SecretString::from(key.to_owned()))
}

/// Asks the account with the env's key, in the connection's turn.
///
/// # Errors
/// Kind `access` for a key that the account refuses, `unavailable`.
pub async fn verify<W: Environment>(env: &W, config: &Config, connection: &Connection) -> Result<()> {
    match survey(env, config, connection, "connect").await? {
        Some(_) => Ok(()),
        None => Err(Error::new(
            Kind::Unavailable,
            &connection.name,
            "the connection is in use by a run; nothing was stored",
        )
        .hint("try again when the run has ended")),
    }
}
