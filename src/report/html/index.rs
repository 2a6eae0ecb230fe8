//! All exports and their runs on one page.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::frame::{badge, frame};
use super::words::{counted, number, outcome, time};
use crate::report::history::{Listed, Runs};
use crate::run::export_of_run;

/// The page of these runs, the newest first.
pub fn index(runs: &Runs) -> String {
    let mut exports: BTreeMap<&str, Vec<&Listed>> = BTreeMap::new();
    for run in &runs.0 {
        exports.entry(export_of_run(&run.run_id).unwrap_or_default()).or_default().push(run);
    }
    let many = counted(exports.len() as u64, "export", "exports");
    frame(
        "Runs",
        html! {
            h1 { "Runs" }
            p.lead { (many) ", " (counted(runs.0.len() as u64, "run", "runs")) ", newest first." }
            @if exports.is_empty() { p { "No run has ended yet." } }
            @for (export, runs) in &exports {
                section {
                    h2 { (export) }
                    div.scroll tabindex="0" role="region" aria-label={ "runs of " (export) } {
                        table {
                            thead { tr {
                                th scope="col" { "Run" } th scope="col" { "Outcome" } th.n scope="col" { "Sent" }
                                th.n scope="col" { "Unchanged" } th.n scope="col" { "Rejected" } th.n scope="col" { "Pending" }
                                th.n scope="col" { "Members" }
                            } }
                            tbody { @for run in runs { (line(export, run)) } }
                        }
                    }
                }
            }
            p.dim { "A run's page is there as long as runs are kept." }
        },
    )
}

fn line(export: &str, run: &Listed) -> Markup {
    let rows = &run.rows;
    html! {
        tr {
            th scope="row" { a href={ (export) "/" (run.run_id) "/report.html" } { (time(run.started_at)) } }
            td { (badge(run.outcome)) (outcome(run.outcome)) }
            td.n { (number(rows.delivered)) } td.n { (number(rows.unchanged)) }
            td.n { (number(rows.rejected)) } td.n { (number(rows.pending)) }
            td.n { @if let Some(members) = run.members { (number(members)) } }
        }
    }
}
