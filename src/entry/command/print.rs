//! What people read: reports and errors.

use std::io::Write;

use serde::Serialize;

use crate::entry::show::say;
use crate::error::{Error, Kind, escaped, escaped_json};
use crate::report::{Outcome, Report};

/// Prints an error with its causes.
pub fn error(error: &Error) {
    say(&error.chain());
}

/// Prints a value as JSON, alone on standard output.
pub(super) fn json(value: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|cause| Error::new(Kind::Bug, "JSON", "cannot be written").with_source(cause))?;
    whole(&escaped_json(&text));
    Ok(())
}

/// Prints a line, whatever is in it as a terminal may show it.
pub(super) fn line(text: &str) {
    whole(&escaped(text, usize::MAX));
}

/// Prints a text as it is; whoever reads may have gone away (`| head`).
pub(super) fn whole(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A number with its noun: `1 leaver`, `2 leavers`.
fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Prints a report for people.
pub(super) fn report(report: &Report) {
    let rows = &report.rows;
    let members = &report.members;
    let requests = &report.requests;
    let seconds = report.finished_at.duration_since(report.started_at).as_secs_f64();
    line(&format!("{}  {}  in {seconds:.1} s", report.run_id, report.outcome.name()));
    line(&format!(
        "  rows      {} read = {} delivered + {} unchanged + {} rejected + {} suppressed + {} pending",
        rows.read, rows.delivered, rows.unchanged, rows.rejected, rows.suppressed, rows.pending
    ));
    line(&format!(
        "  members   {}, {} changed, {}, {} withheld",
        counted(members.joiners, "joiner"),
        members.changed,
        counted(members.leavers, "leaver"),
        counted(members.leavers_withheld, "leaver"),
    ));
    let rejects: Vec<String> =
        report.rejects.iter().filter(|(_, count)| **count > 0).map(|(code, count)| format!("{count} {code}")).collect();
    if !rejects.is_empty() {
        line(&format!("  rejects   {}", rejects.join(", ")));
        line(&format!("            in {}", crate::run::keys::of_run(&report.run_id, "rejects.csv")));
    }
    line(&format!(
        "  requests  {}: {} bulk, {} single, {} list; {} retried, {} rate limited; at most {} in one second",
        requests.total,
        requests.bulk,
        requests.single,
        requests.list,
        requests.retried,
        requests.throttled,
        requests.peak_per_second
    ));
    if !report.guards_passed_over.is_empty() {
        line(&format!("  guards    passed over: {}", report.guards_passed_over.join(", ")));
    }
    if report.opt_outs_sent > 0 {
        line(&format!("  opt-outs  {} sent of members whose rows were not", report.opt_outs_sent));
    }
    report.remarks.iter().for_each(|remark| line(&format!("  note      {remark}")));
    report.notes.iter().for_each(|note| line(&format!("  note      {note}")));
    if report.outcome != Outcome::Succeeded {
        report.warnings.iter().for_each(|warning| line(&format!("  note      {warning}")));
    }
}
