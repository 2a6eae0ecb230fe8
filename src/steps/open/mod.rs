//! open: the first to speak to Autopilot, once per run: key and account, lists, custom fields, canary, lanes.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

mod canary;

use crate::config::export_of;
use crate::config::{Config, Connection, Export, Membership, nearest};
use crate::delivery::call::{Call, CustomField, List, Payload, Response};
use crate::delivery::lane::ListStrategy;
use crate::delivery::pace::{after, shares, window};
use crate::error::{Error, Kind, Result, named};
use crate::ledger::Sent;
use crate::plan::lanes::{Range, deal, lanes_for};
use crate::ports::{Environment, Event, Leases, PutMode, Store};
use crate::run::opening::{CANARY_ROWS, OpenRecord};
use crate::run::{ConnectionActivity, RunRecord, RunRequest, SegmentRecord, keys};
use crate::state::MembershipTarget;
use crate::steps::documents::{read_json, write_json, write_json_if};
use crate::steps::lease::lost_lease;
use crate::steps::session::Session;
use crate::value::FieldType;

/// By how much the clocks of two processes may differ.
const CLOCKS_DIFFER: Duration = Duration::from_secs(15 * 60);

/// What open says: where the list of lanes lies, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The key of the JSON array of the lanes.
    pub key: String,
    /// How many lanes.
    pub count: u32,
}

/// What the account says of an export's lists and fields.
#[derive(Debug)]
pub struct Resolved {
    /// The account.
    pub account: String,
    /// Its lists.
    pub lists: Vec<List>,
    /// Its custom fields.
    pub fields: Vec<CustomField>,
}

impl Resolved {
    /// Asks the account.
    ///
    /// # Errors
    /// Those of asking.
    pub async fn ask<W: Environment>(session: &mut Session<'_, W>) -> Result<Self> {
        let answers = session.call_all(vec![Call::Account, Call::Lists, Call::CustomFields]).await?;
        match <[Response; 3]>::try_from(answers) {
            Ok([Response::Done(Payload::Account(account)), Response::Done(Payload::Lists(lists)), fields]) => {
                // Custom fields are only checked; an account that does not tell them cannot be checked.
                let fields = match fields {
                    Response::Done(Payload::CustomFields(fields)) => fields,
                    _ => Vec::new(),
                };
                Ok(Self { account, lists, fields })
            }
            _ => Err(Error::new(Kind::Access, "open", "Autopilot", "does not tell the account and its lists")
                .hint("check base_url, and that the key is of classic Autopilot")),
        }
    }
}

/// Asks the account apart from any run, in the connection's turn and pace; none where a run has the connection.
///
/// # Errors
/// Those of asking, and of the store.
pub async fn look<W: Environment>(env: &W, connection: &Connection, stage: &'static str) -> Result<Option<Resolved>> {
    let holder = format!("{stage}-{:016x}", fastrand::u64(..));
    if !env.leases().take(&connection.name, &holder).await? {
        return Ok(None);
    }
    let looked = async {
        let from = quiet_until(env, connection, &holder).await?;
        let resolved = Resolved::ask(&mut Session::new(env, connection, stage, from).await?).await;
        let spoke = ConnectionActivity { run_id: holder.clone(), ended_at: Some(env.clock().now()) };
        write_json(env.store(), &keys::spoke(&connection.name), &spoke).await?;
        resolved
    };
    let resolved = looked.await;
    env.leases().release(&connection.name, &holder).await?;
    resolved.map(Some)
}

/// Custom fields that the account does not declare as the export has them: the first has another type there, the rest
/// are warnings. What the account says is cut short: anything may stand there.
///
/// # Errors
/// Kind `config`, where a field has another type in the account.
pub fn fields_faults(export: &Export, fields: &[CustomField]) -> Result<Vec<String>> {
    let custom = export.match_.custom.iter().map(|(name, custom)| (name.as_str(), custom.kind));
    let membership = export.segments.iter().filter_map(|segment| match &segment.membership {
        Membership::Field(name) => Some((name.as_str(), FieldType::Boolean)),
        _ => None,
    });
    let mut warnings = Vec::new();
    for (name, kind) in custom.chain(membership) {
        let declared: Vec<&CustomField> = fields.iter().filter(|field| field.name == name).collect();
        if declared.is_empty() {
            let mut text = format!("custom field \"{name}\" is not declared in the account");
            if let Some(nearest) = nearest(name, fields.iter().map(|field| field.name.as_str())) {
                text.push_str(&format!("; the nearest is \"{}\"", named(nearest)));
            }
            warnings.push(text);
        } else if !declared.iter().any(|field| field.kind.is_empty() || field.kind.eq_ignore_ascii_case(kind.name())) {
            let there = declared.first().map(|field| named(&field.kind)).unwrap_or_default();
            let what = format!("has the type {there} in the account, {} in the configuration", kind.name());
            return Err(Error::new(Kind::Config, "open", format!("custom field \"{name}\""), what)
                .hint("give it the account's type"));
        }
    }
    Ok(warnings)
}

/// Opens a run. A run that was opened is only told again.
///
/// # Errors
/// Kind `access` for the key; `config` where account, list or fields are not those of the state and configuration;
/// `throttled`, `unavailable`.
pub async fn open<W: Environment>(env: &W, config: &Config, request: &RunRequest) -> Result<Opened> {
    let run_id = request.run_id.as_str();
    let store = env.store();
    let open_key = keys::of_run(run_id, "open.json");
    if let Some(record) = read_json::<OpenRecord>(store, &open_key).await?.filter(|record| record.dealt) {
        return told(store, run_id, &record).await;
    }
    let missing = || Error::new(Kind::BadRequest, "open", run_id, "has no plan").hint("start it with prepare");
    let run: RunRecord = read_json(store, &keys::of_run(run_id, "run.json")).await?.ok_or_else(missing)?;
    let (export, connection) = export_of(config, &request.export)?;
    run.check_configuration(config, "open")?;
    connection.may_send(export, env.clock().now())?;
    if !env.leases().renew(&connection.name, run_id).await? {
        return Err(lost_lease("open", &connection.name));
    }
    let from = quiet_until(env, connection, run_id).await?;
    let mut session = Session::new(env, connection, "open", from).await?;
    let resolved = Resolved::ask(&mut session).await?;
    let mut warnings = fields_faults(export, &resolved.fields)?;
    for segment in &run.segments {
        same_account(segment, &resolved)?;
    }
    let (marked, more) = mark(&mut session, export, &run, &resolved).await?;
    warnings.extend(more);
    let learnt = canary::learnt(store, &run.connection, &resolved.account).await?;
    let mut record = OpenRecord {
        account: resolved.account,
        way: learnt.unwrap_or(ListStrategy::BulkThenList),
        canary: canary::chunk(&run, &marked).filter(|_| learnt.is_none()),
        marked,
        dealt: false,
        lanes: Vec::new(),
        shares: Vec::new(),
        last_sent: Vec::new(),
        sent: Sent::default(),
        warnings,
    };
    if let Some(chunk) = record.canary {
        // Should the run never get further: these rows may have been sent.
        record.lanes = vec![vec![Range { chunk, from: 0, to: CANARY_ROWS }]];
        if let Some(held) = dealt_before(store, &open_key, &record).await? {
            return told(store, run_id, &held).await;
        }
        canary::learn(env, &mut session, &run, chunk, &mut record).await?;
    }
    let memberships: Vec<Membership> = export.segments.iter().map(|segment| segment.membership.clone()).collect();
    let lanes = lanes_for(&run.chunks, &memberships, record.way, connection.lanes);
    record.shares = shares(connection.requests_per_second, lanes);
    record.lanes = deal(&run.chunks, &memberships, record.way, &record.shares);
    record.dealt = true;
    let in_a_window: u32 = record.shares.iter().sum();
    record.last_sent = session.times.split_off(session.times.len().saturating_sub(in_a_window as usize));
    record.sent = session.sent;
    record.warnings.iter().for_each(|warning| env.watcher().saw(Event::Warns(warning)));
    let held = dealt_before(store, &open_key, &record).await?;
    told(store, run_id, &held.unwrap_or(record)).await
}

/// Stores the record, unless another call of this very step has dealt meanwhile: gives what that has dealt. Lanes work by
/// one deal alone.
async fn dealt_before(store: &impl Store, key: &str, record: &OpenRecord) -> Result<Option<OpenRecord>> {
    let condition = match store.head(key).await? {
        Some(meta) => PutMode::Update(meta.version),
        None => PutMode::Create,
    };
    let dealt = async || Ok(read_json::<OpenRecord>(store, key).await?.filter(|held| held.dealt));
    if let Some(held) = dealt().await? {
        return Ok(Some(held));
    }
    if write_json_if(store, key, record, condition).await? {
        return Ok(None);
    }
    match dealt().await? {
        None => {
            Err(Error::new(Kind::Unavailable, "open", key, "is written by another call of this step").hint("run again"))
        }
        held => Ok(held),
    }
}

/// Lists the lanes for the workflow, and says where.
async fn told(store: &impl Store, run_id: &str, record: &OpenRecord) -> Result<Opened> {
    let key = keys::of_run(run_id, "lanes.json");
    let lanes = 0..u32::try_from(record.lanes.len()).unwrap_or(u32::MAX);
    let count = lanes.end;
    let items: Vec<_> = lanes.map(|lane| serde_json::json!({ "run_id": run_id, "lane": lane })).collect();
    write_json(store, &key, &items).await?;
    Ok(Opened { key, count })
}

/// When this run may speak first: a window after anybody else spoke through the connection. A run that ended says so;
/// one that did not, this very step called again among them, may have spoken just now.
async fn quiet_until<W: Environment>(env: &W, connection: &Connection, run_id: &str) -> Result<Timestamp> {
    let key = keys::spoke(&connection.name);
    let now = env.clock().now();
    let since = match read_json::<ConnectionActivity>(env.store(), &key).await? {
        None => Timestamp::MIN,
        // Another process's clock may be minutes off: only what is long ago by any clock is past for certain.
        Some(ConnectionActivity { ended_at: Some(at), .. }) if after(at, CLOCKS_DIFFER) <= now => at,
        Some(ConnectionActivity { ended_at: Some(_), .. }) => now,
        Some(ConnectionActivity { ended_at: None, .. }) => now,
    };
    write_json(env.store(), &key, &ConnectionActivity { run_id: run_id.into(), ended_at: None }).await?;
    Ok(after(since, window(connection.requests_per_second)).max(now))
}

fn same_account(segment: &SegmentRecord, resolved: &Resolved) -> Result<()> {
    let Some(header) = &segment.state else { return Ok(()) };
    let wrong = |what: &str| {
        Err(Error::new(Kind::Config, "open", &segment.name, what).hint(
            "use the connection that it was exported to, or send every row once with --full, which removes nobody",
        ))
    };
    if header.account != resolved.account {
        return wrong("the state is of another Autopilot account");
    }
    if let MembershipTarget::List { id, .. } = &header.marked
        && !resolved.lists.iter().any(|list| list.id == *id)
    {
        return wrong("the list that the state is of is no longer in the account");
    }
    Ok(())
}

/// Finds or makes the lists of the segments that take part.
async fn mark<W: Environment>(
    session: &mut Session<'_, W>,
    export: &Export,
    run: &RunRecord,
    resolved: &Resolved,
) -> Result<(Vec<MembershipTarget>, Vec<String>)> {
    let mut made: BTreeMap<String, String> = BTreeMap::new();
    let (mut marked, mut warnings) = (Vec::new(), Vec::new());
    for (number, segment) in export.segments.iter().enumerate() {
        let record = run.segments.get(number);
        let title = match &segment.membership {
            Membership::Field(name) => {
                marked.push(MembershipTarget::Field(name.clone()));
                continue;
            }
            Membership::List(title) if record.is_some_and(|record| record.drop.is_some()) => title,
            Membership::List(_) | Membership::None => {
                marked.push(MembershipTarget::None);
                continue;
            }
        };
        let held = record.and_then(|record| record.state.as_ref()).and_then(|header| match &header.marked {
            MembershipTarget::List { id, .. } => Some(id.clone()),
            _ => None,
        });
        let titled: Vec<&List> = resolved.lists.iter().filter(|list| list.title == *title).collect();
        if titled.len() > 1 {
            warnings.push(format!("{} lists are titled \"{title}\"; one of them is used", titled.len()));
        }
        let first = titled.iter().map(|list| list.id.clone()).min();
        let id = match held.or(first).or_else(|| made.get(title).cloned()) {
            Some(id) => id,
            None => create(session, title).await?,
        };
        made.insert(title.clone(), id.clone());
        marked.push(MembershipTarget::List { title: title.clone(), id });
    }
    Ok((marked, warnings))
}

/// Makes a list. Where another made it first, Autopilot refuses (409), or makes a second list of that title: either
/// way the list that is first by its id is taken by everybody who looks.
async fn create<W: Environment>(session: &mut Session<'_, W>, title: &str) -> Result<String> {
    let answer = session.ask(Call::CreateList { title: title.into() }).await?;
    let lists = match session.ask(Call::Lists).await? {
        Response::Done(Payload::Lists(lists)) => lists,
        _ => Vec::new(),
    };
    let first = lists.into_iter().filter(|list| list.title == title).map(|list| list.id).min();
    match (first, answer) {
        (Some(id), _) | (None, Response::Done(Payload::List(id))) => Ok(id),
        _ => Err(Error::new(Kind::Access, "open", format!("list \"{title}\""), "cannot be made")
            .hint("make a list of that title in Autopilot")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn export() -> Export {
        let text = r#"{
            "connections": { "eu": { "secret": "eu" } },
            "exports": { "news": {
                "connection": "eu",
                "segments": [{ "name": "News", "prefix": "segments/news/" }],
                "match": { "email": "EMail", "custom": { "Value": { "column": "Value", "type": "integer" } } }
            } }
        }"#;
        crate::config::parse(text).unwrap().exports.remove("news").unwrap()
    }

    fn field(name: &str, kind: &str) -> CustomField {
        CustomField { name: name.into(), kind: kind.into() }
    }

    #[test]
    fn what_the_account_says_of_its_fields_is_told_short_and_printable() {
        let long = format!("te\u{1b}[2J\nxt{}", "x".repeat(5000));
        let error = fields_faults(&export(), &[field("Value", &long)]).unwrap_err().to_string();
        assert!(!error.contains(char::is_control) && error.contains("te[2Jxt") && error.len() < 200, "{error}");
        let warnings = fields_faults(&export(), &[field("Valu\u{7}", "integer")]).unwrap();
        assert_eq!(warnings, ["custom field \"Value\" is not declared in the account; the nearest is \"Valu\""]);
    }
}
