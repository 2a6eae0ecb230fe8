//! `plan`: what a run would do, and why rows would be rejected. Sends nothing.

pub(super) mod file;
mod outline;
mod rejects;
mod sample;
mod show;

use std::path::Path;

use super::code::Code;
use super::forecast::{advice, forecast, forms, monthly};
use super::leaning::unused;
use super::print;
use super::request::request;
use crate::config::{Config, Connection, Export, export_of};
use crate::contact::RejectCode;
use crate::destination::Destination;
use crate::entry::args::{Common, PlanArgs, RunArgs};
use crate::entry::show::say;
use crate::error::{Error, Kind, Result};
use crate::membership::Membership;
use crate::report::Members;
use crate::report::codes::of_reject;
use crate::run::LearnedStrategy;
use crate::steps::environment::Environment;
use crate::steps::{Rehearsal, Rehearsed, learned, plan as rehearse};
use outline::{Cause, Guard, OfSegment, Plan};

/// How many causes of rejects are named, and how many rows of each segment are shown.
const CAUSES: usize = 3;
const SAMPLE_ROWS: usize = 5;

/// Says what a run would do; sends nothing, and needs neither a key nor consent.
pub(super) async fn plan<W: Environment>(env: &W, common: &Common, args: &PlanArgs, config: &Config) -> Code {
    let (export, connection) = export_of(config, &args.run.export)?;
    for (option, path, is_ours) in
        [("--out", &args.out, file::is_plan as fn(&[u8]) -> bool), ("--rejects", &args.rejects, rejects::are_rejects)]
    {
        path.iter().try_for_each(|path| may_be_written(option, path, is_ours))?;
    }
    let rehearsal = Rehearsal::new(if args.sample { SAMPLE_ROWS } else { 0 }, args.rejects.is_some())?;
    let mut planned = rehearse(env, config, &request(env, export, &args.run)?, rehearsal).await?;
    let destination = env.destination(connection.api);
    let refused = connection.may_send(export, env.clock().now()).err();
    let now = env.clock().now();
    let learned = learned(env.store(), connection, planned.record.account.as_deref(), now).await?;
    let learned = learned.filter(|_| !planned.record.request.full);
    let plan = of(&planned, destination, export, connection, refused, monthly(config), learned.as_ref());
    if common.json {
        print::json(&plan)?;
    } else {
        show::print(&plan);
    }
    if let Some(path) = &args.out {
        file::write(path, &planned, &plan)?;
        say(&format!("{}: run exactly this plan with autopilot-export run {} --plan {0}", path.display(), export.name));
    }
    if let Some(path) = &args.rejects {
        let rehearsal = std::mem::take(&mut planned.rehearsal);
        rejects::write(path, &planned.record, rehearsal.into_rejects())?;
    }
    if let Some(guard) = planned.guard() {
        return Err(guard);
    }
    if !common.json && !common.quiet && plan.refused.is_none() {
        say(&format!("next: {}", next(common, &args.run)));
    }
    Ok(0)
}

/// The command that does what was planned.
fn next(common: &Common, args: &RunArgs) -> String {
    let drops = args.drops.iter().flat_map(|drop| ["--drop".to_owned(), print::quoted(drop)]);
    let files = args.files.iter().map(|file| print::quoted(file));
    let full = args.full.then(|| "--full".to_owned());
    let guards = args.pass_guards.iter().flat_map(|guard| ["--pass-guard".to_owned(), print::quoted(guard)]);
    let words = [print::program(common), "run".to_owned(), args.export.clone()].into_iter();
    words.chain(files).chain(drops).chain(full).chain(guards).collect::<Vec<_>>().join(" ")
}

/// Whether a plan may write this file: only over what an earlier plan wrote there, not over a drop or a configuration.
fn may_be_written(option: &str, path: &Path, is_ours: impl Fn(&[u8]) -> bool) -> Result<()> {
    let is_other = path.is_file() && std::fs::read(path).is_ok_and(|bytes| !bytes.is_empty() && !is_ours(&bytes));
    if is_other {
        return Err(Error::new(Kind::BadRequest, path.display().to_string(), "exists, and no plan wrote it")
            .hint(format!("name another file with {option}, or remove it")));
    }
    Ok(())
}

fn of(
    planned: &Rehearsed,
    destination: &dyn Destination,
    export: &Export,
    connection: &Connection,
    refused: Option<Error>,
    dollars_a_month: f64,
    learned: Option<&LearnedStrategy>,
) -> Plan {
    let Rehearsed { record, guards, rehearsal, .. } = planned;
    let counts = record.counts();
    let taken = || record.segments.iter().enumerate().filter(|(_, segment)| segment.drop.is_some());
    let forecast = forecast(destination, export, connection, &record.chunks, learned);
    let forms = forms(destination, export, connection, &record.chunks, learned);
    let causes = rehearsal.causes().into_iter().take(CAUSES);
    let sample = taken().map(|(number, segment)| {
        let rows = rehearsal.rows(number).iter();
        (segment.name.clone(), rows.map(|row| sample::masked(&record.fields, row).into_iter().collect()).collect())
    });
    Plan {
        export: record.request.export.clone(),
        read: counts.read,
        unchanged: counts.unchanged,
        rejected: counts.rejected(),
        suppressed: counts.suppressed,
        members: Members {
            joiners: counts.joiners,
            changed: counts.changed,
            address_changed: counts.address_changed,
            leavers: counts.leavers,
            leavers_withheld: counts.leavers_withheld,
        },
        profiles: record.profiles,
        advice: advice(destination, export, &forecast, &forms),
        forecast,
        dollars_a_month,
        new_people_at_most: counts.joiners.min(record.profiles),
        forms,
        remarks: remarks(destination, export, counts.joiners, counts.leavers),
        segments: taken()
            .map(|(_, segment)| OfSegment {
                name: segment.name.clone(),
                read: segment.counts.read,
                joiners: segment.counts.joiners,
                changed: segment.counts.changed,
                address_changed: segment.counts.address_changed,
                unchanged: segment.counts.unchanged,
                leavers: segment.counts.leavers,
                leavers_withheld: segment.counts.leavers_withheld,
                rejected: segment.counts.rejected(),
                suppressed: segment.counts.suppressed,
            })
            .collect(),
        rejects: RejectCode::ALL.into_iter().map(|code| (code, 0)).chain(counts.rejects.clone()).collect(),
        causes: causes
            .map(|(code, reason, cause)| Cause {
                rows: cause.rows,
                code,
                first_line: cause.line,
                remedy: remedy(&record.request.export, code, cause.setting.as_deref()),
                reason,
            })
            .collect(),
        guards: guards.iter().map(|(name, error)| Guard { name, message: error.to_string() }).collect(),
        refused: refused.map(|error| error.to_string()),
        notes: record
            .segments
            .iter()
            .flat_map(|segment| segment.notes.clone())
            .chain(unused(export, rehearsal.columns()))
            .collect(),
        sample: sample.filter(|(_, rows): &(_, Vec<_>)| !rows.is_empty()).collect(),
    }
}

/// What joiners and leavers mean in the account.
fn remarks(destination: &dyn Destination, export: &Export, joiners: u64, leavers: u64) -> Vec<&'static str> {
    let is_marked = export.segments.iter().any(|segment| segment.membership != Membership::None);
    let joining = destination.first_fill().iter().copied().filter(|_| joiners > 0);
    joining.chain(destination.leavers_may_cost().filter(|_| leavers > 0 && is_marked)).collect()
}

/// Where to add to the configuration what the reason proposes; else what helps in general.
fn remedy(export: &str, code: RejectCode, setting: Option<&str>) -> String {
    match setting {
        Some(setting) => format!("add it to exports.{export}.match.{setting}"),
        None => of_reject(code).2.to_owned(),
    }
}
