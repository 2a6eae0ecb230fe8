//! Classic Autopilot, API v1. What is known of it, and how well: docs/AUTOPILOT_API.md.

mod account;
mod addresses;
mod canary;
mod census;
mod contact;
mod cost;
mod fields;
mod people;
mod protocol;
mod read_back;
pub mod request;
pub mod response;
mod spot_check;
mod steps;
mod strategy;

use std::ops::RangeInclusive;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{
    Account, Addresses, Assumption, Census, Cost, Destination, JoinersThere, KnownContacts, Limits, People, Protocol,
    ReadBack, Region, Session, StandardField, WantedIds,
};
use crate::chunk::{FieldSpec, Operation, Row};
use crate::error::Result;
use crate::membership::{Membership, MembershipTarget};
use crate::value::FieldType;
use canary::Canary;
use protocol::ClassicProtocol;
use strategy::Setup;

pub use strategy::ListStrategy;

/// Classic Autopilot.
#[derive(Clone, Copy, Debug)]
pub struct Autopilot;

impl Destination for Autopilot {
    fn name(&self) -> &'static str {
        "Autopilot"
    }

    fn base_url(&self, _region: Region) -> &'static str {
        request::BASE_URL
    }

    /// Source: the vendor's text of its "too many requests" answer.
    fn default_rate(&self) -> f64 {
        5.0
    }

    fn key_header(&self) -> &'static str {
        request::KEY_HEADER
    }

    fn limits(&self) -> Limits {
        protocol::LIMITS
    }

    fn standard_fields(&self) -> &'static [StandardField] {
        &fields::STANDARD
    }

    fn field_types(&self) -> &'static [(&'static str, FieldType)] {
        &fields::TYPES
    }

    fn default_membership(&self, segment: &str) -> Membership {
        Membership::List(segment.to_owned())
    }

    fn membership_fault(&self, membership: &Membership) -> Option<(&'static str, &'static str)> {
        match membership {
            Membership::Tag(_) => Some(("Autopilot has lists, not tags", "write { \"list\": TITLE }")),
            _ => None,
        }
    }

    fn custom_name_fault(&self, name: &str) -> Option<&'static str> {
        fields::custom_name_fault(name)
    }

    fn cost(&self, operation: Operation, membership: &Membership, assumption: Assumption<'_>) -> Cost {
        cost::cost(operation, membership, assumption)
    }

    fn read_backs(&self, membership: &Membership, joiners: u64) -> u64 {
        cost::read_backs(membership, joiners)
    }

    /// Account, lists, custom fields; a new list is counted with the canary.
    fn requests_beside(
        &self,
        _fields: &[FieldSpec],
        _memberships: &[Membership],
        _makes_fields: bool,
    ) -> RangeInclusive<u64> {
        3..=3
    }

    fn survey<'s>(&'s self, session: &'s mut dyn Session) -> BoxFuture<'s, Result<Box<dyn Account>>> {
        Box::pin(async move {
            let account: Box<dyn Account> = Box::new(account::survey(session).await?);
            Ok(account)
        })
    }

    fn identify<'s>(&'s self, session: &'s mut dyn Session) -> BoxFuture<'s, Result<String>> {
        Box::pin(account::identify(session))
    }

    fn canary_rows(&self, target: &MembershipTarget, joiners: u64, learned: Option<&Value>) -> u32 {
        let pays = matches!(target, MembershipTarget::List { .. }) && joiners >= canary::WORTH_IT;
        if pays && learned.is_none() { canary::ROWS } else { 0 }
    }

    fn canary<'s>(
        &'s self,
        session: &'s mut dyn Session,
        target: &'s MembershipTarget,
        fields: &'s [FieldSpec],
        rows: Vec<Row>,
    ) -> BoxFuture<'s, Result<Option<Value>>> {
        Box::pin(async move {
            let MembershipTarget::List { id, .. } = target else { return Ok(None) };
            let learned = Canary::new(session, id, fields).play(rows).await?;
            Ok(learned.map(|list_strategy| Setup { list_strategy }.write()))
        })
    }

    fn read_back<'s>(
        &'s self,
        session: &'s mut dyn Session,
        fields: &'s [FieldSpec],
        row: &'s Row,
    ) -> BoxFuture<'s, Result<ReadBack>> {
        Box::pin(read_back::read_back(session, fields, row))
    }

    fn wants_ids(&self) -> WantedIds {
        WantedIds::OfItsRows
    }

    fn protocol(&self, fields: &[FieldSpec], setup: &Value, known: KnownContacts) -> Result<Box<dyn Protocol>> {
        Ok(Box::new(ClassicProtocol::new(fields, Setup::read(setup)?.list_strategy, known)))
    }

    fn strategy(&self, setup: &Value) -> Option<String> {
        let strategy = serde_json::to_value(Setup::read(setup).ok()?.list_strategy).ok()?;
        strategy.as_str().map(str::to_owned)
    }

    fn trusting_nobody(&self, _setup: &Value) -> Value {
        Setup { list_strategy: ListStrategy::BulkThenList }.write()
    }

    /// Where each joiner is put on its list by a call of its own, that call says that it is gone.
    fn may_lose_marks(&self, setup: &Value) -> bool {
        Setup::read(setup).is_ok_and(|setup| setup.list_strategy != ListStrategy::BulkThenList)
    }

    fn joiners_there<'s>(
        &'s self,
        session: &'s mut dyn Session,
        joiners: &'s [(MembershipTarget, String)],
    ) -> BoxFuture<'s, Result<JoinersThere>> {
        Box::pin(account::joiners_there(session, joiners))
    }

    fn forms(&self, segment: &str) -> Vec<(&'static str, Membership)> {
        vec![("list", Membership::List(segment.to_owned())), ("field", Membership::Field(segment.to_owned()))]
    }

    fn census(&self) -> Option<&dyn Census> {
        Some(&census::ClassicCensus)
    }

    fn people(&self) -> Option<&dyn People> {
        Some(self)
    }

    fn addresses(&self) -> Option<&dyn Addresses> {
        Some(self)
    }

    fn stays_behind(&self) -> &'static [&'static str] {
        &[
            "journeys stay in Autopilot: rebuild those that begin with these lists, and stop them there once they run here",
            "smart segments stay in Autopilot: rebuild each as an audience that filters on the tag and the fields",
            "who opted out in Autopilot itself is not in the drops: bring those people over, or suppress them here, before the \
             first fill",
        ]
    }
}
