//! open: the first to speak to the account, once per run: key and account, marks, fields, canary, lanes.

mod apart;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::chunk::{self, Operation};
use crate::config::{Config, Connection, Export, export_of};
use crate::contact::SuppressionList;
use crate::delivery::pace::shares;
use crate::destination::{Account, Assumption, Destination, Wanted};
use crate::error::{AtStage, Error, Kind, Result};
use crate::ledger::Sent;
use crate::membership::{Membership, MembershipTarget};
use crate::plan::lanes::{Chunk, Costs, Range, assign_lanes, lanes_for};
use crate::ports::{Event, PutMode, Store};
use crate::run::opening::{OpenPhase, OpenRecord};
use crate::run::{LearnedStrategy, RunRecord, RunRequest, SegmentRecord, keys};
use crate::steps::documents::{read_json, write_json, write_json_if};
use crate::steps::environment::Environment;
use crate::steps::learned::learned;
use crate::steps::lease::lost_lease;
use crate::steps::lost::lost_state;
use crate::steps::profiles::account_of_state;
use crate::steps::quiet::quiet_until;
use crate::steps::session::{Session, another_account};
use crate::steps::suppression::listed;
use crate::steps::turn;

pub use apart::{read_back, survey};

/// What open says: where the list of lanes lies, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The key of the JSON array of the lanes.
    pub key: String,
    /// How many lanes.
    pub count: u32,
}

/// Opens a run. A run that was opened is left as it is.
///
/// # Errors
/// Kind `access` for the key; `config` where account, marks or fields are not those of the state and configuration;
/// `throttled`, `unavailable`.
pub async fn open<E: Environment>(env: &E, config: &Config, request: &RunRequest) -> Result<Opened> {
    open_run(env, config, request).await.at("open")
}

async fn open_run<E: Environment>(env: &E, config: &Config, request: &RunRequest) -> Result<Opened> {
    let run_id = request.run_id.as_str();
    let store = env.store();
    let open_key = keys::of_run(run_id, "open.json");
    let earlier = read_json::<OpenRecord>(store, &open_key).await?;
    if let Some(record) = earlier.as_ref().filter(|record| record.is_assigned()) {
        return list_lanes(store, run_id, record).await;
    }
    let missing = || Error::new(Kind::BadRequest, run_id, "has no plan").hint("start it with prepare");
    let run: RunRecord = read_json(store, &keys::of_run(run_id, "run.json")).await?.ok_or_else(missing)?;
    let (export, connection) = export_of(config, &request.export)?;
    connection.may_send(export, env.clock().now())?;
    run.check_conditions(config)?;
    if !turn::renew(env, &connection.name, run_id).await? {
        return Err(lost_lease(&connection.title()));
    }
    let connection = &turn::at_lowest_rate(store, config, connection).await?;
    let from = quiet_until(env, connection, run_id).await?;
    let mut opening = Opening {
        env,
        destination: env.destination(connection.api),
        session: Session::new(env, connection, from).await?,
        run: &run,
        rate: connection.requests_per_second,
        memberships: export.segments.iter().map(|segment| segment.membership.clone()).collect(),
    };
    let account = opening.ask(earlier.as_ref()).await?;
    opening.session.take_turn(config, account.id(), run_id).await?;
    turn::marks_are_its_own(store, config, export).await?;
    let connection = &turn::at_lowest_rate(store, config, connection).await?;
    opening.rate = connection.requests_per_second;
    let mut record = opening.meet(export, account, earlier.as_ref()).await?;
    let canary = record.canary.clone();
    if canary.is_none() {
        // What an earlier call learned need not be learned again, but the rows it sent may have arrived.
        record.canary = earlier.and_then(|earlier| earlier.canary);
    }
    if let Some(range) = canary {
        // Should the run never get further: these rows may have been sent.
        record.lanes = vec![vec![range.clone()]];
        if let Some(held) = keep_first(store, &open_key, &record).await? {
            return list_lanes(store, run_id, &held).await;
        }
        let suppression = listed(env.store(), config, export).await?;
        opening.play_canary(&range, &mut record, &suppression).await?;
    }
    opening.assign(connection, &mut record)?;
    record.warnings.iter().for_each(|warning| env.observer().notify(Event::Warns(warning)));
    let held = keep_first(store, &open_key, &record).await?;
    list_lanes(store, run_id, &held.unwrap_or(record)).await
}

/// A run that is being opened.
struct Opening<'r, E: Environment> {
    env: &'r E,
    destination: &'r dyn Destination,
    session: Session<'r, E>,
    run: &'r RunRecord,
    rate: f64,
    /// Of the export's segments, in their order.
    memberships: Vec<Membership>,
}

impl<E: Environment> Opening<'_, E> {
    /// Asks the account. An `earlier` call of this step may have sent rows to it.
    async fn ask(&mut self, earlier: Option<&OpenRecord>) -> Result<Box<dyn Account>> {
        let account = self.destination.survey(&mut self.session).await?;
        if earlier.is_some_and(|earlier| !account.is(&earlier.account)) {
            return Err(another_account(self.destination.name()));
        }
        self.session.expect_account(account.id());
        Ok(account)
    }

    /// Finds or makes the marks.
    async fn meet(
        &mut self,
        export: &Export,
        mut account: Box<dyn Account>,
        earlier: Option<&OpenRecord>,
    ) -> Result<OpenRecord> {
        let mut warnings = account.check_fields(&self.run.fields, &self.memberships, export.create_fields)?;
        same_account(self.run, account.as_ref(), self.destination.name())?;
        if earlier.is_none() && !self.run.request.full {
            self.nobody_is_marked(export, account.as_ref()).await?;
        }
        if export.create_fields {
            account.make_fields(&mut self.session, &self.run.fields, &self.memberships).await?;
        }
        let wanted: Vec<Wanted<'_>> = export
            .segments
            .iter()
            .enumerate()
            .map(|(number, segment)| {
                let record = self.run.segments.get(number);
                Wanted {
                    membership: &segment.membership,
                    held: record.and_then(|record| record.target.as_ref()),
                    takes_part: record.is_some_and(|record| record.drop.is_some()),
                }
            })
            .collect();
        let (targets, more) = account.targets(&mut self.session, &wanted).await?;
        warnings.extend(more);
        let now = self.env.clock().now();
        let learned = learned(self.env.store(), self.session.connection(), Some(account.id()), now).await?;
        // Whom a run with --full reads back may have been on the list before.
        let learned = learned.filter(|_| !self.run.request.full).map(|learned| learned.setup);
        // A run in full was planned without the state, and keeps it where it is of this account, whatever it calls it.
        let known = match self.run.request.full {
            true => account_of_state(self.env.store(), &self.run.request.export).await?,
            false => self.run.account.clone(),
        };
        let known = known.filter(|known| known != account.id() && account.is(known));
        Ok(OpenRecord {
            account: account.id().to_owned(),
            key: self.session.key_fingerprint()?,
            same_accounts: known.into_iter().collect(),
            setup: account.setup(&self.run.fields, &self.memberships, learned.as_ref()),
            canary: self.canary(&targets, learned.as_ref()),
            targets,
            phase: OpenPhase::Canary,
            lanes: Vec::new(),
            shares: Vec::new(),
            rate: self.rate,
            last_sent: Vec::new(),
            clock: Some(self.env.clock().read_at()),
            sent: Sent::default(),
            warnings,
            sends_again: false,
        })
    }

    /// The key of what was learned of an account.
    fn learned_setup(&self, account: &str) -> String {
        keys::learned_setup(&keys::account(self.session.connection().api, account))
    }

    /// Checks that nobody has the mark of a segment that has no state.
    async fn nobody_is_marked(&mut self, export: &Export, account: &dyn Account) -> Result<()> {
        let new = |segment: &SegmentRecord| segment.drop.is_some() && !segment.has_state;
        for (record, segment) in self.run.segments.iter().zip(&export.segments).filter(|(record, _)| new(record)) {
            if account.has_members(&mut self.session, &segment.membership).await? {
                // Another call of this step may have opened the run meanwhile, and its rows have arrived.
                let open_key = keys::of_run(&self.run.request.run_id, "open.json");
                if read_json::<OpenRecord>(self.env.store(), &open_key).await?.is_some() {
                    return Ok(());
                }
                let mut why = "though its list or tag has members already".to_owned();
                if let Some(spelled) = account.spelled(&segment.membership) {
                    why.push_str(&format!("; the account writes it {spelled}"));
                }
                return Err(lost_state(self.env.store(), &export.name, &record.name, &why));
            }
        }
        Ok(())
    }

    /// The rows that are to be sent ahead: the first of the largest chunk of joiners whose mark has something to learn.
    fn canary(&self, targets: &[MembershipTarget], learned: Option<&serde_json::Value>) -> Option<Range> {
        let is_joining = |chunk: &Chunk| chunk.operation == Operation::Join && !chunk.address_changes;
        let joining = || self.run.chunks.iter().enumerate().filter(|(_, chunk)| is_joining(chunk));
        let rows = |segment: usize| {
            let target = targets.get(segment)?;
            let is_alike = |other: usize| {
                targets.get(other).is_some_and(|other| std::mem::discriminant(other) == std::mem::discriminant(target))
            };
            let joiners =
                joining().filter(|(_, chunk)| is_alike(chunk.segment)).map(|(_, chunk)| u64::from(chunk.rows));
            Some(self.destination.canary_rows(target, joiners.sum(), learned)).filter(|rows| *rows > 0)
        };
        let (number, chunk, rows) = joining()
            .filter_map(|(number, chunk)| Some((number, chunk, rows(chunk.segment)?)))
            .max_by_key(|(_, chunk, _)| chunk.rows)?;
        Some(Range { chunk: number, from: 0, to: rows.min(chunk.rows) })
    }

    /// Sends the canary's rows ahead, and keeps what they taught.
    async fn play_canary(
        &mut self,
        range: &Range,
        record: &mut OpenRecord,
        suppression: &SuppressionList,
    ) -> Result<()> {
        let (store, run) = (self.env.store(), self.run);
        let Some(chunk) = run.chunks.get(range.chunk) else { return Ok(()) };
        let Some(target) = record.targets.get(chunk.segment) else { return Ok(()) };
        let key = keys::of_run(&run.request.run_id, &chunk.name);
        let Some(object) = store.get(&key).await? else { return Ok(()) };
        let mut rows = chunk::read(&key, &object.body, range.from as usize, range.to as usize)?;
        // Somebody may have become suppressed since the plan was made.
        rows.retain(|row| !suppression.holds_sent(&row.email()));
        match self.destination.canary(&mut self.session, target, &run.fields, rows).await? {
            Some(setup) => {
                record.setup = setup.clone();
                let at = self.env.clock().now();
                let learned = LearnedStrategy { account: record.account.clone(), setup, at };
                write_json(store, &self.learned_setup(&record.account), &learned).await?;
            }
            None => {
                let warning = "no joiners suit the canary; they are added to their list one by one";
                record.warnings.push(warning.into());
            }
        }
        Ok(())
    }

    /// How many lanes the destination bears: one alone, where two could create the same person of two segments.
    fn most_lanes(&self) -> u32 {
        let Some(caution) = self.destination.limits().caution else { return u32::MAX };
        let taking_part = self.run.segments.iter().filter(|segment| segment.drop.is_some()).count();
        if taking_part > 1 { 1 } else { caution.lanes }
    }

    /// Assigns the rows to lanes.
    fn assign(&mut self, connection: &Connection, record: &mut OpenRecord) -> Result<()> {
        let assumption = Assumption::Opened(&record.setup);
        let costs = Costs { destination: self.destination, memberships: &self.memberships, assumption };
        let lanes = lanes_for(&self.run.chunks, costs, connection.lanes.min(self.most_lanes()));
        record.shares = shares(connection.requests_per_second, lanes);
        record.lanes = assign_lanes(&self.run.chunks, costs, &record.shares);
        record.phase = OpenPhase::Assigned;
        let in_a_window: u32 = record.shares.iter().sum();
        let times: &mut Vec<Timestamp> = &mut self.session.times;
        record.last_sent = times.split_off(times.len().saturating_sub(in_a_window as usize));
        record.sent = std::mem::take(&mut self.session.sent);
        // It may have been renewed meanwhile.
        record.key = self.session.key_fingerprint()?;
        Ok(())
    }
}

/// Stores the record, unless another call of this very step has assigned the lanes meanwhile: gives what that decided.
/// Lanes work by one assignment alone.
async fn keep_first(store: &impl Store, key: &str, record: &OpenRecord) -> Result<Option<OpenRecord>> {
    let mode = match store.head(key).await? {
        Some(meta) => PutMode::Update(meta.version),
        None => PutMode::Create,
    };
    let assigned = async || Ok(read_json::<OpenRecord>(store, key).await?.filter(OpenRecord::is_assigned));
    if let Some(held) = assigned().await? {
        return Ok(Some(held));
    }
    if write_json_if(store, key, record, mode).await? {
        return Ok(None);
    }
    match assigned().await? {
        None => Err(Error::new(Kind::Unavailable, key, "is written by another call of this step").hint("run again")),
        held => Ok(held),
    }
}

/// Lists the lanes for the workflow, and says where.
async fn list_lanes(store: &impl Store, run_id: &str, record: &OpenRecord) -> Result<Opened> {
    let key = keys::of_run(run_id, "lanes.json");
    let lanes = 0..u32::try_from(record.lanes.len()).unwrap_or(u32::MAX);
    let count = lanes.end;
    let items: Vec<_> = lanes.map(|lane| serde_json::json!({ "run_id": run_id, "lane": lane })).collect();
    write_json(store, &key, &items).await?;
    Ok(Opened { key, count })
}

/// Checks that the account and its marks are those of the state.
fn same_account(run: &RunRecord, account: &dyn Account, destination: &str) -> Result<()> {
    let wrong = |subject: &str, problem: String| {
        Err(Error::new(Kind::Config, subject, problem).hint(
            "use the connection that it was exported to, or send every row once with --full, which removes nobody",
        ))
    };
    if run.account.as_ref().is_some_and(|known| !account.is(known)) {
        return wrong(&run.request.export, format!("the state belongs to another {destination} account"));
    }
    for segment in &run.segments {
        if segment.target.as_ref().is_some_and(|target| !account.has(target)) {
            return wrong(&segment.name, "the list of the state was not found in the account".into());
        }
    }
    Ok(())
}
