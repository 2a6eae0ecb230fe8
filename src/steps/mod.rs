//! The steps of a run, over ports. Each can be called again at any time and goes on where it was.

mod ask;
mod canary;
mod confirmed;
mod deliver;
mod draw;
mod drops;
mod finish;
mod open;
mod prepare;
mod saved;
mod workflow;

pub use ask::Asker;
pub use deliver::{Delivered, Limit, deliver};
pub use finish::{Failure, finish};
pub use open::{OpenRecord, Opened, Resolved, fields_faults, open};
pub use prepare::{Prepared, plan, prepare};
pub use saved::{read_json, write_json};
pub use workflow::{Stop, resume, run};

use crate::config::{Config, Connection, Export};
use crate::error::{Error, Kind, Result};

/// An export of the configuration and its connection.
///
/// # Errors
/// Kind `bad_request`, where there is no such export.
pub fn export_of<'c>(config: &'c Config, name: &str) -> Result<(&'c Export, &'c Connection)> {
    let found = config.exports.get(name);
    let found = found.and_then(|export| Some((export, config.connections.get(&export.connection)?)));
    found.ok_or_else(|| {
        let nearest = crate::config::nearest(name, config.exports.keys().map(String::as_str));
        let error = Error::new(Kind::BadRequest, "run", name, "is no export of the configuration");
        match nearest {
            Some(nearest) => error.to_do(format!("the nearest is {nearest}")),
            None => error,
        }
    })
}
