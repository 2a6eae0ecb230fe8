//! Looks back once all lanes are through: whether the joiners are on the lists that the calls for them named. Where that is
//! doubtful, they are sent again in the same run, and each is added by a call of its own.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::asking::SentRun;
use super::doubted::is_doubted;
use crate::chunk::Operation;
use crate::config::{Config, connection_of, export_of};
use crate::delivery::pace::{after, window};
use crate::destination::JoinersThere;
use crate::error::{AtStage, Error, Kind, Result};
use crate::ledger::{self, Entry, Results};
use crate::membership::MembershipTarget;
use crate::plan::lanes::Range;
use crate::ports::{Event, PutMode, Store};
use crate::report::Report;
use crate::run::opening::OpenRecord;
use crate::run::{RunRecord, RunRequest, keys};
use crate::steps::documents::{read_json, write_json};
use crate::steps::environment::Environment;
use crate::steps::quiet::quiet_until;
use crate::steps::turn;

/// The warning of a run that sends joiners again.
const SENT_AGAIN: &str = "the account stopped adding joiners to the list that their rows name; those of this run who had been sent \
                          are sent again, and added one by one";

/// What a look back found.
#[derive(Debug)]
pub enum LookedBack {
    /// Nothing that is not so.
    Well,
    /// This many joiners are to be sent again: the lanes are called once more.
    Again(u64),
    /// Joiners may not be on their list, and cannot be sent again: the run fails, and they are pending.
    Failed(Error),
}

/// Looks back at a run whose lanes are through.
///
/// # Errors
/// Those of the store. Called once more, it goes on where it was.
pub async fn look_back<E: Environment>(env: &E, config: &Config, request: &RunRequest) -> Result<LookedBack> {
    look(env, config, request).await.at("finish")
}

async fn look<E: Environment>(env: &E, config: &Config, request: &RunRequest) -> Result<LookedBack> {
    let Some(mut looking) = LookBack::at(env, config, request, &request.run_id).await? else {
        return Ok(LookedBack::Well);
    };
    if !looking.is_sending_again() {
        if !looking.is_doubted().await? {
            // It is the last that the run has to confirm.
            let failure = match looking.ask(Patience::AsForRows).await {
                Ok(JoinersThere::All) => return Ok(LookedBack::Well),
                Ok(JoinersThere::NotAll) => None,
                Ok(JoinersThere::MarkGone(name)) => Some(looking.list_is_gone(&name)),
                Err(error) => Some(error),
            };
            looking.doubt().await?;
            if let Some(failure) = failure {
                return Ok(LookedBack::Failed(failure.at("finish")));
            }
        }
        if !looking.is_doubted().await? {
            return Ok(LookedBack::Well);
        }
    }
    Ok(match looking.send_again().await? {
        0 => LookedBack::Well,
        joiners => LookedBack::Again(joiners),
    })
}

/// The same of a run that ended before, or never got here, under the lease of `holder`: nothing is sent again for it. Unless
/// the account confirms its last joiners, they count as pending.
pub(in crate::steps) async fn doubt_unseen<E: Environment>(
    env: &E,
    config: &Config,
    request: &RunRequest,
    holder: &str,
) -> Result<()> {
    let Some(mut looking) = LookBack::at(env, config, request, holder).await? else { return Ok(()) };
    if looking.is_doubted().await? {
        return Ok(());
    }
    match looking.ask(Patience::Little).await {
        Ok(JoinersThere::All) => return Ok(()),
        Ok(_) => {}
        Err(error) => unanswered(&error),
    }
    looking.doubt().await
}

/// How long the account may take to answer.
#[derive(Clone, Copy)]
enum Patience {
    AsForRows,
    Little,
}

fn unanswered(error: &Error) {
    tracing::warn!(error.kind = error.kind.name(), "the last joiners could not be read: {}", error.chain());
}

const OPENED: &str = "open.json";

struct LookBack<'e, E> {
    env: &'e E,
    config: &'e Config,
    holder: &'e str,
    run: RunRecord,
    opened: OpenRecord,
    /// The keys of what the lanes stored.
    stored: HashSet<String>,
}

impl<'e, E: Environment> LookBack<'e, E> {
    /// None where the run has no joiners who go on a list, is over, or is no longer the holder's.
    async fn at(env: &'e E, config: &'e Config, request: &RunRequest, holder: &'e str) -> Result<Option<Self>> {
        let (store, run_id) = (env.store(), request.run_id.as_str());
        let run: Option<RunRecord> = read_json(store, &keys::of_run(run_id, "run.json")).await?;
        let Some(run) = run else { return Ok(None) };
        // First, as a slow store may have taken long since the lanes did.
        if !turn::renew(env, &run.connection, holder).await? {
            return Ok(None);
        }
        let opened: Option<OpenRecord> = read_json(store, &keys::of_run(run_id, OPENED)).await?;
        let Some(opened) = opened.filter(OpenRecord::is_assigned) else { return Ok(None) };
        let mut looking = Self { env, config, holder, run, opened, stored: HashSet::new() };
        let has_joiners = looking.joining().next().is_some();
        if !has_joiners || read_json::<Report>(store, &keys::of_run(run_id, "report.json")).await?.is_some() {
            return Ok(None);
        }
        let stored = store.list(&keys::of_run(run_id, "results/")).await?;
        looking.stored = stored.into_iter().map(|meta| meta.key).collect();
        Ok(Some(looking))
    }

    fn of_run(&self, name: &str) -> String {
        keys::of_run(&self.run.request.run_id, name)
    }

    fn is_sending_again(&self) -> bool {
        self.stored.contains(&keys::sends_again(&self.run.request.run_id))
    }

    async fn is_doubted(&self) -> Result<bool> {
        is_doubted(self.env.store(), &self.run, &self.opened, &self.stored).await
    }

    /// The ranges of joiners who go on a list, with their lanes, the list, and the keys of their results.
    fn joining(&self) -> impl Iterator<Item = Joining<'_>> {
        let of_lane = |(lane, ranges): (u32, &'_ Vec<Range>)| {
            let numbers = 0..ranges.len();
            numbers.map(move |index| (lane, index)).collect::<Vec<_>>()
        };
        let all = (0..).zip(&self.opened.lanes).flat_map(of_lane);
        all.filter_map(|(lane, index)| {
            let range = self.opened.lanes.get(lane as usize)?.get(index)?;
            let chunk = self.run.chunks.get(range.chunk)?;
            let target = self.opened.targets.get(chunk.segment)?;
            let is_joining = chunk.operation == Operation::Join && !chunk.opt_outs;
            let MembershipTarget::List { .. } = target else { return None };
            let key = keys::results(&self.run.request.run_id, lane, index);
            is_joining.then_some(Joining { lane, segment: chunk.segment, target, range, key })
        })
    }

    async fn results(&self, key: &str) -> Result<Results> {
        if !self.stored.contains(key) {
            return Ok(Results::default());
        }
        let object = self.env.store().get(key).await?;
        Ok(object
            .map_or_else(Results::default, |object| ledger::read(key, &object.body).unwrap_or_else(ledger::unreadable)))
    }

    /// Of each list and lane the contact who was put on it last. What the account said of those before says nothing of those
    /// behind.
    async fn last_joiners(&self) -> Result<Vec<(MembershipTarget, String)>> {
        let mut last_of_lane = BTreeMap::new();
        for joining in self.joining().filter(|joining| self.stored.contains(&joining.key)) {
            last_of_lane.insert((joining.segment, joining.lane), joining);
        }
        let mut last = Vec::new();
        for Joining { target, key, .. } in last_of_lane.into_values() {
            let results = self.results(&key).await?;
            let delivered = results.entries.iter().filter_map(|(number, entry)| match entry {
                Entry::Delivered { contact_id, .. } => Some((number, contact_id)),
                _ => None,
            });
            // Rows are sent in their order, and answered in any.
            let contact = delivered.max_by_key(|(number, _)| **number).map(|(_, contact_id)| contact_id.to_string());
            last.extend(contact.map(|contact| (target.clone(), contact)));
        }
        Ok(last)
    }

    /// Asks for the last joiners, where calls were trusted that name a list.
    async fn ask(&mut self, patience: Patience) -> Result<JoinersThere> {
        let (store, run_connection) = (self.env.store(), connection_of(self.config, &self.run.connection)?);
        if !self.env.destination(run_connection.api).may_lose_marks(&self.opened.setup) {
            return Ok(JoinersThere::All);
        }
        let joiners = self.last_joiners().await?;
        if joiners.is_empty() {
            return Ok(JoinersThere::All);
        }
        let (export, _) = export_of(self.config, &self.run.request.export)?;
        let connection = &turn::at_lowest_rate(store, self.config, run_connection).await?;
        let from = if self.holder == self.run.request.run_id {
            after(self.env.clock().now(), window(connection.requests_per_second.min(self.opened.rate)))
        } else {
            quiet_until(self.env, connection, self.holder).await?
        };
        let sent = SentRun { export, connection, run: &self.run, opened: &self.opened, holder: self.holder };
        let connection = match patience {
            Patience::AsForRows => connection.clone(),
            Patience::Little => sent.connection(),
        };
        let mut session = sent.session(self.env, &connection, from).await?;
        let there = self.env.destination(connection.api).joiners_there(&mut session, &joiners).await?;
        let sent = session.sent.clone();
        self.opened.sent.add(&sent);
        write_json(store, &self.of_run(OPENED), &self.opened).await?;
        Ok(there)
    }

    /// Notes that joiners may not be on their list, and forgets the way that they were sent.
    async fn doubt(&mut self) -> Result<()> {
        let store = self.env.store();
        // The configuration of today may no longer have the connection of a run that died.
        if let Ok(connection) = connection_of(self.config, &self.run.connection) {
            store.delete(&keys::learned_setup(&keys::account(connection.api, &self.opened.account))).await?;
        }
        let doubted = keys::doubted(&self.run.request.run_id, 0);
        write_json(store, &doubted, &true).await?;
        self.stored.insert(doubted);
        Ok(())
    }

    fn list_is_gone(&self, name: &str) -> Error {
        let destination = connection_of(self.config, &self.run.connection)
            .map_or("the account", |connection| self.env.destination(connection.api).name());
        Error::new(Kind::Config, destination, format!("the list \"{name}\" is gone since the run began"))
            .hint("whom it was to have is pending; run again, which says how to go on")
    }

    /// Takes back the verdicts of joiners, and counts those without one.
    async fn send_again(&mut self) -> Result<u64> {
        let (store, again_key) = (self.env.store(), keys::sends_again(&self.run.request.run_id));
        if self.stored.iter().any(|key| keys::is_doubted(key)) {
            if !self.opened.sends_again {
                let connection = connection_of(self.config, &self.run.connection)?;
                self.opened.setup = self.env.destination(connection.api).trusting_nobody(&self.opened.setup);
                self.opened.warnings.push(SENT_AGAIN.to_owned());
                self.opened.sends_again = true;
                write_json(store, &self.of_run(OPENED), &self.opened).await?;
                self.env.observer().notify(Event::Warns(SENT_AGAIN));
            }
            write_json(store, &again_key, &Round::default()).await?;
            for Joining { key, .. } in self.joining().filter(|joining| self.stored.contains(&joining.key)) {
                let rest = self.results(&key).await?.without_deliveries();
                store.put(&key, rest.into(), PutMode::Overwrite).await?;
            }
            // Last, as they say that there is something to take back.
            for key in self.stored.iter().filter(|key| keys::is_doubted(key)) {
                store.delete(key).await?;
            }
        }
        let mut left = 0;
        for Joining { range, key, .. } in self.joining() {
            let judged = self.results(&key).await?.entries.len() as u64;
            left += u64::from(range.to - range.from).saturating_sub(judged);
        }
        let before: Round = read_json(store, &again_key).await?.unwrap_or_default();
        let times = if before.left == left { before.times + 1 } else { 1 };
        if left == 0 || times > MOST_TIMES {
            store.delete(&again_key).await?;
            return Ok(0);
        }
        write_json(store, &again_key, &Round { left, times }).await?;
        Ok(left)
    }
}

/// How many joiners had no verdict when the lanes were last called again, and how often it was as many: a step may be asked
/// once more because its answer was lost, but lanes that judge nobody are not called for ever.
#[derive(Default, Serialize, Deserialize)]
struct Round {
    left: u64,
    times: u32,
}

/// More than a workflow repeats a step in a row.
const MOST_TIMES: u32 = 30;

/// A range of joiners who go on a list.
struct Joining<'r> {
    lane: u32,
    segment: usize,
    target: &'r MembershipTarget,
    range: &'r Range,
    /// Of its results.
    key: String,
}
