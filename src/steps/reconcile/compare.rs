//! One segment's members by the state, beside the people who have its mark in the account.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use super::answer_log::AnswerLog;
use super::files::Rows;
use super::found::TakenOver;
use super::index::{Index, Seen};
use super::spool::Spool;
use crate::config::{Connection, Segment};
use crate::destination::{self, Account, Census, PersonThere};
use crate::error::{Error, Kind, Result};
use crate::membership::MembershipTarget;
use crate::plan::erased::Erased;
use crate::ports::{Event, Store};
use crate::report::Reconciled;
use crate::run::{Mode, keys};
use crate::state::{Header, ProfileKey};
use crate::steps::environment::Environment;
use crate::steps::opt_outs::OptOuts;
use crate::steps::profiles::ProfileStream;
use crate::steps::session::Session;

/// What all segments of a comparison share.
pub(super) struct Comparison<'c, 'e, 't, E: Environment> {
    pub(super) env: &'e E,
    pub(super) connection: &'e Connection,
    pub(super) census: &'c dyn Census,
    pub(super) session: &'c mut Session<'e, E>,
    pub(super) log: &'c mut AnswerLog<'t, E::Store>,
    /// The account's id.
    pub(super) account: String,
    /// When the comparison began.
    pub(super) now: Timestamp,
    pub(super) mode: Mode,
    pub(super) export: &'c str,
    pub(super) run_id: &'c str,
    pub(super) rows: Rows,
    pub(super) returns: Rows,
    pub(super) opt_outs: OptOuts,
    /// Who was erased, and is passed over.
    pub(super) erased: Erased,
    /// The contacts whose opt-outs were seen.
    pub(super) seen: HashSet<String>,
    /// Whose members the state is to have.
    pub(super) taken_over: Vec<TakenOver>,
}

impl<E: Environment> Comparison<'_, '_, '_, E> {
    /// Compares a segment, and keeps who is there where the state is to have that.
    pub(super) async fn segment(
        &mut self,
        segment: &Segment,
        account: &dyn Account,
        key_fingerprint: &str,
    ) -> Result<Reconciled> {
        let store = self.env.store();
        let held = store.head(&keys::profiles(self.export)).await?;
        let header = match &held {
            Some(held) => Some(ProfileStream::open(store, held).await?.header),
            None => None,
        };
        if header.as_ref().is_some_and(|held| !account.is(&held.account) || held.key_fingerprint != key_fingerprint) {
            return Err(Error::new(
                Kind::Config,
                keys::profiles(self.export),
                "belongs to another account or state key",
            )
            .hint(
                "use the connection that it was exported to, or move it away: reconcile --adopt then begins a new one",
            ));
        }
        let at = header.as_ref().and_then(|header| header.position(&segment.name));
        let target = target(segment, header.as_ref().zip(at), account)?;
        let destination = self.env.destination(self.connection.api);
        let mut index = Index::of(store, self.export, destination, held.as_ref().zip(at)).await?;
        let mut spool = Spool::new()?;
        let mut found = Reconciled {
            segment: segment.name.clone(),
            members: index.members(),
            keeps_others: segment.others.are_kept(),
            ..Reconciled::default()
        };
        self.page(&target, &mut index, &mut found, &mut spool).await?;
        let archived = account.archived();
        self.look_for_missing(held.as_ref(), &target, &index, archived, &mut found, &mut spool).await?;
        let takes_over = match self.mode {
            Mode::Look => false,
            Mode::Adopt => true,
            Mode::Repair => found.differences() > 0,
        };
        if takes_over {
            let people = spool.store(store, &keys::there(self.run_id, &segment.name)).await?;
            self.taken_over.push(TakenOver { segment: segment.name.clone(), target, people });
        }
        Ok(found)
    }

    /// Asks for everybody who has the mark.
    async fn page(
        &mut self,
        target: &MembershipTarget,
        index: &mut Index,
        found: &mut Reconciled,
        spool: &mut Spool,
    ) -> Result<()> {
        let takes_extras = self.mode == Mode::Adopt || !found.keeps_others;
        let mut from = None;
        loop {
            let page = self.ask_page(target, from.as_ref()).await?;
            if from.is_none() {
                self.tell_how_long(&found.segment, page.pages);
            }
            for person in page.people.iter().filter(|person| person.is_member) {
                if person.email.is_empty() {
                    found.there += 1;
                    found.without_address += 1;
                    continue;
                }
                let key = destination::Session::profile(self.session, &person.email);
                if self.erased.contains(&key) {
                    continue;
                }
                let seen = index.see(&key);
                if seen == Seen::Again {
                    continue;
                }
                found.there += 1;
                if matches!(seen, Seen::Extra | Seen::Unnamed) {
                    found.extra += 1;
                    found.unnamed += u64::from(seen == Seen::Unnamed);
                    self.rows.difference(&found.segment, "extra", person)?;
                }
                self.note_consent(&key, person, found)?;
                if seen != Seen::Extra || takes_extras {
                    spool.add(&key, &person.id)?;
                }
            }
            match page.next {
                Some(next) => from = Some(next),
                None => return Ok(()),
            }
        }
    }

    pub(super) fn tell_how_long(&self, segment: &str, pages: Option<u64>) {
        let Some(pages) = pages else { return };
        let seconds = pages as f64 / self.connection.requests_per_second;
        let time = match Duration::from_secs_f64(seconds.clamp(0.0, 1e9)).as_secs() {
            seconds @ 0..=119 => format!("{} s", seconds.max(1)),
            seconds => format!("{} min", seconds.div_ceil(60)),
        };
        let text = format!("{segment}: {pages} pages of people are asked for, which takes about {time}");
        self.env.observer().notify(Event::Warns(&text));
    }

    /// Records whether a person may be mailed.
    pub(super) fn note_consent(
        &mut self,
        key: &ProfileKey,
        person: &PersonThere,
        found: &mut Reconciled,
    ) -> Result<()> {
        if person.has_bounced {
            found.bounced += 1;
            self.rows.difference(&found.segment, "bounced", person)?;
        }
        let since = self.opt_outs.note(key, person.is_opted_out, &person.id, self.now);
        let Some(since) = since else { return Ok(()) };
        found.opted_out += 1;
        self.rows.difference(&found.segment, "opted out", person)?;
        if self.seen.insert(person.id.clone()) {
            self.returns.opt_out(&person.email, since, &format!("{}: {}", self.connection.title(), found.segment))?;
        }
        Ok(())
    }

    /// Asks for everybody else who opted out of this account before: they may have opted in again.
    pub(super) async fn ask_of_others(&mut self) -> Result<()> {
        let mut others: Vec<String> = self.opt_outs.contacts().difference(&self.seen).cloned().collect();
        others.sort_unstable();
        for ids in others.chunks(self.census.people_at_once()) {
            let people = self.ask_people(&MembershipTarget::None, ids).await?;
            for person in people.into_iter().flatten().filter(|person| !person.email.is_empty()) {
                let key = destination::Session::profile(self.session, &person.email);
                if let Some(since) = self.opt_outs.note(&key, person.is_opted_out, &person.id, self.now) {
                    self.returns.opt_out(&person.email, since, &self.connection.title())?;
                }
            }
        }
        Ok(())
    }
}

/// The mark that is compared: the state's where it is still that of the configuration, else the account's of that name.
fn target(segment: &Segment, known: Option<(&Header, usize)>, account: &dyn Account) -> Result<MembershipTarget> {
    let held = known.and_then(|(header, at)| header.segments.get(at)).map(|known| &known.target);
    let held = held.filter(|target| target.is_for(&segment.membership) && account.has(target)).cloned();
    held.or_else(|| account.find(&segment.membership)).ok_or_else(|| {
        Error::new(Kind::Config, &segment.name, "its list is not in the account")
            .hint("where there was one before, send every row once with --full, which makes it")
    })
}
