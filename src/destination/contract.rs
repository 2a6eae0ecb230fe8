//! What every destination is asked: the traits, and what they speak of.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;

use super::addresses::Addresses;
use super::census::Census;
use super::people::People;
use super::protocol::{KnownContacts, Protocol};
use super::read_back::ReadBack;
use super::region::Region;
use super::session::Session;
use crate::chunk::{FieldSpec, Operation, Row};
use crate::error::Result;
use crate::membership::{Membership, MembershipTarget};
use crate::value::FieldType;

/// A field that the configuration names and the destination has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StandardField {
    /// Its name in the configuration.
    pub name: &'static str,
    /// The destination's name for it, for people.
    pub label: &'static str,
    /// The type of its values.
    pub field_type: FieldType,
}

/// How a destination wants its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows in one bulk request, at most.
    pub batch_rows: usize,
    /// Bytes in one bulk request, at most.
    pub batch_bytes: usize,
    /// Requests in flight over all lanes, at most.
    pub in_flight: usize,
    /// What else an account must be spared, where that is more than its rate.
    pub caution: Option<Caution>,
}

/// How an account is approached that bears less than its rate promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caution {
    /// Requests in flight over all lanes to begin with; more come while all goes well, fewer after each failure.
    pub in_flight_first: usize,
    /// Lanes, at most.
    pub lanes: u32,
    /// How long to wait before rows are sent again whose answer was unclear.
    pub settle: Duration,
    /// Refused requests over all lanes, at most, ...
    pub refusals: usize,
    /// ... within this time.
    pub within: Duration,
}

/// Requests that rows of one operation cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Requests for each batch of rows.
    pub per_batch: u64,
    /// Requests for each row.
    pub per_row: u64,
}

/// Contacts' ids that a protocol needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedIds {
    None,
    /// Those of the rows that it is given.
    OfItsRows,
    /// Those of the whole export.
    All,
}

/// What is assumed of an account when requests are counted.
#[derive(Clone, Copy, Debug)]
pub enum Assumption<'a> {
    /// That the cheapest way of sending works.
    Cheapest,
    /// That only the most expensive works.
    Dearest,
    /// What `open` found out.
    Opened(&'a Value),
}

/// One kind of account that segments can be sent to.
pub trait Destination: Send + Sync {
    /// What people call it.
    fn name(&self) -> &'static str;

    /// Its address in a region, without a `/` at the end.
    fn base_url(&self, region: Region) -> &'static str;

    /// Whether the account decides on a region, and so on an address.
    fn has_regions(&self) -> bool {
        false
    }

    /// Whether it can be asked to make custom fields.
    fn makes_fields(&self) -> bool {
        false
    }

    /// How many requests a second an account allows, where the configuration does not say.
    fn default_rate(&self) -> f64;

    /// The header that carries the key.
    fn key_header(&self) -> &'static str;

    /// How it wants its requests.
    fn limits(&self) -> Limits;

    /// The fields that it has besides the email address, the opt-out and custom ones.
    fn standard_fields(&self) -> &'static [StandardField];

    /// The types that a custom field can have, by their names in the configuration.
    fn field_types(&self) -> &'static [(&'static str, FieldType)];

    /// How the members of a segment are marked, where the configuration does not say.
    fn default_membership(&self, segment: &str) -> Membership;

    /// What is wrong with a mark, where something is; the second part says what to write.
    fn membership_fault(&self, membership: &Membership) -> Option<(&'static str, &'static str)>;

    /// What is wrong with the name of a custom field, where something is.
    fn custom_name_fault(&self, name: &str) -> Option<&'static str>;

    /// What it costs to send rows of this operation to members marked like this.
    fn cost(&self, operation: Operation, membership: &Membership, assumption: Assumption<'_>) -> Cost;

    /// Requests that see whether some of a lane's joiners are marked, where the cheapest way works.
    fn read_backs(&self, _membership: &Membership, _joiners: u64) -> u64 {
        0
    }

    /// Requests of a run beside those for rows: for the account, its marks and its fields, which it may have to make. From the
    /// fewest to the most.
    fn requests_beside(
        &self,
        fields: &[FieldSpec],
        memberships: &[Membership],
        makes_fields: bool,
    ) -> RangeInclusive<u64>;

    /// Asks the account who it is and what it has: the first call with a key.
    ///
    /// # Errors
    /// Kind `access` where the key opens no account of this destination; those of the session.
    fn survey<'s>(&'s self, session: &'s mut dyn Session) -> BoxFuture<'s, Result<Box<dyn Account>>>;

    /// Asks which account a key opens, and nothing else: its [`Account::id`].
    ///
    /// # Errors
    /// As [`Destination::survey`].
    fn identify<'s>(&'s self, session: &'s mut dyn Session) -> BoxFuture<'s, Result<String>> {
        Box::pin(async move { Ok(self.survey(session).await?.id().to_owned()) })
    }

    /// How many rows of a segment with this target are sent ahead to learn how the account takes them; 0 for none.
    /// `learned` is what an earlier run found out of this very account.
    fn canary_rows(&self, target: &MembershipTarget, joiners: u64, learned: Option<&Value>) -> u32;

    /// Sends `rows` ahead and learns from them. `None` where there was nothing to learn from.
    ///
    /// # Errors
    /// Those of the session.
    fn canary<'s>(
        &'s self,
        session: &'s mut dyn Session,
        target: &'s MembershipTarget,
        fields: &'s [FieldSpec],
        rows: Vec<Row>,
    ) -> BoxFuture<'s, Result<Option<Value>>>;

    /// Asks for the person of a row, as the account holds them now.
    ///
    /// # Errors
    /// Those of the session.
    fn read_back<'s>(
        &'s self,
        _session: &'s mut dyn Session,
        _fields: &'s [FieldSpec],
        _row: &'s Row,
    ) -> BoxFuture<'s, Result<ReadBack>> {
        Box::pin(async { Ok(ReadBack::NotAsked) })
    }

    /// Which of the contacts' ids that the state has its protocol needs.
    fn wants_ids(&self) -> WantedIds {
        WantedIds::None
    }

    /// Whether it finds a leaver of whom the state has neither an id nor an address.
    fn finds_by_profile(&self) -> bool {
        false
    }

    /// The protocol of a run with these fields, as `setup` (an account's, see [`Account::setup`]) wants it.
    ///
    /// # Errors
    /// Kind `bug`, where the setup is not what this destination wrote.
    fn protocol(&self, fields: &[FieldSpec], setup: &Value, known: KnownContacts) -> Result<Box<dyn Protocol>>;

    /// What people may know of the way that a run was sent, from its setup.
    fn strategy(&self, setup: &Value) -> Option<String>;

    /// The same setup with no joiner's mark taken on trust: each gets it by a call that says so.
    fn trusting_nobody(&self, setup: &Value) -> Value {
        setup.clone()
    }

    /// Whether joiners of a run with this setup may count as delivered though their mark was gone by then.
    fn may_lose_marks(&self, _setup: &Value) -> bool {
        false
    }

    /// Asks whether joiners, each by the contact's id, have their marks.
    ///
    /// # Errors
    /// Those of the session.
    fn joiners_there<'s>(
        &'s self,
        _session: &'s mut dyn Session,
        _joiners: &'s [(MembershipTarget, String)],
    ) -> BoxFuture<'s, Result<JoinersThere>> {
        Box::pin(async { Ok(JoinersThere::All) })
    }

    /// For how long a row that it refused is not sent again as it is, where it is not to be asked every time.
    fn refusals_last(&self) -> Option<Duration> {
        None
    }

    /// The ways to mark a segment's members between which people choose: each with its name.
    fn forms(&self, _segment: &str) -> Vec<(&'static str, Membership)> {
        Vec::new()
    }

    /// Whether the account tells how many people have a mark.
    fn counts(&self, _target: &MembershipTarget) -> bool {
        false
    }

    /// Asks how many people have each of these marks; none where the account does not tell.
    ///
    /// # Errors
    /// Those of the session.
    fn count<'s>(
        &'s self,
        _session: &'s mut dyn Session,
        targets: &'s [MembershipTarget],
    ) -> BoxFuture<'s, Result<Vec<Option<u64>>>> {
        Box::pin(async { Ok(vec![None; targets.len()]) })
    }

    /// How the account tells who has a mark; none where it does not.
    fn census(&self) -> Option<&dyn Census> {
        None
    }

    /// How one person is looked up, taken off and deleted; none where the destination cannot.
    fn people(&self) -> Option<&dyn People> {
        None
    }

    /// How a contact gets another address; none where the destination cannot do that.
    fn addresses(&self) -> Option<&dyn Addresses> {
        None
    }

    /// What of an account no export takes to another destination, and people rebuild by hand.
    fn stays_behind(&self) -> &'static [&'static str] {
        &[]
    }

    /// What leavers may cost beside the forecast, where that depends on the account.
    fn leavers_may_cost(&self) -> Option<&'static str> {
        None
    }

    /// What people should know before somebody who is new to the account is sent.
    fn first_fill(&self) -> &'static [&'static str] {
        &[]
    }
}

/// What an account says of joiners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinersThere {
    /// Each has its mark.
    All,
    /// Somebody has not.
    NotAll,
    /// Somebody has not, as the mark of this name is gone.
    MarkGone(String),
}

/// What an account says of a custom field that another destination has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomFieldThere {
    /// It does not tell.
    Unknown,
    /// It has none of this name; the nearest that it has.
    Missing(Option<String>),
    /// It has one: its name as the account writes it, and its type as the configuration calls it, where it has one.
    Found(String, Option<&'static str>),
    /// The same of one that this program may not fill.
    OfOthers(String, Option<&'static str>),
}

/// A mark that a run wants to use.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// As the configuration says it.
    pub membership: &'a Membership,
    /// As the state holds it, where there is one.
    pub held: Option<&'a MembershipTarget>,
    /// Whether the segment takes part in the run; a mark of one that does not is not made.
    pub takes_part: bool,
}

/// What an account said of itself.
pub trait Account: Send + Sync {
    /// Tells it from every other account.
    fn id(&self) -> &str;

    /// What it has, in a few words for `check`.
    fn summary(&self) -> String;

    /// Whether the state of an account of this id is this one's.
    fn is(&self, id: &str) -> bool {
        id == self.id()
    }

    /// Checks the fields of an export: what the account does not declare, and need not, is a warning. `makes_fields` says
    /// that what is missing will be made.
    ///
    /// # Errors
    /// Kind `config`, where a field has another type in the account, or cannot be left out.
    fn check_fields(&self, fields: &[FieldSpec], memberships: &[Membership], makes_fields: bool)
    -> Result<Vec<String>>;

    /// Who is archived there, by halves of their keys: a contact that only its owner brings back, and that is not found.
    fn archived(&self) -> HashSet<[u8; 16]> {
        HashSet::new()
    }

    /// What it has of a custom field.
    fn custom_field(&self, _name: &str) -> CustomFieldThere {
        CustomFieldThere::Unknown
    }

    /// Makes the custom fields that are missing.
    ///
    /// # Errors
    /// Those of the session; `access`, where a field cannot be made.
    fn make_fields<'s>(
        &'s mut self,
        _session: &'s mut dyn Session,
        _fields: &'s [FieldSpec],
        _memberships: &'s [Membership],
    ) -> BoxFuture<'s, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// What `check` says of each mark that an export names.
    fn describe(&self, membership: &Membership) -> Option<String>;

    /// Whether a mark that the state names is still there.
    fn has(&self, target: &MembershipTarget) -> bool;

    /// Whether the mark is there and somebody has it, as far as one request can tell. A mark that cannot be asked for has
    /// nobody.
    ///
    /// # Errors
    /// Those of the session.
    fn has_members<'s>(
        &'s self,
        _session: &'s mut dyn Session,
        _membership: &'s Membership,
    ) -> BoxFuture<'s, Result<bool>> {
        Box::pin(async { Ok(false) })
    }

    /// A mark that counts as this one, as the account writes it, where that is otherwise.
    fn spelled(&self, _membership: &Membership) -> Option<String> {
        None
    }

    /// A mark that is there already; nothing is made.
    fn find(&self, _membership: &Membership) -> Option<MembershipTarget> {
        None
    }

    /// Finds or makes the marks of a run's segments, in their order; the second part are warnings.
    ///
    /// # Errors
    /// Those of the session; `access`, where a mark cannot be made.
    fn targets<'s>(
        &'s self,
        session: &'s mut dyn Session,
        wanted: &'s [Wanted<'s>],
    ) -> BoxFuture<'s, Result<(Vec<MembershipTarget>, Vec<String>)>>;

    /// What the protocol needs to know, before or without a canary. `learned` is what an earlier run found out.
    fn setup(&self, fields: &[FieldSpec], memberships: &[Membership], learned: Option<&Value>) -> Value;
}
