//! The members by the state that no page of people had: a page may have left somebody out while others came and went.

use std::collections::{HashMap, HashSet};

use super::compare::Comparison;
use super::index::Index;
use super::spool::Spool;
use crate::destination::{self, PersonThere};
use crate::error::Result;
use crate::membership::MembershipTarget;
use crate::ports::ObjectMeta;
use crate::report::Reconciled;
use crate::state::{ProfileKey, half};
use crate::steps::environment::Environment;
use crate::steps::profiles::ProfileStream;

/// A member who is looked for.
#[derive(Clone)]
struct Sought {
    key: ProfileKey,
    /// The contact's, as far as is known.
    id: String,
    /// Whether it led to somebody else.
    is_of_another: bool,
}

/// The members of one segment that were not seen.
struct Missing<'m> {
    target: &'m MembershipTarget,
    archived: HashSet<[u8; 16]>,
    found: &'m mut Reconciled,
    spool: &'m mut Spool,
}

/// Those whose ids led to nobody, or to somebody else.
type Lost = HashMap<[u8; 16], Sought>;

impl<E: Environment> Comparison<'_, '_, '_, E> {
    /// Asks for them by their ids and, where these may be other people's, among everybody.
    pub(super) async fn look_for_missing(
        &mut self,
        held: Option<&ObjectMeta>,
        target: &MembershipTarget,
        index: &Index,
        archived: HashSet<[u8; 16]>,
        found: &mut Reconciled,
        spool: &mut Spool,
    ) -> Result<()> {
        let mut missing = Missing { target, archived, found, spool };
        let Some(held) = held else { return Ok(()) };
        let mut stream = ProfileStream::open(self.env.store(), held).await?;
        let (mut sought, mut lost) = (Vec::new(), Lost::new());
        loop {
            let profile = stream.next().await?;
            if profile.is_none() || sought.len() >= self.census.people_at_once() {
                let batch = std::mem::take(&mut sought);
                let lost = if self.census.proves_ids() { None } else { Some(&mut lost) };
                self.look_up(batch, &mut missing, lost).await?;
            }
            let Some(profile) = profile else { break };
            if index.is_missing(&profile) {
                let id = profile.contact_id.unwrap_or_default().into();
                sought.push(Sought { key: profile.key, id, is_of_another: false });
            }
        }
        if lost.is_empty() { Ok(()) } else { self.look_among_everybody(lost, missing).await }
    }

    async fn look_among_everybody(&mut self, mut lost: Lost, mut missing: Missing<'_>) -> Result<()> {
        let (mut sought, mut from) = (Vec::new(), None);
        loop {
            let page = self.ask_page(&MembershipTarget::None, from.as_ref()).await?;
            if from.is_none() {
                self.tell_how_long(&missing.found.segment, page.pages);
            }
            for person in page.people.into_iter().filter(|person| !person.email.is_empty()) {
                let key = destination::Session::profile(self.session, &person.email);
                if lost.remove(&half(&key)).is_some() {
                    sought.push(Sought { key, id: person.id, is_of_another: false });
                }
            }
            from = page.next;
            if from.is_none() || lost.is_empty() {
                break;
            }
        }
        for sought in sought.chunks(self.census.people_at_once()) {
            self.look_up(sought.to_vec(), &mut missing, None).await?;
        }
        let mut gone: Vec<Sought> = lost.into_values().collect();
        gone.sort_unstable_by_key(|sought| sought.key);
        gone.iter().try_for_each(|sought| self.is_gone(sought, &mut missing))
    }

    /// Asks for some by their ids. Where these may be other people's, whom they do not lead to is `lost` for now.
    async fn look_up(
        &mut self,
        batch: Vec<Sought>,
        missing: &mut Missing<'_>,
        mut lost: Option<&mut Lost>,
    ) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = batch.iter().map(|sought| sought.id.clone()).collect();
        let people = self.ask_people(missing.target, &ids).await?;
        for (sought, person) in batch.into_iter().zip(people) {
            let profile = person.as_ref().map(|person| destination::Session::profile(self.session, &person.email));
            let is_same = profile == Some(sought.key);
            if let Some(lost) = lost.as_deref_mut().filter(|_| !is_same) {
                let is_of_another = person.is_some();
                lost.insert(half(&sought.key), Sought { is_of_another, ..sought });
                continue;
            }
            let Some(person) = person else {
                self.is_gone(&sought, missing)?;
                continue;
            };
            self.note_consent(&sought.key, &person, missing.found)?;
            if person.is_member && is_same {
                missing.found.there += 1;
                missing.spool.add(&sought.key, &person.id)?;
            } else {
                missing.found.missing += 1;
                self.rows.difference(&missing.found.segment, "missing", &person)?;
            }
        }
        Ok(())
    }

    fn is_gone(&mut self, sought: &Sought, missing: &mut Missing<'_>) -> Result<()> {
        let Missing { archived, found, spool, .. } = missing;
        // Sent anew, the person would be another contact, who is subscribed and billed.
        let is_archived = archived.contains(&half(&sought.key));
        if is_archived {
            found.archived += 1;
            spool.add(&sought.key, &sought.id)?;
        } else {
            found.deleted += 1;
        }
        let what = if is_archived { "archived" } else { "deleted" };
        let id = if sought.is_of_another { String::new() } else { sought.id.clone() };
        self.rows.difference(&found.segment, what, &PersonThere { id, ..PersonThere::default() })
    }
}
