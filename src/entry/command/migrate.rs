//! `migrate`: an export written for another destination, beside the one that it has.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::code::Code;
use super::connect::connection;
use super::forecast::{Forecast, forecast, print_forecast};
use super::print;
use super::request::request;
use crate::chunk::Operation;
use crate::config::{Config, Connection, Export, Migrated, Move, export_of, parse, with_export, written_export};
use crate::destination::CustomFieldThere;
use crate::entry::args::{Common, MigrateArgs, RunArgs};
use crate::error::{Error, Kind, Result};
use crate::plan::lanes::Chunk;
use crate::steps::environment::Environment;
use crate::steps::{Rehearsal, has_drop, known_members, plan, survey};

/// What `migrate` prints.
#[derive(Debug, Serialize)]
struct Migration {
    /// The name of the new export.
    name: String,
    /// It, as it stands in the configuration.
    export: Value,
    /// Whether the account was asked for its fields.
    looked_up: bool,
    moved: Vec<String>,
    by_hand: Vec<String>,
    /// What the first run takes; none where nobody knows how many people there are.
    first_fill: Option<FirstFill>,
    written: bool,
}

#[derive(Debug, Serialize)]
struct FirstFill {
    people: u64,
    #[serde(flatten)]
    forecast: Forecast,
}

/// The most characters of an export's name.
const NAME_LETTERS: usize = 32;

/// Writes an export for another destination.
pub(super) async fn migrate<W: Environment>(env: &W, common: &Common, args: &MigrateArgs, config: &Config) -> Code {
    let (export, from) = export_of(config, &args.export)?;
    let to = connection(config, &args.to)?;
    if to.name == from.name {
        return Err(Error::new(Kind::BadRequest, &args.export, "goes through this connection already")
            .hint("name another connection with --to"));
    }
    let name = args.name.clone().unwrap_or_else(|| new_name(&export.name, &to.name));
    if config.exports.contains_key(&name) {
        return Err(
            Error::new(Kind::BadRequest, name, "there is such an export already").hint("name another with --as")
        );
    }
    let unreadable = || Error::new(Kind::Config, common.config.display().to_string(), "cannot be read again");
    let text = fs::read_to_string(&common.config).map_err(|cause| unreadable().with_source(cause))?;
    let before = written_export(&text, &export.name).ok_or_else(unreadable)?;
    let (account, not_asked) = match survey(env, config, to, "migrate").await {
        Ok(Some(account)) => (Some(account), None),
        Ok(None) => (None, Some("a run has its connection".to_owned())),
        Err(error) => (None, Some(error.problem.clone())),
    };
    let there = |name: &str| account.as_ref().map_or(CustomFieldThere::Unknown, |account| account.custom_field(name));
    let moving =
        Move { from: env.destination(from.api), to: env.destination(to.api), connection: &to.name, there: &there };
    let Migrated { export: made, moved, mut by_hand } = moving.of(&before);
    by_hand.extend(moving.to.first_fill().iter().map(|&text| text.to_owned()));
    if let Some(why) = &not_asked {
        by_hand.insert(
            0,
            format!("the account was not asked for its fields ({why}); compare their names and types, or give its key"),
        );
    }
    if to.consent.is_none() {
        by_hand.push(format!("fill in connections.{}.consent: without it nothing is sent", to.name));
    }
    let new_text = with_export(&text, &name, &made).ok_or_else(unreadable)?;
    let faults = match parse(&new_text) {
        Ok(new) => {
            let new = Config { folder: config.folder.clone(), ..new };
            let (first_fill, problem) = first_fill(env, args, export, &new, &name, to).await?;
            by_hand.extend(problem.map(|error| format!("the drop could not be planned: {}", error.chain())));
            if args.write {
                replace(&common.config, &new_text)?;
            }
            let migration = Migration {
                name,
                export: made,
                looked_up: not_asked.is_none(),
                moved,
                by_hand,
                first_fill,
                written: args.write,
            };
            return show(common, &migration, moving.to.name()).map(|()| 0);
        }
        Err(faults) => faults,
    };
    by_hand.splice(0..0, faults.iter().map(ToString::to_string));
    let looked_up = not_asked.is_none();
    let migration = Migration { name, export: made, looked_up, moved, by_hand, first_fill: None, written: false };
    show(common, &migration, moving.to.name())?;
    Err(Error::new(Kind::Config, migration.name, "cannot be used as it is")
        .hint("add it by hand and correct what is listed; nothing was written"))
}

/// A name for the export through another connection.
fn new_name(export: &str, connection: &str) -> String {
    let name: String = format!("{export}-{connection}").chars().take(NAME_LETTERS).collect();
    name.trim_end_matches('-').to_owned()
}

/// What the first run of the new export takes, by the drop that it would take, else by the members of the old one.
/// The second part says why the drop does not tell.
async fn first_fill<W: Environment>(
    env: &W,
    args: &MigrateArgs,
    old: &Export,
    config: &Config,
    name: &str,
    to: &Connection,
) -> Result<(Option<FirstFill>, Option<Error>)> {
    let (new, _) = export_of(config, name)?;
    let (planned, problem) = match planned(env, args, config, new).await {
        Ok(planned) => (planned, None),
        Err(error) => (None, Some(error)),
    };
    let chunks = match planned {
        Some(chunks) => chunks,
        None => known_members(env.store(), old)
            .await?
            .into_iter()
            .enumerate()
            .map(|(segment, members)| joiners(segment, members))
            .collect(),
    };
    let people = chunks.iter().map(|chunk| u64::from(chunk.rows)).sum();
    let forecast = || forecast(env.destination(to.api), new, to, &chunks, None);
    Ok(((people > 0).then(|| FirstFill { people, forecast: forecast() }), problem))
}

/// What the new export would send of its drop; none where there is no drop.
async fn planned<W: Environment>(
    env: &W,
    args: &MigrateArgs,
    config: &Config,
    new: &Export,
) -> Result<Option<Vec<Chunk>>> {
    let run = RunArgs {
        export: new.name.clone(),
        files: Vec::new(),
        drops: args.drops.clone(),
        full: false,
        pass_guards: Vec::new(),
    };
    let request = request(env, new, &run)?;
    if request.drops.is_empty() && !has_drop(env, config, &request).await? {
        return Ok(None);
    }
    let mut planned = plan(env, config, &request, Rehearsal::default()).await?;
    let chunks = std::mem::take(&mut planned.record.chunks);
    planned.guard().map_or(Ok(Some(chunks)), Err)
}

fn joiners(segment: usize, members: u64) -> Chunk {
    let rows = u32::try_from(members).unwrap_or(u32::MAX);
    Chunk { name: String::new(), segment, operation: Operation::Join, rows, opt_outs: false, address_changes: false }
}

/// Replaces a file in one step; who may read it stays as it is.
fn replace(path: &Path, text: &str) -> Result<()> {
    let unwritable = |cause: std::io::Error| {
        Error::new(Kind::Config, path.display().to_string(), "cannot be written").with_source(cause)
    };
    let path = fs::canonicalize(path).map_err(unwritable)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(unwritable)?;
    file.write_all(text.as_bytes()).map_err(unwritable)?;
    file.as_file().sync_all().map_err(unwritable)?;
    let permissions = fs::metadata(&path).map_err(unwritable)?.permissions();
    fs::set_permissions(file.path(), permissions).map_err(unwritable)?;
    file.persist(&path).map_err(|error| unwritable(error.error))?;
    Ok(())
}

fn show(common: &Common, migration: &Migration, destination: &str) -> Result<()> {
    if common.json {
        return print::json(migration);
    }
    let Migration { name, export, moved, by_hand, first_fill, written, .. } = migration;
    print::line(&format!("exports.{name}, for {destination}:"));
    print::json(export)?;
    moved.iter().for_each(|text| print::line(&format!("  moved     {text}")));
    by_hand.iter().for_each(|text| print::line(&format!("  by hand   {text}")));
    match first_fill {
        Some(FirstFill { people, forecast }) => {
            print::line(&format!("  people    {people} in the first fill"));
            print_forecast(forecast);
        }
        None => print::line("  people    not known; name a drop with --drop"),
    }
    print::line(match written {
        true => "  written   to the configuration, beside the export that it came from; check and plan look at it",
        false => "  written   nothing; --write adds it to the configuration",
    });
    Ok(())
}
