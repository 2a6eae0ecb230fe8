//! The report as a page: one file, no script, nothing loaded from elsewhere.

mod chart;
mod frame;
mod index;
mod style;
mod words;

use maud::{Markup, html};

use super::codes::of_reject;
use super::{Cause, Report};
use crate::contact::RejectCode;
use crate::error::escaped;
use frame::badge;
use words::{counted, duration, number, outcome, sentence, share, size, time};

pub use frame::frame;
pub use index::index;

pub fn page(report: &Report) -> String {
    let title = format!("{}: {}", report.export, outcome(report.outcome));
    let seconds = report.finished_at.duration_since(report.started_at).as_secs_f64();
    frame(
        &title,
        html! {
            nav { a href="../../index.html" { "All runs" } }
            h1 { (badge(report.outcome)) (title) }
            p.lead { (sentence(report)) }
            p.dim {
                (time(report.started_at)) ", " (duration(seconds)) ", run " code { (report.run_id) }
            }
            @if let Some(error) = &report.error {
                div.error role="alert" { p { strong { (error.kind) } ": " (shown(&error.message)) } }
            }
            @for warning in &report.warnings { p.note { "Note: " (shown(warning)) } }
            @for remark in &report.remarks { p.note { "Note: " (remark) } }
            @for note in &report.notes { p.note { "Note: " (shown(&note.to_string())) } }
            @if report.reconciled.is_empty() {
                (rows(report))
                (rejects(report))
                (members(report))
                (chart::trend(&report.trend))
                (segments(report))
                (guards(report))
                (requests(report))
                (sources(report))
            } @else {
                (reconciled(report))
                (requests(report))
            }
        },
    )
}

/// The outcomes of rows, with what each means.
fn parts(report: &Report) -> [(&'static str, u64, &'static str); 5] {
    let rows = &report.rows;
    [
        ("delivered", rows.delivered, "sent and confirmed"),
        ("unchanged", rows.unchanged, "there already"),
        ("rejected", rows.rejected, "cannot be sent as they are"),
        ("suppressed", rows.suppressed, "not to be sent"),
        ("pending", rows.pending, "left for the next run"),
    ]
}

fn rows(report: &Report) -> Markup {
    let read = report.rows.read;
    let parts = parts(report);
    let said: Vec<String> = parts.iter().map(|(name, count, _)| format!("{} {name}", number(*count))).collect();
    html! {
        section {
            h2 { "Where every row went" }
            @if read > 0 {
                div.bar role="img" aria-label={ "rows by outcome: " (said.join(", ")) } {
                    @for (name, count, _) in parts {
                        @if count > 0 { span class=(name) style=(format!("flex:{count}")) {} }
                    }
                }
            }
            ul.legend {
                @for (name, count, meaning) in parts {
                    li {
                        i class=(name) aria-hidden="true" {}
                        strong { (number(count)) } " " (name) " (" (share(count, read)) "): " (meaning)
                    }
                }
            }
            p { (counted(read, "row was", "rows were")) " read." }
        }
    }
}

fn rejects(report: &Report) -> Markup {
    let codes = report.rejects.iter().filter(|(_, count)| **count > 0);
    html! {
        @if report.rows.rejected > 0 {
            section {
                h2 { "Rejected rows" }
                @for (code, count) in codes { (reject(report, *code, *count)) }
                p {
                    "The rows are in " a href="rejects.csv" { "rejects.csv" } ", each with its reason, as long as they are kept. \
                     Correct them there and send them again with "
                    code { "autopilot-export retry " (report.run_id) } ", with the " code { "--config" } " and " code { "--store" } " of the run, where it had any."
                }
            }
        }
    }
}

fn reject(report: &Report, code: RejectCode, count: u64) -> Markup {
    let (meaning, _, remedy) = of_reject(code);
    let causes = report.causes.iter().filter(|cause| cause.code == code);
    html! {
        div.cause {
            h3 { (counted(count, "row", "rows")) ": " code { (code) } }
            p { (meaning) " " (remedy) }
            ul {
                @for Cause { rows, reason, source, line, .. } in causes {
                    li {
                        @if !reason.is_empty() { (number(*rows)) ": " (escaped(reason, usize::MAX)) ". " }
                        span.dim { "For example " (file_name(source)) ", line " (line) "." }
                    }
                }
            }
        }
    }
}

fn members(report: &Report) -> Markup {
    let members = &report.members;
    html! {
        section {
            h2 { "Members" }
            table { tbody {
                (line("Joined: new to the export", members.joiners))
                (line("Changed: other values than before", members.changed))
                @if members.address_changed > 0 {
                    (line("Address changed: the same customer id as before", members.address_changed))
                }
                (line("Left: gone from the drop, or suppressed", members.leavers))
                (line("Kept for now, though gone from the drop", members.leavers_withheld))
                @if report.opt_outs_sent > 0 { (line("Opt-outs sent alone", report.opt_outs_sent)) }
                @if report.no_consent > 0 { (line("Without consent", report.no_consent)) }
            } }
        }
    }
}

fn segments(report: &Report) -> Markup {
    html! {
        @if !report.segments.is_empty() {
            section {
                h2 { "By segment" }
                div.scroll tabindex="0" role="region" aria-label="rows by segment" {
                    table {
                        thead { tr {
                            th scope="col" { "Segment" }
                            @for title in ["Read", "Joined", "Changed", "Unchanged", "Rejected", "Suppressed", "Left", "Kept"] {
                                th.n scope="col" { (title) }
                            }
                        } }
                        tbody { @for segment in &report.segments { tr {
                            th scope="row" { (escaped(&segment.name, usize::MAX)) }
                            @for count in [segment.read, segment.joiners, segment.changed, segment.unchanged, segment.rejected,
                                segment.suppressed, segment.leavers, segment.leavers_withheld] {
                                td.n { (number(count)) }
                            }
                        } } }
                    }
                }
            }
        }
    }
}

fn reconciled(report: &Report) -> Markup {
    html! {
        section {
            h2 { "The account beside the state" }
            @for found in &report.reconciled {
                h3 { (shown(&found.segment)) }
                table { tbody { @for (name, count) in found.counts() { (line(name, count)) } } }
                @if found.extra > 0 && found.keeps_others {
                    p { "People who are not in the state are left alone." }
                }
            }
            p {
                "The people are in " a href="differences.csv" { "differences.csv" } ", as long as it is kept, where there are any. "
                code { "autopilot-export reconcile " (report.export) " --repair" } " puts right what differs."
            }
        }
    }
}

fn guards(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Guards" }
            @match (report.outcome, report.guards_passed_over.as_slice()) {
                (super::Outcome::StoppedByGuard, _) => p { "A guard stopped the run; the message above names its numbers." },
                (_, []) => p { "No guard was triggered." },
                (_, passed) => p { "Passed over for this run: " (passed.join(", ")) "." },
            }
        }
    }
}

fn requests(report: &Report) -> Markup {
    let requests = &report.requests;
    html! {
        section {
            h2 { "Requests" }
            (chart::traffic(report))
            table { tbody {
                (line("All", requests.total)) (line("Many rows at once", requests.bulk)) (line("One row", requests.single))
                (line("Lists, tags and their members", requests.list)) (line("Retried", requests.retried))
                (line("Rate limited", requests.throttled))
                tr { th scope="row" { "Most in one second" } td.n { (requests.peak_per_second) } }
            } }
        }
    }
}

fn sources(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Sources" }
            @if report.sources.is_empty() { p { "Nothing was read." } } @else {
                table {
                    thead { tr { th scope="col" { "File" } th.n scope="col" { "Size" } } }
                    tbody { @for source in &report.sources { tr {
                        th scope="row" { (shown(&source.key)) } td.n { (size(source.bytes)) }
                    } } }
                }
            }
        }
    }
}

fn line(name: &str, count: u64) -> Markup {
    html! { tr { th scope="row" { (name) } td.n { (number(count)) } } }
}

fn shown(text: &str) -> String {
    escaped(text, usize::MAX)
}

/// The last part of a key.
fn file_name(key: &str) -> String {
    escaped(key.rsplit('/').next().unwrap_or(key), 200)
}
