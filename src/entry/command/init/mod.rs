//! `init`: a configuration for a drop, from its header and a sample of its rows.

mod answers;
mod ask;
mod choice;
mod fields;
mod file;
mod kinds;
mod names;
mod near;
mod open;
mod proposal;
mod remarks;
mod sample;
mod todo;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::Offset;

use super::code::Code;
use super::print;
use crate::config::{base_url_fault, parse, schema};
use crate::entry::args::{Common, DateOrder, InitArgs};
use crate::entry::show::say;
use crate::error::{Error, Kind, Result};
use crate::value::Decimal;
use answers::Answers;
use kinds::Habits;
use proposal::{Question, propose};

/// Proposes a configuration, asks what it cannot know, and writes it.
///
/// # Errors
/// The file or the configuration cannot be read or written; kind `config`, where there is a configuration already.
pub fn init(common: &Common, args: &InitArgs) -> Code {
    let path = &common.config;
    if path.exists() {
        return Err(Error::new(Kind::Config, path.display().to_string(), "exists already")
            .hint("name another file with --config, or remove it"));
    }
    let sample = sample::read(&args.file)?;
    let mut answers = given(args)?;
    let mut proposal = propose(&sample, &answers)?;
    if let Some(mut ask) = ask::terminal() {
        ask::settle(&sample, &mut answers, &mut proposal, &mut ask)?;
    }
    if let Some(Question::Email(columns)) = proposal.questions.first() {
        return Err(Error::new(Kind::BadRequest, args.file.display().to_string(), "several columns hold addresses")
            .hint(format!("name one with --email: {}", columns.join(", "))));
    }
    if let Err(faults) = parse(&proposal.text) {
        faults.iter().for_each(|fault| say(&fault.to_string()));
        return Err(Error::new(Kind::Config, path.display().to_string(), "what was asked for cannot be configured")
            .hint("correct the flags that the lines above are about"));
    }
    write(path, &proposal.text)?;
    let schema_path = path.parent().unwrap_or(Path::new("")).join("exports.schema.json");
    if !schema_path.exists() {
        let text = serde_json::to_string_pretty(&schema()).unwrap_or_default();
        write(&schema_path, &(text + "\n"))?;
    }
    if common.json {
        print::whole(proposal.text.trim_end());
    } else {
        let rows = sample.rows.len();
        let whole = if sample.is_whole { "all its" } else { "its first" };
        print::line(&format!("{}: proposed for {} by {whole} {rows} rows", path.display(), args.file.display()));
        let width = proposal.columns.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default().min(32);
        for (name, said) in &proposal.columns {
            print::line(&format!("  {name:<width$}  {said}"));
        }
    }
    todo::lines(&answers, &proposal).iter().for_each(|line| say(line));
    say(&format!("next: {}", next(common, args, &answers)));
    Ok(0)
}

/// The command that comes next, as it can be typed.
fn next(common: &Common, args: &InitArgs, answers: &Answers) -> String {
    let file = print::quoted(&args.file.display().to_string());
    format!("{} plan {} {file}", print::program(common), answers.export)
}

/// What the flags say.
fn given(args: &InitArgs) -> Result<Answers> {
    let stem = args.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = stem.split('.').next().unwrap_or_default().to_owned();
    let export = args.export.clone().unwrap_or_else(|| names::slug(&stem));
    let title = || {
        // The time of a drop is in its file's name, and not in the segment's.
        let is_word = |word: &&str| !word.is_empty() && !word.bytes().all(|byte| byte.is_ascii_digit());
        let words: Vec<&str> = stem.split(|c: char| !c.is_alphanumeric()).filter(is_word).collect();
        let words = if words.is_empty() { export.replace('-', " ") } else { words.join(" ") };
        let mut letters = words.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or(words)
    };
    let base_url = args.sandbox.as_deref().map(|url| url.trim_end_matches('/').to_owned());
    if let Some(fault) = base_url.as_deref().and_then(base_url_fault) {
        return Err(Error::new(Kind::BadRequest, "--sandbox", fault));
    }
    Ok(Answers {
        api: args.api,
        segment: args.list.clone().unwrap_or_else(title),
        export,
        email: args.email.clone(),
        opt_out: args.opt_out.clone(),
        suppress: args.suppress.clone(),
        require: args.require.clone(),
        left_out: args.leave_out.clone(),
        habits: Habits {
            decimal: args.decimal.map(|sign| if sign == ',' { Decimal::Comma } else { Decimal::Point }),
            day_first: args.dates.map(|order| order == DateOrder::DayFirst),
        },
        base_url,
        consent: args.agreed_by.clone().zip(args.agreed_on.clone()),
        agreed_by: None,
        today: Some(Offset::UTC.to_datetime(Timestamp::now()).date()),
    })
}

/// Writes a new file; never over another.
fn write(path: &Path, text: &str) -> Result<()> {
    let failed = |cause| {
        Error::new(Kind::Config, path.display().to_string(), "cannot be written")
            .hint("name a place for it with --config")
            .with_source(cause)
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}
