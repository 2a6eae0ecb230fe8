//! The members of one segment by the state, and which of them were seen in the account. Fixed-size digests alone.

use std::collections::HashSet;

use crate::destination::Destination;
use crate::error::{Kind, Result};
use crate::ledger::unreadable;
use crate::ports::{ObjectMeta, Store};
use crate::state::{MemberStatus, Profile, ProfileKey, half};
use crate::steps::carryover::UnconfirmedEmails;
use crate::steps::profiles::ProfileStream;

/// What a person of the account is to the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A member, or perhaps one.
    Member,
    /// A person that the state does not have as a member.
    Extra,
    /// Perhaps a member, whom no run could take off: nothing names it any more.
    Unnamed,
    /// Seen before.
    Again,
}

#[derive(Debug)]
struct Entry {
    key: [u8; 16],
    is_confirmed: bool,
    is_named: bool,
    is_seen: bool,
}

/// The members of one segment.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// In order of their keys.
    entries: Vec<Entry>,
    extras: HashSet<[u8; 16]>,
}

impl Index {
    /// Reads the members of the segment at this place of the state's header.
    pub(super) async fn of(
        store: &impl Store,
        export: &str,
        destination: &dyn Destination,
        state: Option<(&ObjectMeta, usize)>,
    ) -> Result<Self> {
        let mut index = Self::default();
        let Some((meta, at)) = state else { return Ok(index) };
        let emails = match UnconfirmedEmails::of(store, export).await {
            Err(error) if error.kind == Kind::Config => unreadable(error),
            emails => emails?,
        };
        let is_found = |profile: &Profile| destination.finds_by_profile() || emails.name(profile).is_some();
        let mut stream = ProfileStream::open(store, meta).await?;
        while let Some(profile) = stream.next().await? {
            let status = profile.status(at);
            if status != MemberStatus::Absent {
                let is_confirmed = status == MemberStatus::Confirmed;
                let is_named = is_confirmed || is_found(&profile);
                index.entries.push(Entry { key: half(&profile.key), is_confirmed, is_named, is_seen: false });
            }
        }
        Ok(index)
    }

    /// How many members are confirmed.
    pub(super) fn members(&self) -> u64 {
        self.entries.iter().filter(|entry| entry.is_confirmed).count() as u64
    }

    /// Records a person who has the mark.
    pub(super) fn see(&mut self, key: &ProfileKey) -> Seen {
        let short = half(key);
        let found = self.entries.binary_search_by(|entry| entry.key.cmp(&short)).ok();
        match found.and_then(|at| self.entries.get_mut(at)) {
            Some(entry) if entry.is_seen => Seen::Again,
            Some(entry) => {
                entry.is_seen = true;
                if entry.is_named { Seen::Member } else { Seen::Unnamed }
            }
            None if self.extras.insert(short) => Seen::Extra,
            None => Seen::Again,
        }
    }

    /// Whether a profile of the state is a confirmed member that was not seen.
    pub(super) fn is_missing(&self, profile: &Profile) -> bool {
        let key = half(&profile.key);
        let found = self.entries.binary_search_by(|entry| entry.key.cmp(&key)).ok();
        found.and_then(|at| self.entries.get(at)).is_some_and(|entry| entry.is_confirmed && !entry.is_seen)
    }
}
