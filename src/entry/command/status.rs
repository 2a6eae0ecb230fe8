//! `status`: a line for each export.

use serde::Serialize;

use super::code::Code;
use super::history::{Found, newest};
use super::print;
use crate::config::{Config, Export};
use crate::entry::args::Common;
use crate::entry::show::say;
use crate::error::Result;
use crate::run::{AppliedDrop, keys};
use crate::steps::environment::Environment;
use crate::steps::read_if_whole;
use crate::trigger::schedule;

#[derive(Debug, Serialize)]
struct Status {
    export: String,
    connection: String,
    destination: &'static str,
    enabled: bool,
    last_run: Option<String>,
    last_outcome: Option<String>,
    /// Those for certain.
    members: u64,
    /// People who may be members: the answer to a call for them is missing.
    unconfirmed: u64,
    schedule: Option<String>,
    next_run: Option<jiff::Timestamp>,
}

/// Says how each export is.
pub(super) async fn status<W: Environment>(env: &W, common: &Common, config: &Config) -> Code {
    let mut all = Vec::new();
    for export in config.exports.values() {
        all.extend(of(env, config, export).await?);
    }
    if common.json {
        print::json(&all)?;
        return Ok(0);
    }
    let titles = ["export", "connection", "destination", "last run", "members", "next run"];
    let rows: Vec<[String; 6]> = all.iter().map(cells).collect();
    let width = |at: usize| {
        let all = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        all.chain(titles.get(at).map(|title| title.len())).max().unwrap_or_default()
    };
    let line = |cells: &[String]| {
        let padded = cells.iter().enumerate().map(|(at, cell)| format!("{cell:<width$}", width = width(at)));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    if common.quiet || all.is_empty() {
        if all.is_empty() {
            say("no export is configured");
        }
    } else {
        say(&line(&titles.map(str::to_owned)));
    }
    rows.iter().for_each(|row| print::line(&line(row)));
    Ok(0)
}

fn cells(status: &Status) -> [String; 6] {
    let last = match (&status.last_run, &status.last_outcome) {
        (Some(run), Some(outcome)) => format!("{outcome}, {}", print::date_of(run)),
        _ => "none yet".to_owned(),
    };
    let next = match (status.enabled, status.next_run, &status.schedule) {
        (false, ..) => "disabled".to_owned(),
        (true, Some(next), _) => print::date(next),
        (true, None, Some(schedule)) => schedule.clone(),
        (true, None, None) => "when it is dropped or started".to_owned(),
    };
    let Status { export, connection, destination, members, unconfirmed, .. } = status;
    let members = match unconfirmed {
        0 => members.to_string(),
        unconfirmed => format!("{members}, {unconfirmed} unconfirmed"),
    };
    [export.clone(), connection.clone(), (*destination).to_owned(), last, members, next]
}

async fn of<W: Environment>(env: &W, config: &Config, export: &Export) -> Result<Option<Status>> {
    let Some(connection) = config.connections.get(&export.connection) else { return Ok(None) };
    let last = newest(env, Some(&export.name)).await?;
    let (mut members, mut unconfirmed) = (0, 0);
    for segment in &export.segments {
        let order = read_if_whole::<AppliedDrop>(env.store(), &keys::order(&export.name, &segment.name)).await?;
        let order = order.map_or((0, 0), |order| (order.members.saturating_sub(order.unconfirmed), order.unconfirmed));
        (members, unconfirmed) = (members + order.0, unconfirmed + order.1);
    }
    let enabled = export.enabled && connection.enabled;
    let next = export.schedule.as_deref().filter(|_| enabled);
    Ok(Some(Status {
        export: export.name.clone(),
        connection: connection.title(),
        destination: env.destination(connection.api).name(),
        enabled,
        last_outcome: last.as_ref().map(|found| Found::outcome(found).to_owned()),
        last_run: last.map(|found| found.id),
        members,
        unconfirmed,
        next_run: next.and_then(|next| schedule::next(next, &export.time_zone, env.clock().now())),
        schedule: export.schedule.clone(),
    }))
}
