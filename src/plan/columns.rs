//! The error of columns that the matching names and a drop lacks.

use crate::contact::UnknownColumn;
use crate::error::{Error, Kind, escaped};
use crate::segment::{Columns, may_be_an_address};

/// The most columns of a file that an error lists, and the most characters of each.
const LISTED: usize = 20;
const LISTED_CHARS: usize = 60;

/// All columns that the matching names and the drop lacks, and those that it has, in one error. What the first line
/// holds is shown only where it holds names for certain, and nothing that looks like an address.
pub(super) fn unknown_columns(unknown: &[UnknownColumn], columns: &Columns) -> Error {
    let subject = unknown.first().map(|first| first.path.clone()).unwrap_or_default();
    let shown = |name: &str| match may_be_an_address(name) {
        true => "…".to_owned(),
        false => format!("\"{}\"", escaped(name, LISTED_CHARS)),
    };
    let missing: Vec<String> = unknown
        .iter()
        .map(|column| match column.nearest.as_deref().filter(|_| columns.certain) {
            Some(nearest) => format!("{} (nearest: {})", shown(&column.column), shown(nearest)),
            None => shown(&column.column),
        })
        .collect();
    let mut problem = format!("the drop has no column {}", missing.join(", "));
    if columns.certain && !columns.names.is_empty() {
        let listed: Vec<String> = columns.names.iter().take(LISTED).map(|name| shown(name)).collect();
        let more = columns.names.len().saturating_sub(LISTED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        problem.push_str(&format!("; it has {}{more}", listed.join(", ")));
    }
    let hint = match columns.certain {
        true => "name columns of the drop in the matching",
        false => "name columns of the drop in the matching, or deliver it with a first line of column names",
    };
    Error::new(Kind::Config, subject, problem).hint(hint)
}
