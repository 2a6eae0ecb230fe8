//! What a request asks to be compared.

use crate::config::{Export, Segment};
use crate::error::{Error, Kind, Result};
use crate::run::{Reconcile, RunRequest};

/// The comparison that a request asks for.
pub(super) fn asked(request: &RunRequest) -> Result<&Reconcile> {
    let missing = || Error::new(Kind::BadRequest, &request.run_id, "does not ask for a comparison");
    request.reconcile.as_ref().ok_or_else(missing)
}

/// The segments that are compared.
pub(super) fn chosen<'c>(export: &'c Export, asked: &Reconcile) -> Result<Vec<&'c Segment>> {
    let name = asked.segment.as_deref();
    let is_chosen = |segment: &&Segment| name.is_none_or(|name| segment.name == name);
    let segments: Vec<&Segment> = export.segments.iter().filter(is_chosen).collect();
    match name {
        Some(name) if segments.is_empty() => {
            let names: Vec<&str> = export.segments.iter().map(|segment| segment.name.as_str()).collect();
            Err(Error::new(Kind::BadRequest, name, "unknown segment")
                .hint(format!("name one of: {}", names.join(", "))))
        }
        _ => Ok(segments),
    }
}
