//! One person: which exports hold them, what the account holds of them, what runs decided of them, and out of all of it.

mod account;
mod erase;
mod history;
mod needles;
mod objects;
mod scrub;
mod turn;

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::config::Config;
use crate::contact::email;
use crate::error::{Error, Kind, Result};
use crate::membership::MembershipTarget;
use crate::plan::refusals::Refusal;
use crate::ports::{SecretSource, Store};
use crate::run::{AppliedDrop, keys};
use crate::state::{Digester, FIELDS_UNCONFIRMED, MatchId, MemberStatus, Profile, ProfileKey, hex};
use crate::steps::documents::read_if_whole;
use crate::steps::environment::Environment;
use crate::steps::profiles::ProfileStream;

pub use account::{ContactStatus, ask_accounts};
pub use erase::{Receipt, TakenOff, erase};
pub use history::{History, SENT_AGAIN, Told, history};

/// Who is sought.
#[derive(Clone, Debug)]
pub struct Sought {
    /// The address as it is sent.
    pub(super) email: String,
    /// As it is compared.
    pub(super) normal: String,
}

impl Sought {
    /// Reads an address as it is typed.
    ///
    /// # Errors
    /// Kind `bad_request`, where mail cannot go to it.
    pub fn read(address: &str) -> Result<Self> {
        let (mut email, mut normal) = (String::new(), String::new());
        email::read(address, &mut email, &mut normal)
            .map_err(|fault| Error::new(Kind::BadRequest, "EMAIL", fault.to_string()))?;
        Ok(Self { email, normal })
    }

    /// Whether this is the same address.
    pub fn is(&self, other: &Self) -> bool {
        self.normal == other.normal
    }
}

/// What an export holds of a person.
#[derive(Clone, Debug, Serialize)]
pub struct Holding {
    pub export: String,
    /// Its connection; none where the configuration no longer has the export.
    pub connection: Option<String>,
    /// The digest of the person's customer id, where the state has one.
    #[serde(skip)]
    pub(super) match_id: Option<MatchId>,
    /// The account that its state is of.
    #[serde(skip)]
    pub(super) account: String,
    /// Whether the person is in its state.
    pub held: bool,
    /// The contact's id, where it is known.
    pub contact_id: Option<String>,
    /// Whether the contact was confirmed to hold the fields that were sent last.
    pub fields_confirmed: bool,
    /// Whether the person's opt-out was sent apart from the fields.
    pub opted_out: bool,
    pub segments: Vec<HeldIn>,
}

/// What is known of a person's membership of a segment.
#[derive(Clone, Debug, Serialize)]
pub struct HeldIn {
    pub segment: String,
    /// How its members are marked.
    pub target: MembershipTarget,
    /// Whether the person is a member: `yes`, `no`, `unconfirmed`, or `leaving`.
    pub member: &'static str,
    /// The time of the drop that was applied last, by which that is so.
    pub as_of: Option<Timestamp>,
    /// When the destination refused the person's row last, where that is known.
    pub refused_at: Option<Timestamp>,
    /// Whether the contact has the mark now, where the account was asked.
    pub marked_there: Option<bool>,
}

/// The digests of the store's connections: one for each state key.
pub(super) struct Keyring(Vec<Digester>);

impl Keyring {
    /// Those of the configuration's connections; a connection that has none yet has no state.
    pub(super) async fn of<E: Environment>(env: &E, config: &Config) -> Result<Self> {
        let mut all: Vec<Digester> = Vec::new();
        for connection in config.connections.values() {
            let Some(key) = env.secrets().state_key(&connection.name, &connection.secret).await? else { continue };
            let digester = Digester::new(key.expose_secret())?;
            if !all.iter().any(|known| known.fingerprint() == digester.fingerprint()) {
                all.push(digester);
            }
        }
        Ok(Self(all))
    }

    /// The person's keys, one for each state key.
    pub(super) fn keys(&self, sought: &Sought) -> Vec<ProfileKey> {
        self.0.iter().map(|digester| digester.profile(&sought.normal)).collect()
    }

    /// The person's key under the state key with this fingerprint.
    fn key(&self, fingerprint: &str, sought: &Sought) -> Option<ProfileKey> {
        let digester = self.0.iter().find(|digester| digester.fingerprint() == fingerprint)?;
        Some(digester.profile(&sought.normal))
    }
}

/// What each export of the store holds of a person, those without the person among them.
///
/// # Errors
/// Kind `config`, where a state cannot be read, or is of a state key that no connection has; those of the store.
pub async fn holdings<E: Environment>(env: &E, config: &Config, sought: &Sought) -> Result<Vec<Holding>> {
    let keyring = Keyring::of(env, config).await?;
    held(env, config, &keyring, sought).await
}

pub(super) async fn held<E: Environment>(
    env: &E,
    config: &Config,
    keyring: &Keyring,
    sought: &Sought,
) -> Result<Vec<Holding>> {
    let store = env.store();
    let mut all = Vec::new();
    for meta in store.list(keys::STATE).await? {
        let Some(export) = keys::export_of_profiles(&meta.key) else { continue };
        let mut profiles = ProfileStream::open(store, &meta).await?;
        let key = keyring.key(&profiles.header.key_fingerprint, sought).ok_or_else(|| {
            Error::new(Kind::Config, &meta.key, "was written with a state key that none of the connections has")
                .hint("name the configuration whose connection wrote it")
        })?;
        let mut found = None;
        while let Some(profile) = profiles.next().await? {
            if profile.key == key {
                found = Some(profile);
                break;
            }
        }
        let connection = config.exports.get(export).map(|export| export.connection.clone());
        let mut holding = holding(export, connection, &profiles.header, found);
        for held in &mut holding.segments {
            let applied = read_if_whole::<AppliedDrop>(store, &keys::order(export, &held.segment)).await?;
            held.as_of = applied.map(|drop| drop.time).filter(|time| *time != Timestamp::UNIX_EPOCH);
            let refused: Option<Vec<Refusal>> = read_if_whole(store, &keys::refusals(export, &held.segment)).await?;
            let own = refused.into_iter().flatten().filter(|refusal| refusal.profile == hex(&key));
            held.refused_at = own.map(|refusal| refusal.at).max();
        }
        all.push(holding);
    }
    Ok(all)
}

fn holding(export: &str, connection: Option<String>, header: &crate::state::Header, found: Option<Profile>) -> Holding {
    let profile = found.as_ref();
    let segment = |(at, segment): (usize, &crate::state::SegmentHeader)| HeldIn {
        segment: segment.name.clone(),
        target: segment.target.clone(),
        member: match profile.map(|profile| profile.status(at)).unwrap_or_default() {
            MemberStatus::Absent => "no",
            MemberStatus::Confirmed => "yes",
            MemberStatus::Unconfirmed => "unconfirmed",
            MemberStatus::Leaving => "leaving",
        },
        as_of: None,
        refused_at: None,
        marked_there: None,
    };
    Holding {
        export: export.to_owned(),
        connection,
        match_id: profile.and_then(|profile| profile.match_id),
        account: header.account.clone(),
        held: profile.is_some(),
        contact_id: profile.and_then(|profile| profile.contact_id.as_deref().map(str::to_owned)),
        fields_confirmed: profile.is_some_and(|profile| profile.digest != FIELDS_UNCONFIRMED),
        opted_out: profile.is_some_and(|profile| profile.is_opted_out),
        segments: header.segments.iter().enumerate().map(segment).collect(),
    }
}
