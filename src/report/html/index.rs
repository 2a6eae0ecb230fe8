//! All exports and their runs on one page.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::frame::{badge, frame};
use super::words::{counted, number, outcome, time};
use crate::report::Report;
use crate::run::{export_of, time_of};

/// A run as the page lists it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The run.
    pub run_id: String,
    /// Its report; none while it is not finished.
    pub report: Option<Report>,
}

/// The page of these runs, the newest first.
pub fn index(runs: &[Listed]) -> String {
    let mut exports: BTreeMap<&str, Vec<&Listed>> = BTreeMap::new();
    for run in runs {
        exports.entry(export_of(&run.run_id).unwrap_or_default()).or_default().push(run);
    }
    let many = counted(exports.len() as u64, "export", "exports");
    frame(
        "Runs",
        html! {
            h1 { "Runs" }
            p.lead { (many) ", " (counted(runs.len() as u64, "run", "runs")) ", newest first." }
            @if exports.is_empty() { p { "There are no runs yet." } }
            @for (export, runs) in &exports {
                section {
                    h2 { (export) }
                    div.scroll tabindex="0" role="region" aria-label={ "runs of " (export) } {
                        table {
                            thead { tr {
                                th scope="col" { "Run" } th scope="col" { "Outcome" } th.n scope="col" { "Sent" }
                                th.n scope="col" { "Unchanged" } th.n scope="col" { "Rejected" } th.n scope="col" { "Pending" }
                            } }
                            tbody { @for run in runs { (line(export, run)) } }
                        }
                    }
                }
            }
        },
    )
}

fn line(export: &str, Listed { run_id, report }: &Listed) -> Markup {
    let began = time_of(run_id);
    html! {
        tr {
            th scope="row" {
                @match (report, began) {
                    (Some(_), Some(began)) => a href={ (export) "/" (run_id) "/report.html" } { (time(began)) },
                    (None, Some(began)) => (time(began)),
                    _ => (run_id),
                }
            }
            @match report {
                Some(report) => {
                    td { (badge(report.outcome)) (outcome(report.outcome)) }
                    td.n { (number(report.rows.delivered)) } td.n { (number(report.rows.unchanged)) }
                    td.n { (number(report.rows.rejected)) } td.n { (number(report.rows.pending)) }
                }
                None => td colspan="5" { "not finished" },
            }
        }
    }
}
