//! The steps of a run, over ports. Each can be called again at any time and goes on where it was.

mod ask;
mod calls;
mod canary;
mod checkpoints;
mod confirmed;
mod deliver;
mod draw;
mod drops;
mod finish;
mod kept;
mod merge;
mod open;
mod prepare;
mod saved;
mod unsure;
mod workflow;

pub use ask::Asker;
pub use deliver::{Delivered, Limit, deliver};
pub use finish::{Failure, finish};
pub use kept::while_renewing;
pub use open::{OpenRecord, Opened, Resolved, fields_faults, look, open};
pub use prepare::{Prepared, plan, prepare};
pub use saved::{read_json, write_json, write_json_if};
pub use workflow::{Stop, resume, run};

pub use crate::config::{connection_of, export_of};
