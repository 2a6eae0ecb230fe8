//! The report as a page: one file, no script, nothing loaded from elsewhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Report;
use crate::error::escaped;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1a2433}\
h1{font-size:1.5rem}table{border-collapse:collapse;margin:1rem 0;width:100%}th,td{text-align:left;padding:.3rem .6rem;\
border-bottom:1px solid #d8dee8}td.n{text-align:right;font-variant-numeric:tabular-nums}.bar{display:flex;height:1.2rem;\
border-radius:4px;overflow:hidden;background:#eef1f6}.bar div{min-width:1px}.delivered{background:#2f855a}\
.unchanged{background:#90b4ce}.rejected{background:#c53030}.suppressed{background:#b7a57a}.pending{background:#dd9b28}\
.key{display:inline-block;width:.8rem;height:.8rem;border-radius:2px;margin-right:.4rem}\
.error{border-left:4px solid #c53030;padding:.5rem 1rem;background:#fdf2f2}";

/// The page.
pub fn page(report: &Report) -> String {
    let rows = &report.rows;
    let parts = [
        ("delivered", rows.delivered),
        ("unchanged", rows.unchanged),
        ("rejected", rows.rejected),
        ("suppressed", rows.suppressed),
        ("pending", rows.pending),
    ];
    let title = format!("{}: {}", report.export, report.outcome.name().replace('_', " "));
    let members = &report.members;
    let requests = &report.requests;
    html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (title) } style { (PreEscaped(STYLE)) } }
            body {
                h1 { (title) }
                p { "Run " code { (report.run_id) } ", " (report.started_at) " to " (report.finished_at) }
                @if let Some(error) = &report.error { p.error { (error.message) } }
                @for warning in &report.warnings { p { "Note: " (warning) } }
                @for remark in &report.remarks { p { "Note: " (remark) } }
                @for note in &report.notes { p { "Note: " (note.to_string()) } }
                div.bar role="img" aria-label="rows by outcome" {
                    @for (name, count) in parts { @if count > 0 { div class=(name) style=(format!("flex:{count}")) {} } }
                }
                table {
                    (line("rows read", rows.read))
                    @for (name, count) in parts {
                        tr { td { span class=(format!("key {name}")) {} (name) } td.n { (count) } }
                    }
                }
                h2 { "Members" }
                table {
                    (line("joiners", members.joiners)) (line("changed", members.changed))
                    (line("leavers", members.leavers)) (line("leavers withheld", members.leavers_withheld))
                    @if report.opt_outs_sent > 0 { (line("opt-outs sent alone", report.opt_outs_sent)) }
                    @if report.no_consent > 0 { (line("without consent", report.no_consent)) }
                }
                @if rows.rejected > 0 {
                    h2 { "Rejects" }
                    table { @for (code, count) in &report.rejects { @if *count > 0 { (line(code.name(), *count)) } } }
                    p { "The rows are in rejects.csv, each with its reason. Correct them there and send them again with "
                        code { "autopilot-export retry " (report.run_id) } }
                }
                h2 { "Requests" }
                table {
                    (line("all", requests.total)) (line("bulk", requests.bulk)) (line("single", requests.single))
                    (line("list", requests.list)) (line("retried", requests.retried))
                    (line("rate limited", requests.throttled))
                    tr { td { "most in one second" } td.n { (requests.peak_per_second) } }
                }
                h2 { "Sources" }
                table { @for source in &report.sources { (line(&escaped(&source.key, usize::MAX), source.bytes)) } }
            }
        }
    }
    .into_string()
}

fn line(name: &str, count: u64) -> Markup {
    html! { tr { td { (name) } td.n { (count) } } }
}
