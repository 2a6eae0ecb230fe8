//! `completions` and `man`: made from the command line as it is declared.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use super::code::Code;
use super::print;
use crate::entry::args::Args;
use crate::error::{Error, Kind, Result};
use crate::value::nearest;

const NAME: &str = "autopilot-export";

/// Prints the completions for a shell.
///
/// # Errors
/// Never in practice.
pub fn completions(shell: Shell) -> Code {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), NAME, &mut script);
    let script = String::from_utf8_lossy(&script);
    // clap_complete sets names by one rule and looks for them by another where the program's name has a hyphen.
    // Source: clap-rs/clap#6421.
    let script = script.replace("        autopilot__subcmd__export__", "        autopilot__export__");
    print::whole(script.trim_end());
    Ok(0)
}

/// Prints a manual page, or writes all into a folder.
///
/// # Errors
/// Kind `bad_request` for an unknown command, or a folder that cannot be written.
pub fn man(command: Option<&str>, out: Option<&Path>) -> Code {
    let mut program = Args::command();
    program.build();
    let commands = || program.get_subcommands().filter(|command| command.get_name() != "help");
    if let Some(folder) = out {
        let failed = |cause| {
            Error::new(Kind::BadRequest, folder.display().to_string(), "cannot be written")
                .hint("name another folder with --out")
                .with_source(cause)
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        std::fs::write(folder.join(format!("{NAME}.1")), page(&program, NAME)?).map_err(failed)?;
        for command in commands() {
            let name = format!("{NAME}-{}", command.get_name());
            std::fs::write(folder.join(format!("{name}.1")), page(command, &name)?).map_err(failed)?;
        }
        return Ok(0);
    }
    let page = match command {
        None => page(&program, NAME)?,
        Some(asked) => match commands().find(|command| command.get_name() == asked) {
            Some(command) => page(command, &format!("{NAME}-{asked}"))?,
            None => {
                let error = Error::new(Kind::BadRequest, asked, "unknown command");
                return Err(match nearest(asked, commands().map(clap::Command::get_name)) {
                    Some(nearest) => error.hint(format!("the nearest is {nearest}")),
                    None => error,
                });
            }
        },
    };
    print::whole(String::from_utf8_lossy(&page).trim_end());
    Ok(0)
}

fn page(command: &clap::Command, name: &str) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    let command = command.clone().version(env!("CARGO_PKG_VERSION"));
    let written = Man::new(command).render(&mut page);
    written.map_err(|cause| Error::new(Kind::Bug, name, "its page cannot be written").with_source(cause))?;
    Ok(page)
}
