//! Writes an invented segment as Customer Insights would, and prints the exact counts of what is in it, as one line
//! of JSON. The same seed writes the same bytes; `--mutate` writes tomorrow's drop of it.
//!
//! `cargo run --release --example generate_segment -- --rows 100000 --parts 5 --out segments --bad-share 0.01`

mod generate;

use std::process::ExitCode;

use generate::{Layout, Options};

const USAGE: &str = "generate_segment --rows N --out DIR [--parts N] [--seed N] [--bad-share 0.01] [--mutate 0.01] \
                     [--layout customer-insights|file] [--header true|false]";

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(what) => {
            eprintln!("{what}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match generate::generate(&options) {
        Ok(counts) => {
            println!("{}", serde_json::json!(counts));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", options.out.display());
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    let mut header = None;
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let wrong = || format!("{name} cannot be {value}");
        match name.as_str() {
            "--rows" => options.rows = value.parse().map_err(|_| wrong())?,
            "--parts" => options.parts = value.parse().map_err(|_| wrong())?,
            "--seed" => options.seed = value.parse().map_err(|_| wrong())?,
            "--bad-share" => options.bad_share = value.parse().map_err(|_| wrong())?,
            "--mutate" => options.mutate = Some(value.parse().map_err(|_| wrong())?),
            "--header" => header = Some(value.parse().map_err(|_| wrong())?),
            "--out" => options.out = value.into(),
            "--layout" if value == "customer-insights" => options.layout = Layout::CustomerInsights,
            "--layout" if value == "file" => options.layout = Layout::File,
            "--layout" => return Err(wrong()),
            _ => return Err(format!("there is no option {name}")),
        }
    }
    options.header = header.unwrap_or(options.layout == Layout::File);
    Ok(options)
}
