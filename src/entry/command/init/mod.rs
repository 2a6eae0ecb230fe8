//! `init`: a configuration for a drop, from its header and a sample of its rows.

mod answers;
mod ask;
mod file;
mod kinds;
mod names;
mod proposal;
mod sample;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::code::Code;
use super::leaning::Leaning;
use super::print;
use crate::config::{base_url_fault, parse, schema};
use crate::entry::args::{Common, DateOrder, InitArgs};
use crate::entry::show::say;
use crate::error::{Error, Kind, Result};
use crate::value::Decimal;
use answers::Answers;
use kinds::{Doubt, Habits};
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
    proposal.questions.iter().for_each(|question| say(&to_do(&answers.export, question)));
    if answers.consent.is_none() {
        let connection = if answers.base_url.is_some() { "sandbox" } else { answers.api.name() };
        say(&format!(
            "to do: before run, add to connections.{connection}: \"consent\": {{ \"agreed_by\": WHO, \"agreed_on\": \
             \"YYYY-MM-DD\" }}; plan needs none"
        ));
    }
    say(&format!("next: {}", next(common, args, &answers)));
    Ok(0)
}

/// The command that comes next, as it can be typed.
fn next(common: &Common, args: &InitArgs, answers: &Answers) -> String {
    let file = print::quoted(&args.file.display().to_string());
    format!("{} plan {} {file}", print::program(common), answers.export)
}

/// What is left to a person, with the line that says it.
fn to_do(export: &str, question: &Question) -> String {
    match question {
        Question::Email(columns) => format!("to do: name the column of addresses: {}", columns.join(", ")),
        Question::Consent(column, leaning) => {
            let opt_out = format!("add to exports.{export}.match: \"unsubscribed\": \"{column}\"");
            let require =
                format!("add to exports.{export}: \"require\": [{{ \"column\": \"{column}\", \"equals\": true }}]");
            let (first, second) = match leaning {
                Leaning::OptOut => ("an opt-out", format!("if yes means that the person opted out, {opt_out}")),
                Leaning::Consent => ("consent", format!("if only yes may be sent, {require}")),
            };
            format!("to do: {column} looks like {first} and is not used; {second}")
        }
        Question::Reading(column, Doubt::DayOrMonth) => {
            format!(
                "to do: {column} is sent as text: its dates fit day first and month first; say --dates, or add its format"
            )
        }
        Question::Reading(column, Doubt::Decimal) => {
            format!(
                "to do: {column} is sent as text: its points may stand between thousands; say --decimal, or add its type"
            )
        }
    }
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
