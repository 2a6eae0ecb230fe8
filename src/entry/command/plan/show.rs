//! A plan for people.

use super::outline::{OfSegment, Plan};
use crate::entry::command::forecast::print_forecast;
use crate::entry::command::print::{counted, line, with_new_address};

pub(super) fn print(plan: &Plan) {
    let members = &plan.members;
    line(&format!("{}: nothing is sent by a plan", plan.export));
    line(&format!(
        "  rows      {} read: {}, {} changed, {}{} unchanged, {} rejected, {} suppressed",
        plan.read,
        counted(members.joiners, "joiner"),
        members.changed,
        with_new_address(members.address_changed),
        plan.unchanged,
        plan.rejected,
        plan.suppressed
    ));
    line(&format!("  leavers   {} will be removed, {} withheld", members.leavers, members.leavers_withheld));
    print_forecast(&plan.forecast);
    line(&format!(
        "            a deployment with this configuration costs ${:.2} a month besides its runs",
        plan.dollars_a_month
    ));
    for (form, forecast) in &plan.forms {
        line(&format!("  by {form:<6} {}", forecast.in_short()));
    }
    plan.advice.iter().for_each(|advice| line(&format!("  advice    {advice}")));
    if plan.new_people_at_most > 0 {
        line(&format!("  people    at most {} are new to the account, and billed", plan.new_people_at_most));
    }
    plan.remarks.iter().for_each(|remark| line(&format!("  note      {remark}")));
    if plan.segments.len() > 1 {
        plan.segments.iter().for_each(segment);
    }
    for (number, cause) in plan.causes.iter().enumerate() {
        let title = if number == 0 { "rejects" } else { "" };
        line(&format!(
            "  {title:<8}  {} {}, first in line {}: {}",
            cause.rows, cause.code, cause.first_line, cause.reason
        ));
        line(&format!("            {}", cause.remedy));
    }
    let named: u64 = plan.causes.iter().map(|cause| cause.rows).sum();
    if plan.rejected > named {
        line(&format!(
            "            {} more for other reasons; write all of them to a file with --rejects FILE",
            plan.rejected - named
        ));
    }
    plan.guards.iter().for_each(|guard| line(&format!("  guard     {}: {}", guard.name, guard.message)));
    plan.notes.iter().for_each(|note| line(&format!("  note      {note}")));
    plan.refused.iter().for_each(|refused| line(&format!("  note      run would be refused: {refused}")));
    for (segment, rows) in &plan.sample {
        line(&format!("  sample    {segment}, values masked"));
        for row in rows {
            let values: Vec<String> = row.iter().map(|(field, value)| format!("{field}={value}")).collect();
            line(&format!("            {}", values.join("  ")));
        }
    }
}

fn segment(segment: &OfSegment) {
    let OfSegment { name, read, joiners, changed, unchanged, leavers, leavers_withheld, rejected, suppressed, .. } =
        segment;
    let new = with_new_address(segment.address_changed);
    line(&format!(
        "  segment   {name}: {read} read, {joiners} joiners, {changed} changed, {new}{unchanged} unchanged, {rejected} rejected, \
         {suppressed} suppressed, {leavers} leavers, {leavers_withheld} withheld"
    ));
}
