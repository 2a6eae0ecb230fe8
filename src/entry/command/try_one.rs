//! `try`: the row of one person is sent and read back.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::time::Duration;

use secrecy::ExposeSecret;
use serde::Serialize;

use super::code::Code;
use super::print;
use super::request::request;
use super::run::{say_run, say_store};
use crate::chunk::{FieldSpec, Row};
use crate::config::{Config, Connection, export_of};
use crate::contact::email;
use crate::delivery::pace::after;
use crate::destination::{FieldBack, ReadBack};
use crate::entry::args::{Common, RunArgs};
use crate::entry::show::say;
use crate::error::{Error, Kind, Result};
use crate::plan::RejectLine;
use crate::plan::fingerprint::Fingerprint;
use crate::ports::{Freshness, SecretSource};
use crate::state::{Digester, ProfileKey, half, hex};
use crate::steps::environment::Environment;
use crate::steps::{Cancellation, Rehearsal, plan as rehearse, read_back, run as run_steps};

/// How long what was written may take to show, in steps.
const READ_AGAIN_AFTER: [Duration; 3] = [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(3)];

/// What arrived of a field.
#[derive(Debug, Serialize)]
struct Arrived {
    field: String,
    sent: serde_json::Value,
    held: Option<serde_json::Value>,
    arrived: bool,
}

/// Sends the row of one person, and shows what the account holds of it.
pub(super) async fn try_one<W: Environment>(
    env: &W,
    common: &Common,
    args: &RunArgs,
    address: &str,
    config: &Config,
    stop: &Cancellation,
) -> Code {
    say_store(env, common);
    let (export, connection) = export_of(config, &args.export)?;
    connection.may_send(export, env.clock().now())?;
    let (mut sent_as, mut normal) = (String::new(), String::new());
    email::read(address, &mut sent_as, &mut normal)
        .map_err(|fault| Error::new(Kind::BadRequest, "--email", fault.to_string()))?;
    let secrets = env.secrets().secrets(&connection.name, &connection.secret, Freshness::MayBeKept).await?;
    let key = Digester::new(secrets.state_key.expose_secret())?.profile(&normal);
    let mut request = request(env, export, args)?;
    request.terms.only = Some(hex(&key));
    let planned = rehearse(env, config, &request, Rehearsal::new(1, true)?).await?;
    let rows = (0..planned.record.segments.len()).filter_map(|number| planned.rehearsal.rows(number).first());
    let Some(cells) = rows.map(|values| values.join("\t")).next() else {
        return Err(not_sent(&export.name, &key, planned.rehearsal.into_rejects())?);
    };
    say_run(common, &request);
    let report = run_steps(env, config, &request, stop).await?;
    if let Some(error) = &report.error {
        say(&error.message);
        return Ok(report.exit_code());
    }
    if report.rows.delivered == 0 {
        say(&format!("not sent: the account refused the row; autopilot-export report {} says why", report.run_id));
        return Ok(1);
    }
    let row = Row { key, cells: cells.into(), ..Row::default() };
    let name = env.destination(connection.api).name();
    match arrived(env, config, connection, &planned.record.fields, &row).await? {
        Some(ReadBack::Person(fields)) => show(common, fields),
        Some(ReadBack::Nobody) => {
            let problem = "confirmed the row, and does not show the person yet";
            Err(Error::new(Kind::Unavailable, name, problem).hint("try again in a minute"))
        }
        Some(ReadBack::NotAsked) => {
            say(&format!("sent and confirmed; {name} has no way to read a person back"));
            Ok(0)
        }
        None => {
            say("sent and confirmed; not read back, because the connection is in use by a run");
            Ok(0)
        }
    }
}

/// What the account holds of a row, read again for a while where not all of it shows yet.
async fn arrived<W: Environment>(
    env: &W,
    config: &Config,
    connection: &Connection,
    fields: &[FieldSpec],
    row: &Row,
) -> Result<Option<ReadBack>> {
    for wait in READ_AGAIN_AFTER {
        match read_back(env, config, connection, fields, row).await? {
            Some(ReadBack::Nobody) => {}
            Some(ReadBack::Person(fields)) if !fields.iter().all(FieldBack::has_arrived) => {}
            back => return Ok(back),
        }
        env.clock().sleep_until(after(env.clock().now(), wait)).await;
    }
    read_back(env, config, connection, fields, row).await
}

fn show(common: &Common, fields: Vec<FieldBack>) -> Code {
    let arrived =
        |back: FieldBack| Arrived { arrived: back.has_arrived(), field: back.field, sent: back.sent, held: back.held };
    let all: Vec<Arrived> = fields.into_iter().map(arrived).collect();
    if common.json {
        print::json(&all)?;
    } else {
        for Arrived { field, sent, held, arrived } in &all {
            match (arrived, held) {
                (true, _) => print::line(&format!("ok     {field}: {sent}")),
                (false, Some(held)) => print::line(&format!("other  {field}: sent {sent}, the account holds {held}")),
                (false, None) => print::line(&format!("none   {field}: sent {sent}, the account holds nothing")),
            }
        }
    }
    Ok(u8::from(!all.iter().all(|arrived| arrived.arrived)))
}

/// Why there is no row of a person to send.
fn not_sent(export: &str, key: &ProfileKey, rejects: Option<File>) -> Result<Error> {
    let failed = |cause: std::io::Error| {
        Error::new(Kind::Unavailable, export, "a temporary file cannot be read").hint("try again").with_source(cause)
    };
    let hint = "name an address of the drop";
    let Some(mut rejects) = rejects else {
        return Ok(Error::new(Kind::BadRequest, export, "the drop has no row to send of this person").hint(hint));
    };
    rejects.rewind().map_err(failed)?;
    for line in BufReader::new(rejects).lines() {
        let Ok(row) = serde_json::from_str::<RejectLine>(&line.map_err(failed)?) else { continue };
        let address = Fingerprint::parse(&row.fingerprint).and_then(|fingerprint| fingerprint.address);
        if address == Some(half(key)) {
            let problem = format!("the row in line {} is rejected as {}: {}", row.line, row.code, row.reason);
            return Ok(Error::new(Kind::Segment, export, problem)
                .hint(format!("autopilot-export explain {} says more", row.code)));
        }
    }
    let problem = "the drop has no row to send of this person: there is none, or it is suppressed";
    Ok(Error::new(Kind::BadRequest, export, problem).hint(hint))
}
