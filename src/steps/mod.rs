//! The steps of a run, over ports. Each can be called again at any time and resumes where it was.

mod cancel;
mod carryover;
mod clean;
mod deliver;
pub mod documents;
pub mod environment;
mod failure;
mod finish;
mod lease;
mod lost;
mod noes;
mod open;
mod prepare;
mod profiles;
mod quiet;
mod session;
mod stop;
mod suppression;
mod temporary;
mod unfinished;
mod workflow;

pub use cancel::Cancellation;
pub use clean::{Cleaned, clean};
pub use deliver::{Delivered, Limit, deliver};
pub use documents::{known_members, read_if_whole, read_json, write_json, write_json_if};
pub use environment::Environment;
pub use failure::Failure;
pub use finish::finish;
pub use lease::with_lease;
pub use open::{Opened, open, read_back, survey};
pub use prepare::{Cause, Rehearsal, Rehearsed, has_drop, plan};
pub use session::Session;
pub use stop::{heeding_stop, is_stopped, mark_stopped, unless_stopped};
pub use workflow::{Prepared, prepare, resume, run};
