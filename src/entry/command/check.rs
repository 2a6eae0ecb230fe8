//! `check`: configuration, key, lists, custom fields and columns, before the first run.

use serde::Serialize;

use super::code::Code;
use super::leaning::unused;
use super::print;
use crate::chunk::FieldSpec;
use crate::config::{Config, Export, Membership};
use crate::entry::args::Common;
use crate::error::{Error, Kind};
use crate::run::{RunRequest, Trigger, run_id};
use crate::steps::environment::Environment;
use crate::steps::{Rehearsal, account_of_state, has_drop, marks_are_its_own, plan, survey};

/// What was found of one connection, export or file.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) subject: String,
    pub(super) ok: bool,
    pub(super) text: String,
}

/// Prints what was found.
pub(super) fn print_findings(common: &Common, findings: &[Finding]) -> Result<(), Error> {
    if common.json {
        return print::json(&findings);
    }
    for Finding { subject, ok, text } in findings {
        print::line(&format!("{}  {subject}: {text}", if *ok { "ok   " } else { "wrong" }));
    }
    Ok(())
}

/// Checks every export that is enabled; changes nothing.
pub(super) async fn check<W: Environment>(env: &W, common: &Common, config: &Config) -> Code {
    let mut findings = Vec::new();
    let mut worst: Option<Kind> = None;
    let mut fail = |findings: &mut Vec<Finding>, subject: String, error: &Error| {
        worst.get_or_insert(error.kind);
        findings.push(Finding { subject, ok: false, text: error.chain() });
    };
    for (name, connection) in &config.connections {
        let subject = format!("connection {}", connection.title());
        let exports = || config.exports.values().filter(|export| export.connection == *name);
        let (enabled, disabled): (Vec<_>, Vec<_>) = exports().partition(|export| connection.enabled && export.enabled);
        findings.extend(disabled.into_iter().map(|export| Finding {
            subject: format!("export {}", export.name),
            ok: true,
            text: "is disabled, and not checked".into(),
        }));
        if !connection.enabled {
            continue;
        }
        let account = match survey(env, config, connection, "check").await {
            Ok(Some(account)) => account,
            Ok(None) => {
                let text = "the connection is in use by a run; the account was not asked".into();
                findings.push(Finding { subject, ok: true, text });
                continue;
            }
            Err(error) => {
                fail(&mut findings, subject, &error);
                continue;
            }
        };
        findings.push(Finding { subject: subject.clone(), ok: true, text: account.summary() });
        let both = fields_of_two(&enabled).into_iter();
        findings.extend(both.map(|text| Finding { subject: subject.clone(), ok: true, text }));
        for export in enabled {
            let subject = format!("export {}", export.name);
            if let Err(error) = connection.may_send(export, env.clock().now()) {
                fail(&mut findings, subject.clone(), &error);
            }
            if let Err(error) = marks_are_its_own(env.store(), config, export).await {
                fail(&mut findings, subject.clone(), &error);
            }
            let known = account_of_state(env.store(), &export.name).await?;
            if known.is_some_and(|known| !account.is(&known)) {
                let problem = "its state belongs to another account than the key opens";
                let error = Error::new(Kind::Config, &export.name, problem).hint(
                    "use a key of the account that it was exported to, or send every row once with --full, which removes nobody",
                );
                fail(&mut findings, subject.clone(), &error);
            }
            match account.check_fields(&export.match_.specs(), &memberships(export), export.create_fields) {
                Ok(warnings) => findings.extend(warnings.into_iter().map(|text| Finding {
                    subject: subject.clone(),
                    ok: true,
                    text,
                })),
                Err(error) => fail(&mut findings, subject.clone(), &error),
            }
            let marks = memberships(export);
            let marks = marks.iter().filter_map(|membership| account.describe(membership));
            findings.extend(marks.map(|text| Finding { subject: subject.clone(), ok: true, text }));
            match columns(env, config, export).await {
                Ok(texts) => {
                    findings.extend(texts.into_iter().map(|text| Finding { subject: subject.clone(), ok: true, text }))
                }
                Err(error) => fail(&mut findings, subject, &error),
            }
        }
    }
    print_findings(common, &findings)?;
    Ok(worst.map_or(0, Kind::exit_code))
}

/// Names the fields that two exports fill by different matchings: a contact that is in both holds what was sent last.
pub(super) fn fields_of_two(exports: &[&Export]) -> Vec<String> {
    let mut texts = Vec::new();
    for (number, one) in exports.iter().enumerate() {
        for other in exports.iter().skip(number + 1).filter(|other| other.match_ != one.match_) {
            let fields = other.match_.specs();
            let mut both = one.match_.specs();
            both.retain(|field| field.name != "email" && fields.iter().any(|other| is_same(field, other)));
            if both.is_empty() {
                continue;
            }
            let names: Vec<&str> = both.iter().map(|field| field.name.as_str()).collect();
            texts.push(format!(
                "exports {} and {} match differently and both write {}; a contact of both holds what was sent last",
                one.name,
                other.name,
                names.join(", ")
            ));
        }
    }
    texts
}

fn is_same(one: &FieldSpec, other: &FieldSpec) -> bool {
    one.origin == other.origin && one.name.eq_ignore_ascii_case(&other.name)
}

fn memberships(export: &Export) -> Vec<Membership> {
    export.segments.iter().map(|segment| segment.membership.clone()).collect()
}

/// Whether the newest drop has the columns that the matching names, what a run would make of it, and which columns look
/// like consent and are not used.
async fn columns<W: Environment>(env: &W, config: &Config, export: &Export) -> Result<Vec<String>, Error> {
    let request = RunRequest::new(run_id(env.clock().now(), &export.name, "check"), &export.name, Trigger::OnDemand);
    if !has_drop(env, config, &request).await? {
        return Ok(vec!["no drop yet, columns not checked".into()]);
    }
    let planned = plan(env, config, &request, Rehearsal::default()).await?;
    let counts = planned.record.counts();
    let mut texts = vec![format!("newest drop: {} rows, {} of them rejected", counts.read, counts.rejected())];
    texts.extend(unused(export, planned.rehearsal.columns()));
    planned.guard().map_or(Ok(texts), Err)
}
