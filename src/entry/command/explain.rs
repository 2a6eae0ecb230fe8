//! `explain`: what a code means, what it comes from, what to do.

use super::code::Code;
use super::print;
use crate::entry::args::Common;
use crate::error::{Error, Kind};
use crate::report::codes::{all, page};
use crate::value::nearest;

/// Explains a code; all of them where none is named.
///
/// # Errors
/// Kind `bad_request` for an unknown code.
pub fn explain(common: &Common, asked: Option<&str>, as_page: bool) -> Code {
    let codes = all();
    if as_page {
        print::whole(page().trim_end());
        return Ok(0);
    }
    let found: Vec<_> = codes.iter().filter(|code| asked.is_none_or(|asked| code.name == asked.trim())).collect();
    if let Some(asked) = asked.filter(|_| found.is_empty()) {
        let error = Error::new(Kind::BadRequest, asked, "unknown code");
        return Err(match nearest(asked, codes.iter().map(|code| code.name.as_str())) {
            Some(nearest) => error.hint(format!("the nearest is {nearest}")),
            None => error.hint("autopilot-export explain lists them"),
        });
    }
    if common.json {
        print::json(&found)?;
        return Ok(0);
    }
    for code in found {
        if asked.is_none() {
            print::line(&format!("{:<24}{:<16}{}", code.name, code.class.name(), code.meaning));
        } else {
            print::line(&format!("{} ({}): {}", code.name, code.class.name(), code.meaning));
            print::line(&format!("  cause   {}", code.cause));
            print::line(&format!("  remedy  {}", code.remedy));
        }
    }
    Ok(0)
}
