//! `person` and `erase`: what is held of one person, and out of all of it.

use std::io::{BufRead, IsTerminal, stdin};

use serde::Serialize;

use super::code::Code;
use super::print;
use crate::config::Config;
use crate::entry::args::{Common, EraseArgs, PersonArgs};
use crate::entry::show::say;
use crate::error::{Error, Kind, Result};
use crate::membership::MembershipTarget;
use crate::steps::environment::Environment;
use crate::steps::person::{
    ContactStatus, History, Holding, Receipt, Sought, TakenOff, Told, ask_accounts, erase as erase_person, history,
    holdings,
};

#[derive(Serialize)]
struct Shown<'a> {
    email: &'a str,
    exports: &'a [Holding],
    /// None where no account was asked.
    accounts: Option<&'a [ContactStatus]>,
    /// None where it was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<&'a History>,
}

/// Shows what is held of a person.
pub(super) async fn person<W: Environment>(env: &W, common: &Common, args: &PersonArgs, config: &Config) -> Code {
    let sought = Sought::read(&args.email)?;
    let mut exports = holdings(env, config, &sought).await?;
    let there = match args.offline {
        true => None,
        false => Some(ask_accounts(env, config, &mut exports, &sought).await?),
    };
    let history = match args.history {
        true => Some(history(env, config, &sought).await?),
        false => None,
    };
    if common.json {
        let (accounts, history) = (there.as_deref(), history.as_ref());
        print::json(&Shown { email: &args.email, exports: &exports, accounts, history })?;
        return Ok(0);
    }
    if !exports.iter().any(|holding| holding.held) {
        print::line("no export holds this person");
    }
    for holding in exports.iter().filter(|holding| holding.held || has_marks(holding)) {
        show(holding);
    }
    for ContactStatus { connection, contact_id, opted_out } in there.iter().flatten() {
        let opted_out = match opted_out {
            Some(true) => ", opted out",
            _ => "",
        };
        match contact_id {
            Some(id) => print::line(&format!("{connection}: the account has the contact {id}{opted_out}")),
            None => print::line(&format!("{connection}: the account has nobody with this address")),
        }
    }
    history.iter().for_each(show_history);
    Ok(0)
}

fn show_history(History { verdicts, not_recorded, unreadable }: &History) {
    if verdicts.is_empty() {
        print::line("no run has recorded anything of this person");
    } else {
        print::line("what the runs decided, the newest first; a run that left the person as is is not listed:");
    }
    for Told { at, run_id, segment, words, source, line, .. } in verdicts {
        let place = match (source, line) {
            (Some(source), Some(line)) => format!("; row at line {line} of {source}"),
            _ => String::new(),
        };
        print::line(&format!("  {}  {run_id}  {segment}: {words}{place}", print::date(*at)));
    }
    if let (Some(newest), count) = (not_recorded.first(), not_recorded.len()) {
        print::line(&format!("{count} runs of an earlier version recorded nothing of people, the last is {newest}"));
    }
    for run in unreadable {
        print::line(&format!("{run}: what it decided cannot be read, or is of another state key"));
    }
}

fn has_marks(holding: &Holding) -> bool {
    holding.segments.iter().any(|segment| segment.marked_there == Some(true))
}

fn show(holding: &Holding) {
    let id = holding.contact_id.as_deref().map_or(String::new(), |id| format!(", contact {id}"));
    let opted_out = if holding.opted_out { ", opted out" } else { "" };
    let held = match (holding.held, holding.fields_confirmed) {
        (false, _) => "does not hold the person",
        (true, true) => "holds the person, delivered",
        (true, false) => "holds the person, to be sent again by the next run",
    };
    print::line(&format!("{}: {held}{id}{opted_out}", holding.export));
    for segment in &holding.segments {
        let member = match segment.member {
            "yes" => "a member",
            "leaving" => "not a member; taking off the mark is not confirmed",
            "unconfirmed" => "perhaps a member: a run ended before the answer came",
            _ => "not a member",
        };
        let mark = match &segment.target {
            MembershipTarget::List { title, .. } => format!("list {title}"),
            MembershipTarget::Tag(name) => format!("tag {name}"),
            MembershipTarget::Field(name) => format!("field {name}"),
            MembershipTarget::None => "no mark".to_owned(),
        };
        let there = match segment.marked_there {
            Some(true) => ", marked in the account",
            Some(false) => ", not marked in the account",
            None => "",
        };
        let as_of = segment.as_of.map_or(String::new(), |time| format!("; by the drop of {}", print::date(time)));
        let refused = segment.refused_at.map_or(String::new(), |time| format!("; refused on {}", print::date(time)));
        print::line(&format!("  {} ({mark}): {member}{there}{as_of}{refused}", segment.segment));
    }
}

/// Erases a person.
pub(super) async fn erase<W: Environment>(env: &W, common: &Common, args: &EraseArgs, config: &Config) -> Code {
    let sought = Sought::read(&args.email)?;
    let confirmed = match &args.yes {
        Some(address) => address.clone(),
        None => asked(args.delete_contact)?,
    };
    if !Sought::read(&confirmed).is_ok_and(|confirmed| confirmed.is(&sought)) {
        return Err(Error::new(Kind::BadRequest, "erase", "was not confirmed; nothing was done")
            .hint("type the same address, or give it once more as --yes EMAIL"));
    }
    let receipt = erase_person(env, config, &sought, args.delete_contact).await?;
    if common.json {
        print::json(&receipt)?;
    } else {
        show_receipt(&receipt);
    }
    Ok(0)
}

fn asked(deletes: bool) -> Result<String> {
    if stdin().is_terminal() {
        let contact = if deletes { " and deletes the contact" } else { "" };
        say(&format!("This takes the person out of the store and off the lists{contact}, for good. Type the address:"));
    }
    let mut line = String::new();
    let read = stdin().lock().read_line(&mut line);
    read.map_err(|cause| Error::new(Kind::BadRequest, "erase", "was not confirmed").with_source(cause))?;
    Ok(line.trim().to_owned())
}

fn show_receipt(receipt: &Receipt) {
    let Receipt { at, exports, taken_off, contacts_deleted, scrubbed } = receipt;
    print::line(&format!("erased on {}", print::date(*at)));
    print::line(&format!("held by: {}", if exports.is_empty() { "no export".into() } else { exports.join(", ") }));
    for off in taken_off {
        let TakenOff { connection, contacts_found, marks, contacts_not_found, .. } = off;
        let marks = if marks.is_empty() { "no mark".to_owned() } else { marks.join(", ") };
        match contacts_found {
            0 => print::line(&format!("{connection}: off nothing, as nobody with this address was found there")),
            _ => print::line(&format!("{connection}: off {marks}")),
        }
        for id in contacts_not_found {
            print::line(&format!(
                "{connection}: the contact {id} was not found under this address: it is gone, archived, or has another \
                 one; look for it there by hand"
            ));
        }
    }
    match contacts_deleted {
        Some(count) => print::line(&format!("contacts deleted: {count}")),
        None => print::line("the contact stays in the account; --delete-contact deletes it"),
    }
    print::line(&format!(
        "objects: {} rewritten, {} deleted, {} earlier contents removed",
        scrubbed.rewritten,
        scrubbed.deleted.len(),
        scrubbed.versions
    ));
    scrubbed.deleted.iter().for_each(|key| print::line(&format!("  deleted {key}")));
    for key in &scrubbed.left {
        print::line(&format!("  {key} holds the address and stays: take it out by hand"));
    }
    print::line("no export of this store sends the person again");
}
