//! The canary: a few joiners are sent ahead, each way in turn, and the list is read back, to learn the cheapest way onto a
//! list that this account honours.

use super::account::{call, call_all};
use super::contact::ContactWriter;
use super::request::{Endpoint, Membership};
use super::response::{Payload, Reply};
use super::strategy::ListStrategy;
use crate::chunk::{FieldSpec, Row};
use crate::destination::Session;
use crate::error::Result;

/// Fewer joiners than this are put on their list one by one: that costs less than to learn.
pub(super) const WORTH_IT: u64 = 8;
/// How many joiners are looked at for one that exists and one that does not; no other is sent ahead.
pub(super) const ROWS: u32 = 6;

/// Joiners that are not on the list yet: those that Autopilot does not know, and those that it does.
#[derive(Debug, Default)]
struct Candidates {
    new: Vec<Row>,
    existing: Vec<Row>,
}

/// A canary at work.
pub(super) struct Canary<'s> {
    session: &'s mut dyn Session,
    list: &'s str,
    writer: ContactWriter,
}

impl<'s> Canary<'s> {
    pub(super) fn new(session: &'s mut dyn Session, list: &'s str, fields: &[FieldSpec]) -> Self {
        Self { session, list, writer: ContactWriter::new(fields) }
    }

    /// Sends candidates each way; `None` where there were none.
    pub(super) async fn play(mut self, rows: Vec<Row>) -> Result<Option<ListStrategy>> {
        let mut candidates = self.look(rows).await?;
        for strategy in [ListStrategy::Bulk, ListStrategy::Single] {
            // A contact that is to be new and one that exists: the second newcomer is made to exist, where none did.
            if candidates.existing.is_empty()
                && candidates.new.len() > 1
                && let Some(row) = candidates.new.pop()
            {
                self.send(ListStrategy::BulkThenList, &[&row]).await?;
                candidates.existing.extend(self.exists(&row).await?.then_some(row));
            }
            let (new, existing) = (candidates.new.pop(), candidates.existing.pop());
            let sent: Vec<&Row> = new.iter().chain(&existing).collect();
            if existing.is_none() {
                return Ok(None);
            }
            self.send(strategy, &sent).await?;
            let mut arrived = 0;
            for row in &sent {
                arrived += usize::from(self.is_member(row).await?);
            }
            if arrived == sent.len() {
                return Ok(Some(strategy));
            }
            // A joiner who did not arrive can be tried the next way, unless the row itself was lost.
            for row in new.into_iter().chain(existing) {
                if !self.is_member(&row).await? && self.exists(&row).await? {
                    candidates.existing.push(row);
                }
            }
        }
        Ok(Some(ListStrategy::BulkThenList))
    }

    async fn look(&mut self, rows: Vec<Row>) -> Result<Candidates> {
        let mut found = Candidates::default();
        let mut rows = rows.into_iter();
        while found.new.len() < 2 || found.existing.is_empty() {
            let Some(row) = rows.next() else { break };
            match call(self.session, Endpoint::Contact(row.email().into_owned())).await? {
                Reply::NotFound => found.new.push(row),
                Reply::Done(Payload::Contact { lists: Some(lists), .. }) if lists.iter().any(|id| id == self.list) => {}
                Reply::Done(Payload::Contact { lists: None, .. }) if self.is_member(&row).await? => {}
                Reply::Done(_) => found.existing.push(row),
                _ => {}
            }
        }
        Ok(found)
    }

    async fn exists(&mut self, row: &Row) -> Result<bool> {
        Ok(matches!(call(self.session, Endpoint::Contact(row.email().into_owned())).await?, Reply::Done(_)))
    }

    async fn is_member(&mut self, row: &Row) -> Result<bool> {
        let member = Membership { list: self.list.into(), contact: row.email().into_owned() };
        Ok(matches!(call(self.session, Endpoint::Member(member)).await?, Reply::Done(_)))
    }

    async fn send(&mut self, strategy: ListStrategy, rows: &[&Row]) -> Result<()> {
        let list = Some(self.list).filter(|_| strategy != ListStrategy::BulkThenList);
        let contact = |row: &&Row| {
            let mut json = String::new();
            self.writer.write(row, None, list, &mut json);
            json
        };
        let contacts: Vec<String> = rows.iter().map(contact).collect();
        let endpoints: Vec<Endpoint> = if strategy == ListStrategy::Single {
            contacts.iter().map(|json| Endpoint::UpsertOne(format!(r#"{{"contact":{json}}}"#).into())).collect()
        } else {
            vec![Endpoint::UpsertMany(format!(r#"{{"contacts":[{}]}}"#, contacts.join(",")).into())]
        };
        for endpoint in endpoints {
            call_all(self.session, &[endpoint]).await?;
        }
        Ok(())
    }
}
