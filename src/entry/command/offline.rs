//! `check --offline`: what can be said of a configuration without a key and a network.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use super::check::{Finding, fields_of_two, print_findings};
use super::code::Code;
use crate::config::{Config, schema};
use crate::entry::args::Common;
use crate::error::{Error, Kind};

/// Checks a configuration that could be read; its faults were printed before.
///
/// # Errors
/// Never in practice.
pub fn check(common: &Common, config: &Config, now: Timestamp) -> Code {
    let mut findings = vec![Finding {
        subject: "configuration".into(),
        ok: true,
        text: format!("{} connections, {} exports", config.connections.len(), config.exports.len()),
    }];
    findings.extend(of_schema(&common.config));
    let mut worst: Option<Kind> = None;
    for connection in config.connections.values() {
        let exports = config.exports.values().filter(|export| export.connection == connection.name);
        let (enabled, disabled): (Vec<_>, Vec<_>) = exports.partition(|export| connection.enabled && export.enabled);
        findings.extend(disabled.into_iter().map(|export| Finding {
            subject: format!("export {}", export.name),
            ok: true,
            text: "is disabled, and not checked".into(),
        }));
        let subject = format!("connection {}", connection.title());
        findings.extend(fields_of_two(&enabled).into_iter().map(|text| Finding {
            subject: subject.clone(),
            ok: true,
            text,
        }));
        findings.extend(enabled.into_iter().map(|export| {
            let refused = connection.may_send(export, now).err();
            let subject = format!("export {}", export.name);
            worst = worst.or(refused.as_ref().map(|error: &Error| error.kind));
            Finding {
                subject,
                ok: refused.is_none(),
                text: refused.map_or_else(|| "may be sent".into(), |error| error.to_string()),
            }
        }));
    }
    worst = worst.or(findings.iter().any(|finding| !finding.ok).then_some(Kind::Config));
    print_findings(common, &findings)?;
    Ok(worst.map_or(0, Kind::exit_code))
}

/// What is to be said of the schema that the file names: an editor checks the file by it.
fn of_schema(config: &Path) -> Option<Finding> {
    let text = fs::read_to_string(config).ok()?;
    let file: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?;
    let named = file.get("$schema")?.as_str()?.to_owned();
    if named.contains("://") {
        return None;
    }
    let path = config.parent().unwrap_or(Path::new("")).join(&named);
    let held: Option<Value> = fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok());
    let remedy = format!("write it with autopilot-export schema >{}", path.display());
    let (ok, text) = match held {
        Some(held) if held == schema() => (true, "is this program's".to_owned()),
        Some(_) => (false, format!("is of another version of this program; {remedy}")),
        None => (true, format!("is not there, so editors cannot check the file; {remedy}")),
    };
    Some(Finding { subject: format!("schema {named}"), ok, text })
}
