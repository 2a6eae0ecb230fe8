//! How many requests rows take, and so how long, and what that costs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::print;
use crate::chunk::Operation;
use crate::config::{Config, Connection, Export, Membership};
use crate::delivery::pace;
use crate::destination::{Assumption, Destination};
use crate::plan::lanes::{Chunk, Costs, lanes_for, requests};
use crate::report::metrics::METRICS;
use crate::run::LearnedStrategy;

/// What the canary and a new list may take on top.
const CANARY_REQUESTS: u64 = 24;
/// Joiners that a lane reads back after its first second, at most: the gap between two doubles.
const LATER_READ_BACKS: u64 = 16;

/// What it takes to send rows.
#[derive(Debug, Serialize)]
pub(super) struct Forecast {
    requests: u64,
    /// Where the canary has yet to learn, or fields have to be made: the requests of the dearest way.
    requests_at_most: u64,
    seconds: f64,
    seconds_at_most: f64,
    dollars: f64,
    /// By which way joiners get their mark, or why there is a range.
    #[serde(skip_serializing_if = "Option::is_none")]
    way: Option<String>,
}

/// Seconds beside the requests' slots: reading the drop, the account's first answer and its last, the state.
/// Source: measured by `benches/run forecast`, with answers of 300 ms.
const BESIDE_SLOTS: f64 = 1.0;

/// The dollars of a run of this many seconds on AWS: one function of 256 MB on arm64, all lanes waiting together, its
/// workflow's transitions (a task and a choice for each call, the Map, the ends), its objects: a checkpoint a second and
/// lane, five for each four thousand rows, and a few. `make bench-cost` measures it.
/// Source: list prices of us-east-1: $0.0000133334 per GB-second, $0.025 per 1,000 transitions, $0.005 per 1,000 PUTs.
fn dollars(seconds: f64, lanes: u32, requests: u64, rows: u64) -> f64 {
    let (lanes, requests, rows) = (f64::from(lanes), requests as f64, rows as f64);
    let compute = seconds * lanes * 0.25 * 0.000_013_333_4;
    let calls = 3.0 + lanes * (seconds / 890.0).ceil();
    let transitions = 2.0 * calls + lanes + 2.0;
    let objects = requests.min(seconds * lanes) + rows * 5.0 / 4000.0 + 30.0;
    compute + transitions * 0.025 / 1000.0 + objects * 0.005 / 1000.0
}

/// Joiners that are read back, where the cheapest way works: each lane has its part of them.
fn read_backs(destination: &dyn Destination, memberships: &[Membership], chunks: &[Chunk], lanes: u32) -> u64 {
    let joiners = |chunk: &&Chunk| chunk.operation == Operation::Join;
    let lists = chunks.iter().filter(joiners).filter_map(|chunk| {
        let membership = memberships.get(chunk.segment)?;
        (destination.read_backs(membership, 1) > 0).then_some((membership, u64::from(chunk.rows)))
    });
    let (mut rows, mut list) = (0, None);
    lists.for_each(|(membership, joiners)| (rows, list) = (rows + joiners, Some(membership)));
    let lanes = u64::from(lanes).clamp(1, rows.max(1));
    list.map_or(0, |list| lanes * destination.read_backs(list, rows / lanes))
}

/// A connection's secrets: the API key's, and the state key's.
const SECRETS: f64 = 2.0;
/// Dollars a month for each secret, metric and alarm, and for the key and the dashboard.
/// Source: list prices of us-east-1.
const SECRET: f64 = 0.40;
const METRIC: f64 = 0.30;
const ALARM: f64 = 0.10;
const KEY_AND_DASHBOARD: f64 = 1.0 + 3.0;
/// Alarms of a deployment, beside those of its exports.
const ALARMS: usize = 3;

/// The dollars that a deployment of this configuration costs in a month without a run.
pub(super) fn monthly(config: &Config) -> f64 {
    let running = config.exports.values().filter(|export| {
        export.enabled && config.connections.get(&export.connection).is_some_and(|connection| connection.enabled)
    });
    // An alarm for throttling, and one for silence where there is a schedule.
    let of_export =
        |export: &Export| METRICS.len() as f64 * METRIC + (1.0 + f64::from(export.schedule.is_some())) * ALARM;
    config.connections.len() as f64 * SECRETS * SECRET
        + ALARMS as f64 * ALARM
        + KEY_AND_DASHBOARD
        + running.map(of_export).sum::<f64>()
}

/// What it takes to send these chunks of an export, by the way that was learned of the account, where one was.
pub(super) fn forecast(
    destination: &dyn Destination,
    export: &Export,
    connection: &Connection,
    chunks: &[Chunk],
    learned: Option<&LearnedStrategy>,
) -> Forecast {
    let memberships: Vec<Membership> = export.segments.iter().map(|segment| segment.membership.clone()).collect();
    let costs = |assumption| Costs { destination, memberships: &memberships, assumption };
    let known = learned.map(|learned| Assumption::Opened(&learned.setup));
    let [cheapest, dearest] = [Assumption::Cheapest, Assumption::Dearest].map(|way| requests(chunks, costs(way)));
    let (fewest, most) = match known.map(|known| requests(chunks, costs(known))) {
        Some(known) => (known, known),
        None => (cheapest, dearest),
    };
    let lanes = lanes_for(chunks, costs(known.unwrap_or(Assumption::Dearest)), connection.lanes);
    let canary = if most > fewest { CANARY_REQUESTS } else { 0 };
    // Joiners who are read back: up to two for each answer of about the first second, then ever fewer.
    let read_back = match dearest > fewest {
        true => (2.0 * connection.requests_per_second).ceil() as u64 + LATER_READ_BACKS * u64::from(lanes),
        false => 0,
    };
    let opening = match chunks.is_empty() {
        true => 0..=0,
        false => destination.requests_beside(&export.match_.specs(), &memberships, export.create_fields),
    };
    let fewest = fewest
        + read_backs(
            destination,
            &memberships,
            chunks,
            lanes_for(chunks, costs(Assumption::Cheapest), connection.lanes),
        );
    let slot = pace::interval(connection.requests_per_second).as_secs_f64();
    let seconds = |requests: u64| if requests == 0 { 0.0 } else { requests as f64 * slot + BESIDE_SLOTS };
    let way = match learned.map(|learned| (learned, destination.strategy(&learned.setup))) {
        _ if cheapest == dearest => None,
        Some((learned, Some(way))) => Some(format!("by the way learned on {}: {way}", learned.at.strftime("%F"))),
        _ => Some("which way the account takes joiners is not known yet; the first run with many learns it".to_owned()),
    };
    let (fewest, most) = (fewest + opening.start(), most + opening.end() + canary + read_back);
    let rows = chunks.iter().map(|chunk| u64::from(chunk.rows)).sum();
    Forecast {
        requests: fewest,
        requests_at_most: most,
        seconds: seconds(fewest),
        seconds_at_most: seconds(most),
        dollars: dollars(seconds(most), lanes, most, rows),
        way,
    }
}

/// The same with each of the ways to mark members between which people choose.
pub(super) fn forms(
    destination: &dyn Destination,
    export: &Export,
    connection: &Connection,
    chunks: &[Chunk],
    learned: Option<&LearnedStrategy>,
) -> BTreeMap<&'static str, Forecast> {
    let Some(first) = export.segments.first().filter(|_| !chunks.is_empty()) else { return BTreeMap::new() };
    let form = |number: usize, name| {
        let mut export = export.clone();
        for segment in export.segments.iter_mut().filter(|segment| segment.membership != Membership::None) {
            if let Some((_, membership)) = destination.forms(&segment.name).into_iter().nth(number) {
                segment.membership = membership;
            }
        }
        (name, forecast(destination, &export, connection, chunks, learned))
    };
    destination.forms(&first.name).into_iter().enumerate().map(|(number, (name, _))| form(number, name)).collect()
}

/// How many times faster another way to mark members is that is worth advising.
const WORTH_A_CHANGE: f64 = 10.0;

/// A way to mark members by which the same takes far less time.
pub(super) fn advice(
    destination: &dyn Destination,
    export: &Export,
    forecast: &Forecast,
    forms: &BTreeMap<&'static str, Forecast>,
) -> Option<String> {
    let (form, fastest) =
        forms.iter().min_by(|(_, one), (_, other)| one.seconds_at_most.total_cmp(&other.seconds_at_most))?;
    if forecast.seconds_at_most < WORTH_A_CHANGE * fastest.seconds_at_most {
        return None;
    }
    let segment = export.segments.first()?;
    let all = destination.forms(&segment.name);
    let kind = std::mem::discriminant(&segment.membership);
    let (now, _) = all.iter().find(|(_, membership)| std::mem::discriminant(membership) == kind)?;
    let (slow, fast) = (duration(forecast.seconds_at_most), duration(fastest.seconds_at_most));
    let name = serde_json::to_string(&segment.name).ok()?;
    Some(format!(
        "by {now} up to {slow}, by {form} {fast}: \"membership\": {{ \"{form}\": {name} }} is faster; who is a member \
         already is then sent once more, with --full"
    ))
}

/// A time as people say it.
fn duration(seconds: f64) -> String {
    match seconds {
        ..120.0 => format!("{seconds:.0} s"),
        ..7200.0 => format!("{:.1} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

fn range(fewest: String, most: String) -> String {
    if fewest == most { fewest } else { format!("{fewest} to {most}") }
}

impl Forecast {
    fn requests(&self) -> String {
        range(self.requests.to_string(), self.requests_at_most.to_string())
    }

    fn time(&self) -> String {
        range(duration(self.seconds), duration(self.seconds_at_most))
    }

    /// Requests and time for people.
    pub(super) fn in_short(&self) -> String {
        format!("{} requests, {}", self.requests(), self.time())
    }
}

/// Prints a forecast for people.
pub(super) fn print_forecast(forecast: &Forecast) {
    print::line(&format!("  requests  {}", forecast.requests()));
    forecast.way.iter().for_each(|way| print::line(&format!("            {way}")));
    print::line(&format!("  time      {}", forecast.time()));
    let dollars = forecast.dollars;
    print::line(&format!("  cost      at most ${dollars:.4} on AWS, plus what the account bills for contacts"));
}
